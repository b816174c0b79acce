//! The database of the simulation as a server: statements that take effect whole and at any time, a lock on the list
//! of chains, transactions of clients that are gone, restores from a backup. It also keeps what the tables do not say:
//! who wrote what at which revision, so that the checks need not believe the records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::database::{Chain, Database, POISON};
use super::removed::Rule;
use crate::audit::machine::{
    Batch, Builder, Cursor, Event, Head, Listed, MAX_CLOCK_STEP_BACK, Outcome, closed_detail,
};
use crate::audit::record::{Entry, Kind};
use crate::clock::{Instant, Timestamp};
use crate::ids::ChainId;

/// A chain unseen for this long has lost its writer.
const SILENCE: Duration = Duration::from_secs(600);

/// A transaction whose client does not go on ends after this long.
const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a client sends.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Append(Arc<Batch>),
    Head(ChainId, i64),
    /// Begins a transaction and locks the list of chains.
    Lock(ChainId),
    /// Adds the chain and its first records, and commits.
    Finish(Listed, Arc<Batch>),
}

impl Statement {
    /// What the machine is told when nothing is known of it.
    pub(super) const fn unheard(&self) -> Event {
        match self {
            Self::Head(..) => Event::Head(Err(())),
            Self::Append(_) | Self::Lock(_) | Self::Finish(..) => Event::Done(Outcome::Unknown),
        }
    }
}

/// What the server answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Done(Outcome),
    Head(Option<Head>),
    Listed(Listed),
    /// Nothing: the connection is dead.
    Dead,
}

/// One committed entry of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) revision: i64,
}

/// What is known of a chain beside its rows.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) seen_at: Instant,
    /// Somebody else may rightly have moved it: an intruder, or the janitor after the silence.
    pub(super) is_taken: bool,
}

/// Everything that a backup holds.
#[derive(Clone, Debug, Default)]
struct Tables {
    database: Database,
    placed: BTreeMap<(u32, u64), Vec<Placed>>,
}

#[derive(Debug)]
struct Lock {
    session: u64,
    /// Since when its transaction waits for its client.
    since: Instant,
}

#[derive(Debug)]
pub(super) struct Server {
    tables: Tables,
    backup: Option<Tables>,
    known: BTreeMap<String, Known>,
    lock: Option<Lock>,
    without: Option<Rule>,
    pub(super) now: Instant,
    /// How often a backup was put back.
    pub(super) restores: u32,
    /// Every chain that was ever committed.
    pub(super) opened: BTreeSet<String>,
    pub(super) fault: Option<String>,
}

impl Server {
    pub(super) fn new(without: Option<Rule>) -> Self {
        let mut tables = Tables::default();
        tables.database.revision = 1;
        Self {
            tables,
            backup: None,
            known: BTreeMap::new(),
            lock: None,
            without,
            now: Instant::from_origin(Duration::from_secs(1)),
            restores: 0,
            opened: BTreeSet::new(),
            fault: None,
        }
    }

    pub(super) const fn database(&self) -> &Database {
        &self.tables.database
    }

    pub(super) fn known(&self, chain: &ChainId) -> Option<&Known> {
        self.known.get(chain.as_str())
    }

