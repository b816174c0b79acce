//! The one order in which everything decides:
//! kill switch > inactive agent > deny > resource not canonical > require_approval > allow > default deny.

use std::sync::Arc;

use super::compile::{Compiled, CompiledRule};
use super::condition::Outcome;
use super::decision::{Decision, ReasonCode, RuleHit, Verdict};
use super::document::List;
use super::index::Unknown;
use super::meter::{Meter, OverBudget};
use super::request::Request;
use super::resource;
use super::subject::{ScopeKind, Subject};
use crate::clock::Timestamp;

/// Steps that taking up one rule costs, before anything of it is tested: of thousands of rules, each has to come
/// from memory.
const RULE_STEPS: u32 = 24;

/// Everything that applies to one agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Denies everything: a kill switch is on, for all of this scope.
    pub kill_switch: Option<ScopeKind>,
    /// Everyone's policy.
    pub everyone: Option<&'a Compiled>,
    /// The policy of the agent's team.
    pub team: Option<&'a Compiled>,
    /// The agent's own policy.
    pub agent: Option<&'a Compiled>,
}

impl<'a> Policies<'a> {
    /// The policies that are there, in the order in which their rules are reported.
    pub(super) fn scopes(&self) -> impl Iterator<Item = (ScopeKind, &'a Compiled)> + use<'a> {
        [(ScopeKind::Agent, self.agent), (ScopeKind::Team, self.team), (ScopeKind::Everyone, self.everyone)]
            .into_iter()
            .filter_map(|(kind, policy)| policy.map(|policy| (kind, policy)))
    }
}

/// Decides whether `subject` may do what it asks, at `now`. The same arguments always get the same answer.
pub fn decide(policies: &Policies<'_>, subject: &Subject, request: &Request, now: Timestamp) -> Decision {
    let mut run = Run {
        policies,
        subject,
        request,
        now,
        meter: Meter::for_decision(),
        rules_tested: 0,
        error_rule_ids: Vec::new(),
    };
    match run.decide() {
        Ok(decision) => decision,
        Err(OverBudget) => {
            run.error_rule_ids = Vec::new();
            run.denied(ReasonCode::DecisionBudget)
        }
    }
}

struct Run<'a> {
    policies: &'a Policies<'a>,
    subject: &'a Subject,
    request: &'a Request,
    now: Timestamp,
    meter: Meter,
    rules_tested: u32,
    error_rule_ids: Vec<Arc<str>>,
}

/// The rule that decides a level.
struct Hit<'a> {
    scope: ScopeKind,
    policy: &'a Compiled,
    rule: &'a CompiledRule,
    is_errored: bool,
}

impl<'a> Run<'a> {
    fn decide(&mut self) -> Result<Decision, OverBudget> {
        if let Some(scope) = self.policies.kill_switch {
            return Ok(Decision { kill_switch: Some(scope), ..self.denied(ReasonCode::KillSwitch) });
        }
        if !self.subject.is_active {
            return Ok(self.denied(ReasonCode::AgentInactive));
        }
        if let Some(hit) = self.level(List::Deny)? {
            let code = if hit.is_errored { ReasonCode::DeniedRuleError } else { ReasonCode::DeniedByRule };
            return Ok(self.by_rule(Verdict::Deny, code, &hit));
        }
        if let Some(text) = &self.request.resource {
            self.meter.spend_bytes(text.len(), 4)?;
            if let Some(remedy) = resource::remedy(text) {
                let denied = self.denied(ReasonCode::ResourceNotCanonical);
                return Ok(Decision { remedy: Some(remedy), ..denied });
            }
        }
        if let Some(hit) = self.level(List::RequireApproval)? {
            let code = match self.request.approval_id {
                None => ReasonCode::ApprovalRequired,
                Some(_) => ReasonCode::ApprovalUnavailable,
            };
            return Ok(self.by_rule(Verdict::RequireApproval, code, &hit));
        }
        if let Some(hit) = self.level(List::Allow)? {
            return Ok(self.by_rule(Verdict::Allow, ReasonCode::AllowedByRule, &hit));
        }
        if self.policies.scopes().next().is_none() {
            return Ok(self.denied(ReasonCode::DeniedNoPolicy));
        }
        let resource_unknown = self.request.resource.is_none() && self.misses_a_resource()?;
        let denied = self.denied(ReasonCode::DeniedDefault);
        Ok(Decision { resource_unknown, ..denied })
    }

