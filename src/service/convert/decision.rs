//! Decisions on their way out, with as much of the deciding rule as agents may see.

use super::timestamp_message;
use crate::clock::Timestamp;
use crate::config::DecisionDetail;
use crate::ids::{DecisionId, Revision};
use crate::pb::v1;
use crate::policy::{Action, Decision, ReasonCode, ScopeKind, Verdict};

/// A decision with what stands around it.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// What was decided.
    pub decision: &'a Decision,
    /// Under which id it is recorded; `None` for a dry run.
    pub decision_id: Option<&'a DecisionId>,
    /// The canonical action.
    pub action: &'a Action,
    /// The revision it was decided with.
    pub revision: &'a Revision,
    /// The `now` of its conditions.
    pub decided_at: Timestamp,
    /// Whether it is an earlier decision answered again.
    pub idempotent_repeat: bool,
    /// The earlier, less strict decision that it stands in for.
    pub repeat_of: Option<&'a DecisionId>,
}

/// Writes a decision.
pub fn decision(answer: &Answer<'_>, detail: DecisionDetail) -> v1::Decision {
    let decision = answer.decision;
    let mut message = v1::Decision {
        verdict: verdict(decision.verdict).into(),
        allowed: decision.verdict == Verdict::Allow,
        reason: String::new(),
        reason_code: reason_code(decision.code).into(),
        decision_id: answer.decision_id.map(ToString::to_string).unwrap_or_default(),
        action: answer.action.as_str().to_owned(),
        rule_id: String::new(),
        rule_reason: String::new(),
        policy_id: String::new(),
        policy_version: 0,
        policy_revision: answer.revision.to_string(),
        rule_error: false,
        decided_at: Some(timestamp_message(answer.decided_at)),
        idempotent_repeat: answer.idempotent_repeat,
        repeat_of: answer.repeat_of.map(ToString::to_string).unwrap_or_default(),
    };
    match (detail, &decision.rule) {
        (DecisionDetail::Kind, _) => message.reason = decision.general_reason().to_owned(),
        (DecisionDetail::Full | DecisionDetail::Rule, None) => message.reason = decision.reason(),
        (DecisionDetail::Full | DecisionDetail::Rule, Some(rule)) => {
            message.reason = decision.reason();
            message.rule_id = rule.rule_id.to_string();
            message.rule_reason = rule.reason.as_deref().unwrap_or_default().to_owned();
            message.policy_id = rule.policy_id.to_string();
            message.policy_version = rule.version;
            message.rule_error = detail == DecisionDetail::Full && rule.errored;
        }
    }
    message
}

/// Writes a verdict.
pub const fn verdict(verdict: Verdict) -> v1::Verdict {
    match verdict {
        Verdict::Allow => v1::Verdict::Allow,
        Verdict::Deny => v1::Verdict::Deny,
        Verdict::RequireApproval => v1::Verdict::RequireApproval,
    }
}

/// Writes a reason code.
pub const fn reason_code(code: ReasonCode) -> v1::ReasonCode {
    match code {
        ReasonCode::AllowedByRule => v1::ReasonCode::AllowedByRule,
        ReasonCode::DeniedByRule => v1::ReasonCode::DeniedByRule,
        ReasonCode::DeniedRuleError => v1::ReasonCode::DeniedRuleError,
        ReasonCode::DeniedNoPolicy => v1::ReasonCode::DeniedNoPolicy,
        ReasonCode::DeniedDefault => v1::ReasonCode::DeniedDefault,
        ReasonCode::ApprovalRequired => v1::ReasonCode::ApprovalRequired,
        ReasonCode::ApprovalUnavailable => v1::ReasonCode::ApprovalUnavailable,
        ReasonCode::KillSwitch => v1::ReasonCode::KillSwitch,
        ReasonCode::AgentInactive => v1::ReasonCode::AgentInactive,
        ReasonCode::ResourceNotCanonical => v1::ReasonCode::ResourceNotCanonical,
        ReasonCode::DecisionBudget => v1::ReasonCode::DecisionBudget,
    }
}

/// Writes a kind of scope.
pub const fn scope_kind(kind: ScopeKind) -> v1::ScopeKind {
    match kind {
        ScopeKind::Everyone => v1::ScopeKind::Everyone,
        ScopeKind::Team => v1::ScopeKind::Team,
        ScopeKind::Agent => v1::ScopeKind::Agent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_wire_are_the_domains_with_a_prefix() {
        for code in ReasonCode::ALL {
            assert_eq!(reason_code(*code).as_str_name(), format!("REASON_CODE_{code}"));
        }
        for kind in [Verdict::Allow, Verdict::Deny, Verdict::RequireApproval] {
            assert_eq!(verdict(kind).as_str_name(), format!("VERDICT_{kind}"));
        }
        for kind in [ScopeKind::Everyone, ScopeKind::Team, ScopeKind::Agent] {
            assert_eq!(
                scope_kind(kind).as_str_name(),
                format!("SCOPE_KIND_{}", kind.as_str().to_uppercase())
            );
        }
    }

    #[test]
    fn every_reason_code_of_the_wire_is_one_of_the_domains() {
        let on_the_wire = (1..).map_while(|number| v1::ReasonCode::try_from(number).ok()).count();
        assert_eq!(on_the_wire, ReasonCode::ALL.len());
    }
}
