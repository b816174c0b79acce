//! From what went wrong to what the caller sees: one table from reason to gRPC code, HTTP status and retry.
//!
//! The caller learns the situation, every bad field and the request id; causes stay in the log.
//!
//! **Invariant:** every error that leaves carries one `ErrorReason` and one row of [`row`]; no `_` arm here, so a
//! new reason does not compile until its row is written.

use std::borrow::Cow;
use std::time::Duration;

use prost::Message;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::pb::rpc;
use crate::pb::v1::ErrorReason;
use crate::policy::Fault;
use crate::rate_limit::Quota;

mod complete;
mod document;

pub use complete::{complete, details, reason_of};
pub use document::{document, remedy};

/// `ErrorInfo.domain` of every error of ours.
pub const DOMAIN: &str = "agentguard";

/// Bytes of an error's text at most: it travels twice, once percent-encoded.
const MESSAGE_LIMIT: usize = 256;

/// Bytes of the encoded `google.rpc.Status` at most. In a header it grows by a third; with the text beside it the
/// whole stays under 4 KiB, half of the header list that gRPC clients accept by default.
const DETAILS_LIMIT: usize = 2_304;

/// Why a call was not answered. Situations, not causes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong; all of them.
    #[error("{}", summary(.0))]
    Invalid(Vec<Fault>),
    /// The bytes are no message of this kind.
    #[error("the message cannot be read: {0}")]
    Malformed(&'static str),
    /// The key stands for another request.
    #[error("this idempotency key was used for a request with other content")]
    IdempotencyKeyReused,
    /// The page token is none, or one of another listing.
    #[error("the page token is not one of this listing")]
    PageTokenInvalid,
    /// No credential, more than one, or one that opens nothing: one answer for all.
    #[error("exactly one valid key is required")]
    Unauthenticated,
    /// A valid key of the other kind.
    #[error("this needs {0}")]
    PermissionDenied(&'static str),
    /// What is named does not exist for this caller.
    #[error("{what} `{id}` does not exist")]
    NotFound {
        /// Which kind of thing.
        what: &'static str,
        /// Its name, as asked for.
        id: String,
    },
    /// There is one already, and it differs.
    #[error("{0}")]
    AlreadyExists(Cow<'static, str>),
    /// The policy was changed since it was read.
    #[error("the policy was changed since it was read")]
    EtagMismatch,
    /// The state of things does not permit it.
    #[error("{0}")]
    FailedPrecondition(String),
    /// A revision of another epoch, or above the newest.
    #[error("the revision `{0}` is unknown to this database")]
    RevisionUnknown(String),
    /// The agent is deleted.
    #[error("the agent `{0}` is deleted")]
    AgentDeleted(String),
    /// The agent has as many live keys as it may have.
    #[error("the agent has {0} live keys, the most there may be")]
    KeyLimitReached(i64),
    /// The message is too large.
    #[error("the message is larger than {limit} bytes")]
    MessageTooLarge {
        /// The limit it broke.
        limit: usize,
    },
    /// Called more often than allowed.
    #[error("the rate limit is reached")]
    RateLimited {
        /// When the next call fits.
        retry_after: Duration,
    },
    /// Called more often than an agent's or an address's limit allows.
    #[error("the limit `{}` is reached", quota.limit)]
    LimitReached {
        /// Whose limit: `agent:agt_…` or `address:192.0.2.1`.
        subject: String,
        /// The limit, and when the call fits.
        quota: Box<Quota>,
    },
    /// Limits cannot be counted, and this deployment refuses calls then.
    #[error("calls cannot be counted, so none is taken")]
    RateLimitUnavailable,
    /// The record could not be committed.
    #[error("the decision could not be recorded, so it is not answered")]
    AuditUnavailable,
    /// The database did not answer in time.
    #[error("the database is not available")]
    DatabaseUnavailable,
    /// This replica's policies are too old to decide with.
    #[error("the policies here have not been confirmed for too long")]
    PolicyStale,
    /// `min_revision` was not reached in time.
    #[error("the revision `{0}` has not arrived here yet")]
    RevisionNotReached(String),
    /// A decision so young that its record may still be on its way.
    #[error("the decision `{0}` is not known yet")]
    DecisionNotYetKnown(String),
    /// Too much in flight.
    #[error("too many calls are in flight")]
    Overloaded,
    /// No new work is taken.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// Out of time.
    #[error("the deadline ran out")]
    DeadlineExceeded,
    /// Withdrawn by the caller.
    #[error("the call was cancelled")]
    Cancelled,
    /// No such RPC.
    #[error("there is no such call here")]
    Unimplemented,
    /// The HTTP path has other methods.
    #[error("this path does not take this method")]
    MethodNotAllowed,
    /// A content type that is not spoken here.
    #[error("this content type is not accepted here")]
    UnsupportedMediaType,
    /// A fault of ours; the cause is for the log.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn summary(faults: &[Fault]) -> String {
    match faults {
        [] => "the request is not valid".into(),
        [one] => format!("{}: {}", one.field, one.message),
        [first, rest @ ..] => format!("{}: {} (and {} more)", first.field, first.message, rest.len()),
    }
}

/// The store's situations as a caller sees them.
impl From<crate::store::Error> for Error {
    fn from(error: crate::store::Error) -> Self {
        use crate::store::Error as Store;
        match error {
            Store::Unavailable(cause) => {
                tracing::warn!(error = %cause, "the database is not available");
                Self::DatabaseUnavailable
            }
            Store::Exists { what } => Self::AlreadyExists(format!("{what} already exists").into()),
            Store::Missing { what, id } => Self::NotFound { what, id },
            Store::EtagMismatch => Self::EtagMismatch,
            Store::Bound(text) => Self::FailedPrecondition(text),
            error @ (Store::Refused(_) | Store::Corrupt { .. } | Store::Schema(_) | Store::File(_)) => {
                Self::internal(error)
            }
        }
    }
}

/// The audit's situations as a caller sees them: whatever it is, nothing unrecorded is answered.
impl From<crate::audit::Failure> for Error {
    fn from(failure: crate::audit::Failure) -> Self {
        use crate::audit::Failure;
        match failure {
            Failure::Unavailable | Failure::Overloaded | Failure::Fenced => Self::AuditUnavailable,
            Failure::Refused => Self::internal(failure),
            Failure::Closing => Self::ShuttingDown,
        }
    }
}

/// What follows from a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The gRPC code.
    pub code: Code,
    /// The HTTP status, also the metric's `status`.
    pub http: u16,
    /// Whether the same call can succeed later.
    pub retry: Retry,
}

/// Whether and when the same call may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same call will fail again, or must not be repeated blindly.
    Never,
    /// After this long, as `RetryInfo` says.
    After(Duration),
    /// When the limiter says; `RetryInfo` has it.
    Limited,
}

