//! What the layers found out about a call before its handler runs: who calls, the request id, the deadline.
//!
//! **Invariant:** a handler takes its caller from here or fails; there is no default identity.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::Error;
use crate::auth::{Admin, Agent};
use crate::clock::Instant;

/// A call as the layers leave it, in the request's extensions beside the caller.
#[derive(Clone, Debug)]
pub struct Call {
    /// The correlation id, of the caller or made here.
    pub request_id: Arc<str>,
    /// When nobody waits for the answer any more: the caller's deadline or, for a unary call, the server's bound.
    pub deadline: Option<Instant>,
    /// Whether the caller marked it as tried before, here or elsewhere.
    pub is_retry: bool,
    /// The messages in flight. The layers count unary calls; a stream counts each of its messages.
    pub in_flight: InFlight,
    /// Cancelled when the connection or the server is about to end: an endless stream ends then.
    pub closing: CancellationToken,
}

/// A handler's message with who sent it.
#[derive(Debug)]
pub struct Taken<P, T> {
    /// Who calls.
    pub caller: P,
    /// How.
    pub call: Call,
    /// With what.
    pub message: T,
}

/// The agent, the call and the message of a request.
///
/// # Errors
/// `INTERNAL` when the layers were not passed; a bug.
pub fn from_agent<T>(request: Request<T>) -> Result<Taken<Agent, T>, Status> {
    take(request)
}

/// The admin, the call and the message of a request.
///
/// # Errors
/// `INTERNAL` when the layers were not passed; a bug.
pub fn from_admin<T>(request: Request<T>) -> Result<Taken<Admin, T>, Status> {
    take(request)
}

fn take<P: Clone + Send + Sync + 'static, T>(mut request: Request<T>) -> Result<Taken<P, T>, Status> {
    let call = request.extensions_mut().remove::<Call>();
    let caller = request.extensions_mut().remove::<P>();
    match (call, caller) {
        (Some(call), Some(caller)) => Ok(Taken { caller, call, message: request.into_inner() }),
        (call, _) => {
            let request_id = call.map(|call| call.request_id).unwrap_or_default();
            Err(refuse(&Error::internal("the call did not pass the layers"), &request_id))
        }
    }
}

impl Call {
    /// The error as the call's status; what is our fault is logged with its causes.
    pub fn refuse(&self, error: &Error) -> Status {
        refuse(error, &self.request_id)
    }
}

/// The error as the status of the call `request_id`; what is our fault is logged with its causes.
pub fn refuse(error: &Error, request_id: &str) -> Status {
    log(error, request_id);
    error.to_status(request_id)
}

/// Logs what is our fault, with its causes: the caller learns only the request id.
pub fn log(error: &Error, request_id: &str) {
    if let Error::Internal(cause) = error {
        let mut causes = cause.to_string();
        let mut next = cause.source();
        while let Some(deeper) = next {
            causes.push_str(": ");
            causes.push_str(&deeper.to_string());
            next = deeper.source();
        }
        tracing::error!(request_id, error = causes, "a call failed inside");
    }
}

/// A bound on messages being worked on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InFlight(Arc<Semaphore>);

/// One message being worked on, until dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl InFlight {
    /// At most `limit` at once.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))))
    }

    /// Admits one more message. Never waits: a queue here would only make late answers later.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub fn admit(&self) -> Result<Permit, Error> {
        Arc::clone(&self.0).try_acquire_owned().map(Permit).map_err(|_| Error::Overloaded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_passed_no_layers_is_a_fault_of_ours() {
        let status = from_agent(Request::new(())).unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert_eq!(status.message(), "internal error");
    }

    #[test]
    fn one_more_than_the_limit_is_shed_and_a_finished_one_makes_room() {
        let in_flight = InFlight::new(2);
        let first = in_flight.admit().unwrap();
        let _second = in_flight.admit().unwrap();
        assert!(matches!(in_flight.admit(), Err(Error::Overloaded)));
        drop(first);
        in_flight.admit().unwrap();
    }
}
