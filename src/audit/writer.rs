//! The thin shell around [`machine`](super::machine): takes entries from callers, does the one command that is under
//! way against the database, hands answers back.
//!
//! **Invariant:** no rule of writing lives here; whatever decides what happens next is in the machine.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use crate::clock::{Clock, Instant};
use crate::ids::ChainId;
use crate::metrics::Timer;
use crate::store::Store;
use crate::store::chains::{Appender, Opened};
use crate::store::revision::Stamp;
use crate::telemetry;

use super::Mode;
use super::machine::{Command, Event, Failure, Head, Listed, Machine, Notice, Outcome, Settings, Ticket};
use super::record::Entry;

/// How long one command may take before its connection is thrown away and its outcome is unknown. Longer than the
/// database's own lock timeout, so that the usual refusal is heard as one.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// What a caller gets once its entries are written (or, in `async` mode, queued).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The revision that the commit saw; `None` in `async` mode and where there was nothing to write.
    pub stamp: Option<Stamp>,
}

struct Call {
    entries: Vec<Entry>,
    /// The caller's wait, of which the statement that writes its entries is a part.
    span: tracing::Span,
    answer: oneshot::Sender<Result<Receipt, Failure>>,
}

/// The way into the audit. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    calls: mpsc::Sender<Call>,
    close: mpsc::Sender<()>,
    state: Arc<State>,
}

/// What the writer shows of itself.
#[derive(Debug, Default)]
struct State {
    broken: watch::Sender<bool>,
    queued: AtomicUsize,
    records: AtomicU64,
    commits: AtomicU64,
    fenced: AtomicU64,
    lost: AtomicU64,
    chain: ArcSwapOption<ChainId>,
    /// How long commits take, once somebody wants to know.
    commit_time: OnceLock<Timer>,
}

/// Figures since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Records committed.
    pub records: u64,
    /// Commits that carried them.
    pub commits: u64,
    /// Entries waiting now.
    pub queued: usize,
    /// Times another writer took the chain over.
    pub fenced: u64,
    /// Entries answered in `async` mode that the database then refused.
    pub lost: u64,
    /// Whether the database does not answer.
    pub broken: bool,
}

impl Writer {
    /// A writer on `store` and the task that does its work; the task ends after [`Writer::close`].
    pub fn start(
        store: &Store,
        settings: Settings,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (calls, receiver) = mpsc::channel(settings.max_queue);
        let (close, closing) = mpsc::channel(1);
        let state = Arc::new(State::default());
        let shell = Shell {
            machine: Machine::new(settings, crate::entropy::id()),
            appender: Arc::new(Appender::new(store)),
            state: Arc::clone(&state),
            callers: HashMap::new(),
            next_ticket: 0,
            began: clock.instant(),
            waits: tracing::Span::none(),
            clock,
        };
        (Self { calls, close, state }, shell.run(receiver, closing))
    }

    /// Writes `entries` together, in one transaction, or not at all.
    ///
    /// # Errors
    /// What kept them from being written; see [`Failure`].
    pub async fn record(&self, entries: Vec<Entry>) -> Result<Receipt, Failure> {
        let (answer, answered) = oneshot::channel();
        self.calls.try_send(Call { entries, span: tracing::Span::current(), answer }).map_err(|error| {
            match error {
                mpsc::error::TrySendError::Full(_) => Failure::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Failure::Closing,
            }
        })?;
        answered.await.unwrap_or(Err(Failure::Closing))
    }

    /// Writes what waits, closes the chain and ends the task.
    pub async fn close(&self) {
        // The channel is gone once the task has ended, and then there is nothing left to do.
        if self.close.send(()).await.is_err() {
            return;
        }
        self.calls.closed().await;
    }

    /// Has the time of every commit taken in by `timer`; the first one stays.
    pub fn time_commits(&self, timer: Timer) {
        self.state.commit_time.set(timer).ok();
    }