/// The one table.
pub const fn row(reason: ErrorReason) -> Row {
    use ErrorReason as R;
    use Retry::{After, Limited, Never};
    const fn row(code: Code, http: u16, retry: Retry) -> Row {
        Row { code, http, retry }
    }
    const fn ms(millis: u64) -> Retry {
        After(Duration::from_millis(millis))
    }
    match reason {
        R::Unspecified | R::Internal => row(Code::Internal, 500, Never),
        R::InvalidArgument => row(Code::InvalidArgument, 422, Never),
        R::MalformedMessage => row(Code::InvalidArgument, 400, Never),
        R::IdempotencyKeyReused => row(Code::InvalidArgument, 422, Never),
        R::PageTokenInvalid => row(Code::InvalidArgument, 422, Never),
        R::Unauthenticated => row(Code::Unauthenticated, 401, Never),
        R::PermissionDenied => row(Code::PermissionDenied, 403, Never),
        R::NotFound => row(Code::NotFound, 404, Never),
        R::AlreadyExists => row(Code::AlreadyExists, 409, Never),
        R::EtagMismatch => row(Code::Aborted, 409, Never),
        R::FailedPrecondition => row(Code::FailedPrecondition, 412, Never),
        R::RevisionUnknown => row(Code::FailedPrecondition, 412, Never),
        R::AgentDeleted => row(Code::FailedPrecondition, 412, Never),
        R::KeyLimitReached => row(Code::FailedPrecondition, 412, Never),
        R::MessageTooLarge => row(Code::ResourceExhausted, 413, Never),
        R::RateLimited => row(Code::ResourceExhausted, 429, Limited),
        R::RateLimitUnavailable => row(Code::Unavailable, 503, ms(500)),
        R::AuditUnavailable => row(Code::Unavailable, 503, ms(250)),
        R::DatabaseUnavailable => row(Code::Unavailable, 503, ms(500)),
        R::PolicyStale => row(Code::Unavailable, 503, ms(1_000)),
        R::RevisionNotReached => row(Code::Unavailable, 503, ms(100)),
        R::DecisionNotYetKnown => row(Code::Unavailable, 503, ms(1_000)),
        R::Overloaded => row(Code::Unavailable, 503, ms(250)),
        R::ShuttingDown => row(Code::Unavailable, 503, ms(0)),
        R::DeadlineExceeded => row(Code::DeadlineExceeded, 504, Never),
        R::Cancelled => row(Code::Cancelled, 499, Never),
        R::Unimplemented => row(Code::Unimplemented, 501, Never),
        R::MethodNotAllowed => row(Code::Unimplemented, 405, Never),
        R::UnsupportedMediaType => row(Code::InvalidArgument, 415, Never),
    }
}

