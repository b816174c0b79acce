//! The body of `POST /enforce`.

use agentguard::audit::content::{Keeper, MAX_CONTENT_BYTES};
use agentguard::pb::v1::EnforceRequest;
use agentguard::server::enforce_request;
use agentguard::service::convert;
use prost::Message;
use serde_json::{Map, Value};

/// `data` is a body.
pub fn run(data: &[u8]) {
    let plain = serde_json::from_slice::<Value>(data);
    let Ok(message) = enforce_request(data) else { return };
    let plain = plain.expect("what is read here is JSON");
    let plain = plain.as_object().expect("what is read here is an object");
    for (name, came) in [
        ("action", &message.action),
        ("resource", &message.resource),
        ("idempotency_key", &message.idempotency_key),
        ("session_id", &message.session_id),
        ("on_behalf_of", &message.on_behalf_of),
        ("approval_id", &message.approval_id),
        ("min_revision", &message.min_revision),
    ] {
        let wanted = plain.get(name).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(came, wanted, "two readers read another {name}");
    }
    let again = EnforceRequest::decode(message.encode_to_vec().as_slice());
    // A message may be nested deeper than another reader of protobuf accepts; the domain refuses it long before.
    let is_readable = again.as_ref() == Ok(&message);
    let Ok(check) = convert::check(message.clone()) else { return };
    assert!(is_readable, "what is accepted does not read back as protobuf");

    let mut body = Map::new();
    let mut text = |name: &str, text: &str| body.insert(name.to_owned(), Value::from(text)).is_none();
    text("action", &check.action_as_sent);
    text("resource", check.request.resource.as_deref().unwrap_or_default());
    text("session_id", check.request.session_id.as_deref().unwrap_or_default());
    text("on_behalf_of", check.request.on_behalf_of.as_deref().unwrap_or_default());
    text("approval_id", check.request.approval_id.as_deref().unwrap_or_default());
    text("idempotency_key", &message.idempotency_key);
    text("min_revision", &message.min_revision);
    for (name, object) in [("arguments", &check.request.arguments), ("context", &check.request.context)] {
        let object = object.iter().map(|(key, value)| (key.clone(), Value::from(value))).collect();
        body.insert(name.to_owned(), Value::Object(object));
    }
    let written = Value::Object(body).to_string();
    let read = enforce_request(written.as_bytes()).and_then(convert::check);
    assert_eq!(read.ok().as_ref(), Some(&check), "what is accepted does not read back as JSON: {written}");

    let keeper = Keeper::new([7; 32], vec!["password".into(), "token".into()]);
    let kept = keeper.request(&check.action_as_sent, &check.request, [0; 16]);
    assert!(kept.content.bytes.len() <= MAX_CONTENT_BYTES, "more is kept than a record holds");
    let content: Value = serde_json::from_slice(&kept.content.bytes).expect("what is kept is JSON");
    for part in ["arguments", "context"] {
        assert_no_secret(&content[part]);
    }
    assert_eq!(kept, keeper.request(&check.action_as_sent, &check.request, [0; 16]));
}

/// Under a key that names a secret there is nothing but a digest; how many tokens there are is no secret.
fn assert_no_secret(value: &Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let plain = key.to_lowercase().replace(['_', '-'], "");
                let plain = if member.is_number() { plain.replace("tokens", "") } else { plain };
                if plain.contains("password") || plain.contains("token") {
                    let digest = member["$redacted"].as_str().unwrap_or_default();
                    assert!(digest.starts_with("hmac-sha256:"), "{member} is kept under {key:?}");
                } else {
                    assert_no_secret(member);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(assert_no_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
