use proptest::prelude::*;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::value::Kind;
use prost_types::{DescriptorProto, FileDescriptorSet, ListValue, Struct, Value};

use super::*;
use crate::pb::v1;

fn count(name: &str, message: &[u8]) -> Counts {
    let mut counts = Counts::default();
    walk(message, Shape::of(name).unwrap(), 0, &mut counts).unwrap();
    counts
}

fn list(length: usize) -> Struct {
    let values = vec![Value { kind: Some(Kind::NullValue(0)) }; length];
    let list = Value { kind: Some(Kind::ListValue(ListValue { values })) };
    Struct { fields: [("l".to_owned(), list)].into() }
}

fn batch(checks: usize, values: usize) -> Vec<u8> {
    let check = v1::EnforceRequest {
        action: "a".repeat(200),
        arguments: Some(list(values - 1)),
        ..Default::default()
    };
    v1::BatchEnforceRequest { checks: vec![check; checks], ..Default::default() }.encode_to_vec()
}

fn refusal(name: &str, message: &[u8]) -> String {
    check(name, message).unwrap_err().to_string()
}

#[test]
fn the_bounds_hold_at_n_and_not_at_n_plus_1() {
    assert_eq!(MAX_MESSAGE_VALUES, MAX_BATCH * crate::policy::value::MAX_NODES);
    assert!(check("BatchEnforceRequest", &batch(100, 1_000)).is_ok());
    let refused = refusal("BatchEnforceRequest", &batch(101, 10));
    assert!(refused.contains("checks") && refused.contains("more than 100 items"), "{refused}");
    let refused = refusal("BatchEnforceRequest", &batch(100, 1_001));
    assert!(refused.contains("more than 100000 values"), "{refused}");
    let policy = |rules| {
        let policy = v1::Policy { deny: vec![v1::Rule::default(); rules], ..Default::default() };
        v1::SetPolicyRequest { policy: Some(policy), validate_only: false }.encode_to_vec()
    };
    assert!(check("SetPolicyRequest", &policy(200_000)).is_ok());
    let refused = refusal("SetPolicyRequest", &policy(200_001));
    assert!(refused.contains("policy") && refused.contains("more than 200000 rules"), "{refused}");
}

#[test]
fn a_small_message_is_left_to_the_checks_of_what_was_read() {
    assert!(check("BatchEnforceRequest", &[0x0a, 0x00].repeat(101)).is_ok());
    assert!(check("BatchEnforceRequest", &[0x0a, 0x00].repeat(COUNTED_FROM / 2)).is_err());
}

#[test]
fn bytes_that_are_no_message_are_left_to_the_reader() {
    for bytes in [&[0xff; 20_000][..], &[0x0a; 20_000], &[0x0f; 20_000]] {
        assert!(check("BatchEnforceRequest", bytes).is_ok());
        assert!(v1::BatchEnforceRequest::decode(bytes).is_err());
    }
}

#[test]
fn nesting_beyond_the_readers_is_not_followed() {
    // A list in a list, and so on: each takes the one before as its content.
    let mut value = Vec::new();
    for _ in 0..10_000 {
        let mut outer = Vec::new();
        prost::encoding::encode_key(1, prost::encoding::WireType::LengthDelimited, &mut outer);
        prost::encoding::encode_varint(u64::try_from(value.len()).unwrap(), &mut outer);
        outer.append(&mut value);
        let mut wrapped = vec![0x32];
        prost::encoding::encode_varint(u64::try_from(outer.len()).unwrap(), &mut wrapped);
        wrapped.append(&mut outer);
        value = wrapped;
    }
    let mut counts = Counts::default();
    assert_eq!(walk(&value, Shape::Value, 0, &mut counts), Ok(false));
    assert!(counts.values <= MAX_WALK);
    assert!(Value::decode(value.as_slice()).is_err());
}

fn members(object: &Struct) -> usize {
    object.fields.values().map(|value| 1 + values(value)).sum()
}

fn values(value: &Value) -> usize {
    match &value.kind {
        Some(Kind::StructValue(inner)) => members(inner),
        Some(Kind::ListValue(list)) => list.values.iter().map(|item| 1 + values(item)).sum(),
        _ => 0,
    }
}

/// What is there once it is read.
fn read(batch: &v1::BatchEnforceRequest) -> Counts {
    let objects = batch.checks.iter().flat_map(|check| [&check.arguments, &check.context]);
    Counts { checks: batch.checks.len(), values: objects.flatten().map(members).sum(), parts: 0 }
}

proptest! {
    /// Bytes of any kind, and messages with some of their bytes changed: the reader never finds more than was counted.
    #[test]
    fn what_is_read_was_counted(
        checks in 0usize..5,
        length in 1usize..20,
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut bytes = batch(checks, length);
        bytes.extend(tail);
        for (at, byte) in noise {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        let counted = count("BatchEnforceRequest", &bytes);
        if let Ok(message) = v1::BatchEnforceRequest::decode(bytes.as_slice()) {
            let found = read(&message);
            prop_assert!(counted.checks >= found.checks && counted.values >= found.values, "{counted:?} {found:?}");
        }
    }
}

/// Every request of the contract, whatever is added to it: a field that may be many is known to its shape.
#[test]
fn no_field_that_may_be_many_is_forgotten() {
    let set = FileDescriptorSet::decode(crate::pb::DESCRIPTOR_SET).unwrap();
    let mut seen = 0;
    for service in set.file.iter().filter(|file| file.package() == "agentguard.v1").flat_map(|f| &f.service) {
        for method in &service.method {
            let name = method.input_type().rsplit('.').next().unwrap();
            let mut open = vec![(method.input_type().to_owned(), Shape::of(name), name.to_owned())];
            let mut known = Vec::new();
            while let Some((kind, shape, path)) = open.pop() {
                if known.contains(&(kind.clone(), shape)) {
                    continue;
                }
                known.push((kind.clone(), shape));
                for field in &message(&set, &kind).field {
                    let number = u64::try_from(field.number()).unwrap();
                    let part = shape.and_then(|shape| shape.field(number));
                    let path = format!("{path}.{}", field.name());
                    if field.label() == Label::Repeated {
                        let counted = part.map(|(counted, _)| counted);
                        assert!(counted.is_some_and(|it| it != Counted::Nothing), "{path} is not counted");
                        seen += 1;
                    }
                    if field.r#type() == Type::Message {
                        open.push((field.type_name().to_owned(), part.and_then(|(_, inside)| inside), path));
                    }
                }
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

fn message<'a>(set: &'a FileDescriptorSet, name: &str) -> &'a DescriptorProto {
    fn below<'a>(prefix: &str, messages: &'a [DescriptorProto], name: &str) -> Option<&'a DescriptorProto> {
        messages.iter().find_map(|message| {
            let path = format!("{prefix}.{}", message.name());
            if path == name { Some(message) } else { below(&path, &message.nested_type, name) }
        })
    }
    set.file
        .iter()
        .find_map(|file| below(&format!(".{}", file.package()), &file.message_type, name))
        .unwrap_or_else(|| panic!("{name}"))
}
