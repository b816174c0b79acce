//! `TestPolicy`: what would be decided, and what every rule had to say. Nothing is recorded, charged or changed.

use prost::Message;

use super::{AdminService, Caller};
use crate::entropy;
use crate::ids::{AgentId, PolicyId};
use crate::pb::v1;
use crate::pb::v1::test_policy_request::Subject as Asker;

use crate::policy::{
    self, Compiled, Decision, List, Policies, RuleExplanation, RuleOutcome, Scope, ScopeKind, Subject,
};
use crate::service::convert::{self, Answer, Faults};
use crate::service::{Error, page};
use crate::view::View;

impl AdminService {
    pub(super) async fn dry_run(
        &self,
        caller: &Caller,
        message: v1::TestPolicyRequest,
    ) -> Result<v1::TestPolicyResponse, Error> {
        let view = self.views.now();
        let mut faults = Faults::default();
        let subject = self.asker(caller, &view, message.subject, &mut faults)?;
        let now =
            message.now.as_ref().map_or(Some(caller.at), |now| convert::timestamp("now", now, &mut faults));
        let check = asked(message.request, &mut faults);
        let subject = subject.ok_or(());
        let mut candidates = Candidates::default();
        if let Ok(subject) = &subject {
            for (index, policy) in message.candidates.into_iter().enumerate() {
                candidates.add(index, policy, subject, &view, caller, &mut faults);
            }
        }
        let parts = subject.ok().zip(now).zip(check);
        let ((subject, now), check) = faults.or(parts)?;

        let mut policies = candidates.policies(&view, &subject, message.candidates_only);
        if !message.ignore_kill_switches {
            policies.kill_switch = view.kill_switch(&subject);
        }
        let explanation = policy::explain(&policies, &subject, &check.request, now);
        let answer = Answer {
            decision: &explanation.decision,
            decision_id: None,
            action: &check.request.action,
            revision: view.revision(),
            decided_at: now,
            idempotent_repeat: false,
            repeat_of: None,
        };
        let mut decision = convert::decision(&answer, crate::config::DecisionDetail::Full);
        if let Some(rule) = &explanation.decision.rule {
            decision.policy_id = candidates.shown_id(rule.scope, &rule.policy_id);
        }
        let mut rules = Vec::new();
        let (mut bytes, mut omitted) = (0, 0);
        for rule in rows(&explanation.rules, &explanation.decision, &policies, &candidates) {
            if rule.outcome() == v1::RuleOutcome::NotMatched && !message.show_unmatched {
                continue;
            }
            bytes += rule.encoded_len() + 6;
            if bytes <= page::MAX_BYTES { rules.push(rule) } else { omitted += 1 }
        }
        let decided = &explanation.decision;
        Ok(v1::TestPolicyResponse {
            decision: Some(decision),
            rules,
            rules_omitted: omitted,
            error_rule_ids: decided.error_rule_ids.iter().map(ToString::to_string).collect(),
            steps_used: decided.steps.into(),
            rules_tested: i32::try_from(decided.rules_tested).unwrap_or(i32::MAX),
            warnings: candidates.warnings,
        })
    }

    /// Who asks: a stored agent, or one as described.
    fn asker(
        &self,
        caller: &Caller,
        view: &View,
        asker: Option<Asker>,
        faults: &mut Faults,
    ) -> Result<Option<Subject>, Error> {
        match asker {
            Some(Asker::AgentId(text)) => {
                let Some(id) = faults.parse::<AgentId>("agent_id", &text) else { return Ok(None) };
                match view.agent(&id) {
                    Some(agent) => Ok(Some(agent.subject.clone())),
                    None => Err(Error::NotFound { what: "agent", id: id.to_string() }),
                }
            }
            Some(Asker::Agent(agent)) => {
                let id = faults.parse_optional("agent.agent_id", &agent.agent_id);
                let id = id.unwrap_or_else(|| AgentId::new(caller.at, entropy::id()));
                Ok(convert::subject("agent", agent, id, faults))
            }
            None => {
                faults.add("agent_id", "wants exactly one of `agent_id` and `agent`");
                Ok(None)
            }
        }
    }
}

fn asked(message: Option<v1::EnforceRequest>, faults: &mut Faults) -> Option<convert::Check> {
    let Some(message) = message else {
        faults.add("request", "is required");
        return None;
    };
    let ignored =
        v1::EnforceRequest { idempotency_key: String::new(), min_revision: String::new(), ..message };
    match convert::check(ignored) {
        Ok(check) => Some(check),
        Err(Error::Invalid(found)) => {
            faults.extend("request", found);
            None
        }
        // Reading a check refuses in no other way.
        Err(error) => {
            faults.add("request", error.to_string());
            None
        }
    }
}

