//! Messages to checked domain values and back: the edge at which everything is parsed once.
//!
//! Reading collects every fault of a message before it refuses it, each with the path that its writer sees.
//! Writing cannot fail.

mod agent;
mod decision;
mod policy;
mod record;
mod request;
mod time;
mod value;

pub use agent::{agent_change, agent_message, key_message, subject};
pub use decision::{Answer, decision, reason_code, scope_kind, verdict};
pub use policy::{
    document, policy, policy_entry, policy_summary, policy_version, scope, scope_message, warning,
};
pub use record::{NoPlace, PlaceText, filter, own_record, record};
pub use request::{Check, MAX_IDEMPOTENCY_KEY_BYTES, Outcome, check, outcome, report};
pub use time::{timestamp, timestamp_message};
pub use value::{object, object_message};

use std::str::FromStr;

use super::Error;
use crate::policy::Fault;

/// Faults found while reading one message.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Notes one.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault::new(field, message));
    }

    /// Notes several, each field below `prefix` (empty: as they are).
    pub fn extend(&mut self, prefix: &str, faults: Vec<Fault>) {
        self.0.extend(faults.into_iter().map(|fault| Fault { field: below(prefix, &fault.field), ..fault }));
    }

    /// The value, unless there are faults. A value that is missing without a fault is a fault of its own.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all of them.
    pub fn or<T>(self, value: Option<T>) -> Result<T, Error> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            Some(_) | None => Err(Error::Invalid(self.0)),
        }
    }

    /// An id, or anything else that reads itself.
    pub fn parse<T: FromStr<Err: std::fmt::Display>>(&mut self, field: &str, text: &str) -> Option<T> {
        if text.is_empty() {
            self.add(field, "is required");
            return None;
        }
        text.parse().map_err(|error: T::Err| self.add(field, error.to_string())).ok()
    }

    /// As [`Faults::parse`], but may be empty.
    pub fn parse_optional<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<T> {
        if text.is_empty() { None } else { self.parse(field, text) }
    }
}

/// The path of `field` below `prefix`.
fn below(prefix: &str, field: &str) -> String {
    match (prefix, field) {
        ("", field) => field.to_owned(),
        (prefix, "") => prefix.to_owned(),
        (prefix, field) => format!("{prefix}.{field}"),
    }
}
