//! Counts what a large message holds before it is read.
//!
//! Two bytes on the wire can become two hundred in memory: an empty check, an empty value in a list, a rule without
//! fields. The bounds of checks, values and rules are tested on what was read, which is too late for ten megabytes of
//! them, so a large message is walked first, without keeping anything, and refused where it passes them.
//!
//! **Invariant:** whatever is read afterwards holds no more than was counted here. The walk stops early only where
//! reading stops, too: at bytes that are no message.

use super::Error;
use crate::service::enforcement::MAX_BATCH;

/// Bytes from which on a message is counted. The hundredfold of less is no harm, and an ordinary check never pays.
const COUNTED_FROM: usize = 16 * 1024;

/// Values of all objects of one message together: as many as a full batch of full checks has.
pub const MAX_MESSAGE_VALUES: usize = 100_000;

/// Rules, labels and texts in lists of one message together: twenty for each rule of the largest policy.
pub const MAX_MESSAGE_PARTS: usize = 200_000;

/// How deep is walked. The reader gives up at a hundred messages within each other.
const MAX_WALK: usize = 128;

/// Refuses a message of type `name` that holds more than any accepted one.
///
/// # Errors
/// [`Error::Invalid`] with the bound. Bytes that are no message are left to the reader.
pub(super) fn check(name: &str, message: &[u8]) -> Result<(), Error> {
    if message.len() < COUNTED_FROM {
        return Ok(());
    }
    let Some(root) = Shape::of(name) else { return Ok(()) };
    let mut counts = Counts::default();
    walk(message, root, 0, &mut counts).map(drop).map_err(|excess| excess.error(root))
}

/// A message as far as it may hold many of something; what cannot be many is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Batch,
    Streamed,
    Check,
    Report,
    OutcomeReport,
    Outcome,
    AgentRequest,
    Agent,
    PolicyRequest,
    DryRun,
    Policy,
    Rule,
    Conditions,
    /// Its first field is a list of texts.
    Texts,
    Struct,
    Member,
    Value,
    List,
}

/// What a field adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    Checks,
    Values,
    Parts,
    Nothing,
}

impl Shape {
    /// The shape of a request, by the name of its message.
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "BatchEnforceRequest" => Self::Batch,
            "EnforceStreamRequest" => Self::Streamed,
            "EnforceRequest" => Self::Check,
            "ReportRequest" => Self::Report,
            "ReportOutcomeRequest" => Self::OutcomeReport,
            "CreateAgentRequest" | "UpdateAgentRequest" => Self::AgentRequest,
            "SetPolicyRequest" => Self::PolicyRequest,
            "TestPolicyRequest" => Self::DryRun,
            _ => return None,
        })
    }

    /// What a field of this number counts as, and the shape of the message in it.
    const fn field(self, number: u64) -> Option<(Counted, Option<Self>)> {
        let (counted, inside) = match (self, number) {
            (Self::Batch, 1) => (Counted::Checks, Self::Check),
            (Self::Streamed, 2) | (Self::DryRun, 3) => (Counted::Nothing, Self::Check),
            (Self::Check | Self::Report, 3 | 4) | (Self::Outcome, 3) | (Self::Value, 5) => {
                (Counted::Nothing, Self::Struct)
            }
            (Self::Report, 7) | (Self::OutcomeReport, 2) => (Counted::Nothing, Self::Outcome),
            (Self::AgentRequest, 1) | (Self::DryRun, 2) => (Counted::Nothing, Self::Agent),
            (Self::AgentRequest, 2) | (Self::Conditions, 1 | 3) => (Counted::Nothing, Self::Texts),
            (Self::PolicyRequest, 1) => (Counted::Nothing, Self::Policy),
            (Self::DryRun, 4) => (Counted::Parts, Self::Policy),
            (Self::Policy, 3..=5) => (Counted::Parts, Self::Rule),
            (Self::Rule, 4) => (Counted::Nothing, Self::Conditions),
            (Self::Agent, 5) | (Self::Texts, 1) => return Some((Counted::Parts, None)),
            (Self::Struct, 1) => (Counted::Values, Self::Member),
            (Self::Member, 2) => (Counted::Nothing, Self::Value),
            (Self::Value, 6) => (Counted::Nothing, Self::List),
            (Self::List, 1) => (Counted::Values, Self::Value),
            (_, _) => return None,
        };
        Some((counted, Some(inside)))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    checks: usize,
    values: usize,
    parts: usize,
}

/// Which bound is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Checks,
    Values,
    Parts,
}

impl Counts {
    fn add(&mut self, counted: Counted) -> Result<(), Excess> {
        let (count, bound, excess) = match counted {
            Counted::Checks => (&mut self.checks, MAX_BATCH, Excess::Checks),
            Counted::Values => (&mut self.values, MAX_MESSAGE_VALUES, Excess::Values),
            Counted::Parts => (&mut self.parts, MAX_MESSAGE_PARTS, Excess::Parts),
            Counted::Nothing => return Ok(()),
        };
        *count += 1;
        if *count > bound { Err(excess) } else { Ok(()) }
    }
}

impl Excess {
    fn error(self, root: Shape) -> Error {
        let fields =
            [(Shape::Batch, "checks"), (Shape::PolicyRequest, "policy"), (Shape::AgentRequest, "agent")];
        let field = fields.into_iter().find(|(shape, _)| *shape == root).map_or("", |(_, field)| field);
        let message = match self {
            Self::Checks => format!("has more than {MAX_BATCH} items; 1 to {MAX_BATCH} are accepted"),
            Self::Values => format!("holds more than {MAX_MESSAGE_VALUES} values in all"),
            Self::Parts => format!("holds more than {MAX_MESSAGE_PARTS} rules, labels and texts in lists"),
        };
        Error::invalid(field, message)
    }
}

/// Counts `message`; `false` where it cannot be read on. The ends of groups are passed over as fields are, so that
/// what the reader skips is counted too.
fn walk(mut message: &[u8], shape: Shape, depth: usize, counts: &mut Counts) -> Result<bool, Excess> {
    while !message.is_empty() {
        let Some(key) = varint(&mut message) else { return Ok(false) };
        let skipped = match key & 7 {
            0 => varint(&mut message).map(drop),
            1 => take(&mut message, 8).map(drop),
            2 => {
                let Some(inner) = varint(&mut message).and_then(|length| take(&mut message, length)) else {
                    return Ok(false);
                };
                if let Some((counted, inside)) = shape.field(key >> 3) {
                    counts.add(counted)?;
                    if let Some(inside) = inside
                        && (depth >= MAX_WALK || !walk(inner, inside, depth + 1, counts)?)
                    {
                        return Ok(false);
                    }
                }
                Some(())
            }
            3 | 4 => Some(()),
            5 => take(&mut message, 4).map(drop),
            _ => None,
        };
        if skipped.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take<'a>(message: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(usize::try_from(length).ok()?)?;
    *message = rest;
    Some(taken)
}

/// A number in base 128, of ten bytes at most.
fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;
