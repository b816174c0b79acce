use prost_types::Struct;
use prost_types::value::Kind;

use super::*;

fn fields<T: std::fmt::Debug>(read: Result<T, Error>) -> Vec<String> {
    let Error::Invalid(faults) = read.unwrap_err() else { panic!("another error") };
    faults.into_iter().map(|fault| fault.field).collect()
}

fn number(value: f64) -> Option<Struct> {
    let kind = Some(Kind::NumberValue(value));
    Some(Struct { fields: [("n".to_owned(), prost_types::Value { kind })].into() })
}

fn asked() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "readFile".into(), ..Default::default() }
}

#[test]
fn empty_fields_are_absent_ones() {
    let check = check(asked()).unwrap();
    assert_eq!(check.request.action.as_str(), "read:file");
    assert_eq!(check.action_as_sent, "readFile");
    assert_eq!((check.request.resource, check.request.session_id), (None, None));
    assert_eq!((check.idempotency_key, check.min_revision), (None, None));
}

#[test]
fn every_bad_field_is_named_at_once() {
    let message = v1::EnforceRequest {
        action: "--".into(),
        resource: "r".repeat(2_049),
        arguments: number(f64::NAN),
        context: number(f64::INFINITY),
        idempotency_key: "a b".into(),
        session_id: "s".repeat(257),
        on_behalf_of: "o".repeat(257),
        approval_id: "a".repeat(257),
        min_revision: "17".into(),
    };
    let expected = [
        "action",
        "resource",
        "arguments.n",
        "context.n",
        "session_id",
        "on_behalf_of",
        "approval_id",
        "idempotency_key",
        "min_revision",
    ];
    assert_eq!(fields(check(message)), expected);
}

#[test]
fn an_idempotency_key_has_64_bytes_at_most() {
    let with = |key: String| v1::EnforceRequest { idempotency_key: key, ..asked() };
    assert!(check(with("k".repeat(64))).is_ok());
    assert_eq!(fields(check(with("k".repeat(65)))), ["idempotency_key"]);
    assert_eq!(fields(check(with("é".into()))), ["idempotency_key"]);
}

const DECISION: &str = "dec_01h455vb4pex5vsknk084sn02q";

fn reported(outcome: v1::Outcome) -> Result<(DecisionId, Outcome), Error> {
    super::outcome(v1::ReportOutcomeRequest { decision_id: DECISION.into(), outcome: Some(outcome) })
}

#[test]
fn an_outcome_must_say_whether_it_succeeded() {
    assert_eq!(fields(reported(v1::Outcome::default())), ["outcome.success"]);
    let none = v1::ReportOutcomeRequest { decision_id: "dec_x".into(), outcome: None };
    assert_eq!(fields(super::outcome(none)), ["decision_id", "outcome"]);
    let failed = v1::Outcome { success: Some(false), error: "no disk".into(), metadata: number(1.0) };
    let (_, outcome) = reported(failed).unwrap();
    assert_eq!((outcome.success, outcome.error.as_deref()), (false, Some("no disk")));
}

#[test]
fn success_has_no_error() {
    let both = v1::Outcome { success: Some(true), error: "x".into(), metadata: None };
    assert_eq!(fields(reported(both)), ["outcome.error"]);
}

#[test]
fn metadata_has_4_kib_at_most() {
    // `{"n":"…"}` is eight bytes longer than the text.
    let text = |bytes: usize| {
        let kind = Some(Kind::StringValue("m".repeat(bytes)));
        let metadata = Some(Struct { fields: [("n".to_owned(), prost_types::Value { kind })].into() });
        v1::Outcome { success: Some(true), error: String::new(), metadata }
    };
    assert!(reported(text(MAX_METADATA_BYTES - 8)).is_ok());
    assert_eq!(fields(reported(text(MAX_METADATA_BYTES - 7))), ["outcome.metadata"]);
}

#[test]
fn metadata_is_finite_and_shallow() {
    let outcome = |metadata| v1::Outcome { success: Some(true), error: String::new(), metadata };
    assert_eq!(fields(reported(outcome(number(f64::NEG_INFINITY)))), ["outcome.metadata.n"]);
    let nest = |levels: usize| {
        (1..levels).fold(number(1.0), |inner, _| {
            let kind = inner.map(Kind::StructValue);
            Some(Struct { fields: [("n".to_owned(), prost_types::Value { kind })].into() })
        })
    };
    assert!(reported(outcome(nest(16))).is_ok());
    assert_eq!(fields(reported(outcome(nest(17)))).len(), 1);
    assert_eq!(fields(reported(outcome(nest(90)))).len(), 1);
}

#[test]
fn a_report_names_faults_of_both_halves() {
    let message = v1::ReportRequest { outcome: Some(v1::Outcome::default()), ..Default::default() };
    assert_eq!(fields(report(message)), ["action", "outcome.success"]);
    let plain = v1::ReportRequest { action: "search".into(), ..Default::default() };
    assert_eq!(report(plain).unwrap().1, None);
}
