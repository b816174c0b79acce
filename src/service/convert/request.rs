//! What agents send.

use super::{Faults, below, object};
use crate::ids::{DecisionId, Revision};
use crate::pb::v1;
use crate::policy::{Object, Request, Value};
use crate::service::Error;

/// Bytes of an idempotency key, enough for any uuid with a prefix.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 64;
/// Bytes of an outcome's error text.
pub const MAX_OUTCOME_ERROR_BYTES: usize = 2_048;
/// Bytes of an outcome's metadata as JSON: a note beside the record, not a payload.
pub const MAX_METADATA_BYTES: usize = 4 * 1024;
/// How deep an outcome's metadata may be nested, as arguments may.
const MAX_METADATA_DEPTH: usize = crate::policy::value::MAX_DEPTH;

/// One check, as checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is to be decided.
    pub request: Request,
    /// The action's name before it was brought to its form.
    pub action_as_sent: String,
    /// What makes a retry one and the same call.
    pub idempotency_key: Option<String>,
    /// The oldest revision to decide with.
    pub min_revision: Option<Revision>,
}

/// Reads one check.
///
/// # Errors
/// [`Error::Invalid`] with every bad field.
pub fn check(message: v1::EnforceRequest) -> Result<Check, Error> {
    let mut faults = Faults::default();
    let check = read_check(message, &mut faults);
    faults.or(check)
}

fn read_check(message: v1::EnforceRequest, faults: &mut Faults) -> Option<Check> {
    let arguments = object("arguments", message.arguments, faults);
    let context = object("context", message.context, faults);
    let request = Request::new(
        &message.action,
        Some(message.resource),
        arguments,
        context,
        Some(message.session_id),
        Some(message.on_behalf_of),
        Some(message.approval_id),
    );
    let request = request.map_err(|found| faults.extend("", found)).ok();
    let idempotency_key = Some(message.idempotency_key).filter(|key| !key.is_empty());
    if idempotency_key.as_ref().is_some_and(|key| !is_idempotency_key(key)) {
        faults.add("idempotency_key", "is not 1 to 64 of `[A-Za-z0-9._-]`");
    }
    let min_revision = faults.parse_optional("min_revision", &message.min_revision);
    let action_as_sent = message.action;
    Some(Check { request: request?, action_as_sent, idempotency_key, min_revision })
}

fn is_idempotency_key(key: &str) -> bool {
    (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// What came of an act, as the agent says.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whether it succeeded.
    pub success: bool,
    /// What went wrong.
    pub error: Option<String>,
    /// Anything else.
    pub metadata: Object,
}

/// Reads the id of the decision and what came of it.
///
/// # Errors
/// [`Error::Invalid`] with every bad field.
pub fn outcome(message: v1::ReportOutcomeRequest) -> Result<(DecisionId, Outcome), Error> {
    let mut faults = Faults::default();
    let decision: Option<DecisionId> = faults.parse("decision_id", &message.decision_id);
    if message.outcome.is_none() {
        faults.add("outcome", "is required");
    }
    let outcome = message.outcome.and_then(|outcome| read_outcome(outcome, &mut faults));
    faults.or(decision.zip(outcome))
}

/// Reads an action that was never asked about. The check has neither key nor revision.
///
/// # Errors
/// [`Error::Invalid`] with every bad field.
pub fn report(message: v1::ReportRequest) -> Result<(Check, Option<Outcome>), Error> {
    let v1::ReportRequest { action, resource, arguments, context, session_id, on_behalf_of, outcome } =
        message;
    let asked = v1::EnforceRequest {
        action,
        resource,
        arguments,
        context,
        session_id,
        on_behalf_of,
        ..Default::default()
    };
    let mut faults = Faults::default();
    let check = read_check(asked, &mut faults);
    let outcome = outcome.and_then(|outcome| read_outcome(outcome, &mut faults));
    faults.or(check.map(|check| (check, outcome)))
}

fn read_outcome(message: v1::Outcome, faults: &mut Faults) -> Option<Outcome> {
    let metadata = object("outcome.metadata", message.metadata, faults);
    if let Some(place) = unfit(&metadata, "outcome.metadata", 1) {
        faults.add(place, format!("is no finite number, or nested deeper than {MAX_METADATA_DEPTH}"));
    } else if serde_json::Value::from(&Value::Object(metadata.clone())).to_string().len() > MAX_METADATA_BYTES
    {
        faults.add("outcome.metadata", format!("is longer than {MAX_METADATA_BYTES} bytes as JSON"));
    }
    if message.error.len() > MAX_OUTCOME_ERROR_BYTES {
        faults.add("outcome.error", format!("is longer than {MAX_OUTCOME_ERROR_BYTES} bytes"));
    }
    if message.success == Some(true) && !message.error.is_empty() {
        faults.add("outcome.error", "is set although it succeeded");
    }
    let Some(success) = message.success else {
        faults.add("outcome.success", "is required");
        return None;
    };
    Some(Outcome { success, error: Some(message.error).filter(|text| !text.is_empty()), metadata })
}

/// The path of the first value that cannot be kept.
fn unfit(members: &Object, path: &str, depth: usize) -> Option<String> {
    members.iter().find_map(|(key, value)| unfit_value(value, &below(path, key), depth))
}

fn unfit_value(value: &Value, path: &str, depth: usize) -> Option<String> {
    if depth > MAX_METADATA_DEPTH {
        return Some(path.to_owned());
    }
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => None,
        Value::Number(number) => (!number.is_finite()).then(|| path.to_owned()),
        Value::List(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| unfit_value(item, &format!("{path}[{at}]"), depth + 1))
        }
        Value::Object(members) => unfit(members, path, depth + 1),
    }
}

#[cfg(test)]
mod tests;
