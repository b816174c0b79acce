//! Expressions: strict, bounded CEL.
//!
//! The `cel` crate only parses. What it parsed is lowered to a small form of our own and run by an evaluator
//! of our own, so that a value of another kind or a missing field is an error instead of `false`, and so that
//! every step is counted.
//!
//! **Invariant:** what is accepted is boolean as far as can be known, recurses no deeper than [`MAX_DEPTH`],
//! and has no comprehension within another.

mod evaluate;
mod lower;
mod matcher;
mod node;
mod operate;

use super::meter::{Meter, OverBudget};
use super::request::Request;
use super::subject::Subject;
use crate::clock::Timestamp;

/// Bytes of an expression.
pub const MAX_EXPRESSION_BYTES: usize = 1_024;
/// How deep an expression may be nested.
pub const MAX_DEPTH: usize = 64;
/// Bytes a regular expression may take when compiled.
pub const MAX_REGEX_BYTES: usize = 64 * 1024;

/// An expression, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Program(node::Node);

/// Why an expression has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It cannot be evaluated. The text never quotes the request.
    Error(&'static str),
    /// The decision's budget is used up.
    OverBudget,
}

impl From<OverBudget> for Failure {
    fn from(OverBudget: OverBudget) -> Self {
        Self::OverBudget
    }
}

impl Program {
    /// Compiles `source`; the message says what is wrong.
    pub(super) fn compile(source: &str) -> Result<Self, String> {
        lower::compile(source).map(Self)
    }

    /// Whether the expression is true of this request.
    pub(super) fn run(
        &self,
        subject: &Subject,
        request: &Request,
        now: Timestamp,
        meter: &mut Meter,
    ) -> Result<bool, Failure> {
        evaluate::run(&self.0, subject, request, now, meter)
    }
}

#[cfg(test)]
mod tests;
