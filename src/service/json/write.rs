//! Messages shown as JSON: defaults always written, what is absent left out, 64-bit numbers as text.

use prost_reflect::{
    DynamicMessage, EnumDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value as Field,
};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// How the values of enums are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enums {
    /// As the proto has them: `VERDICT_ALLOW`.
    Whole,
    /// Without their enum's name: `ALLOW`.
    Bare,
}

/// The JSON form of `message`.
pub fn write(message: &DynamicMessage, enums: Enums) -> Value {
    let descriptor = message.descriptor();
    if let Some(value) = well_known(&descriptor, message, enums) {
        return value;
    }
    Value::Object(members(message, enums))
}

fn members(message: &DynamicMessage, enums: Enums) -> Map<String, Value> {
    let mut members = Map::new();
    for field in message.descriptor().fields() {
        if field.supports_presence() && !message.has_field(&field) {
            continue;
        }
        let kind = field.kind();
        let content = message.get_field(&field);
        let value = if let Field::Map(entries) = &*content {
            let kind = kind.as_message().map_or(kind.clone(), |entry| entry.map_entry_value_field().kind());
            let mut pairs: Vec<_> =
                entries.iter().map(|(key, value)| (map_key(key), single(&kind, value, enums))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().collect())
        } else {
            single(&kind, &content, enums)
        };
        members.insert(field.name().to_owned(), value);
    }
    members
}

fn single(kind: &Kind, value: &Field, enums: Enums) -> Value {
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
            kind.as_enum().map_or((*number).into(), |descriptor| enum_name(descriptor, *number, enums))
        }
        Field::Message(message) => write(message, enums),
        Field::List(items) => items.iter().map(|item| single(kind, item, enums)).collect(),
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

/// The value's name; the number where this build does not know it.
fn enum_name(descriptor: &EnumDescriptor, number: i32, enums: Enums) -> Value {
    let Some(value) = descriptor.get_value(number) else { return number.into() };
    if enums == Enums::Whole {
        return value.name().into();
    }
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

fn well_known(descriptor: &MessageDescriptor, message: &DynamicMessage, enums: Enums) -> Option<Value> {
    match descriptor.full_name() {
        "google.protobuf.Any" => {
            let any = message.transcode_to::<prost_types::Any>().ok()?;
            Some(contents(descriptor, &any, enums))
        }
        "google.protobuf.Duration" => {
            let span = message.transcode_to::<prost_types::Duration>().ok()?;
            Some(duration(&span).into())
        }
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

/// A message in an `Any`, with its type; of one that the contract does not know only the type.
fn contents(descriptor: &MessageDescriptor, any: &prost_types::Any, enums: Enums) -> Value {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let inside = descriptor
        .parent_pool()
        .get_message_by_name(name)
        .and_then(|descriptor| DynamicMessage::decode(descriptor, any.value.as_slice()).ok());
    let mut shown = Map::new();
    shown.insert("@type".into(), any.type_url.as_str().into());
    shown.extend(inside.map(|message| members(&message, enums)).unwrap_or_default());
    Value::Object(shown)
}

/// Seconds with as many digits after the point as there are: `1.5s`.
fn duration(span: &prost_types::Duration) -> String {
    let sign = if span.seconds < 0 || span.nanos < 0 { "-" } else { "" };
    let (seconds, nanos) = (span.seconds.unsigned_abs(), span.nanos.unsigned_abs());
    let digits = format!("{nanos:09}");
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() { format!("{sign}{seconds}s") } else { format!("{sign}{seconds}.{digits}s") }
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
fn to_value(value: &Value) -> prost_types::Value {
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
    use prost::Message;
    use serde_json::json;

    use super::*;
    use crate::pb::{rpc, v1};
    use crate::service::json::contract;

    fn of(name: &str, message: &impl Message) -> Value {
        shown(name, message, Enums::Bare)
    }

    fn shown(name: &str, message: &impl Message, enums: Enums) -> Value {
        let descriptor = contract().unwrap().get_message_by_name(&format!("agentguard.v1.{name}")).unwrap();
        let bytes = message.encode_to_vec();
        write(&DynamicMessage::decode(descriptor, bytes.as_slice()).unwrap(), enums)
    }

    #[test]
    fn defaults_are_written_and_enums_lose_their_prefix() {
        let decision = v1::Decision {
            verdict: v1::Verdict::RequireApproval.into(),
            reason_code: v1::ReasonCode::ApprovalRequired.into(),
            decided_at: Some(prost_types::Timestamp { seconds: 1_767_614_400, nanos: 1_000 }),
            ..Default::default()
        };
        let json = of("EnforceResponse", &v1::EnforceResponse { decision: Some(decision) });
        let decision = &json["decision"];
        assert_eq!(decision["verdict"], "REQUIRE_APPROVAL");
        assert_eq!(decision["reason_code"], "APPROVAL_REQUIRED");
        assert_eq!(decision["allowed"], false);
        assert_eq!(decision["rule_id"], "");
        assert_eq!(decision["decided_at"], "2026-01-05T12:00:00.000001Z");
        assert_eq!(of("EnforceResponse", &v1::EnforceResponse::default()), json!({}));
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
        let json = of("AuditRecord", &record);
        assert_eq!(json["seq"], "9007199254740993");
        assert_eq!(json["arguments"], json!({"a": [1, 1.5, null, true, {"b": "c"}]}));
        assert_eq!(json["agent"]["labels"], json!({"tier": "gold"}));
        assert_eq!(json["kind"], 99);
        assert!(json.get("resource").is_none(), "absent stays absent");
    }

    #[test]
    fn an_error_in_a_batch_shows_its_details() {
        let delay = prost_types::Duration { seconds: 0, nanos: 250_000_000 };
        let retry = rpc::RetryInfo { retry_delay: Some(delay) };
        let any = |name: &str, value: Vec<u8>| prost_types::Any {
            type_url: format!("type.googleapis.com/google.rpc.{name}"),
            value,
        };
        let details = vec![any("RetryInfo", retry.encode_to_vec()), any("Unknown", vec![1])];
        let error = rpc::Status { code: 14, message: "m".into(), details };
        let result = v1::BatchEnforceResult { result: Some(v1::batch_enforce_result::Result::Error(error)) };
        let batch = v1::BatchEnforceResponse { results: vec![result] };
        assert_eq!(
            of("BatchEnforceResponse", &batch)["results"][0]["error"]["details"],
            json!([{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "0.25s"},
                {"@type": "type.googleapis.com/google.rpc.Unknown"}])
        );
    }

    #[test]
    fn enums_keep_their_whole_names_where_asked() {
        let decision = v1::Decision { verdict: v1::Verdict::Deny.into(), ..Default::default() };
        assert_eq!(shown("Decision", &decision, Enums::Whole)["verdict"], "VERDICT_DENY");
    }

    #[test]
    fn a_duration_is_seconds() {
        for (seconds, nanos, text) in [
            (0, 0, "0s"),
            (3, 0, "3s"),
            (1, 500_000_000, "1.5s"),
            (-1, -1, "-1.000000001s"),
            (0, -5_000, "-0.000005s"),
        ] {
            assert_eq!(duration(&prost_types::Duration { seconds, nanos }), text);
        }
    }
}