    /// The entries of a call that are committed.
    pub(super) fn placed(&self, life: u32, ticket: u64) -> &[Placed] {
        self.tables.placed.get(&(life, ticket)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn revise(&mut self) {
        self.tables.database.revision += 1;
    }

    /// Lets a statement take effect; `None` while it waits for a lock. `is_torn`: the server stops in the middle.
    pub(super) fn execute(&mut self, session: u64, statement: &Statement, is_torn: bool) -> Option<Reply> {
        Some(match statement {
            Statement::Append(batch) => Reply::Done(self.append(batch, is_torn)),
            Statement::Head(chain, seq) => Reply::Head(self.tables.database.head(chain, *seq)),
            Statement::Lock(chain) => return self.lock(session, chain),
            Statement::Finish(listed, batch) => Reply::Done(self.finish(session, listed, batch)),
        })
    }

    fn append(&mut self, batch: &Batch, is_torn: bool) -> Outcome {
        let id = batch.chain_id.as_str();
        if is_torn && self.without == Some(Rule::HeadAndRowsTogether) {
            let head = batch.head();
            if let (Some(chain), Some(head)) = (self.tables.database.chains.get_mut(id), head)
                && chain.head == (batch.prev_seq, batch.prev_hash)
            {
                chain.head = head;
            }
            return Outcome::Unknown;
        }
        if self.without == Some(Rule::HeadIsChecked)
            && !batch.records.iter().any(|record| record.entry.action.as_deref() == Some(POISON))
            && let Some(chain) = self.tables.database.chains.get_mut(id)
        {
            chain.add(batch);
            self.place(batch);
            return Outcome::Committed(self.tables.database.stamp());
        }
        let mut batch = batch.clone();
        if batch.closes && self.without == Some(Rule::ClosingIsARecord) {
            batch.records.pop();
        }
        let outcome = self.tables.database.append(&batch);
        if matches!(outcome, Outcome::Committed(_)) {
            self.place(&batch);
        }
        outcome
    }

    /// Keeps who has how many records there, and at which revision.
    fn place(&mut self, batch: &Batch) {
        let revision = self.tables.database.revision;
        for record in &batch.records {
            let Some(mark) = &record.entry.decision_id else { continue };
            let (life, ticket) = mark.split_once('.').unwrap();
            let key = (life.parse().unwrap(), ticket.parse().unwrap());
            self.tables.placed.entry(key).or_default().push(Placed { revision });
        }
        self.seen(&batch.chain_id);
    }

    /// The chain's writer lives.
    pub(super) fn seen(&mut self, chain: &ChainId) {
        let now = self.now;
        let known = self.known.entry(chain.as_str().to_owned());
        known.or_insert(Known { seen_at: now, is_taken: false }).seen_at = now;
    }

    fn lock(&mut self, session: u64, chain: &ChainId) -> Option<Reply> {
        if self.without != Some(Rule::ListIsLocked) {
            if self.lock.as_ref().is_some_and(|lock| lock.session != session) {
                return None;
            }
            self.lock = Some(Lock { session, since: self.now });
        }
        let database = &mut self.tables.database;
        if database.chains.contains_key(chain.as_str()) {
            self.lock = None;
            return Some(Reply::Done(Outcome::Moved));
        }
        let listed = database.listed();
        if self.without == Some(Rule::RowWithFirstRecord) {
            database
                .chains
                .insert(chain.as_str().to_owned(), Chain { no: listed.chain_no, ..Chain::default() });
            database.last = Some(chain.clone());
        }
        Some(Reply::Listed(listed))
    }

    fn finish(&mut self, session: u64, listed: &Listed, batch: &Batch) -> Outcome {
        if self.without == Some(Rule::RowWithFirstRecord) {
            self.lock = None;
            return self.append(batch, false);
        }
        if self.without != Some(Rule::ListIsLocked) {
            if self.lock.as_ref().is_none_or(|lock| lock.session != session) {
                // The transaction was ended while it waited.
                return Outcome::Unknown;
            }
            self.lock = None;
        }
        let outcome = self.tables.database.open(listed, batch);
        if matches!(outcome, Outcome::Committed(_)) {
            self.opened.insert(batch.chain_id.as_str().to_owned());
            self.place(batch);
            if let Some((chain, seq, hash)) = &listed.previous {
                let stood = self.tables.database.chains.get(chain.as_str()).is_some_and(|chain| {
                    chain.no == listed.chain_no - 1
                        && chain.records.iter().any(|it| (it.position.seq, it.hash) == (*seq, *hash))
                });
                if !stood {
                    self.fault = Some(format!("chain {} does not follow the one it names", listed.chain_no));
                }
            }
        }
        outcome
    }

    /// Time has passed: a transaction that waits for its client ends.
    pub(super) fn tidy(&mut self) {
        let ends = self.without != Some(Rule::TransactionsEnd);
        if ends && self.lock.as_ref().is_some_and(|lock| self.now.since(lock.since) >= IDLE_TIMEOUT) {
            self.lock = None;
        }
    }

    /// The server is restarted: what is committed stays, every transaction is gone.
    pub(super) fn restart(&mut self) {
        self.lock = None;
    }

    pub(super) fn back_up(&mut self) {
        self.backup = Some(self.tables.clone());
    }

    /// Puts the backup back; the revision goes on, as it does under a new epoch.
    pub(super) fn restore(&mut self) -> bool {
        let Some(backup) = &self.backup else { return false };
        let revision = self.tables.database.revision;
        self.tables = backup.clone();
        self.tables.database.revision = revision + 1;
        self.lock = None;
        self.restores += 1;
        true
    }

    /// Where the open chains stand that were silent for long enough.
    pub(super) fn silent(&self) -> Vec<Cursor> {
        let waits = self.without != Some(Rule::JanitorWaits);
        self.tables
            .database
            .chains
            .values()
            .filter(|chain| !chain.closed)
            .filter_map(|chain| {
                let last = chain.records.last()?;
                let seen_at = self.known.get(last.position.chain_id.as_str())?.seen_at;
                (!waits || self.now.since(seen_at) >= SILENCE).then(|| Cursor {
                    chain_id: last.position.chain_id.clone(),
                    chain_no: chain.no,
                    seq: chain.head.0,
                    hash: chain.head.1,
                    timestamp: last.position.timestamp,
                })
            })
            .collect()
    }

    /// The janitor closes a chain that stood at `cursor` when it looked.
    pub(super) fn close(&mut self, cursor: Cursor, at: Timestamp) {
        let chain = cursor.chain_id.clone();
        let mut builder = Builder::new(cursor, at);
        let mut entry = Entry::new(Kind::Chain);
        entry.detail = Some(closed_detail("janitor", "silent", "other"));
        builder.push(entry);
        let batch = builder.finish(true);
        let unchecked = self.without == Some(Rule::ClosingChecksTheHead);
        if unchecked && let Some(chain) = self.tables.database.chains.get_mut(chain.as_str()) {
            chain.add(&batch);
        } else if !matches!(self.append(&batch, false), Outcome::Committed(_)) {
            return;
        }
        if self.without != Some(Rule::JanitorWaits) {
            self.take(&chain);
        }
    }

    /// Somebody else appends to an open chain, as a second writer with the same state would.
    pub(super) fn intrude(&mut self, which: usize) {
        let open: Vec<_> = self
            .tables
            .database
            .chains
            .iter()
            .filter(|(_, chain)| !chain.closed && !chain.records.is_empty())
            .collect();
        if open.is_empty() {
            return;
        }
        let chain: ChainId = open[which % open.len()].0.parse().unwrap();
        self.tables.database.intrude(&chain, false);
        self.take(&chain);
    }

    fn take(&mut self, chain: &ChainId) {
        if let Some(known) = self.known.get_mut(chain.as_str()) {
            known.is_taken = true;
        }
    }
}

/// How far a record's time may lie before its writer's clock, at the most.
pub(super) const MAX_PRETENCE: Duration = MAX_CLOCK_STEP_BACK;
