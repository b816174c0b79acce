//! Values an agent sends: JSON's kinds, as `google.protobuf.Struct` has them.

use std::collections::BTreeMap;

use super::Fault;

/// Nodes that `arguments` and `context` may have together: every member and every element is one. It bounds
/// what an expression can walk over.
pub const MAX_NODES: usize = 1_000;
/// How deep a value may be nested: a member of `arguments` itself is at depth 1.
pub const MAX_DEPTH: usize = 16;
/// Bytes of one string, or one key, in `arguments` or `context`.
pub const MAX_STRING_BYTES: usize = 64 * 1024;

/// Named values; the order is that of the keys' bytes, which makes the form canonical.
pub type Object = BTreeMap<String, Value>;

/// One value. Numbers are finite.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON's `null`.
    Null,
    /// True or false.
    Bool(bool),
    /// A number; there is one kind of it.
    Number(f64),
    /// A text.
    String(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name.
    Object(Object),
}

impl From<&serde_json::Value> for Value {
    /// Integers that a double cannot hold are rounded, as `google.protobuf.Struct` does.
    fn from(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(value) => Self::Number(value.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(value) => Self::String(value.clone()),
            serde_json::Value::Array(values) => Self::List(values.iter().map(Self::from).collect()),
            serde_json::Value::Object(members) => Self::Object(object(members)),
        }
    }
}

impl From<&Value> for serde_json::Value {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(value) => number(*value),
            Value::String(value) => Self::String(value.clone()),
            Value::List(values) => Self::Array(values.iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Object(members.iter().map(|(key, value)| (key.clone(), Self::from(value))).collect())
            }
        }
    }
}

/// As [`serde_json::Value`]s of the same kind are written, without making one.
impl serde::Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => number(*value).serialize(serializer),
            Self::String(value) => serializer.serialize_str(value),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(members) => serializer.collect_map(members),
        }
    }
}

/// The members of a JSON object as an [`Object`].
pub fn object(members: &serde_json::Map<String, serde_json::Value>) -> Object {
    members.iter().map(|(key, value)| (key.clone(), Value::from(value))).collect()
}

/// Whole numbers that a double holds exactly are shown without a fraction.
#[allow(clippy::cast_possible_truncation, reason = "the number is whole and within 2^53")]
fn number(value: f64) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT && !(value == 0.0 && value.is_sign_negative()) {
        return serde_json::Value::from(value as i64);
    }
    serde_json::Number::from_f64(value).map_or(serde_json::Value::Null, serde_json::Value::Number)
}

/// Checks the bounds of `arguments` and `context` together; adds every fault with its path.
pub(super) fn check(arguments: &Object, context: &Object, faults: &mut Vec<Fault>) {
    let mut nodes = 0usize;
    for (name, members) in [("arguments", arguments), ("context", context)] {
        let within = nodes <= MAX_NODES;
        check_members(name, members, 1, &mut nodes, faults);
        if within && nodes > MAX_NODES {
            faults.push(Fault::new(
                name,
                format!("`arguments` and `context` have more than {MAX_NODES} values together"),
            ));
        }
    }
}

fn check_members(path: &str, members: &Object, depth: usize, nodes: &mut usize, faults: &mut Vec<Fault>) {
    for (key, value) in members {
        if *nodes > MAX_NODES {
            return;
        }
        if key.len() > MAX_STRING_BYTES {
            faults.push(Fault::new(path, format!("a key is longer than {MAX_STRING_BYTES} bytes")));
            continue;
        }
        check_value(value, || member_path(path, key), depth, nodes, faults);
    }
}

/// `path.key`, or `path["key"]` where the key is no plain name; long keys are cut.
fn member_path(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let shown: String = key.chars().take(64).collect();
    if plain { format!("{path}.{shown}") } else { format!("{path}[{shown:?}]") }
}

fn check_value(
    value: &Value,
    path: impl Fn() -> String,
    depth: usize,
    nodes: &mut usize,
    faults: &mut Vec<Fault>,
) {
    *nodes += 1;
    if depth > MAX_DEPTH {
        faults.push(Fault::new(path(), format!("is nested deeper than {MAX_DEPTH}")));
        return;
    }
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => {
            if !number.is_finite() {
                faults.push(Fault::new(path(), "is no finite number"));
            }
        }
        Value::String(text) => {
            if text.len() > MAX_STRING_BYTES {
                faults.push(Fault::new(path(), format!("is longer than {MAX_STRING_BYTES} bytes")));
            }
        }
        Value::List(values) => {
            for (index, value) in values.iter().enumerate() {
                if *nodes > MAX_NODES {
                    return;
                }
                // Boxed paths would grow the type with each level; a text per level does not.
                let inner = path();
                check_boxed(value, &format!("{inner}[{index}]"), depth + 1, nodes, faults);
            }
        }
        Value::Object(members) => check_members(&path(), members, depth + 1, nodes, faults),
    }
}

fn check_boxed(value: &Value, path: &str, depth: usize, nodes: &mut usize, faults: &mut Vec<Fault>) {
    let shown: &dyn Fn() -> String = &|| path.to_owned();
    check_value(value, shown, depth, nodes, faults);
}
