//! JSON made into messages, with every fault at once and the path at which its writer finds it.

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value as Field};
use serde_json::{Map, Value};

use super::to_struct;
use crate::service::convert::Faults;

/// In this message and in all within it nothing unknown may stand: a misspelt `deny` must not count as none.
const STRICT: &str = "agentguard.v1.Policy";

/// Letters of an unknown name that are shown.
const SHOWN: usize = 64;

/// Reads `json` as the message that `descriptor` describes; `path` is where it stands in its request (empty: it is
/// the request). What is unknown is ignored, but in policies. If there are faults, the message is not whole.
pub fn message(
    descriptor: &MessageDescriptor,
    json: Value,
    path: &str,
    faults: &mut Faults,
) -> DynamicMessage {
    let mut reader = Reader { faults, strict: false };
    reader.message(descriptor, json, path).unwrap_or_else(|| DynamicMessage::new(descriptor.clone()))
}

/// Reads a value of `field` that came as text in a path or a query.
pub fn from_text(field: &FieldDescriptor, text: &str, path: &str, faults: &mut Faults) -> Option<Field> {
    let kind = field.kind();
    let json = match (&kind, text) {
        (Kind::Bool, "true") => Value::Bool(true),
        (Kind::Bool, "false") => Value::Bool(false),
        (Kind::Enum(_), text) => text.parse::<i32>().map_or_else(|_| text.into(), Value::from),
        (_, text) => text.into(),
    };
    Reader { faults, strict: false }.single(&kind, json, path)
}

struct Reader<'a> {
    faults: &'a mut Faults,
    /// Whether what is unknown is a fault here.
    strict: bool,
}

