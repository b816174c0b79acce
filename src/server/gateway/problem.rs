//! Errors of the contract as HTTP callers see them.

use http::StatusCode;
use prost::Message;
use serde_json::{Value, json};

use crate::pb::rpc;
use crate::pb::v1::ErrorReason;
use crate::service::status;

/// An error as HTTP says it.
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// Seconds, for `retry-after`.
    pub(super) retry_after: Option<u64>,
}

impl Problem {
    /// `{"detail", "code", "request_id"}`, and for bad fields also `errors`.
    pub(super) fn of(error: &rpc::Status) -> Self {
        let (mut code, mut request_id) = (ErrorReason::Internal, String::new());
        let (mut errors, mut retry_after) = (Vec::new(), None);
        for any in &error.details {
            let bytes = any.value.as_slice();
            match any.type_url.rsplit('/').next() {
                Some("google.rpc.ErrorInfo") => {
                    let info = rpc::ErrorInfo::decode(bytes).unwrap_or_default();
                    let name = format!("ERROR_REASON_{}", info.reason);
                    code = ErrorReason::from_str_name(&name).unwrap_or(code);
                    request_id = info.metadata.get("request_id").cloned().unwrap_or_default();
                }
                Some("google.rpc.RetryInfo") => {
                    let info = rpc::RetryInfo::decode(bytes).unwrap_or_default();
                    retry_after = info.retry_delay.and_then(whole_seconds);
                }
                Some("google.rpc.BadRequest") => {
                    let faults = rpc::BadRequest::decode(bytes).unwrap_or_default().field_violations;
                    errors.extend(
                        faults
                            .into_iter()
                            .map(|fault| json!({"field": fault.field, "message": fault.description})),
                    );
                }
                Some(_) | None => {}
            }
        }
        let status =
            StatusCode::from_u16(status::row(code).http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let code = status::name(code);
        let mut body = json!({"detail": error.message, "code": code, "request_id": request_id});
        if let (Some(body), false) = (body.as_object_mut(), errors.is_empty()) {
            body.insert("errors".into(), errors.into());
        }
        // Elsewhere the header would be taken for a redirect's or a creation's.
        let says_when = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
        Self { status, body, retry_after: retry_after.filter(|_| says_when) }
    }
}

/// Rounded up: the header knows no parts of a second, and earlier would be too early.
fn whole_seconds(delay: prost_types::Duration) -> Option<u64> {
    let seconds = delay.seconds.saturating_add(i64::from(delay.nanos > 0));
    u64::try_from(seconds).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::Error;

    #[test]
    fn a_problem_says_detail_code_and_request_id() {
        let problem = Problem::of(&Error::Unauthenticated.to_rpc("req-7"));
        assert_eq!(problem.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            problem.body,
            json!({"detail": "exactly one valid key is required", "code": "UNAUTHENTICATED", "request_id": "req-7"})
        );
        assert_eq!(problem.retry_after, None);
    }

    #[test]
    fn bad_fields_are_named() {
        let problem = Problem::of(&Error::invalid("action", "is required").to_rpc("r"));
        assert_eq!(problem.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(problem.body["errors"], json!([{"field": "action", "message": "is required"}]));
    }

    #[test]
    fn retry_after_is_rounded_up() {
        let limited = |millis| Error::RateLimited { retry_after: Duration::from_millis(millis) }.to_rpc("r");
        assert_eq!(Problem::of(&limited(1)).retry_after, Some(1));
        assert_eq!(Problem::of(&limited(2_000)).retry_after, Some(2));
        assert_eq!(Problem::of(&Error::Overloaded.to_rpc("r")).retry_after, Some(1));
        assert_eq!(Problem::of(&Error::Overloaded.to_rpc("r")).status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
