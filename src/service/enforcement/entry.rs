//! From what happened to the record that tells it, and from the record of a decision back to the decision.

use std::sync::Arc;

use crate::audit::content::{Kept, unhex};
use crate::audit::record::Hash;
use crate::audit::{Entry, Kind, Record};
use crate::auth::Agent;
use crate::clock::Timestamp;
use crate::ids::{DecisionId, Revision};
use crate::policy::{Action, Decision, Policies, Request, RuleHit, ScopeKind};

use super::idempotency::Remembered;

/// What a decision's record tells beside the decision.
pub(super) struct Circumstances<'a> {
    pub(super) agent: &'a Agent,
    pub(super) policies: &'a Policies<'a>,
    pub(super) revision: &'a Revision,
    pub(super) decided_at: Timestamp,
    pub(super) request_id: &'a str,
    pub(super) idempotency_key: Option<&'a str>,
    pub(super) repeat_of: Option<&'a DecisionId>,
    pub(super) supersedes: Option<&'a DecisionId>,
}

/// The record of a decision.
pub(super) fn decision(
    id: &DecisionId,
    decided: &Decision,
    request: &Request,
    kept: Kept,
    around: &Circumstances<'_>,
) -> Entry {
    let mut entry = of_agent(Kind::Decision, around.agent);
    entry.decision_id = Some(id.to_string());
    entry.action = Some(request.action.as_str().to_owned());
    entry.allowed = Some(decided.verdict == crate::policy::Verdict::Allow);
    entry.verdict = Some(decided.verdict.as_str().to_owned());
    entry.reason_code = Some(decided.code.as_str().to_owned());
    entry.rule_id = decided.rule.as_ref().map(|rule| rule.rule_id.as_ref().to_owned());
    entry.policies = Some(policies(around.policies, decided.rule.as_ref()));
    entry.error_rule_ids = (!decided.error_rule_ids.is_empty())
        .then(|| json(&decided.error_rule_ids.iter().map(AsRef::as_ref).collect::<Vec<&str>>()));
    entry.revision = Some(around.revision.clone());
    entry.decided_at = Some(around.decided_at);
    entry.request_id = Some(around.request_id.to_owned());
    entry.idempotency_key = around.idempotency_key.map(str::to_owned);
    entry.repeat_of = around.repeat_of.map(ToString::to_string);
    entry.supersedes = around.supersedes.map(ToString::to_string);
    entry.approval_id = request.approval_id.clone();
    entry.replayable = Some(kept.replayable);
    entry.with_content(kept.content)
}

/// An entry of `kind` that says who the agent was.
pub(super) fn of_agent(kind: Kind, agent: &Agent) -> Entry {
    let subject = &agent.entry().subject;
    let mut entry = Entry::new(kind);
    entry.agent_id = Some(subject.id.to_string());
    entry.agent_name = Some(subject.name.clone());
    entry.team = Some(subject.team.clone());
    entry.environment = Some(subject.environment.as_str().to_owned());
    entry.labels = Some(json(&subject.labels));
    entry.agent_active = Some(subject.is_active);
    entry.key_id = Some(agent.key().id.to_string());
    entry
}

/// The policies that applied, and which of them decided.
fn policies(applied: &Policies<'_>, deciding: Option<&RuleHit>) -> String {
    let scopes = [
        (ScopeKind::Agent, applied.agent),
        (ScopeKind::Team, applied.team),
        (ScopeKind::Everyone, applied.everyone),
    ];
    let applied: Vec<_> = scopes
        .into_iter()
        .filter_map(|(scope, policy)| policy.map(|policy| (scope, policy)))
        .map(|(scope, policy)| Applied {
            is_deciding: deciding.is_some_and(|rule| rule.scope == scope),
            policy_id: policy.id().as_str(),
            scope: scope.as_str(),
            version: policy.version(),
        })
        .collect();
    json(&applied)
}

/// A policy that applied. The fields stand in the order of their names, as canonical JSON has them.
#[derive(serde::Serialize)]
struct Applied<'a> {
    is_deciding: bool,
    policy_id: &'a str,
    scope: &'a str,
    version: i32,
}

/// Canonical JSON, written without a tree of values between. Texts, numbers and maps of texts cannot fail.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The decision that a record tells of, as far as a repeat needs it. `None` if the record is no whole decision: then
/// the call is decided anew.
pub(super) fn remembered(record: &Record) -> Option<Remembered> {
    let entry = &record.entry;
    let verdict = entry.verdict.as_deref()?.parse().ok()?;
    let code = entry.reason_code.as_deref()?.parse().ok()?;
    Some(Remembered {
        digest: digest(record)?,
        decision_id: entry.decision_id.as_deref()?.parse().ok()?,
        decision: Decision::recorded(verdict, code, rule(entry)),
        action: Action::parse(entry.action.as_deref()?).ok()?,
        revision: entry.revision.clone()?,
        decided_at: entry.decided_at?,
        repeats: 0,
    })
}

fn rule(entry: &Entry) -> Option<RuleHit> {
    let rule_id: Arc<str> = entry.rule_id.as_deref()?.into();
    let applied: Vec<serde_json::Value> = serde_json::from_str(entry.policies.as_deref()?).ok()?;
    let deciding = applied.iter().find(|policy| policy.get("is_deciding").is_some_and(|it| it == true))?;
    let scope = [ScopeKind::Agent, ScopeKind::Team, ScopeKind::Everyone]
        .into_iter()
        .find(|kind| deciding.get("scope").is_some_and(|it| it == kind.as_str()))?;
    Some(RuleHit {
        scope,
        policy_id: deciding.get("policy_id")?.as_str()?.parse().ok()?,
        version: i32::try_from(deciding.get("version")?.as_i64()?).ok()?,
        rule_id,
        reason: None,
        errored: false,
    })
}

/// The digest of the whole request, kept with the erasable content.
fn digest(record: &Record) -> Option<Hash> {
    let content: serde_json::Value = serde_json::from_slice(&record.entry.content.as_ref()?.bytes).ok()?;
    let text = content.get("request_digest")?.as_str()?;
    Hash::try_from(unhex(text)?).ok()
}
