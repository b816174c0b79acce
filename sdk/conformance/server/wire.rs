//! gRPC by hand: frames, statuses and messages, so that each of them can be wrong.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, MethodDescriptor, ReflectMessage,
    Value as Field,
};
use serde_json::{Map, Value};

use agentguard::pb::{DESCRIPTOR_SET, rpc};

use super::script::{Fault, Step};

/// The contract, by its descriptors.
pub struct Contract {
    pool: DescriptorPool,
}

impl Contract {
    pub fn new() -> Self {
        Self { pool: DescriptorPool::decode(DESCRIPTOR_SET).unwrap() }
    }

    /// The RPC of this short name; no two services share one.
    pub fn method(&self, name: &str) -> Option<MethodDescriptor> {
        self.pool
            .services()
            .filter(|service| service.package_name() == "agentguard.v1")
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .find(|method| method.name() == name)
    }

    /// The message that `json` says, in the proto's names. Enums are numbers or names, with or without prefix.
    pub fn message(&self, of: &MessageDescriptor, json: &Value) -> Result<DynamicMessage, String> {
        match of.full_name() {
            "google.protobuf.Struct" => return transcoded(of, &structure(json)),
            "google.rpc.Status" => {
                let fault: Fault = serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
                return transcoded(of, &status(&fault, ""));
            }
            _ => {}
        }
        let Some(members) = json.as_object() else { return Err(format!("{json} is no {}", of.full_name())) };
        let mut message = DynamicMessage::new(of.clone());
        for (name, value) in members {
            let field = of
                .get_field_by_name(name)
                .ok_or_else(|| format!("{} has no field `{name}`", of.full_name()))?;
            let content = if field.is_map() {
                let kind = field.kind();
                let entry = kind.as_message().unwrap().map_entry_value_field().kind();
                let pairs = value.as_object().ok_or("a map is an object")?;
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| Ok((MapKey::String(key.clone()), self.single(&entry, value)?)))
                    .collect::<Result<_, String>>()?;
                Field::Map(pairs)
            } else if field.is_list() {
                let items = value.as_array().ok_or_else(|| format!("`{name}` is a list"))?;
                Field::List(
                    items.iter().map(|item| self.single(&field.kind(), item)).collect::<Result<_, _>>()?,
                )
            } else {
                self.single(&field.kind(), value)?
            };
            message.set_field(&field, content);
        }
        Ok(message)
    }

    fn single(&self, kind: &Kind, value: &Value) -> Result<Field, String> {
        let wrong = || format!("{value} is no {kind:?}");
        Ok(match kind {
            Kind::Bool => Field::Bool(value.as_bool().ok_or_else(wrong)?),
            Kind::String => Field::String(value.as_str().ok_or_else(wrong)?.to_owned()),
            Kind::Int32 => Field::I32(value.as_i64().and_then(|n| n.try_into().ok()).ok_or_else(wrong)?),
            Kind::Int64 => Field::I64(value.as_i64().ok_or_else(wrong)?),
            Kind::Uint64 => Field::U64(value.as_u64().ok_or_else(wrong)?),
            Kind::Double => Field::F64(value.as_f64().ok_or_else(wrong)?),
            Kind::Message(of) => Field::Message(self.message(of, value)?),
            Kind::Enum(of) => {
                if let Some(number) = value.as_i64().and_then(|number| number.try_into().ok()) {
                    return Ok(Field::EnumNumber(number));
                }
                let name = value.as_str().ok_or_else(wrong)?;
                let ending = format!("_{name}");
                let found = of.values().find(|one| one.name() == name || one.name().ends_with(&ending));
                Field::EnumNumber(found.ok_or_else(wrong)?.number())
            }
            _ => return Err(wrong()),
        })
    }
}

fn transcoded(of: &MessageDescriptor, message: &impl Message) -> Result<DynamicMessage, String> {
    DynamicMessage::decode(of.clone(), message.encode_to_vec().as_slice()).map_err(|error| error.to_string())
}

fn structure(json: &Value) -> prost_types::Struct {
    let members = json.as_object().cloned().unwrap_or_default();
    prost_types::Struct {
        fields: members.iter().map(|(key, value)| (key.clone(), any_value(value))).collect(),
    }
}

fn any_value(json: &Value) -> prost_types::Value {
    use prost_types::value::Kind;
    let kind = match json {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(items) => {
            Kind::ListValue(prost_types::ListValue { values: items.iter().map(any_value).collect() })
        }
        Value::Object(_) => Kind::StructValue(structure(json)),
    };
    prost_types::Value { kind: Some(kind) }
}

/// A message as a runner's author would write it: what is not set is left out.
pub fn to_json(message: &DynamicMessage) -> Value {
    if message.descriptor().full_name() == "google.protobuf.Struct" {
        let structure: prost_types::Struct = message.transcode_to().unwrap();
        return from_structure(structure);
    }
    let mut members = Map::new();
    for (field, value) in message.fields() {
        members.insert(field.name().to_owned(), of_field(value));
    }
    Value::Object(members)
}

