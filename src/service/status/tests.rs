use prost::Message;

use super::*;

fn all() -> Vec<ErrorReason> {
    (0..).map_while(|number| ErrorReason::try_from(number).ok()).collect()
}

fn decoded(status: &Status) -> rpc::Status {
    rpc::Status::decode(status.details()).unwrap()
}

fn detail<M: Message + Default>(status: &rpc::Status, url: &str) -> Option<M> {
    let any = status.details.iter().find(|any| any.type_url == url)?;
    Some(M::decode(any.value.as_slice()).unwrap())
}

#[test]
fn the_table_says_what_the_design_says() {
    let expected = [
        ("INVALID_ARGUMENT", Code::InvalidArgument, 422),
        ("MALFORMED_MESSAGE", Code::InvalidArgument, 400),
        ("UNAUTHENTICATED", Code::Unauthenticated, 401),
        ("PERMISSION_DENIED", Code::PermissionDenied, 403),
        ("NOT_FOUND", Code::NotFound, 404),
        ("ETAG_MISMATCH", Code::Aborted, 409),
        ("ALREADY_EXISTS", Code::AlreadyExists, 409),
        ("REVISION_UNKNOWN", Code::FailedPrecondition, 412),
        ("MESSAGE_TOO_LARGE", Code::ResourceExhausted, 413),
        ("RATE_LIMITED", Code::ResourceExhausted, 429),
        ("CANCELLED", Code::Cancelled, 499),
        ("INTERNAL", Code::Internal, 500),
        ("AUDIT_UNAVAILABLE", Code::Unavailable, 503),
        ("OVERLOADED", Code::Unavailable, 503),
        ("DEADLINE_EXCEEDED", Code::DeadlineExceeded, 504),
    ];
    for (text, code, http) in expected {
        let reason = all().into_iter().find(|&reason| name(reason) == text).unwrap();
        assert_eq!((row(reason).code, row(reason).http), (code, http), "{text}");
    }
}

#[test]
fn no_reason_becomes_an_answer() {
    for reason in all() {
        assert_ne!(row(reason).code, Code::Ok, "{}", name(reason));
        assert!(row(reason).http >= 400, "{}", name(reason));
    }
}

#[test]
fn what_is_unavailable_says_when_to_try_again() {
    for reason in all().into_iter().filter(|&reason| row(reason).code == Code::Unavailable) {
        assert!(matches!(row(reason).retry, Retry::After(_)), "{}", name(reason));
    }
}

#[test]
fn an_error_carries_domain_reason_and_request_id() {
    let status = Error::AuditUnavailable.to_status("req-1");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "250");
    let details = decoded(&status);
    assert_eq!((details.code, details.message.as_str()), (14, status.message()));
    let info: rpc::ErrorInfo = detail(&details, INFO_URL).unwrap();
    assert_eq!((info.domain.as_str(), info.reason.as_str()), ("agentguard", "AUDIT_UNAVAILABLE"));
    assert_eq!(info.metadata["request_id"], "req-1");
    let retry: rpc::RetryInfo = detail(&details, RETRY_URL).unwrap();
    assert_eq!(retry.retry_delay.unwrap().nanos, 250_000_000);
}

#[test]
fn an_error_that_will_come_again_says_nothing_of_retries() {
    let status = Error::Unauthenticated.to_status("r");
    assert!(status.metadata().get("grpc-retry-pushback-ms").is_none());
    assert!(detail::<rpc::RetryInfo>(&decoded(&status), RETRY_URL).is_none());
}

#[test]
fn the_limiters_delay_is_passed_on() {
    let status = Error::RateLimited { retry_after: Duration::from_millis(1_500) }.to_status("r");
    assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "1500");
    let retry: rpc::RetryInfo = detail(&decoded(&status), RETRY_URL).unwrap();
    let delay = retry.retry_delay.unwrap();
    assert_eq!((delay.seconds, delay.nanos), (1, 500_000_000));
}

#[test]
fn every_bad_field_is_named() {
    let faults = vec![Fault::new("action", "is empty"), Fault::new("resource", "is too long")];
    let status = Error::Invalid(faults).to_status("r");
    let bad: rpc::BadRequest = detail(&decoded(&status), BAD_REQUEST_URL).unwrap();
    let fields: Vec<_> = bad.field_violations.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(fields, ["action", "resource"]);
}

#[test]
fn an_error_stays_under_4_kib_however_much_is_wrong() {
    let long = "é".repeat(5_000);
    let faults: Vec<_> =
        (0..10_000).map(|at| Fault::new(format!("allow[{at}].{long}"), long.clone())).collect();
    for error in [
        Error::Invalid(faults),
        Error::Invalid((0..10_000).map(|at| Fault::new(format!("allow[{at}].action"), "is empty")).collect()),
        Error::NotFound { what: "policy", id: long.clone() },
    ] {
        let status = error.to_status(&"r".repeat(128));
        let headers = status.into_http::<()>().into_parts().0.headers;
        let size: usize = headers.iter().map(|(key, value)| key.as_str().len() + value.len() + 32).sum();
        assert!(size < 4_096, "{size}");
    }
}

#[test]
fn faults_that_do_not_fit_are_counted() {
    let faults: Vec<_> = (0..1_000).map(|at| Fault::new(format!("allow[{at}].action"), "is empty")).collect();
    let bad: rpc::BadRequest = detail(&Error::Invalid(faults).to_rpc("r"), BAD_REQUEST_URL).unwrap();
    let shown = bad.field_violations.len() - 1;
    assert!(shown > 20, "{shown}");
    let last = &bad.field_violations[shown];
    assert_eq!(last.description, format!("{} more not shown", 1_000 - shown));
}

#[test]
fn an_internal_error_tells_nothing_of_its_cause() {
    let status = Error::internal("select secret from agents").to_status("r");
    assert!(!String::from_utf8_lossy(status.details()).contains("secret"));
    assert_eq!(status.message(), "internal error");
}