    /// Whether the database does not answer, so that new calls are refused at once.
    pub fn is_broken(&self) -> bool {
        *self.state.broken.borrow()
    }

    /// Waits until nothing is in doubt any more for which callers were told that the database does not answer.
    pub async fn settled(&self) {
        // The sender is in the state that this writer shares, so that it cannot be gone.
        drop(self.state.broken.subscribe().wait_for(|broken| !broken).await);
    }

    /// The chain that this writer appends to, once there is one.
    pub fn chain(&self) -> Option<Arc<ChainId>> {
        self.state.chain.load_full()
    }

    /// Figures since the start.
    pub fn figures(&self) -> Figures {
        let state = &self.state;
        Figures {
            records: state.records.load(Ordering::Relaxed),
            commits: state.commits.load(Ordering::Relaxed),
            queued: state.queued.load(Ordering::Relaxed),
            fenced: state.fenced.load(Ordering::Relaxed),
            lost: state.lost.load(Ordering::Relaxed),
            broken: *state.broken.borrow(),
        }
    }
}

struct Shell {
    machine: Machine,
    appender: Arc<Appender>,
    clock: Clock,
    state: Arc<State>,
    callers: HashMap<Ticket, oneshot::Sender<Result<Receipt, Failure>>>,
    next_ticket: Ticket,
    /// When the command under way began.
    began: Instant,
    /// The wait of the last caller: a commit that many share is shown under one of them.
    waits: tracing::Span,
}

/// How a command ended.
enum Ended {
    Done(Outcome, usize),
    Head(Result<Option<Head>, ()>),
    /// The list of chains is locked; the machine composes the opening.
    Listed(Listed, Opened),
}

type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

impl Shell {
    async fn run(mut self, mut calls: mpsc::Receiver<Call>, mut closing: mpsc::Receiver<()>) {
        let mut running: Option<Running> = None;
        let mut burst = Vec::new();
        let mut callers_left = true;
        loop {
            let deadline = self.machine.deadline();
            let pause = deadline.map(|at| at.since(self.clock.instant()));
            let mut commands = Vec::new();
            tokio::select! {
                ended = finish(&mut running) => {
                    running = None;
                    commands.push(self.ended(ended, &mut running));
                }
                count = calls.recv_many(&mut burst, BURST), if callers_left => {
                    if count == 0 {
                        callers_left = false;
                        commands.push(self.step(Event::Close));
                    }
                    for call in burst.drain(..) {
                        commands.push(self.submit(call));
                    }
                }
                Some(()) = closing.recv() => commands.push(self.step(Event::Close)),
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {
                    commands.push(self.step(Event::Tick));
                }
            }
            for command in commands.into_iter().flatten() {
                running = Some(self.start(command));
            }
            if self.tell() {
                return;
            }
        }
    }

    fn submit(&mut self, call: Call) -> Option<Command> {
        self.next_ticket += 1;
        self.callers.insert(self.next_ticket, call.answer);
        self.waits = call.span;
        self.step(Event::Submit { ticket: self.next_ticket, entries: call.entries })
    }

    fn step(&mut self, event: Event) -> Option<Command> {
        self.machine.step(event, self.clock.now(), self.clock.instant())
    }

    fn ended(&mut self, ended: Ended, running: &mut Option<Running>) -> Option<Command> {
        match ended {
            Ended::Done(outcome, records) => {
                if matches!(outcome, Outcome::Committed(_)) {
                    self.state.records.fetch_add(u64::try_from(records).unwrap_or(0), Ordering::Relaxed);
                    self.state.commits.fetch_add(1, Ordering::Relaxed);
                    if let Some(timer) = self.state.commit_time.get() {
                        timer.observe(self.clock.instant().since(self.began));
                    }
                }
                self.step(Event::Done(outcome))
            }
            Ended::Head(head) => self.step(Event::Head(head)),
            Ended::Listed(listed, opened) => {
                let batch = self.machine.opening(&listed, self.clock.now())?;
                let appender = Arc::clone(&self.appender);
                *running = Some(Box::pin(async move {
                    let count = batch.records.len();
                    let outcome =
                        within(appender.finish_opening(opened, &batch)).await.unwrap_or(Outcome::Unknown);
                    Ended::Done(outcome, count)
                }));
                None
            }
        }
    }