fn of_field(value: &Field) -> Value {
    match value {
        Field::Bool(value) => (*value).into(),
        Field::I32(value) | Field::EnumNumber(value) => (*value).into(),
        Field::I64(value) => (*value).into(),
        Field::U32(value) => (*value).into(),
        Field::U64(value) => (*value).into(),
        Field::F32(value) => f64::from(*value).into(),
        Field::F64(value) => (*value).into(),
        Field::String(value) => value.as_str().into(),
        Field::Bytes(value) => value.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
        Field::Message(message) => to_json(message),
        Field::List(items) => items.iter().map(of_field).collect(),
        Field::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.as_str().unwrap_or_default().to_owned(), of_field(value)))
            .collect(),
    }
}

fn from_structure(structure: prost_types::Struct) -> Value {
    structure.fields.into_iter().map(|(key, value)| (key, from_any(value))).collect()
}

fn from_any(value: prost_types::Value) -> Value {
    use prost_types::value::Kind;
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(value)) => value.into(),
        Some(Kind::StringValue(value)) => value.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_any).collect(),
        Some(Kind::StructValue(structure)) => from_structure(structure),
    }
}

/// One gRPC frame, as wrong as `step` wants it.
pub fn frame(message: &[u8], step: &Step) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(u8::from(step.compressed));
    frame.put_u32(u32::try_from(message.len()).unwrap() + step.short_by);
    frame.put_slice(message);
    frame.freeze()
}

pub fn ok() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    trailers
}

/// `fault` as trailers.
pub fn trailers(fault: &Fault, request_id: &str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    let mut put = |name: &'static str, text: &str| {
        trailers.insert(name, HeaderValue::from_str(text).unwrap());
    };
    put("grpc-status", &code(fault).to_string());
    put("grpc-message", &fault.message.replace('%', "%25").replace('\n', "%0A"));
    if fault.broken_details {
        put("grpc-status-details-bin", "//////8");
    } else if fault.reason.is_some() {
        put("grpc-status-details-bin", &base64(&status(fault, request_id).encode_to_vec()));
    }
    if let Some(pushback) = &fault.pushback {
        put("grpc-retry-pushback-ms", pushback);
    }
    trailers
}

/// gRPC's codes, each at its number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

fn code(fault: &Fault) -> i32 {
    if let Some(number) = fault.code.as_i64() {
        return number.try_into().unwrap();
    }
    let name = fault.code.as_str().unwrap_or_default();
    let number = CODES.iter().position(|code| *code == name).unwrap_or_else(|| panic!("`{name}` is no code"));
    i32::try_from(number).unwrap()
}

/// `fault` as the message that carries its details.
fn status(fault: &Fault, request_id: &str) -> rpc::Status {
    let mut details = Vec::new();
    let mut add = |name: &str, value: Vec<u8>| {
        details.push(prost_types::Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value });
    };
    if let Some(reason) = &fault.reason {
        let id = fault.request_id.as_deref().unwrap_or(request_id);
        let metadata =
            if id.is_empty() { Vec::new() } else { vec![("request_id".to_owned(), id.to_owned())] };
        let info = rpc::ErrorInfo {
            reason: reason.clone(),
            domain: fault.domain.clone(),
            metadata: metadata.into_iter().collect(),
        };
        add("ErrorInfo", info.encode_to_vec());
    }
    if let Some(millis) = fault.retry_ms {
        let retry_delay = Some(prost_types::Duration {
            seconds: i64::try_from(millis / 1_000).unwrap(),
            nanos: i32::try_from(millis % 1_000 * 1_000_000).unwrap(),
        });
        add("RetryInfo", rpc::RetryInfo { retry_delay }.encode_to_vec());
    }
    if !fault.violations.is_empty() {
        let field_violations = fault.violations.iter().map(|violation| rpc::bad_request::FieldViolation {
            field: violation.field.clone(),
            description: violation.description.clone(),
            ..Default::default()
        });
        add("BadRequest", rpc::BadRequest { field_violations: field_violations.collect() }.encode_to_vec());
    }
    if !fault.quota.is_empty() {
        let violations = fault.quota.iter().map(|violation| rpc::quota_failure::Violation {
            subject: violation.field.clone(),
            description: violation.description.clone(),
            ..Default::default()
        });
        add("QuotaFailure", rpc::QuotaFailure { violations: violations.collect() }.encode_to_vec());
    }
    rpc::Status { code: code(fault), message: fault.message.clone(), details }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for index in 0..=group.len() {
            text.push(char::from(LETTERS[(number >> (18 - 6 * index) & 63) as usize]));
        }
    }
    text
}
