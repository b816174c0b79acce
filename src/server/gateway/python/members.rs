//! The members of a body, read one by one with every fault at once. What is not asked for is ignored, as it was.

use prost_types::Struct;
use serde_json::{Map, Value};

use crate::policy::{Fault, value};
use crate::service::{Error, convert, json};

/// What is left of a body.
pub(super) struct Members {
    body: Map<String, Value>,
    faults: Vec<Fault>,
}

impl Members {
    pub(super) fn new(body: Map<String, Value>) -> Self {
        Self { body, faults: Vec::new() }
    }

    /// The members of the object that `body` is as JSON.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Error> {
        match json::parse(body)? {
            Value::Object(members) => Ok(Self::new(members)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Error::invalid("body", "is no JSON object"))
            }
        }
    }

    /// The value, unless something was wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, Error> {
        if self.faults.is_empty() { Ok(value) } else { Err(Error::Invalid(self.faults)) }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, field: &str, message: &str) {
        self.faults.push(Fault::new(field, message));
    }

    /// A text; absent is empty.
    pub(super) fn text(&mut self, field: &'static str) -> String {
        match self.body.remove(field) {
            Some(Value::String(text)) => text,
            Some(Value::Null) | None => String::new(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.fault(field, "is no string");
                String::new()
            }
        }
    }

    /// A flag.
    pub(super) fn flag(&mut self, field: &'static str) -> Option<bool> {
        match self.body.remove(field) {
            Some(Value::Bool(flag)) => Some(flag),
            Some(Value::Null) | None => None,
            Some(Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                self.fault(field, "is neither `true` nor `false`");
                None
            }
        }
    }

    /// An object.
    pub(super) fn object(&mut self, field: &'static str) -> Option<Struct> {
        match self.body.remove(field) {
            Some(Value::Object(members)) => Some(convert::object_message(&value::object(&members))),
            Some(Value::Null) | None => None,
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::String(_)) => {
                self.fault(field, "is no object");
                None
            }
        }
    }
}