/// Policies that stand in for stored ones.
#[derive(Default)]
struct Candidates {
    compiled: Vec<Candidate>,
    warnings: Vec<v1::PolicyWarning>,
}

struct Candidate {
    kind: ScopeKind,
    compiled: Compiled,
    /// Whether its id is that of a stored policy, so that it may be shown.
    is_stored: bool,
}

impl Candidates {
    fn add(
        &mut self,
        index: usize,
        message: v1::Policy,
        subject: &Subject,
        view: &View,
        caller: &Caller,
        faults: &mut Faults,
    ) {
        let field = format!("candidates[{index}]");
        let Some(document) = convert::document(&field, message, faults) else { return };
        let is_subjects = match &document.scope {
            Scope::Everyone => true,
            Scope::Team(team) => *team == subject.team,
            Scope::Agent(id) => *id == subject.id,
        };
        let kind = document.scope.kind();
        if !is_subjects {
            faults.add(format!("{field}.scope"), "is not one of the subject's");
        } else if self.find(kind).is_some() {
            faults.add(format!("{field}.scope"), "has a candidate already");
        }
        let stored = view.policy(&document.scope).map(|stored| stored.id().clone());
        let is_stored = stored.is_some();
        let id = stored.unwrap_or_else(|| PolicyId::new(caller.at, entropy::id()));
        match policy::compile(&document, id, 0) {
            Ok((compiled, warnings)) => {
                self.warnings.extend(warnings.iter().map(|warning| convert::warning(&field, warning)));
                self.compiled.push(Candidate { kind, compiled, is_stored });
            }
            Err(found) => faults.extend(&field, found),
        }
    }

    fn find(&self, kind: ScopeKind) -> Option<&Candidate> {
        self.compiled.iter().find(|candidate| candidate.kind == kind)
    }

    /// What is decided with: candidates, and for scopes without one what is stored, unless that is left out.
    fn policies<'a>(&'a self, view: &'a View, subject: &Subject, only: bool) -> Policies<'a> {
        let scope = |scope: Scope| {
            let candidate = self.find(scope.kind()).map(|candidate| &candidate.compiled);
            candidate.or_else(|| if only { None } else { view.policy(&scope).map(AsRef::as_ref) })
        };
        Policies {
            kill_switch: None,
            everyone: scope(Scope::Everyone),
            team: scope(Scope::Team(subject.team.clone())),
            agent: scope(Scope::Agent(subject.id.clone())),
        }
    }

    /// A policy's id, unless it was made up for a candidate.
    fn shown_id(&self, kind: ScopeKind, id: &PolicyId) -> String {
        let made_up = self.find(kind).is_some_and(|candidate| !candidate.is_stored);
        if made_up { String::new() } else { id.to_string() }
    }
}

/// The rules as shown, in the order of deciding.
fn rows<'a>(
    rules: &'a [RuleExplanation],
    decision: &'a Decision,
    policies: &'a Policies<'a>,
    candidates: &'a Candidates,
) -> impl Iterator<Item = v1::RuleExplanation> + 'a {
    let mut before = None;
    let mut index = 0;
    rules.iter().map(move |rule| {
        // The rules of one list of one policy stand together, in their own order.
        index = if before == Some((rule.list, rule.scope)) { index + 1 } else { 0 };
        before = Some((rule.list, rule.scope));
        let (outcome, error) = match rule.outcome {
            RuleOutcome::Matched => (v1::RuleOutcome::Matched, ""),
            RuleOutcome::ConditionFalse => (v1::RuleOutcome::ConditionFalse, ""),
            RuleOutcome::Error(text) => (v1::RuleOutcome::Error, text),
            RuleOutcome::NotMatched => (v1::RuleOutcome::NotMatched, ""),
            RuleOutcome::NotEvaluated => (v1::RuleOutcome::NotEvaluated, ""),
        };
        let policy = match rule.scope {
            ScopeKind::Agent => policies.agent,
            ScopeKind::Team => policies.team,
            ScopeKind::Everyone => policies.everyone,
        };
        let hit = decision.rule.as_ref();
        v1::RuleExplanation {
            scope: convert::scope_kind(rule.scope).into(),
            policy_id: candidates.shown_id(rule.scope, &rule.policy_id),
            policy_version: policy.map_or(0, Compiled::version),
            list: list(rule.list).into(),
            index,
            rule_id: rule.rule_id.to_string(),
            outcome: outcome.into(),
            error: error.to_owned(),
            is_deciding: hit.is_some_and(|hit| hit.scope == rule.scope && hit.rule_id == rule.rule_id),
        }
    })
}

const fn list(list: List) -> v1::RuleList {
    match list {
        List::Deny => v1::RuleList::Deny,
        List::RequireApproval => v1::RuleList::RequireApproval,
        List::Allow => v1::RuleList::Allow,
    }
}