/// The reason's name as `ErrorInfo.reason` has it, without the enum's prefix.
pub fn name(reason: ErrorReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("ERROR_REASON_").unwrap_or(name)
}

impl Error {
    /// One bad field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault { field: field.into(), message: message.into() }])
    }

    /// A fault of ours.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// The documented reason.
    pub const fn reason(&self) -> ErrorReason {
        use ErrorReason as R;
        match self {
            Self::Invalid(_) => R::InvalidArgument,
            Self::Malformed(_) => R::MalformedMessage,
            Self::IdempotencyKeyReused => R::IdempotencyKeyReused,
            Self::PageTokenInvalid => R::PageTokenInvalid,
            Self::Unauthenticated => R::Unauthenticated,
            Self::PermissionDenied(_) => R::PermissionDenied,
            Self::NotFound { .. } => R::NotFound,
            Self::AlreadyExists(_) => R::AlreadyExists,
            Self::EtagMismatch => R::EtagMismatch,
            Self::FailedPrecondition(_) => R::FailedPrecondition,
            Self::RevisionUnknown(_) => R::RevisionUnknown,
            Self::AgentDeleted(_) => R::AgentDeleted,
            Self::KeyLimitReached(_) => R::KeyLimitReached,
            Self::MessageTooLarge { .. } => R::MessageTooLarge,
            Self::RateLimited { .. } | Self::LimitReached { .. } => R::RateLimited,
            Self::RateLimitUnavailable => R::RateLimitUnavailable,
            Self::AuditUnavailable => R::AuditUnavailable,
            Self::DatabaseUnavailable => R::DatabaseUnavailable,
            Self::PolicyStale => R::PolicyStale,
            Self::RevisionNotReached(_) => R::RevisionNotReached,
            Self::DecisionNotYetKnown(_) => R::DecisionNotYetKnown,
            Self::Overloaded => R::Overloaded,
            Self::ShuttingDown => R::ShuttingDown,
            Self::DeadlineExceeded => R::DeadlineExceeded,
            Self::Cancelled => R::Cancelled,
            Self::Unimplemented => R::Unimplemented,
            Self::MethodNotAllowed => R::MethodNotAllowed,
            Self::UnsupportedMediaType => R::UnsupportedMediaType,
            Self::Internal(_) => R::Internal,
        }
    }

    /// After how long the same call may be tried again; `None`: not at all.
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::RateLimited { retry_after } = self {
            return Some(*retry_after);
        }
        if let Self::LimitReached { quota, .. } = self {
            return Some(quota.standing.retry_after);
        }
        match row(self.reason()).retry {
            Retry::Never | Retry::Limited => None,
            Retry::After(delay) => Some(delay),
        }
    }

    /// The error as a message, for the items of batches and streams.
    pub fn to_rpc(&self, request_id: &str) -> rpc::Status {
        self.assemble(Some(request_id))
    }

    /// The error as a call's status.
    pub fn to_status(&self, request_id: &str) -> Status {
        to_status(self.to_rpc(request_id), self.retry_after())
    }

    fn assemble(&self, request_id: Option<&str>) -> rpc::Status {
        let reason = self.reason();
        let mut status = rpc::Status {
            code: row(reason).code.into(),
            message: bounded(&self.to_string()),
            details: vec![info(reason, request_id)],
        };
        if let Some(delay) = self.retry_after() {
            status.details.push(retry_info(delay));
        }
        if let Self::LimitReached { subject, quota } = self {
            status.details.push(quota_failure(subject, quota));
        }
        if let Self::Invalid(faults) = self {
            let room = DETAILS_LIMIT.saturating_sub(status.encoded_len());
            status.details.push(bad_request(faults, room));
        }
        status
    }
}

