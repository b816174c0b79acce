//! `google.protobuf.Struct` and the domain's objects. Bounds are the domain's; here only what an object cannot even
//! express is refused.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct};

use super::Faults;
use crate::policy::{Object, Value};

/// How deep is read at all. Deeper than any accepted value (16), so the bound's own check names the place; shallow
/// enough for any thread's stack.
const MAX_READ_DEPTH: usize = 32;

/// Reads a `Struct`; an absent one is an empty object. Numbers, depth and size are checked by the domain.
pub fn object(field: &str, message: Option<Struct>, faults: &mut Faults) -> Object {
    let mut unset = false;
    let object = message.map(|message| members(message, 1, &mut unset)).unwrap_or_default();
    if unset {
        faults.add(field, "holds a value of no kind");
    }
    object
}

fn members(message: Struct, depth: usize, unset: &mut bool) -> Object {
    message.fields.into_iter().map(|(key, member)| (key, value(member, depth, unset))).collect()
}

fn value(message: prost_types::Value, depth: usize, unset: &mut bool) -> Value {
    if depth > MAX_READ_DEPTH {
        return Value::Null;
    }
    match message.kind {
        Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::NumberValue(number)) => Value::Number(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::StructValue(inner)) => Value::Object(members(inner, depth + 1, unset)),
        Some(Kind::ListValue(list)) => {
            Value::List(list.values.into_iter().map(|item| value(item, depth + 1, unset)).collect())
        }
        None => {
            *unset = true;
            Value::Null
        }
    }
}

/// Writes an object as a `Struct`.
pub fn object_message(object: &Object) -> Struct {
    Struct { fields: object.iter().map(|(key, member)| (key.clone(), value_message(member))).collect() }
}

fn value_message(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(*number),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::List(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(value_message).collect() })
        }
        Value::Object(members) => Kind::StructValue(object_message(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::value;

    #[test]
    fn an_object_reads_back() {
        let json = serde_json::json!({"a": null, "b": [1.5, true, {"ü": "x"}], "c": {}, "d": -0.0});
        let object_in = value::object(json.as_object().unwrap());
        let mut faults = Faults::default();
        assert_eq!(object("arguments", Some(object_message(&object_in)), &mut faults), object_in);
        assert_eq!(object("arguments", None, &mut faults), Object::new());
        faults.or(Some(())).unwrap();
    }

    #[test]
    fn a_value_of_no_kind_is_refused() {
        let message = Struct { fields: [("a".to_owned(), prost_types::Value { kind: None })].into() };
        let mut faults = Faults::default();
        object("context", Some(message), &mut faults);
        assert!(faults.or(Some(())).unwrap_err().to_string().contains("context"));
    }
}
