//! The audit writer as a pure state machine: batches, heads, doubts and fences. It is told what happened and says
//! what to do next; it reads no clock, no random source and no database, so that a seeded scheduler can drive it
//! through a million histories.
//!
//! The rules it keeps:
//! - One command is under way at a time, and one batch is built on a head only when the batch before it is settled.
//! - A COMMIT of which nothing is known is settled by reading the head: our hash there means committed; the old
//!   head means that the identical bytes are sent again; anything else means that somebody else moved the chain
//!   (we are *fenced*), which fails the waiting calls and opens a new chain that names where the old one stood.
//! - Data that the database refuses rolls back for certain: the batch is split until the offender stands alone.
//! - A batch outstanding for [`Settings::patience`] opens the breaker: waiting and new calls fail at once; the batch
//!   itself goes on, and once it is settled the breaker closes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Instant, Timestamp};
use crate::ids::{ChainId, Stamp};

use super::Mode;
use super::record::{Entry, Kind};

mod batch;
mod event;
mod flight;
#[cfg(test)]
mod tests;

use batch::opened_detail;
pub use batch::{Batch, Cursor, Head, Listed};
pub(super) use batch::{Builder, closed_detail};
pub use event::{Command, Event, Failure, Notice, Outcome, Ticket};
use flight::{Break, Flight, Phase, Waiting, entries};

/// What the writer is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// When answers leave.
    pub mode: Mode,
    /// How long a commit may be outstanding before callers stop waiting for it.
    pub patience: Duration,
    /// Entries of one batch at most.
    pub max_batch: usize,
    /// Entries waiting at most.
    pub max_queue: usize,
    /// The version of this binary, for the records that open chains.
    pub version: String,
    /// Which process this is, for the same.
    pub instance: String,
}

/// A clock set back by more than this closes the chain and opens another, so that no record has to pretend.
pub const MAX_CLOCK_STEP_BACK: Duration = Duration::from_secs(60);

/// Pauses between tries at a batch in doubt: short first, for the common case of one cut connection.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// The writer.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    phase: Phase,
    /// Halves of a refused batch, before everything else.
    first: VecDeque<Vec<Waiting>>,
    queue: VecDeque<Waiting>,
    queued_entries: usize,
    breaker_open: bool,
    closing: bool,
    /// Close the chain before anything else (the clock was set back).
    turn_over: bool,
    broken: Option<Break>,
    /// Makes the ids of chains; the shell gives the seed, the simulation a fixed one.
    chain_entropy: [u8; 16],
    chains_made: u64,
    notices: Vec<Notice>,
}

impl Machine {
    /// A writer without a chain; it opens one with the first record.
    pub fn new(settings: Settings, chain_entropy: [u8; 16]) -> Self {
        Self {
            settings,
            phase: Phase::Idle,
            first: VecDeque::new(),
            queue: VecDeque::new(),
            queued_entries: 0,
            breaker_open: false,
            closing: false,
            turn_over: false,
            broken: None,
            chain_entropy,
            chains_made: 0,
            notices: Vec::new(),
        }
    }

    /// Tells the machine what happened at `now`; answers what to do next, if anything. Call [`Machine::notices`]
    /// after each step.
    pub fn step(&mut self, event: Event, at: Timestamp, now: Instant) -> Option<Command> {
        match event {
            Event::Submit { ticket, entries } => self.submit(ticket, entries),
            Event::Done(Outcome::Committed(stamp)) => self.committed(&stamp),
            Event::Done(Outcome::Refused) => self.split(now),
            Event::Done(Outcome::Moved | Outcome::Unknown) => {
                self.pause(now);
                return None;
            }
            Event::Head(head) => return self.head(head, at, now),
            Event::Tick => return self.tick(at, now),
            Event::Close => self.closing = true,
        }
        self.pump(at, now)
    }