/// A `google.rpc.Status` as tonic sends it, with the pushback that gRPC clients obey by themselves.
fn to_status(status: rpc::Status, retry_after: Option<Duration>) -> Status {
    let mut metadata = MetadataMap::new();
    if let Some(delay) = retry_after {
        // Rounded up: a part of a millisecond earlier would be too early.
        let millis = u64::try_from(delay.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX);
        metadata.insert("grpc-retry-pushback-ms", MetadataValue::from(millis));
    }
    let details = status.encode_to_vec().into();
    Status::with_details_and_metadata(Code::from_i32(status.code), status.message, details, metadata)
}

/// The codec's error, which knows no request id; [`complete`] adds it on the way out.
pub(super) fn unstamped(error: &Error) -> Status {
    to_status(error.assemble(None), error.retry_after())
}

const INFO_URL: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const RETRY_URL: &str = "type.googleapis.com/google.rpc.RetryInfo";
const QUOTA_URL: &str = "type.googleapis.com/google.rpc.QuotaFailure";
const BAD_REQUEST_URL: &str = "type.googleapis.com/google.rpc.BadRequest";

fn info(reason: ErrorReason, request_id: Option<&str>) -> prost_types::Any {
    let metadata = request_id.map(|id| ("request_id".to_owned(), id.to_owned())).into_iter().collect();
    let info = rpc::ErrorInfo { reason: name(reason).into(), domain: DOMAIN.into(), metadata };
    prost_types::Any { type_url: INFO_URL.into(), value: info.encode_to_vec() }
}

fn retry_info(delay: Duration) -> prost_types::Any {
    let delay = prost_types::Duration {
        seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(delay.subsec_nanos()).unwrap_or(0),
    };
    let info = rpc::RetryInfo { retry_delay: Some(delay) };
    prost_types::Any { type_url: RETRY_URL.into(), value: info.encode_to_vec() }
}

fn quota_failure(subject: &str, quota: &Quota) -> prost_types::Any {
    let window = quota.standing.window;
    let violation = rpc::quota_failure::Violation {
        subject: subject.to_owned(),
        description: format!("{window} calls"),
        quota_value: i64::try_from(window.quota()).unwrap_or(i64::MAX),
        ..Default::default()
    };
    let failure = rpc::QuotaFailure { violations: vec![violation] };
    prost_types::Any { type_url: QUOTA_URL.into(), value: failure.encode_to_vec() }
}

/// The faults as far as they fit into `room` bytes; what does not fit is counted in a last one.
fn bad_request(faults: &[Fault], room: usize) -> prost_types::Any {
    // What the envelope and the last, counting violation take.
    const RESERVE: usize = 128;
    let mut request = rpc::BadRequest { field_violations: Vec::new() };
    let mut used = RESERVE;
    for (index, fault) in faults.iter().enumerate() {
        let violation = rpc::bad_request::FieldViolation {
            field: bounded(&fault.field),
            description: bounded(&fault.message),
            ..Default::default()
        };
        let size = violation.encoded_len() + 3;
        if used + size > room {
            let left = faults.len() - index;
            request.field_violations.push(rpc::bad_request::FieldViolation {
                field: String::new(),
                description: format!("{left} more not shown"),
                ..Default::default()
            });
            break;
        }
        used += size;
        request.field_violations.push(violation);
    }
    prost_types::Any { type_url: BAD_REQUEST_URL.into(), value: request.encode_to_vec() }
}

/// `text`, cut at a character to [`MESSAGE_LIMIT`] bytes.
fn bounded(text: &str) -> String {
    if text.len() <= MESSAGE_LIMIT {
        return text.to_owned();
    }
    let mut cut = String::with_capacity(MESSAGE_LIMIT);
    for letter in text.chars() {
        if cut.len() + letter.len_utf8() + '…'.len_utf8() > MESSAGE_LIMIT {
            break;
        }
        cut.push(letter);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests;
