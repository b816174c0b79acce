//! Where the writer is: idle, ready, or with a batch under way.

use std::sync::Arc;

use crate::audit::record::Entry;
use crate::clock::Instant;
use crate::ids::ChainId;

use super::batch::{Batch, Cursor};
use super::event::Ticket;

/// Entries that go together, and who waits for them.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// `None` once it was answered.
    pub(super) ticket: Option<Ticket>,
    pub(super) entries: Vec<Arc<Entry>>,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// No chain is open.
    Idle,
    /// A chain is open and nothing is under way.
    Ready(Cursor),
    /// A batch is under way or in doubt.
    Busy(Box<Flight>),
    /// The chain is closed for good.
    Closed,
}

/// A batch under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// The open chain it is built on; `None` while the chain itself is being opened.
    pub(super) base: Option<Cursor>,
    pub(super) chain_id: ChainId,
    /// The records; while opening, absent until the list was seen.
    pub(super) batch: Option<Arc<Batch>>,
    pub(super) waiting: Vec<Waiting>,
    /// When it was first sent.
    pub(super) since: Instant,
    /// Tries that ended in doubt.
    pub(super) doubts: u32,
    /// When to try again; `None` while a command is under way.
    pub(super) retry_at: Option<Instant>,
}

/// Where a chain of ours was taken over; named by the next one's first record.
#[derive(Clone, Debug)]
pub(super) struct Break {
    pub(super) cursor: Cursor,
    pub(super) why: &'static str,
}

/// The entries of all who wait, in order.
pub(super) fn entries(waiting: &[Waiting]) -> impl Iterator<Item = Arc<Entry>> + '_ {
    waiting.iter().flat_map(|waiting| &waiting.entries).cloned()
}