    /// What the shell must hear since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// When the machine wants [`Event::Tick`] next, at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Busy(flight) => {
                let patience = (!self.breaker_open).then(|| flight.since.plus(self.settings.patience));
                [patience, flight.retry_at].into_iter().flatten().min()
            }
            Phase::Idle | Phase::Ready(_) | Phase::Closed => None,
        }
    }

    /// Whether new calls are refused because the database does not answer.
    pub const fn is_broken(&self) -> bool {
        self.breaker_open
    }

    /// The chain that is open, if any.
    pub fn chain(&self) -> Option<&ChainId> {
        match &self.phase {
            Phase::Ready(cursor) => Some(&cursor.chain_id),
            Phase::Busy(flight) => Some(&flight.chain_id),
            Phase::Idle | Phase::Closed => None,
        }
    }

    /// Entries that wait to be sent.
    pub const fn queued(&self) -> usize {
        self.queued_entries
    }

    fn submit(&mut self, ticket: Ticket, entries: Vec<Entry>) {
        let refusal = if self.closing || matches!(self.phase, Phase::Closed) {
            Some(Failure::Closing)
        } else if self.breaker_open && self.settings.mode == Mode::Durable {
            Some(Failure::Unavailable)
        } else if self.queued_entries.saturating_add(entries.len()) > self.settings.max_queue {
            Some(if self.settings.mode == Mode::Durable { Failure::Overloaded } else { Failure::Unavailable })
        } else {
            None
        };
        if let Some(failure) = refusal {
            self.notices.push(Notice::Answer(ticket, Err(failure)));
            return;
        }
        if entries.is_empty() {
            // A batch of nothing would have no head by which a doubt could be settled.
            self.notices.push(Notice::Answer(ticket, Ok(None)));
            return;
        }
        self.queued_entries += entries.len();
        let ticket = match self.settings.mode {
            Mode::Durable => Some(ticket),
            Mode::Async => {
                self.notices.push(Notice::Answer(ticket, Ok(None)));
                None
            }
        };
        let entries = entries.into_iter().map(Arc::new).collect();
        self.queue.push_back(Waiting { ticket, entries });
    }

    /// Starts the next batch if nothing is under way.
    fn pump(&mut self, at: Timestamp, now: Instant) -> Option<Command> {
        match &self.phase {
            Phase::Busy(_) | Phase::Closed => return None,
            Phase::Idle if self.first.is_empty() && self.queue.is_empty() => {
                if self.closing {
                    self.phase = Phase::Closed;
                    self.notices.push(Notice::Closed);
                }
                return None;
            }
            Phase::Idle => return Some(self.open(at, now)),
            Phase::Ready(cursor) => {
                if at.plus(MAX_CLOCK_STEP_BACK) < cursor.timestamp {
                    self.turn_over = true;
                }
            }
        }
        let Phase::Ready(cursor) = &self.phase else { return None };
        let cursor = cursor.clone();
        if self.turn_over {
            return Some(self.send(cursor, Vec::new(), Some("clock set back"), at, now));
        }
        let waiting = self.take();
        if !waiting.is_empty() {
            return Some(self.send(cursor, waiting, None, at, now));
        }
        if self.closing {
            return Some(self.send(cursor, Vec::new(), Some("shutdown"), at, now));
        }
        None
    }

    /// The entries of the next batch.
    fn take(&mut self) -> Vec<Waiting> {
        if let Some(group) = self.first.pop_front() {
            return group;
        }
        let mut taken = Vec::new();
        let mut count = 0;
        while let Some(next) = self.queue.front() {
            if count > 0 && count + next.entries.len() > self.settings.max_batch {
                break;
            }
            if let Some(next) = self.queue.pop_front() {
                count += next.entries.len();
                self.queued_entries = self.queued_entries.saturating_sub(next.entries.len());
                taken.push(next);
            }
        }
        taken
    }

    fn open(&mut self, at: Timestamp, now: Instant) -> Command {
        let waiting = self.take();
        self.chains_made += 1;
        let mut entropy = self.chain_entropy;
        for (byte, count) in entropy.iter_mut().rev().zip(self.chains_made.to_le_bytes()) {
            *byte ^= count;
        }
        let chain_id = ChainId::new(at, entropy);
        self.phase = Phase::Busy(Box::new(Flight {
            base: None,
            chain_id: chain_id.clone(),
            batch: None,
            waiting,
            since: now,
            doubts: 0,
            retry_at: None,
        }));
        Command::Open(chain_id)
    }

    /// The records with which the chain under way is opened, now that the list is locked. Called by the shell
    /// inside the opening transaction, once a try.
    pub fn opening(&mut self, listed: &Listed, at: Timestamp) -> Option<Arc<Batch>> {
        let detail = opened_detail(&self.settings, listed, self.broken.as_ref());
        let Phase::Busy(flight) = &mut self.phase else { return None };
        let mut opening = Entry::new(Kind::Chain);
        opening.detail = Some(detail);
        let mut builder = Builder::new(
            Cursor {
                chain_id: flight.chain_id.clone(),
                chain_no: listed.chain_no,
                seq: 0,
                hash: [0; 32],
                timestamp: Timestamp::from_micros(0),
            },
            at,
        );
        builder.push(opening);
        builder.push_all(entries(&flight.waiting));
        let batch = Arc::new(builder.finish(false));
        flight.batch = Some(Arc::clone(&batch));
        Some(batch)
    }

    fn send(
        &mut self,
        base: Cursor,
        waiting: Vec<Waiting>,
        close: Option<&'static str>,
        at: Timestamp,
        now: Instant,
    ) -> Command {
        let mut builder = Builder::new(base.clone(), at);
        builder.push_all(entries(&waiting));
        if let Some(why) = close {
            let mut closing = Entry::new(Kind::Chain);
            closing.detail = Some(closed_detail("writer", why, &self.settings.instance));
            builder.push(closing);
        }
        let batch = Arc::new(builder.finish(close.is_some()));
        self.phase = Phase::Busy(Box::new(Flight {
            chain_id: base.chain_id.clone(),
            base: Some(base),
            batch: Some(Arc::clone(&batch)),
            waiting,
            since: now,
            doubts: 0,
            retry_at: None,
        }));
        Command::Append(batch)
    }

    /// Nothing is known of the batch under way: look at the head after a pause.
    fn pause(&mut self, now: Instant) {
        if let Phase::Busy(flight) = &mut self.phase {
            let pause = FIRST_PAUSE
                .saturating_mul(1u32.checked_shl(flight.doubts.min(6)).unwrap_or(64))
                .min(LAST_PAUSE);
            let pause = if flight.doubts == 0 { Duration::ZERO } else { pause };
            flight.doubts = flight.doubts.saturating_add(1);
            flight.retry_at = Some(now.plus(pause));
        }
    }

    fn committed(&mut self, stamp: &Stamp) {
        let Phase::Busy(flight) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        for ticket in flight.waiting.iter().filter_map(|waiting| waiting.ticket) {
            self.notices.push(Notice::Answer(ticket, Ok(Some(stamp.clone()))));
        }
        self.close_breaker();
        if flight.base.is_none() {
            self.broken = None;
        }
        let Some(batch) = flight.batch else { return };
        if batch.closes {
            self.turn_over = false;
            return;
        }
        if let (Some((seq, hash)), Some(last)) = (batch.head(), batch.records.last()) {
            self.phase = Phase::Ready(Cursor {
                chain_id: batch.chain_id.clone(),
                chain_no: batch.chain_no,
                seq,
                hash,
                timestamp: last.position.timestamp,
            });
        }
    }

    /// The database refuses the batch's data: halve it until the offender stands alone.
    fn split(&mut self, now: Instant) {
        if let Phase::Busy(flight) = &self.phase
            && flight.waiting.is_empty()
        {
            // Only records of our own making: there is nobody to refuse, so try again.
            self.pause(now);
            return;
        }
        let Phase::Busy(flight) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        self.close_breaker();
        if let Some(base) = flight.base {
            self.phase = Phase::Ready(base);
        }
        let mut left = flight.waiting;
        if left.len() == 1 {
            for waiting in left {
                match waiting.ticket {
                    Some(ticket) => self.notices.push(Notice::Answer(ticket, Err(Failure::Refused))),
                    None if self.settings.mode == Mode::Async => {
                        self.notices.push(Notice::Lost(waiting.entries.len()));
                    }
                    None => {}
                }
            }
            return;
        }
        let right = left.split_off(left.len() / 2);
        self.first.push_front(right);
        self.first.push_front(left);
    }

    fn head(&mut self, head: Result<Option<Head>, ()>, at: Timestamp, now: Instant) -> Option<Command> {
        let Ok(head) = head else {
            self.pause(now);
            return None;
        };
        let Phase::Busy(flight) = &mut self.phase else { return self.pump(at, now) };
        let own = flight.batch.as_deref().and_then(Batch::head);
        match (&head, own) {
            // Our record is there, so the batch was committed, whoever moved the head since.
            (Some(head), Some((seq, hash))) if head.asked == Some(hash) => {
                let moved_on = head.seq != seq || head.closed;
                let stamp = head.stamp.clone();
                self.committed(&stamp);
                if moved_on {
                    self.fenced_idle();
                }
            }
            // The head is the old one: the identical bytes go again.
            (Some(head), Some(_))
                if flight
                    .base
                    .as_ref()
                    .is_some_and(|base| (base.seq, base.hash) == (head.seq, head.hash))
                    && !head.closed =>
            {
                flight.retry_at = None;
                return flight.batch.clone().map(Command::Append);
            }
            // The chain that was to be opened is not there: open it, anew composed.
            (None, _) if flight.base.is_none() => {
                flight.retry_at = None;
                return Some(Command::Open(flight.chain_id.clone()));
            }
            _ => self.fenced(),
        }
        self.pump(at, now)
    }

    /// Somebody else moved the chain under a batch: fail who waits, go on in a new chain.
    fn fenced(&mut self) {
        let Phase::Busy(flight) = std::mem::replace(&mut self.phase, Phase::Idle) else { return };
        self.close_breaker();
        let mut kept = Vec::new();
        for waiting in flight.waiting {
            match waiting.ticket {
                Some(ticket) => self.notices.push(Notice::Answer(ticket, Err(Failure::Fenced))),
                // Answered before its commit, and certainly not in the chain: it goes into the next one.
                None if self.settings.mode == Mode::Async => kept.push(waiting),
                None => {}
            }
        }
        if !kept.is_empty() {
            self.first.push_front(kept);
        }
        self.turn_over = false;
        if let Some(base) = flight.base {
            self.note_break(base);
        }
    }

    /// The chain is not ours any more and nothing was under way.
    fn fenced_idle(&mut self) {
        self.turn_over = false;
        if let Phase::Ready(cursor) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.note_break(cursor);
        }
    }

    fn note_break(&mut self, cursor: Cursor) {
        self.notices.push(Notice::Fenced(cursor.clone()));
        self.broken = Some(Break { cursor, why: "fenced" });
    }

    fn tick(&mut self, at: Timestamp, now: Instant) -> Option<Command> {
        let Phase::Busy(flight) = &mut self.phase else { return self.pump(at, now) };
        let late = now.since(flight.since) >= self.settings.patience;
        let retry = flight.retry_at.is_some_and(|at| now >= at);
        let mut command = None;
        if retry {
            flight.retry_at = None;
            let seq = flight.batch.as_deref().and_then(Batch::head).map_or(0, |(seq, _)| seq);
            command = Some(Command::ReadHead(flight.chain_id.clone(), seq));
        }
        if late && !self.breaker_open {
            self.open_breaker();
        }
        command
    }

    /// Nobody waits for a database that hangs. Entries of callers who were told so are dropped, but for those of the
    /// batch under way, which may be committed already.
    fn open_breaker(&mut self) {
        self.breaker_open = true;
        self.notices.push(Notice::BreakerOpened);
        if self.settings.mode == Mode::Async {
            return;
        }
        if let Phase::Busy(flight) = &mut self.phase {
            for ticket in flight.waiting.iter_mut().filter_map(|waiting| waiting.ticket.take()) {
                self.notices.push(Notice::Answer(ticket, Err(Failure::Unavailable)));
            }
        }
        let waiting = self.first.drain(..).flatten().chain(self.queue.drain(..));
        for ticket in waiting.filter_map(|waiting| waiting.ticket) {
            self.notices.push(Notice::Answer(ticket, Err(Failure::Unavailable)));
        }
        self.queued_entries = 0;
    }

    /// The batch behind which it opened is settled. With a refusal or a fence nothing may be left whose commit could
    /// close it, and then calls would be refused for ever; the next one finds out whether commits work.
    fn close_breaker(&mut self) {
        if std::mem::take(&mut self.breaker_open) {
            self.notices.push(Notice::BreakerClosed);
        }
    }
}
