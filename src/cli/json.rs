//! The JSON that `--json` prints: the proto's own JSON form with the proto's field names, defaults always written,
//! and the names of enums without their prefix (`ALLOW`, not `VERDICT_ALLOW`).
//!
//! Made from the contract's descriptors, so that no field can be forgotten here.

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage,
    Value as Field,
};
use serde_json::{Map, Value};

use super::Failure;
use crate::clock::Timestamp;
use crate::pb::DESCRIPTOR_SET;

/// The JSON form of `message`, which is the contract's message of this name (without its package).
pub fn of(name: &str, message: &impl Message) -> Result<Value, Failure> {
    let broken = |what: String| Failure::failed(format!("the answer has no JSON form: {what}"));
    let pool = DescriptorPool::decode(DESCRIPTOR_SET).map_err(|error| broken(error.to_string()))?;
    let descriptor = pool
        .get_message_by_name(&format!("agentguard.v1.{name}"))
        .ok_or_else(|| broken(format!("the contract knows no `{name}`")))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice());
    Ok(object(&dynamic.map_err(|error| broken(error.to_string()))?))
}

fn object(message: &DynamicMessage) -> Value {
    let descriptor = message.descriptor();
    if let Some(value) = well_known(&descriptor, message) {
        return value;
    }
    let mut members = Map::new();
    for field in descriptor.fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let kind = field.kind();
        let content = message.get_field(&field);
        let value = if let Field::Map(entries) = &*content {
            let kind = kind.as_message().map_or(kind.clone(), |entry| entry.map_entry_value_field().kind());
            let mut pairs: Vec<_> =
                entries.iter().map(|(key, value)| (map_key(key), single(&kind, value))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().collect())
        } else {
            single(&kind, &content)
        };
        members.insert(field.name().to_owned(), value);
    }
    Value::Object(members)
}

fn single(kind: &Kind, value: &Field) -> Value {
    match value {
        Field::Bool(value) => Value::Bool(*value),
        Field::I32(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        // As proto JSON has it: JavaScript's numbers are too small for these.
        Field::I64(value) => value.to_string().into(),
        Field::U64(value) => value.to_string().into(),
        Field::F32(value) => f64::from(*value).into(),
        Field::F64(value) => (*value).into(),
        Field::String(value) => value.as_str().into(),
        Field::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        Field::EnumNumber(number) => {
            kind.as_enum().map_or((*number).into(), |descriptor| enum_name(descriptor, *number))
        }
        Field::Message(message) => object(message),
        Field::List(items) => items.iter().map(|item| single(kind, item)).collect(),
        // A map is no element of a list or of a map.
        Field::Map(_) => Value::Null,
    }
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

/// The value's name without the enum's own; the number where this build does not know it.
fn enum_name(descriptor: &EnumDescriptor, number: i32) -> Value {
    let Some(value) = descriptor.get_value(number) else { return number.into() };
    let mut prefix = String::new();
    for letter in descriptor.name().chars() {
        if letter.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    prefix.push('_');
    value.name().strip_prefix(&prefix).unwrap_or(value.name()).into()
}

fn well_known(descriptor: &MessageDescriptor, message: &DynamicMessage) -> Option<Value> {
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => {
            let time = message.transcode_to::<prost_types::Timestamp>().ok()?;
            Some(timestamp(&time).into())
        }
        "google.protobuf.Struct" => Some(structure(message.transcode_to().ok()?)),
        "google.protobuf.FieldMask" => {
            let mask = message.transcode_to::<prost_types::FieldMask>().ok()?;
            Some(mask.paths.join(",").into())
        }
        _ => None,
    }
}

/// RFC 3339 with microseconds.
pub fn timestamp(time: &prost_types::Timestamp) -> String {
    let micros = time.seconds.saturating_mul(1_000_000).saturating_add(i64::from(time.nanos) / 1_000);
    Timestamp::from_micros(micros).to_string()
}

/// A `Struct` as JSON.
pub fn structure(value: prost_types::Struct) -> Value {
    Value::Object(value.fields.into_iter().map(|(name, value)| (name, plain(value))).collect())
}

fn plain(value: prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        // 3, not 3.0: JSON knows one kind of number, and people type the short one.
        Some(Kind::NumberValue(value)) => match whole(value) {
            Some(whole) => whole.into(),
            None => value.into(),
        },
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(plain).collect(),
        Some(Kind::StructValue(inner)) => structure(inner),
    }
}

/// `value` as an integer, if it is one that a double holds exactly.
fn whole(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && value.abs() < EXACT && !(value == 0.0 && value.is_sign_negative());
    #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53, as just checked")]
    is_whole.then_some(value as i64)
}

/// JSON as a `Struct`'s value.
pub fn to_value(value: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(to_value).collect() })
        }
        Value::Object(members) => Kind::StructValue(to_struct(members)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A JSON object as a `Struct`.
pub fn to_struct(members: &Map<String, Value>) -> prost_types::Struct {
    prost_types::Struct {
        fields: members.iter().map(|(name, value)| (name.clone(), to_value(value))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1;
    use serde_json::json;

    #[test]
    fn defaults_are_written_and_enums_lose_their_prefix() {
        let decision = v1::Decision {
            verdict: v1::Verdict::RequireApproval.into(),
            reason_code: v1::ReasonCode::ApprovalRequired.into(),
            decided_at: Some(prost_types::Timestamp { seconds: 1_767_614_400, nanos: 1_000 }),
            ..Default::default()
        };
        let json = of("EnforceResponse", &v1::EnforceResponse { decision: Some(decision) }).unwrap();
        let decision = &json["decision"];
        assert_eq!(decision["verdict"], "REQUIRE_APPROVAL");
        assert_eq!(decision["reason_code"], "APPROVAL_REQUIRED");
        assert_eq!(decision["allowed"], false);
        assert_eq!(decision["rule_id"], "");
        assert_eq!(decision["decided_at"], "2026-01-05T12:00:00.000001Z");
        assert_eq!(of("EnforceResponse", &v1::EnforceResponse::default()).unwrap(), json!({}));
    }

    #[test]
    fn maps_structs_and_large_numbers_have_their_proto_form() {
        let record = v1::AuditRecord {
            seq: 9_007_199_254_740_993,
            arguments: Some(to_struct(json!({"a": [1, 1.5, null, true, {"b": "c"}]}).as_object().unwrap())),
            agent: Some(v1::RecordedAgent {
                labels: [("tier".to_owned(), "gold".to_owned())].into(),
                ..Default::default()
            }),
            kind: 99,
            ..Default::default()
        };
        let json = of("AuditRecord", &record).unwrap();
        assert_eq!(json["seq"], "9007199254740993");
        assert_eq!(json["arguments"], json!({"a": [1, 1.5, null, true, {"b": "c"}]}));
        assert_eq!(json["agent"]["labels"], json!({"tier": "gold"}));
        assert_eq!(json["kind"], 99);
        assert!(json.get("resource").is_none(), "absent stays absent");
    }
}
