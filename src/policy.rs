//! Decides what an agent may do: `(compiled policies, subject, request, now) -> decision`.
//!
//! A [`Document`] is a policy as its writer wrote it; [`compile`] checks it whole and makes it fit to decide
//! by; [`decide`] answers one request, [`explain`] says for every rule why. [`cases`] runs decisions written
//! down as data.
//!
//! **Invariant:** nothing in this room does I/O, reads a clock, is async or panics, and no recursion or loop
//! is without a bound: what a policy or a request may cost is limited when it is checked and counted when it
//! is decided. Whatever cannot be decided is denied.

pub mod action;
pub mod cases;
pub mod compile;
mod condition;
mod decide;
mod decision;
pub mod document;
mod explain;
pub mod expression;
mod index;
pub mod meter;
pub mod pattern;
pub mod request;
mod resource;
mod subject;
#[cfg(test)]
mod testing;
pub mod value;

pub use action::Action;
pub use compile::{Compiled, compile};
pub use decide::{Policies, RuleOutcome, decide};
pub use decision::{Decision, ReasonCode, RuleHit, Verdict};
pub use document::{Conditions, DayOfWeek, Document, List, Rule, TimeRange};
pub use explain::{Explanation, RuleExplanation, explain};
pub use request::Request;
pub use subject::{Environment, Scope, ScopeKind, Subject};
pub use value::{Object, Value};

/// One thing that is wrong with what a caller or a policy's writer sent, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The path of the field, such as `allow[3].conditions.expression`.
    pub field: String,
    /// What is wrong and what is accepted; lower case, no full stop.
    pub message: String,
}

impl Fault {
    /// A fault of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// One thing in a policy that is allowed but probably not what its writer meant, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The path of the field, such as `deny[0].resource`.
    pub field: String,
    /// What it means as written, and what was perhaps meant; lower case, no full stop.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}
