//! What was decided, and why.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::subject::ScopeKind;
use crate::ids::PolicyId;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The agent may act.
    Allow,
    /// A person has to release the action first.
    RequireApproval,
    /// The agent must not act.
    Deny,
}

impl Verdict {
    /// `ALLOW`, `REQUIRE_APPROVAL` or `DENY`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::RequireApproval => "REQUIRE_APPROVAL",
            Self::Deny => "DENY",
        }
    }

    /// Whether this verdict forbids more than `other`: DENY > REQUIRE_APPROVAL > ALLOW.
    pub const fn is_stricter_than(self, other: Self) -> bool {
        self.strictness() > other.strictness()
    }

    const fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::RequireApproval => 1,
            Self::Deny => 2,
        }
    }
}

impl PartialOrd for Verdict {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The stricter verdict is the greater.
impl Ord for Verdict {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.strictness().cmp(&other.strictness())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is the name of nothing known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}")]
pub struct UnknownName {
    text: String,
    what: &'static str,
}

impl FromStr for Verdict {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Allow, Self::RequireApproval, Self::Deny]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
            .ok_or_else(|| UnknownName { text: text.chars().take(64).collect(), what: "verdict" })
    }
}

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Why it was decided so, for machines.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ReasonCode {
            $($(#[$doc])* $name,)+
        }

        impl ReasonCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code's name, without a prefix.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

reason_codes! {
    /// A rule of an `allow` list matched, and nothing stricter did.
    AllowedByRule = "ALLOWED_BY_RULE",
    /// A rule of a `deny` list matched.
    DeniedByRule = "DENIED_BY_RULE",
    /// A rule of a `deny` list counts as matched because its condition failed to evaluate.
    DeniedRuleError = "DENIED_RULE_ERROR",
    /// No scope of the agent has a policy.
    DeniedNoPolicy = "DENIED_NO_POLICY",
    /// No rule matched.
    DeniedDefault = "DENIED_DEFAULT",
    /// A rule of a `require_approval` list matched, or counts as matched because its condition failed.
    ApprovalRequired = "APPROVAL_REQUIRED",
    /// As before, and the request names an approval; approvals do not exist yet.
    ApprovalUnavailable = "APPROVAL_UNAVAILABLE",
    /// The kill switch is on.
    KillSwitch = "KILL_SWITCH",
    /// The agent is not active.
    AgentInactive = "AGENT_INACTIVE",
    /// The resource is written in a form that can only be denied.
    ResourceNotCanonical = "RESOURCE_NOT_CANONICAL",
    /// Deciding would have cost more steps than a decision may.
    DecisionBudget = "DECISION_BUDGET",
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ReasonCode {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == text)
            .ok_or_else(|| UnknownName { text: text.chars().take(64).collect(), what: "reason code" })
    }
}

/// The rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHit {
    /// Whose policy it stands in.
    pub scope: ScopeKind,
    /// The policy.
    pub policy_id: PolicyId,
    /// The policy's version.
    pub version: i32,
    /// The rule's id, unique in its policy.
    pub rule_id: Arc<str>,
    /// The reason its writer gave.
    pub reason: Option<Arc<str>>,
    /// Whether it counts as matched only because its condition failed to evaluate.
    pub errored: bool,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub verdict: Verdict,
    /// Why, for machines.
    pub code: ReasonCode,
    /// The rule that decided, if one did.
    pub rule: Option<RuleHit>,
    /// The rules whose condition failed to evaluate, at the deciding level and those above it (deny, then
    /// approval, then allow), each level in the order in which rules are reported.
    pub error_rule_ids: Vec<Arc<str>>,
    /// Whether a denial (or a demand for approval) may come from the request's naming no resource.
    pub resource_unknown: bool,
    /// Whose kill switch denied.
    pub kill_switch: Option<ScopeKind>,
    /// What to send instead of a resource that is not canonical.
    pub(super) remedy: Option<&'static str>,
    /// The steps the decision took; the same for the same policies, request and time.
    pub steps: u32,
    /// The rules that were tested one by one; the index spared the rest.
    pub rules_tested: u32,
}

impl Decision {
    /// Why, for people. It never quotes the request's resource, arguments or context.
    pub fn reason(&self) -> String {
        let mut text = match (&self.rule, self.code) {
            (Some(rule), ReasonCode::AllowedByRule) => format!("Allowed by rule {}", named(rule)),
            (Some(rule), ReasonCode::DeniedRuleError) => {
                format!("Denied by rule {}, whose condition could not be evaluated", named(rule))
            }
            (Some(rule), ReasonCode::ApprovalRequired) => {
                format!("Approval required by rule {}", named(rule))
            }
            (Some(rule), ReasonCode::ApprovalUnavailable) => {
                format!("Approval required by rule {}; approvals are not available yet", named(rule))
            }
            (Some(rule), _) => format!("Denied by rule {}", named(rule)),
            (None, _) => self.general_reason().to_owned(),
        };
        if let Some(scope) = self.kill_switch {
            text.push_str(match scope {
                ScopeKind::Everyone => " for everyone",
                ScopeKind::Team => " for the agent's team",
                ScopeKind::Agent => " for this agent",
            });
        }
        if let Some(remedy) = self.remedy {
            text.push_str(": ");
            text.push_str(remedy);
        }
        if self.resource_unknown {
            text.push_str(if self.code == ReasonCode::DeniedDefault {
                "; the request names no resource, so only a rule for every resource could allow it"
            } else {
                "; the request names no resource, so the rule's resource counts as matched"
            });
        }
        if let Some(reason) = self.rule.as_ref().and_then(|rule| rule.reason.as_deref()) {
            text.push_str(": ");
            text.push_str(reason);
        }
        text
    }

    /// Why, for people, without naming rule or policy.
    pub const fn general_reason(&self) -> &'static str {
        match self.code {
            ReasonCode::AllowedByRule => "Allowed by rule",
            ReasonCode::DeniedByRule => "Denied by rule",
            ReasonCode::DeniedRuleError => "Denied by rule, whose condition could not be evaluated",
            ReasonCode::DeniedNoPolicy => "No policy defined for this agent (default deny)",
            ReasonCode::DeniedDefault => "No rule allows this (default deny)",
            ReasonCode::ApprovalRequired => "Approval required by rule",
            ReasonCode::ApprovalUnavailable => "Approval required by rule; approvals are not available yet",
            ReasonCode::KillSwitch => "Denied: the kill switch is on",
            ReasonCode::AgentInactive => "Denied: the agent is not active",
            ReasonCode::ResourceNotCanonical => "Denied: the resource is not written in canonical form",
            ReasonCode::DecisionBudget => "Denied: the decision would cost more steps than allowed",
        }
    }
}

fn named(rule: &RuleHit) -> String {
    let whose = match rule.scope {
        ScopeKind::Agent => "the agent's",
        ScopeKind::Team => "the team's",
        ScopeKind::Everyone => "everyone's",
    };
    format!("`{}` of {whose} policy", rule.rule_id)
}

impl Decision {
    /// A decision as a record of it tells: what was only known while it was made is absent.
    pub const fn recorded(verdict: Verdict, code: ReasonCode, rule: Option<RuleHit>) -> Self {
        Self {
            verdict,
            code,
            rule,
            error_rule_ids: Vec::new(),
            resource_unknown: false,
            kill_switch: None,
            remedy: None,
            steps: 0,
            rules_tested: 0,
        }
    }
}
