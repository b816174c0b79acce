//! A policy as its writer wrote it: unchecked, so that every fault can be shown at once.

mod json;

pub(super) use json::rule_to_json;
pub use json::{from_json, to_json};

use super::subject::Scope;

/// A policy as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Whom it is for.
    pub scope: Scope,
    /// Rules that deny.
    pub deny: Vec<Rule>,
    /// Rules that demand an approval.
    pub require_approval: Vec<Rule>,
    /// Rules that allow.
    pub allow: Vec<Rule>,
}

/// The three lists of a policy, in the order in which they decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// `deny`.
    Deny,
    /// `require_approval`.
    RequireApproval,
    /// `allow`.
    Allow,
}

impl List {
    /// Every list, in the order in which they decide.
    pub const ALL: [Self; 3] = [Self::Deny, Self::RequireApproval, Self::Allow];

    /// The list's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::RequireApproval => "require_approval",
            Self::Allow => "allow",
        }
    }
}

impl Document {
    /// An empty policy for `scope`: it allows nothing.
    pub const fn empty(scope: Scope) -> Self {
        Self { scope, deny: Vec::new(), require_approval: Vec::new(), allow: Vec::new() }
    }

    /// The rules of `list`.
    pub fn rules(&self, list: List) -> &[Rule] {
        match list {
            List::Deny => &self.deny,
            List::RequireApproval => &self.require_approval,
            List::Allow => &self.allow,
        }
    }

    pub(super) fn rules_mut(&mut self, list: List) -> &mut Vec<Rule> {
        match list {
            List::Deny => &mut self.deny,
            List::RequireApproval => &mut self.require_approval,
            List::Allow => &mut self.allow,
        }
    }
}

/// A rule as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The writer's id; made up where absent.
    pub id: Option<String>,
    /// A pattern over actions.
    pub action: String,
    /// A pattern over resources; absent means every one.
    pub resource: Option<String>,
    /// What must hold besides.
    pub conditions: Option<Conditions>,
    /// Why the rule is there; shown to agents whose request it decides.
    pub reason: Option<String>,
}

/// Conditions as written; all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The agent's environment is one of these.
    pub env: Option<Vec<String>>,
    /// The time of day is within this.
    pub time_range: Option<TimeRange>,
    /// The day is one of these.
    pub day_of_week: Option<DayOfWeek>,
    /// A CEL expression that is true.
    pub expression: Option<String>,
}

/// A part of each day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// The first minute of it, `HH:MM`.
    pub start: String,
    /// The first minute after it, `HH:MM`; before `start` if midnight lies within.
    pub end: String,
    /// The IANA time zone; UTC where absent.
    pub tz: Option<String>,
}

/// Days of the week.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DayOfWeek {
    /// `Mon` to `Sun`, or full English names.
    pub days: Vec<String>,
    /// The IANA time zone; UTC where absent.
    pub tz: Option<String>,
}
