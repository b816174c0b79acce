//! Messages of a size to the byte.

use agentguard::pb::v1;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

pub fn text(text: String) -> Value {
    Value { kind: Some(Kind::StringValue(text)) }
}

pub fn list(values: Vec<Value>) -> Value {
    Value { kind: Some(Kind::ListValue(ListValue { values })) }
}

pub fn object(key: &str, value: Value) -> Option<Struct> {
    Some(Struct { fields: [(key.to_owned(), value)].into() })
}

pub fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "a".into(), ..Default::default() }
}

/// `count` values in all.
pub fn nodes(count: usize) -> v1::EnforceRequest {
    let nothing = Value { kind: Some(Kind::NullValue(0)) };
    v1::EnforceRequest { arguments: object("l", list(vec![nothing; count - 1])), ..check() }
}

/// A value `depth` deep.
pub fn nested(depth: usize) -> v1::EnforceRequest {
    let nothing = Value { kind: Some(Kind::NullValue(0)) };
    let value = (1..depth)
        .fold(nothing, |inner, _| Value { kind: Some(Kind::StructValue(object("x", inner).unwrap())) });
    v1::EnforceRequest { arguments: object("x", value), ..check() }
}

/// Finds the filling with which `make` has `size` bytes. Lengths of lengths jump, so two are turned.
fn fit<M: Message>(size: usize, make: impl Fn(usize, usize) -> M) -> M {
    for small in 0..100 {
        let mut filling = size.saturating_sub(make(0, small).encoded_len());
        for _ in 0..10 {
            let message = make(filling, small);
            match message.encoded_len() {
                length if length == size => return message,
                length if length > size => filling -= length - size,
                length => filling += size - length,
            }
        }
    }
    panic!("no message of {size} bytes");
}

/// A check of `size` bytes, up to 256 KiB and some.
pub fn check_of(size: usize) -> v1::EnforceRequest {
    fit(size, |filling, small| {
        let whole = filling / 60_000;
        let mut texts = vec![text("x".repeat(60_000)); whole];
        texts.push(text("x".repeat(filling % 60_000)));
        let session_id = "s".repeat(small);
        v1::EnforceRequest { arguments: object("l", list(texts)), session_id, ..check() }
    })
}

/// A hundred checks of `size` bytes together.
pub fn batch_of(size: usize) -> Vec<v1::EnforceRequest> {
    let whole = check_of(size / 100 - 8);
    let last = fit(size, |filling, small| {
        let texts = [filling.min(60_000), filling - filling.min(60_000)].map(|size| text("x".repeat(size)));
        let arguments = object("l", list(texts.to_vec()));
        let last = v1::EnforceRequest { arguments, session_id: "s".repeat(small), ..check() };
        let mut checks = vec![whole.clone(); 99];
        checks.push(last);
        v1::BatchEnforceRequest { checks, ..Default::default() }
    });
    last.checks
}

/// A policy of `size` bytes for team `bounded`.
pub fn policy_of(size: usize) -> v1::Policy {
    let rule = |number: usize, reason: usize| v1::Rule {
        action: format!("a{number}"),
        reason: "r".repeat(reason),
        ..Default::default()
    };
    let kind = v1::scope::Kind::Team("bounded".into());
    let scope = Some(v1::Scope { kind: Some(kind) });
    let whole: Vec<_> = (0..(size - 1_000) / 520).map(|number| rule(number, 500)).collect();
    let base = v1::Policy { scope, allow: whole, ..Default::default() };
    fit(size, |filling, small| {
        let mut policy = base.clone();
        let mut left = filling;
        for number in 100_000.. {
            policy.allow.push(rule(number, left.min(490)));
            left = left.saturating_sub(490);
            if left == 0 {
                break;
            }
        }
        policy.allow.push(rule(99_999, small));
        policy
    })
}
