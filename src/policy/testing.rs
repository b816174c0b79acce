//! Subjects, requests and policies for this room's tests.

use std::collections::BTreeMap;

use super::*;
use crate::clock::Timestamp;
use crate::ids::{AgentId, PolicyId};

pub(super) fn subject() -> Subject {
    Subject {
        id: AgentId::new(Timestamp::from_micros(0), [1; 16]),
        name: "reader".into(),
        team: "data".into(),
        environment: Environment::Production,
        labels: BTreeMap::from([("tier".into(), "gold".into())]),
        is_active: true,
    }
}

pub(super) fn request(action: &str, resource: Option<&str>) -> Request {
    Request::new(action, resource.map(str::to_owned), Object::new(), Object::new(), None, None, None).unwrap()
}

/// A request with `arguments` and `context` given as JSON.
pub(super) fn request_with(arguments: serde_json::Value, context: serde_json::Value) -> Request {
    let object = |json: serde_json::Value| value::object(json.as_object().unwrap());
    Request::new("read:file", Some("/a".into()), object(arguments), object(context), None, None, None)
        .unwrap()
}

pub(super) fn policy_id(byte: u8) -> PolicyId {
    PolicyId::new(Timestamp::from_micros(0), [byte; 16])
}

pub(super) fn monday() -> Timestamp {
    Timestamp::parse("2026-01-05T12:00:00Z").unwrap()
}