    fn start(&mut self, command: Command) -> Running {
        self.began = self.clock.instant();
        let waits = std::mem::replace(&mut self.waits, tracing::Span::none());
        let step = waits.in_scope(|| tracing::info_span!(target: telemetry::STEP, "database"));
        let appender = Arc::clone(&self.appender);
        match command {
            Command::Append(batch) => Box::pin(async move {
                let count = batch.records.len();
                let appended = within(appender.append(&batch)).instrument(step);
                Ended::Done(appended.await.unwrap_or(Outcome::Unknown), count)
            }),
            Command::ReadHead(chain, seq) => Box::pin(async move {
                Ended::Head(
                    within(appender.head(&chain, seq)).await.ok_or(()).and_then(|head| head.map_err(|_| ())),
                )
            }),
            Command::Open(chain) => Box::pin(async move {
                match within(appender.begin_opening(&chain)).await {
                    Some(Ok(Some((listed, opened)))) => Ended::Listed(listed, opened),
                    Some(Ok(None)) => Ended::Done(Outcome::Moved, 0),
                    Some(Err(error)) => {
                        tracing::warn!(%error, "an audit chain cannot be opened");
                        Ended::Done(Outcome::Unknown, 0)
                    }
                    None => Ended::Done(Outcome::Unknown, 0),
                }
            }),
        }
    }

    /// Hands on what the machine has to say; answers whether it is done for good.
    fn tell(&mut self) -> bool {
        let mut done = false;
        // Before any answer: who hears that nothing is known must be able to wait until something is.
        self.state.broken.send_if_modified(|broken| {
            std::mem::replace(broken, self.machine.is_broken()) != self.machine.is_broken()
        });
        for notice in self.machine.notices() {
            match notice {
                Notice::Answer(ticket, answer) => {
                    if let Some(caller) = self.callers.remove(&ticket) {
                        // A caller that went away does not need its answer; its record stands.
                        drop(caller.send(answer.map(|stamp| Receipt { stamp })));
                    }
                }
                Notice::Fenced(cursor) => {
                    self.state.fenced.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        chain = %cursor.chain_id,
                        seq = cursor.seq,
                        "another writer moved this audit chain; a new one is opened that names this place"
                    );
                }
                Notice::Lost(count) => {
                    self.state.lost.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
                    tracing::error!(count, "the database refuses audit entries that were already answered");
                }
                Notice::BreakerOpened => {
                    tracing::error!("the audit database does not answer; refusing calls")
                }
                Notice::BreakerClosed => tracing::info!("the audit database answers again"),
                Notice::Closed => done = true,
            }
        }
        self.state.queued.store(self.machine.queued(), Ordering::Relaxed);
        let chain = self.machine.chain();
        if self.state.chain.load().as_deref() != chain {
            self.state.chain.store(chain.cloned().map(Arc::new));
        }
        done
    }
}

/// Calls taken from the channel at once.
const BURST: usize = 256;

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(COMMAND_TIMEOUT, work).await.ok()
}

async fn finish(running: &mut Option<Running>) -> Ended {
    match running {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// The settings of a writer with the bounds of design section 12.
pub fn settings(mode: Mode, version: &str, instance: &str) -> Settings {
    Settings {
        mode,
        patience: PATIENCE,
        max_batch: MAX_BATCH,
        max_queue: MAX_QUEUE,
        version: version.to_owned(),
        instance: instance.to_owned(),
    }
}

/// A commit outstanding for this long opens the breaker.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// Entries of one batch: beyond it a commit takes longer without carrying more a second.
pub const MAX_BATCH: usize = 512;

/// Entries that may wait: as many as messages may be in flight.
pub const MAX_QUEUE: usize = 4_096;
