//! The HTTP face: the same calls by JSON, the paths of the Python AgentGuard, health.

use bytes::Bytes;
use serde_json::Value;

use crate::keys::raw::{Answer, Wire};

mod document;
mod equality;
mod normal;
mod python_paths;
mod readiness;
mod table;
mod web;

/// A call with JSON; an empty body has no content type.
pub async fn ask(wire: &Wire, (method, path): (&str, &str), key: (&'static str, &str), body: &str) -> Answer {
    let headers = [(key.0, key.1.to_owned())];
    wire.send((method, path), "application/json", &headers, Bytes::from(body.to_owned()), false).await
}

/// An answer's body as JSON; `null` if it has none.
pub fn json(answer: &Answer) -> Value {
    if answer.body.is_empty() {
        return Value::Null;
    }
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}
