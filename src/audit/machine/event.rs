//! What the machine is told, what it asks for and what it has to say.

use std::sync::Arc;

use crate::audit::record::Entry;
use crate::ids::{ChainId, Stamp};

use super::batch::{Batch, Cursor, Head};

/// Names one caller that waits for an answer.
pub type Ticket = u64;

/// Why a record was not written, as its caller hears it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The database does not answer; nothing is known to be written.
    #[error("the audit database does not answer")]
    Unavailable,
    /// The queue is full.
    #[error("the audit queue is full")]
    Overloaded,
    /// Another writer took the chain over; a new one is being opened.
    #[error("the audit chain was taken over; a new one is being opened")]
    Fenced,
    /// The database refuses this very record.
    #[error("the audit database refuses this record")]
    Refused,
    /// The writer is closing.
    #[error("the audit writer is closing")]
    Closing,
}

/// How an append or an opening ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Committed; the revision is the one the commit saw.
    Committed(Stamp),
    /// The head was not the expected one: nothing was written.
    Moved,
    /// The database refuses the data: rolled back for certain.
    Refused,
    /// Nothing is known.
    Unknown,
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A caller wants entries written, together or not at all.
    Submit {
        /// The caller.
        ticket: Ticket,
        /// What it wants written.
        entries: Vec<Entry>,
    },
    /// The append or opening under way ended.
    Done(Outcome),
    /// The head was read: `Ok(None)` if there is no such chain, `Err` if the database did not answer.
    Head(Result<Option<Head>, ()>),
    /// Time passed.
    Tick,
    /// The process ends: write what waits, close the chain.
    Close,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Open this chain: lock the list, call [`Machine::opening`] with what stands there, insert what it returns.
    Open(ChainId),
    /// Append this batch.
    Append(Arc<Batch>),
    /// Read the chain's head, and the hash of record `seq`.
    ReadHead(ChainId, i64),
}

/// What the shell must hear at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A caller's answer; `None` where no commit was waited for: in `async` mode, or without an entry.
    Answer(Ticket, Result<Option<Stamp>, Failure>),
    /// The chain was moved by somebody else at this place.
    Fenced(Cursor),
    /// In `async` mode the database refused an entry that was already answered.
    Lost(usize),
    /// The breaker opened.
    BreakerOpened,
    /// The breaker closed.
    BreakerClosed,
    /// The chain is closed and the writer is done.
    Closed,
}
