//! Says for every rule how it turned out; for admins only, since it shows what agents must not see.

use std::sync::Arc;

use super::decide::{Policies, RuleOutcome, decide, outcome};
use super::decision::Decision;
use super::document::List;
use super::index::Unknown;
use super::meter::{DECISION_STEPS, Meter};
use super::request::Request;
use super::subject::{ScopeKind, Subject};
use crate::clock::Timestamp;
use crate::ids::PolicyId;

/// Steps that an explanation may take: every rule is tested one by one.
const EXPLANATION_STEPS: u32 = 10 * DECISION_STEPS;

/// A decision, and how every rule turned out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What [`decide`] answers, with the steps it took and the rules it tested.
    pub decision: Decision,
    /// Every rule of every policy that applies: by list in the order in which they decide, then the agent's,
    /// the team's and everyone's, then as written.
    pub rules: Vec<RuleExplanation>,
}

/// How one rule turned out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleExplanation {
    /// The list it stands in.
    pub list: List,
    /// Whose policy it stands in.
    pub scope: ScopeKind,
    /// The policy.
    pub policy_id: PolicyId,
    /// The rule's id.
    pub rule_id: Arc<str>,
    /// How it turned out.
    pub outcome: RuleOutcome,
}

/// Decides, and says for every rule how it turned out.
pub fn explain(policies: &Policies<'_>, subject: &Subject, request: &Request, now: Timestamp) -> Explanation {
    let decision = decide(policies, subject, request, now);
    let mut meter = Meter::new(EXPLANATION_STEPS);
    let mut rules = Vec::new();
    for list in List::ALL {
        let unknown = match list {
            List::Deny | List::RequireApproval => Unknown::MatchesAll,
            List::Allow => Unknown::MatchesEverything,
        };
        for (scope, policy) in policies.scopes() {
            rules.extend(policy.rules(list).rules.iter().map(|rule| {
                RuleExplanation {
                    list,
                    scope,
                    policy_id: policy.id().clone(),
                    rule_id: Arc::clone(&rule.id),
                    outcome: outcome(rule, unknown, subject, request, now, &mut meter)
                        .unwrap_or(RuleOutcome::NotEvaluated),
                }
            }));
        }
    }
    Explanation { decision, rules }
}
