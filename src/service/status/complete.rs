//! The last touch on an error's headers: tonic makes some errors by itself (an unknown path, a message too large, a
//! bad `grpc-timeout`), and the decoder knows no request id. Here they get what every error of ours carries.

use http::HeaderMap;
use prost::Message;
use tonic::{Code, Status};

use super::{INFO_URL, info, row, to_status};
use crate::pb::rpc;
use crate::pb::v1::ErrorReason;

/// Completes the error in `headers` (of an answer without body, or the trailers of one): an error without
/// `ErrorInfo` gets the reason that its code stands for, and one without request id gets `request_id`. Returns the
/// reason; `None` if this is no error.
pub fn complete(headers: &mut HeaderMap, request_id: &str) -> Option<ErrorReason> {
    let sent = error_in(headers)?;
    let mut status = rpc::Status::decode(sent.details()).unwrap_or_default();
    let reason = match status.details.iter_mut().find(|any| any.type_url == INFO_URL) {
        Some(any) => {
            let mut found = rpc::ErrorInfo::decode(any.value.as_slice()).unwrap_or_default();
            let reason = parse(&found.reason);
            if found.metadata.contains_key("request_id") {
                return Some(reason);
            }
            found.metadata.insert("request_id".into(), request_id.into());
            any.value = found.encode_to_vec();
            reason
        }
        None => {
            let reason = foreign(sent.code());
            status.details = vec![info(reason, Some(request_id))];
            status.message = super::bounded(sent.message());
            reason
        }
    };
    status.code = row(reason).code.into();
    // A text of ours always fits a header; if tonic thinks otherwise the error leaves as it was.
    to_status(status, None).add_header(headers).ok();
    Some(reason)
}

/// The reason of the error in `headers`; `None` if this is no error.
pub fn reason_of(headers: &HeaderMap) -> Option<ErrorReason> {
    let sent = error_in(headers)?;
    let status = rpc::Status::decode(sent.details()).unwrap_or_default();
    let info = status.details.iter().find(|any| any.type_url == INFO_URL);
    let info = info.and_then(|any| rpc::ErrorInfo::decode(any.value.as_slice()).ok());
    Some(info.map_or_else(|| foreign(sent.code()), |info| parse(&info.reason)))
}

/// What a status of ours says in its details; of another one, its code and text.
pub fn details(status: &Status) -> rpc::Status {
    let said = rpc::Status::decode(status.details()).ok().filter(|said| !said.details.is_empty());
    said.unwrap_or_else(|| rpc::Status {
        code: status.code().into(),
        message: super::bounded(status.message()),
        details: vec![info(foreign(status.code()), None)],
    })
}

fn error_in(headers: &HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != Code::Ok)
}

fn parse(reason: &str) -> ErrorReason {
    ErrorReason::from_str_name(&format!("ERROR_REASON_{reason}")).unwrap_or(ErrorReason::Internal)
}

/// What a code means that came without a reason, that is, from tonic itself.
const fn foreign(code: Code) -> ErrorReason {
    match code {
        Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => ErrorReason::Internal,
        Code::Cancelled => ErrorReason::Cancelled,
        Code::InvalidArgument => ErrorReason::MalformedMessage,
        Code::DeadlineExceeded => ErrorReason::DeadlineExceeded,
        Code::NotFound => ErrorReason::NotFound,
        Code::AlreadyExists => ErrorReason::AlreadyExists,
        Code::PermissionDenied => ErrorReason::PermissionDenied,
        // What tonic answers to a message above its decoding limit.
        Code::OutOfRange | Code::ResourceExhausted => ErrorReason::MessageTooLarge,
        Code::FailedPrecondition | Code::Aborted => ErrorReason::FailedPrecondition,
        Code::Unimplemented => ErrorReason::Unimplemented,
        Code::Unavailable => ErrorReason::Overloaded,
        Code::Unauthenticated => ErrorReason::Unauthenticated,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Error, unstamped};
    use super::*;

    fn headers(status: tonic::Status) -> HeaderMap {
        status.into_http::<()>().into_parts().0.headers
    }

    fn request_id(headers: &HeaderMap) -> String {
        let status = error_in(headers).unwrap();
        let status = rpc::Status::decode(status.details()).unwrap();
        let info = rpc::ErrorInfo::decode(status.details[0].value.as_slice()).unwrap();
        info.metadata["request_id"].clone()
    }

    #[test]
    fn a_decoders_error_gets_the_request_id() {
        let mut headers = headers(unstamped(&Error::Malformed("no message")));
        assert_eq!(complete(&mut headers, "req-1"), Some(ErrorReason::MalformedMessage));
        assert_eq!(request_id(&headers), "req-1");
        assert_eq!(reason_of(&headers), Some(ErrorReason::MalformedMessage));
    }

    #[test]
    fn tonics_own_errors_get_a_reason() {
        let mut too_large = headers(tonic::Status::out_of_range("Error, decoded message length too large"));
        assert_eq!(complete(&mut too_large, "req-2"), Some(ErrorReason::MessageTooLarge));
        assert_eq!(too_large["grpc-status"], "8");
        assert_eq!(request_id(&too_large), "req-2");
        assert!(error_in(&too_large).unwrap().message().contains("too large"));
    }

    #[test]
    fn an_error_of_ours_keeps_its_request_id() {
        let mut headers = headers(Error::Overloaded.to_status("first"));
        assert_eq!(complete(&mut headers, "second"), Some(ErrorReason::Overloaded));
        assert_eq!(request_id(&headers), "first");
    }

    #[test]
    fn an_answer_is_no_error() {
        let mut headers = HeaderMap::new();
        assert_eq!(complete(&mut headers, "x"), None);
        headers.insert("grpc-status", http::HeaderValue::from_static("0"));
        assert_eq!(complete(&mut headers, "x"), None);
        assert_eq!(headers.len(), 1);
    }
}
