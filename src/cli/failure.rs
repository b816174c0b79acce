//! How a command ends, and what is said when it fails: what failed, why, what to do.

use std::io;

use prost::Message;
use tonic::{Code, Status};

use crate::config::Fault;
use crate::pb::rpc;
use crate::service::status;

/// The program's exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or allowed.
    Done = 0,
    /// Failed, tampered, failing cases.
    Failed = 1,
    /// The arguments are wrong.
    Usage = 2,
    /// Denied.
    Denied = 3,
    /// Needs a person's approval.
    NeedsApproval = 4,
    /// The configuration is wrong.
    Configuration = 64,
    /// The server does not answer.
    Unreachable = 69,
    /// Nobody reads the output any more: as if ended by SIGPIPE.
    OutputClosed = 141,
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub enum Failure {
    /// Settings are wrong, all of them.
    Configuration(Vec<Fault>),
    /// Arguments are wrong in a way that the parser cannot see.
    Usage(String),
    /// The server did not answer.
    Unreachable {
        /// Where it should be.
        endpoint: String,
        /// What happened.
        cause: String,
    },
    /// The server answered with an error.
    Refused(Box<Refusal>),
    /// Something else went wrong.
    Failed(Vec<String>),
    /// The output could not be written.
    Output(io::Error),
}

/// An error that the server answered with.
#[derive(Debug)]
pub struct Refusal {
    /// The gRPC code.
    pub code: Code,
    /// The reason for programs, such as `NOT_FOUND`.
    pub reason: String,
    /// What is wrong.
    pub message: String,
    /// Under which the server's log has it.
    pub request_id: String,
    /// Bad fields with what is wrong with each.
    pub fields: Vec<(String, String)>,
}

impl Failure {
    /// A failure that one line describes.
    pub fn failed(line: impl Into<String>) -> Self {
        Self::Failed(vec![line.into()])
    }

    /// What a call to `endpoint` came back with: AgentGuard's own refusal, or no answer from it.
    pub fn call(endpoint: &str, answer: &Status) -> Self {
        let details = rpc::Status::decode(answer.details()).unwrap_or_default().details;
        let find = |kind: &str| details.iter().find(|any| any.type_url.ends_with(kind));
        let info = find("/google.rpc.ErrorInfo").and_then(|any| rpc::ErrorInfo::decode(&*any.value).ok());
        if let Some(info) = info {
            let bad =
                find("/google.rpc.BadRequest").and_then(|any| rpc::BadRequest::decode(&*any.value).ok());
            let fields = bad.unwrap_or_default().field_violations;
            return Self::Refused(Box::new(Refusal {
                code: answer.code(),
                reason: info.reason,
                message: answer.message().to_owned(),
                request_id: info.metadata.get("request_id").cloned().unwrap_or_default(),
                fields: fields.into_iter().map(|field| (field.field, field.description)).collect(),
            }));
        }
        let cause = match answer.code() {
            Code::DeadlineExceeded | Code::Cancelled => "no answer in time (see --timeout)".to_owned(),
            Code::Unavailable => told(answer),
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => {
                format!("what answers there is not AgentGuard, or a proxy stands between: {}", told(answer))
            }
        };
        Self::Unreachable { endpoint: endpoint.to_owned(), cause }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Configuration(_) => Exit::Configuration,
            Self::Usage(_) => Exit::Usage,
            Self::Unreachable { .. } => Exit::Unreachable,
            Self::Refused(_) | Self::Failed(_) => Exit::Failed,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::OutputClosed,
            Self::Output(_) => Exit::Failed,
        }
    }

    /// What to say, one entry a line.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Configuration(faults) => {
                faults.iter().map(|fault| format!("configuration: {fault}")).collect()
            }
            Self::Usage(line) => vec![line.clone(), "for the usage, ask with --help".to_owned()],
            Self::Unreachable { endpoint, cause } => vec![
                format!("no answer from {endpoint}: {cause}"),
                "is the server running (`agentguard dev`, `agentguard serve`), and is the address right (AGENTGUARD_ENDPOINT or --endpoint)?"
                    .to_owned(),
            ],
            Self::Refused(refusal) => refusal.lines(),
            Self::Failed(lines) => lines.clone(),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Vec::new(),
            Self::Output(error) => vec![format!("the output cannot be written: {error}")],
        }
    }

    /// Says it on standard error.
    pub fn report(&self) {
        for line in self.lines() {
            super::output::note(&line);
        }
    }
}

impl Refusal {
    fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("{}: {}", self.reason, self.message)];
        lines.extend(self.fields.iter().map(|(field, wrong)| format!("  {field}: {wrong}")));
        if let Some(remedy) = status::remedy(&self.reason) {
            lines.push(format!("  what to do: {remedy}"));
        }
        if !self.request_id.is_empty() {
            lines.push(format!("  request id: {}", self.request_id));
        }
        lines
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What a status that is not AgentGuard's has to say.
fn told(answer: &Status) -> String {
    let cause = std::error::Error::source(answer).map(causes).unwrap_or_default();
    if cause.is_empty() { answer.message().to_owned() } else { cause }
}

/// The causes of an error in one line, without repetition.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let line = cause.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_reason_remedy_and_request_id() {
        let answer = status::Error::PageTokenInvalid.to_status("req-1");
        let failure = Failure::call("http://x", &answer);
        assert_eq!(failure.exit(), Exit::Failed);
        let lines = failure.lines();
        assert!(lines[0].starts_with("PAGE_TOKEN_INVALID: "), "{lines:?}");
        assert!(lines[1].contains("what to do: repeat the call of the first page"), "{lines:?}");
        assert!(lines[2].ends_with("request id: req-1"), "{lines:?}");
    }

    #[test]
    fn bad_fields_are_told_one_by_one() {
        let answer = status::Error::invalid("allow[0].action", "is empty").to_status("r");
        assert!(
            Failure::call("http://x", &answer).lines().contains(&"  allow[0].action: is empty".to_owned())
        );
    }

    #[test]
    fn an_answer_without_reason_is_not_agentguards() {
        for answer in
            [Status::unavailable("connection refused"), Status::unknown("?"), Status::deadline_exceeded("")]
        {
            let failure = Failure::call("http://x", &answer);
            assert_eq!(failure.exit(), Exit::Unreachable);
            assert!(failure.lines()[0].contains("http://x"));
        }
    }

    #[test]
    fn a_closed_pipe_is_silent_and_no_success() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.lines().len(), failure.exit()), (0, Exit::OutputClosed));
    }
}