impl Reader<'_> {
    fn fault<T>(&mut self, path: &str, message: impl Into<String>) -> Option<T> {
        self.faults.add(path, message);
        None
    }

    fn message(&mut self, descriptor: &MessageDescriptor, json: Value, path: &str) -> Option<DynamicMessage> {
        match descriptor.full_name() {
            "google.protobuf.Timestamp" => return self.timestamp(descriptor, &json, path),
            "google.protobuf.FieldMask" => return self.mask(descriptor, &json, path),
            "google.protobuf.Struct" => return self.structure(descriptor, &json, path),
            _ => {}
        }
        let shown = if path.is_empty() { "body" } else { path };
        let Value::Object(members) = json else { return self.fault(shown, "is no object") };
        let outside = self.strict;
        self.strict |= descriptor.full_name() == STRICT;
        let message = self.members(descriptor, members, path);
        self.strict = outside;
        Some(message)
    }

    fn members(
        &mut self,
        descriptor: &MessageDescriptor,
        members: Map<String, Value>,
        path: &str,
    ) -> DynamicMessage {
        let mut message = DynamicMessage::new(descriptor.clone());
        let mut seen = Vec::new();
        for (name, json) in members {
            let field =
                descriptor.get_field_by_name(&name).or_else(|| descriptor.get_field_by_json_name(&name));
            let Some(field) = field else {
                if self.strict {
                    self.unknown(descriptor, &name, path);
                }
                continue;
            };
            if json.is_null() {
                continue;
            }
            let at = below(path, field.name());
            if seen.contains(&field.number()) {
                self.faults.add(at, "is there twice, under both of its names");
                continue;
            }
            let rival = field.containing_oneof().filter(|group| !group.is_synthetic());
            let rival = rival.and_then(|group| group.fields().find(|other| seen.contains(&other.number())));
            if let Some(rival) = rival {
                self.faults.add(at, format!("cannot stand beside `{}`", rival.name()));
                continue;
            }
            seen.push(field.number());
            if let Some(value) = self.field(&field, json, &at) {
                message.set_field(&field, value);
            }
        }
        message
    }

    fn unknown(&mut self, descriptor: &MessageDescriptor, name: &str, path: &str) {
        let shown: String = name.chars().take(SHOWN).collect();
        let known: Vec<_> = descriptor.fields().map(|field| format!("`{}`", field.name())).collect();
        let message = if known.is_empty() {
            "is unknown here; nothing is accepted".to_owned()
        } else {
            format!("is unknown here; known are {}", known.join(", "))
        };
        self.faults.add(below(path, &shown), message);
    }

    fn field(&mut self, field: &FieldDescriptor, json: Value, path: &str) -> Option<Field> {
        let kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            let Value::Object(members) = json else { return self.fault(path, "is no object") };
            let kind = entry.map_entry_value_field().kind();
            let mut entries = std::collections::HashMap::with_capacity(members.len());
            for (key, json) in members {
                let shown: String = key.chars().take(SHOWN).collect();
                if let Some(value) = self.single(&kind, json, &format!("{path}[{shown:?}]")) {
                    // The contract's maps are all by text, as a test holds.
                    entries.insert(MapKey::String(key), value);
                }
            }
            return Some(Field::Map(entries));
        }
        if field.is_list() {
            let Value::Array(items) = json else { return self.fault(path, "is no list") };
            let items = items.into_iter().enumerate();
            let items: Vec<_> =
                items.filter_map(|(at, item)| self.single(&kind, item, &format!("{path}[{at}]"))).collect();
            return Some(Field::List(items));
        }
        self.single(&kind, json, path)
    }

    fn single(&mut self, kind: &Kind, json: Value, path: &str) -> Option<Field> {
        match kind {
            Kind::Message(descriptor) => self.message(descriptor, json, path).map(Field::Message),
            Kind::String => {
                let Value::String(text) = json else { return self.fault(path, "is no string") };
                Some(Field::String(text))
            }
            Kind::Bool => {
                let Value::Bool(flag) = json else {
                    return self.fault(path, "is neither `true` nor `false`");
                };
                Some(Field::Bool(flag))
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                let number = whole(&json).and_then(|number| i32::try_from(number).ok());
                number.map(Field::I32).or_else(|| self.fault(path, "is no whole number of 32 bits"))
            }
            Kind::Uint32 | Kind::Fixed32 => {
                let number = whole(&json).and_then(|number| u32::try_from(number).ok());
                number.map(Field::U32).or_else(|| self.fault(path, "is no whole number of 32 bits from 0"))
            }
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                let number = whole(&json).and_then(|number| i64::try_from(number).ok());
                number.map(Field::I64).or_else(|| self.fault(path, "is no whole number of 64 bits"))
            }
            Kind::Uint64 | Kind::Fixed64 => {
                let number = whole(&json).and_then(|number| u64::try_from(number).ok());
                number.map(Field::U64).or_else(|| self.fault(path, "is no whole number of 64 bits from 0"))
            }
            Kind::Enum(values) => {
                let number = match json.as_str() {
                    Some(name) => values.get_value_by_name(name).map(|value| value.number()),
                    None => whole(&json).and_then(|number| i32::try_from(number).ok()),
                };
                let known = || values.values().map(|value| format!("`{}`", value.name())).collect::<Vec<_>>();
                number
                    .map(Field::EnumNumber)
                    .or_else(|| self.fault(path, format!("is none of {}", known().join(", "))))
            }
            // No request of the contract has one, as a test holds.
            Kind::Float | Kind::Double | Kind::Bytes => self.fault(path, "cannot be given as JSON"),
        }
    }

    fn timestamp(
        &mut self,
        descriptor: &MessageDescriptor,
        json: &Value,
        path: &str,
    ) -> Option<DynamicMessage> {
        let read = json.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let Some(read) = read else {
            return self.fault(path, "is no time in RFC 3339, such as `2026-01-31T09:30:00Z`");
        };
        let nanos = read.as_nanosecond();
        let at = prost_types::Timestamp {
            seconds: i64::try_from(nanos.div_euclid(1_000_000_000)).unwrap_or(i64::MIN),
            nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
        };
        self.typed(descriptor, &at, path)
    }

    /// Paths separated by commas, in either spelling of names.
    fn mask(&mut self, descriptor: &MessageDescriptor, json: &Value, path: &str) -> Option<DynamicMessage> {
        let Some(text) = json.as_str() else { return self.fault(path, "is no text of names and commas") };
        let paths = text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(snake).collect();
        self.typed(descriptor, &prost_types::FieldMask { paths }, path)
    }

    fn structure(
        &mut self,
        descriptor: &MessageDescriptor,
        json: &Value,
        path: &str,
    ) -> Option<DynamicMessage> {
        let Value::Object(members) = json else { return self.fault(path, "is no object") };
        self.typed(descriptor, &to_struct(members), path)
    }

    fn typed(
        &mut self,
        descriptor: &MessageDescriptor,
        message: &impl Message,
        path: &str,
    ) -> Option<DynamicMessage> {
        let read = DynamicMessage::decode(descriptor.clone(), message.encode_to_vec().as_slice());
        // Whatever was just written reads back, unless it is nested deeper than messages can be.
        read.ok().or_else(|| self.fault(path, "is nested too deep"))
    }
}

/// A whole number, as a number or as text of one, as proto JSON has it.
fn whole(json: &Value) -> Option<i128> {
    match json {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number
            .as_i64()
            .map(i128::from)
            .or_else(|| number.as_u64().map(i128::from))
            .or_else(|| number.as_f64().and_then(exact)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `1e3` is a whole number too.
fn exact(number: f64) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && number.abs() < EXACT;
    #[allow(clippy::cast_possible_truncation, reason = "whole and below 2^53, as just checked")]
    is_whole.then_some(number as i128)
}

/// `isActive` as `is_active`, which stays as it is.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// The path of `field` below `path`.
fn below(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

#[cfg(test)]
mod tests;
