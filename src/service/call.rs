//! What the layers found out about a call before its handler runs: who calls, the request id, the deadline.
//!
//! **Invariant:** a handler takes its caller from here or fails; there is no default identity.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::Error;
use crate::auth::{Admin, Agent};
use crate::clock::Instant;
use crate::ids::AgentId;

/// A call as the layers leave it, in the request's extensions beside the caller.
#[derive(Clone, Debug)]
pub struct Call {
    /// The correlation id, of the caller or made here.
    pub request_id: Arc<str>,
    /// Whose call it is: the address at the other end of the connection, or the one that a trusted proxy forwarded.
    pub client: IpAddr,
    /// When nobody waits for the answer any more: the caller's deadline or, for a unary call, the server's bound.
    pub deadline: Option<Instant>,
    /// Whether the caller marked it as tried before, here or elsewhere.
    pub is_retry: bool,
    /// The messages in flight. The layers count unary calls; a stream counts each of its messages.
    pub in_flight: InFlight,
    /// The place of this message among them. Work that goes on without its caller holds it to its end, so that a
    /// caller who gives up and asks again cannot pile work up.
    pub held: Option<Arc<Permit>>,
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

/// Of the messages in flight one agent may have this part: it may send slowly, or ask for what takes long, and leaves
/// the others theirs.
pub const AGENT_SHARE: usize = 4;

/// Bytes of large messages that may be in memory at once. Read, they take several times as much.
pub const MAX_LARGE_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of large messages that one agent may have in memory at once: three of the largest.
pub const MAX_LARGE_BYTES_PER_AGENT: usize = 32 * 1024 * 1024;

/// After how long an agent beyond its share may try again: its own earlier calls must end first.
const SHARE_RETRY: Duration = Duration::from_millis(250);

/// A bound on messages being worked on, in all and of one agent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct InFlight {
    all: Arc<Semaphore>,
    share: usize,
    used: Arc<Mutex<Used>>,
}

/// What is taken; an agent without messages in flight has no entry.
#[derive(Debug, Default)]
struct Used {
    large_bytes: usize,
    agents: HashMap<AgentId, Share>,
}

#[derive(Debug, Default)]
struct Share {
    messages: usize,
    large_bytes: usize,
}

/// One message being worked on, until dropped.
#[derive(Debug)]
pub struct Permit {
    _place: OwnedSemaphorePermit,
    in_flight: InFlight,
    /// Whom it is charged to, once that is known.
    agent: Option<AgentId>,
    /// The bytes it was charged beside.
    large_bytes: Mutex<usize>,
}

impl InFlight {
    /// At most `limit` at once.
    pub fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let share = (limit / AGENT_SHARE).max(1);
        Self { all: Arc::new(Semaphore::new(limit)), share, used: Arc::default() }
    }

    /// Admits one more message. Never waits: a queue here would only make late answers later.
    ///
    /// # Errors
    /// [`Error::Overloaded`].
    pub fn admit(&self) -> Result<Permit, Error> {
        let place = Arc::clone(&self.all).try_acquire_owned().map_err(|_| Error::Overloaded)?;
        Ok(Permit { _place: place, in_flight: self.clone(), agent: None, large_bytes: Mutex::new(0) })
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Charges the message to `agent`.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if the agent has its share in flight.
    pub fn charge(mut self, agent: &AgentId) -> Result<Self, Error> {
        {
            let mut used = self.in_flight.used();
            let share = used.agents.entry(agent.clone()).or_default();
            if share.messages >= self.in_flight.share {
                return Err(Error::RateLimited { retry_after: SHARE_RETRY });
            }
            share.messages += 1;
        }
        self.agent = Some(agent.clone());
        Ok(self)
    }

    /// Makes room for a message of `bytes`, before the first of them is read. An admin's is not counted.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if the agent has its share in memory, [`Error::Overloaded`] if all agents have theirs.
    pub fn charge_bytes(&self, bytes: usize) -> Result<(), Error> {
        let Some(agent) = &self.agent else { return Ok(()) };
        let mut used = self.in_flight.used();
        if used.large_bytes.saturating_add(bytes) > MAX_LARGE_BYTES {
            return Err(Error::Overloaded);
        }
        let share = used.agents.entry(agent.clone()).or_default();
        if share.large_bytes.saturating_add(bytes) > MAX_LARGE_BYTES_PER_AGENT {
            return Err(Error::RateLimited { retry_after: SHARE_RETRY });
        }
        share.large_bytes += bytes;
        used.large_bytes += bytes;
        *self.large_bytes.lock().unwrap_or_else(PoisonError::into_inner) += bytes;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(agent) = &self.agent else { return };
        let bytes = *self.large_bytes.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut used = self.in_flight.used();
        used.large_bytes = used.large_bytes.saturating_sub(bytes);
        if let Some(share) = used.agents.get_mut(agent) {
            share.messages = share.messages.saturating_sub(1);
            share.large_bytes = share.large_bytes.saturating_sub(bytes);
            if share.messages == 0 {
                used.agents.remove(agent);
            }
        }
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

    fn agent(byte: u8) -> AgentId {
        AgentId::new(crate::clock::Timestamp::from_micros(0), [byte; 16])
    }

    #[test]
    fn one_agent_leaves_three_quarters_to_the_others() {
        let in_flight = InFlight::new(8);
        let first = in_flight.admit().unwrap().charge(&agent(1)).unwrap();
        let _second = in_flight.admit().unwrap().charge(&agent(1)).unwrap();
        let refused = in_flight.admit().unwrap().charge(&agent(1)).unwrap_err();
        assert!(matches!(refused, Error::RateLimited { .. }), "{refused}");
        in_flight.admit().unwrap().charge(&agent(2)).unwrap();
        drop(first);
        in_flight.admit().unwrap().charge(&agent(1)).unwrap();
    }

    #[test]
    fn large_messages_are_bounded_of_one_agent_and_in_all_and_given_back() {
        const LARGE: usize = MAX_LARGE_BYTES_PER_AGENT;
        let in_flight = InFlight::new(1_024);
        let of = |byte: u8| in_flight.admit().unwrap().charge(&agent(byte)).unwrap();
        let first = of(0);
        first.charge_bytes(LARGE).unwrap();
        assert!(matches!(of(0).charge_bytes(1), Err(Error::RateLimited { .. })));
        let others: Vec<_> = (1..8).map(of).collect();
        others.iter().for_each(|other| other.charge_bytes(LARGE).unwrap());
        assert!(matches!(of(9).charge_bytes(1), Err(Error::Overloaded)));
        drop((first, others));
        of(9).charge_bytes(LARGE).unwrap();
        let used = in_flight.used();
        assert_eq!((used.large_bytes, used.agents.len()), (0, 0));
    }
}
