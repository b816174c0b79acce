//! `POST /enforce`, as callers of the Python AgentGuard know it.

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prost::Message;
use prost_types::Struct;
use serde_json::{Map, Value, json};
use tonic::body::Body;

use super::super::stack::Stack;
use super::json::read as read_json;
use super::{json_answer, refusal};
use crate::pb::rpc;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::pb::v1::{Decision, EnforceRequest, ReasonCode, Verdict};
use crate::policy::{Fault, value};
use crate::service::call::Call;
use crate::service::{Error, convert};

/// Reads the request, has it decided, and writes the decision.
pub(super) async fn answer<E: EnforcementService>(
    stack: &Stack<E>,
    request: Request<Body>,
    call: Call,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let limit = stack.max_enforce_size();
    let bytes = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            Error::MessageTooLarge { limit }
        } else {
            Error::Malformed("its end did not arrive")
        }
    })?;
    let message = message(&bytes.to_bytes())?;

    let metadata = tonic::metadata::MetadataMap::from_headers(parts.headers);
    let request_id = std::sync::Arc::clone(&call.request_id);
    let mut extensions = parts.extensions;
    extensions.insert(call);
    let asked = tonic::Request::from_parts(metadata, extensions, message);
    match stack.enforcement().enforce(asked).await {
        Ok(answered) => match answered.into_inner().decision {
            Some(decision) => Ok(json_answer(StatusCode::OK, &write(decision, &request_id))),
            None => Err(Error::internal("an answer without a decision")),
        },
        Err(status) => {
            // A status of ours says everything in its details.
            let details = rpc::Status::decode(status.details()).unwrap_or_default();
            Ok(refusal(&details, None))
        }
    }
}

/// Reads a body of `POST /enforce` as the message of the contract.
///
/// # Errors
/// If it is no JSON object, names a key twice, or a field of it is of another kind.
pub fn message(body: &[u8]) -> Result<EnforceRequest, Error> {
    read(read_json(body)?)
}

/// The message of the contract. What is not known is ignored, as it was; what is known must be of its kind.
fn read(body: Value) -> Result<EnforceRequest, Error> {
    let Value::Object(body) = body else { return Err(Error::invalid("body", "is no JSON object")) };
    let mut body = Members { body, faults: Vec::new() };
    let message = EnforceRequest {
        action: body.text("action"),
        resource: body.text("resource"),
        arguments: body.object("arguments"),
        context: body.object("context"),
        idempotency_key: body.text("idempotency_key"),
        session_id: body.text("session_id"),
        on_behalf_of: body.text("on_behalf_of"),
        approval_id: body.text("approval_id"),
        min_revision: body.text("min_revision"),
    };
    if body.faults.is_empty() { Ok(message) } else { Err(Error::Invalid(body.faults)) }
}

struct Members {
    body: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Members {
    fn text(&mut self, field: &'static str) -> String {
        match self.body.remove(field) {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => String::new(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.faults.push(Fault::new(field, "is no string"));
                String::new()
            }
        }
    }

    fn object(&mut self, field: &'static str) -> Option<Struct> {
        match self.body.remove(field) {
            Some(Value::Object(members)) => Some(convert::object_message(&value::object(&members))),
            Some(Value::Null) | None => None,
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::String(_)) => {
                self.faults.push(Fault::new(field, "is no object"));
                None
            }
        }
    }
}

/// The answer; enums without their prefix, as the Python paths have them.
fn write(decision: Decision, request_id: &str) -> Value {
    let status = match decision.verdict() {
        Verdict::Allow => "allowed",
        Verdict::RequireApproval => "pending",
        Verdict::Deny | Verdict::Unspecified => "denied",
    };
    json!({
        // Said anew, so that nothing but ALLOW can ever be true.
        "allowed": decision.verdict() == Verdict::Allow,
        "status": status,
        "reason": decision.reason,
        "reason_code": bare(decision.reason_code()),
        "decision_id": decision.decision_id,
        "action": decision.action,
        "rule_id": decision.rule_id,
        "policy_revision": decision.policy_revision,
        "request_id": request_id,
    })
}

fn bare(code: ReasonCode) -> &'static str {
    let name = code.as_str_name();
    name.strip_prefix("REASON_CODE_").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_read_and_others_ignored() {
        let message = read(json!({
            "action": "read:file", "resource": "test.txt", "arguments": {"n": 1}, "context": null,
            "idempotency_key": "k", "session_id": "s", "on_behalf_of": "u", "approval_id": "a",
            "min_revision": "e.1", "agent_name": "from before"
        }))
        .unwrap();
        assert_eq!((message.action.as_str(), message.resource.as_str()), ("read:file", "test.txt"));
        assert_eq!(message.arguments.unwrap().fields.len(), 1);
        assert_eq!(message.context, None);
        assert_eq!((message.idempotency_key.as_str(), message.session_id.as_str()), ("k", "s"));
        assert_eq!((message.on_behalf_of.as_str(), message.approval_id.as_str()), ("u", "a"));
        assert_eq!(message.min_revision, "e.1");
    }

    #[test]
    fn every_field_of_another_kind_is_named() {
        let Err(Error::Invalid(faults)) = read(json!({"action": 1, "resource": ["x"], "context": "y"}))
        else {
            panic!("accepted")
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["action", "resource", "context"]);
        assert!(read(json!([])).is_err());
    }

    #[test]
    fn only_the_verdict_allow_is_allowed() {
        for (verdict, status) in [
            (Verdict::Allow, "allowed"),
            (Verdict::Deny, "denied"),
            (Verdict::RequireApproval, "pending"),
            (Verdict::Unspecified, "denied"),
        ] {
            // Even if the message contradicted itself.
            let decision = Decision { verdict: verdict.into(), allowed: true, ..Decision::default() };
            let answer = write(decision, "r");
            assert_eq!(answer["allowed"], verdict == Verdict::Allow);
            assert_eq!(answer["status"], status);
        }
    }
}
