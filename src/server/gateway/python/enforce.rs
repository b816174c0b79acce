//! `POST /enforce`, as callers of the Python AgentGuard know it.

use http::StatusCode;
use serde_json::{Value, json};

use super::inside::Inside;
use super::members::Members;
use super::{Failed, Shown};
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::pb::v1::{Decision, EnforceRequest, EnforceResponse, ReasonCode, Verdict};
use crate::service::{Error, json};

/// Reads the request, has it decided, and writes the decision.
pub(super) async fn answer<E: EnforcementService>(inside: &Inside<'_, E>, body: &[u8]) -> Shown {
    let answered: EnforceResponse = inside.agents("Enforce", &message(body)?).await?;
    let decision = answered.decision.ok_or_else(|| Error::internal("an answer without a decision"))?;
    Ok::<_, Failed>((StatusCode::OK, write(&decision, inside.request_id())))
}

/// Reads a body of `POST /enforce` as the message of the contract.
///
/// # Errors
/// If it is no JSON object, names a key twice, or a field of it is of another kind.
pub fn message(body: &[u8]) -> Result<EnforceRequest, Error> {
    read(json::parse(body)?)
}

/// The message of the contract. What is not known is ignored, as it was; what is known must be of its kind.
fn read(body: Value) -> Result<EnforceRequest, Error> {
    let Value::Object(body) = body else { return Err(Error::invalid("body", "is no JSON object")) };
    let mut body = Members::new(body);
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
    body.or(message)
}

/// The answer; enums without their prefix, as the Python paths have them.
fn write(decision: &Decision, request_id: &str) -> Value {
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
            let answer = write(&decision, "r");
            assert_eq!(answer["allowed"], verdict == Verdict::Allow);
            assert_eq!(answer["status"], status);
        }
    }
}