    /// The rule that decides `list` over all scopes; notes the rules of it whose condition fails.
    fn level(&mut self, list: List) -> Result<Option<Hit<'a>>, OverBudget> {
        let unknown = match list {
            List::Deny | List::RequireApproval => Unknown::MatchesAll,
            List::Allow => Unknown::MatchesEverything,
        };
        let request = self.request;
        let (mut best, mut best_errored) = (None, None);
        for (scope, policy) in self.policies.scopes() {
            let rules = policy.rules(list);
            // A later scope cannot change who is reported, but its failing rules are still to be noted.
            if rules.rules.is_empty() || (best.is_some() && !rules.is_fallible) {
                continue;
            }
            let mut clean: Option<(u32, &CompiledRule)> = None;
            let mut errored: Vec<(u32, &CompiledRule)> = Vec::new();
            let mut tested = 0u32;
            let (subject, now) = (self.subject, self.now);
            let mut test = |position: u32, rule: &'a CompiledRule, meter: &mut Meter| {
                tested = tested.saturating_add(1);
                meter.spend(RULE_STEPS)?;
                if clean.is_some_and(|(first, _)| first < position) && !rule.is_fallible() {
                    return Ok(());
                }
                match outcome(rule, unknown, subject, request, now, meter)? {
                    RuleOutcome::Matched => match clean {
                        Some((first, _)) if first < position => {}
                        Some(_) | None => clean = Some((position, rule)),
                    },
                    RuleOutcome::Error(_) => errored.push((position, rule)),
                    RuleOutcome::NotMatched | RuleOutcome::ConditionFalse | RuleOutcome::NotEvaluated => {}
                }
                Ok(())
            };
            let resource = request.resource.as_deref();
            let walked =
                rules.candidates(request.action.as_str(), resource, unknown, &mut self.meter, &mut test);
            self.rules_tested = self.rules_tested.saturating_add(tested);
            walked?;
            errored.sort_unstable_by_key(|&(position, _)| position);
            self.error_rule_ids.extend(errored.iter().map(|(_, rule)| Arc::clone(&rule.id)));
            let hit = |rule, is_errored| Hit { scope, policy, rule, is_errored };
            best = best.or(clean.map(|(_, rule)| hit(rule, false)));
            best_errored = best_errored.or(errored.first().map(|&(_, rule)| hit(rule, true)));
        }
        Ok(match list {
            List::Deny | List::RequireApproval => best.or(best_errored),
            List::Allow => best,
        })
    }

    /// Whether a rule would allow the action of some resources.
    fn misses_a_resource(&mut self) -> Result<bool, OverBudget> {
        let action = self.request.action.as_str();
        let mut misses = false;
        for (_, policy) in self.policies.scopes() {
            let rules = policy.rules(List::Allow);
            if misses || !rules.names_resources {
                continue;
            }
            let mut test = |_, rule: &CompiledRule, meter: &mut Meter| {
                meter.spend(RULE_STEPS)?;
                misses = misses || (!rule.resource.is_everything() && rule.action.matches(action, meter)?);
                Ok(())
            };
            rules.candidates(action, None, Unknown::MatchesAll, &mut self.meter, &mut test)?;
        }
        Ok(misses)
    }

    fn denied(&mut self, code: ReasonCode) -> Decision {
        Decision {
            verdict: Verdict::Deny,
            code,
            rule: None,
            error_rule_ids: std::mem::take(&mut self.error_rule_ids),
            resource_unknown: false,
            kill_switch: None,
            remedy: None,
            steps: self.meter.spent(),
            rules_tested: self.rules_tested,
        }
    }

    fn by_rule(&mut self, verdict: Verdict, code: ReasonCode, hit: &Hit<'_>) -> Decision {
        Decision {
            verdict,
            code,
            rule: Some(RuleHit {
                scope: hit.scope,
                policy_id: hit.policy.id().clone(),
                version: hit.policy.version(),
                rule_id: Arc::clone(&hit.rule.id),
                reason: hit.rule.reason.clone(),
                errored: hit.is_errored,
            }),
            error_rule_ids: std::mem::take(&mut self.error_rule_ids),
            resource_unknown: self.request.resource.is_none() && !hit.rule.resource.is_everything(),
            kill_switch: None,
            remedy: None,
            steps: self.meter.spent(),
            rules_tested: self.rules_tested,
        }
    }
}

/// How one rule turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleOutcome {
    /// Its action or its resource is another.
    NotMatched,
    /// Action and resource match, a condition does not hold.
    ConditionFalse,
    /// It matches.
    Matched,
    /// Action and resource match, and whether its condition holds cannot be said; why not.
    Error(&'static str),
    /// Explaining the rules before it took all the steps an explanation may take.
    NotEvaluated,
}

/// Tests one rule.
pub(super) fn outcome(
    rule: &CompiledRule,
    unknown: Unknown,
    subject: &Subject,
    request: &Request,
    now: Timestamp,
    meter: &mut Meter,
) -> Result<RuleOutcome, OverBudget> {
    if !rule.action.matches(request.action.as_str(), meter)? {
        return Ok(RuleOutcome::NotMatched);
    }
    let matches = match &request.resource {
        Some(text) => rule.resource.matches(text, meter)?,
        None => unknown == Unknown::MatchesAll || rule.resource.is_everything(),
    };
    if !matches {
        return Ok(RuleOutcome::NotMatched);
    }
    let Some(condition) = &rule.condition else { return Ok(RuleOutcome::Matched) };
    Ok(match condition.test(subject, request, now, meter)? {
        Outcome::Holds => RuleOutcome::Matched,
        Outcome::Fails => RuleOutcome::ConditionFalse,
        Outcome::Errors(text) => RuleOutcome::Error(text),
    })
}

#[cfg(test)]
mod tests;
