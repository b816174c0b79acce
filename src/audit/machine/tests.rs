//! The rules of writing (protocols 2 and 3), each against a small database in memory that does what it is told, or
//! loses the command before or after it took effect.

use std::collections::BTreeMap;

use super::*;
use crate::audit::record::Record;
use crate::ids::Revision;

mod chaos;
mod doubt;
mod order;
mod refusal;

/// An action that the database refuses, as PostgreSQL does a U+0000 in a text.
const POISON: &str = "poison";

#[derive(Clone, Debug, Default)]
struct Chain {
    no: i64,
    closed: bool,
    records: Vec<Record>,
}

impl Chain {
    fn head(&self) -> (i64, [u8; 32]) {
        self.records.last().map_or((0, [0; 32]), |last| (last.position.seq, last.hash))
    }
}

/// The database: heads, rows, the list.
#[derive(Debug, Default)]
struct Database {
    chains: BTreeMap<String, Chain>,
    last: Option<ChainId>,
    commits: i64,
}

impl Database {
    fn stamp(&self) -> Stamp {
        Stamp { revision: Revision::new("e", self.commits), token: [0; 16] }
    }

    fn listed(&self) -> Listed {
        Listed {
            chain_no: i64::try_from(self.chains.len()).unwrap() + 1,
            previous: self.last.clone().map(|last| {
                let (seq, hash) = self.chains[last.as_str()].head();
                (last, seq, hash)
            }),
        }
    }

    fn append(&mut self, batch: &Batch) -> Outcome {
        if batch.records.iter().any(|record| record.entry.action.as_deref() == Some(POISON)) {
            return Outcome::Refused;
        }
        let Some(chain) = self.chains.get_mut(batch.chain_id.as_str()) else { return Outcome::Moved };
        if chain.closed || chain.head() != (batch.prev_seq, batch.prev_hash) {
            return Outcome::Moved;
        }
        chain.records.extend(batch.records.iter().cloned());
        chain.closed = batch.closes;
        self.commits += 1;
        Outcome::Committed(self.stamp())
    }

    fn open(&mut self, listed: &Listed, batch: &Batch) -> Outcome {
        let id = batch.chain_id.as_str().to_owned();
        self.chains.insert(id.clone(), Chain { no: listed.chain_no, ..Chain::default() });
        let outcome = self.append(batch);
        if matches!(outcome, Outcome::Committed(_)) {
            self.last = Some(batch.chain_id.clone());
        } else {
            self.chains.remove(&id);
        }
        outcome
    }

    fn head(&self, chain: &ChainId, seq: i64) -> Option<Head> {
        let chain = self.chains.get(chain.as_str())?;
        let (head_seq, hash) = chain.head();
        let asked = chain.records.iter().find(|record| record.position.seq == seq).map(|record| record.hash);
        Some(Head { seq: head_seq, hash, closed: chain.closed, asked, stamp: self.stamp() })
    }

    /// Somebody else appends one record to a chain, as a janitor closing it or a writer that stole it does.
    fn intrude(&mut self, chain: &ChainId, closes: bool) {
        let stands = &self.chains[chain.as_str()];
        let (seq, hash) = stands.head();
        let cursor = Cursor {
            chain_id: chain.clone(),
            chain_no: stands.no,
            seq,
            hash,
            timestamp: stands.records.last().unwrap().position.timestamp,
        };
        let mut builder = Builder::new(cursor, Timestamp::from_micros(0));
        let mut entry = Entry::new(Kind::Chain);
        entry.detail = Some(closed_detail("janitor", "silent", "other"));
        builder.push(entry);
        assert!(matches!(self.append(&builder.finish(closes)), Outcome::Committed(_)));
    }

    /// The chains by number.
    fn in_order(&self) -> Vec<&Chain> {
        let mut chains: Vec<_> = self.chains.values().collect();
        chains.sort_by_key(|chain| chain.no);
        chains
    }

    /// The actions written, in the order of chains and records.
    fn actions(&self) -> Vec<String> {
        self.in_order()
            .into_iter()
            .flat_map(|chain| &chain.records)
            .filter_map(|record| record.entry.action.clone())
            .collect()
    }

    /// What is wrong with the chains, as a verifier would say.
    fn fault(&self) -> Option<String> {
        for (chain, number) in self.in_order().into_iter().zip(1..) {
            if chain.no != number {
                return Some(format!("chain {number} is missing"));
            }
            let (mut hash, mut time) = ([0; 32], Timestamp::from_micros(0));
            for (record, seq) in chain.records.iter().zip(1..) {
                let position = &record.position;
                if position.seq != seq || position.prev_hash != hash || record.computed_hash() != record.hash
                {
                    return Some(format!("chain {number} breaks at {seq}"));
                }
                if position.timestamp < time {
                    return Some(format!("chain {number} goes back in time at {seq}"));
                }
                (hash, time) = (record.hash, position.timestamp);
            }
        }
        None
    }
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// As the database says.
    Heard,
    /// It never took effect, and nobody says so.
    LostBefore,
    /// It took effect, and nobody says so.
    LostAfter,
}

/// A machine, its database, its clocks, and everything that was said.
struct Rig {
    machine: Machine,
    database: Database,
    pending: Option<Command>,
    at: Timestamp,
    now: Instant,
    tickets: Ticket,
    answers: BTreeMap<Ticket, Result<Option<Stamp>, Failure>>,
    said: Vec<Notice>,
    /// Every command given, in order.
    given: Vec<Command>,
    /// The first action and the size of every call.
    names: BTreeMap<Ticket, (String, usize)>,
}

impl Rig {
    fn new(mode: Mode) -> Self {
        Self::with(Settings {
            mode,
            patience: Duration::from_millis(500),
            max_batch: 64,
            max_queue: 128,
            version: "1.2.3".into(),
            instance: "pod-1".into(),
        })
    }

    fn with(settings: Settings) -> Self {
        Self {
            machine: Machine::new(settings, [7; 16]),
            database: Database::default(),
            pending: None,
            at: Timestamp::parse("2026-01-05T12:00:00Z").unwrap(),
            now: Instant::from_origin(Duration::from_secs(1)),
            tickets: 0,
            answers: BTreeMap::new(),
            said: Vec::new(),
            given: Vec::new(),
            names: BTreeMap::new(),
        }
    }

    fn event(&mut self, event: Event) {
        let command = self.machine.step(event, self.at, self.now);
        if let Some(command) = command {
            assert_eq!(self.pending, None, "one command is under way at a time");
            self.given.push(command.clone());
            self.pending = Some(command);
        }
        for notice in self.machine.notices() {
            if let Notice::Answer(ticket, answer) = notice {
                assert!(self.answers.insert(ticket, answer).is_none(), "ticket {ticket} was answered twice");
            } else {
                self.said.push(notice);
            }
        }
    }

    /// Submits one call of entries with these actions.
    fn submit(&mut self, actions: &[&str]) -> Ticket {
        self.tickets += 1;
        let ticket = self.tickets;
        self.names.insert(ticket, ((*actions.first().unwrap_or(&"")).to_owned(), actions.len()));
        let entries = actions
            .iter()
            .map(|action| {
                let mut entry = Entry::new(Kind::Decision);
                entry.action = Some((*action).to_owned());
                entry
            })
            .collect();
        self.event(Event::Submit { ticket, entries });
        ticket
    }

    /// Ends the command under way.
    fn end(&mut self, fate: Fate) {
        let event = match self.pending.take().expect("no command is under way") {
            Command::Append(_) | Command::Open(_) | Command::ReadHead(..) if fate == Fate::LostBefore => {
                match self.given.last() {
                    Some(Command::ReadHead(..)) => Event::Head(Err(())),
                    _ => Event::Done(Outcome::Unknown),
                }
            }
            Command::Append(batch) => Event::Done(self.database.append(&batch)),
            Command::Open(chain) => {
                if self.database.chains.contains_key(chain.as_str()) {
                    Event::Done(Outcome::Moved)
                } else {
                    let listed = self.database.listed();
                    let batch = self.machine.opening(&listed, self.at).unwrap();
                    Event::Done(self.database.open(&listed, &batch))
                }
            }
            Command::ReadHead(chain, seq) => Event::Head(Ok(self.database.head(&chain, seq))),
        };
        let event = match (fate, event) {
            (Fate::LostAfter, Event::Done(_)) => Event::Done(Outcome::Unknown),
            (Fate::LostAfter, Event::Head(_)) => Event::Head(Err(())),
            (_, event) => event,
        };
        self.event(event);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        self.at = self.at.plus(time);
        self.event(Event::Tick);
    }

    /// Lets a healthy database do everything that is wanted; time moves only as far as retries ask for.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.pending.is_some() {
                self.end(Fate::Heard);
            } else if let Some(due) = self.machine.deadline() {
                self.pass(due.since(self.now));
            } else {
                return;
            }
        }
        panic!("the machine does not come to rest");
    }

    fn ok(&self, ticket: Ticket) -> bool {
        matches!(self.answers.get(&ticket), Some(Ok(_)))
    }

    fn failed(&self, ticket: Ticket) -> Option<Failure> {
        self.answers.get(&ticket)?.clone().err()
    }

    /// The detail of the first record of chain number `no`.
    fn opening(&self, no: usize) -> serde_json::Value {
        let chains = self.database.in_order();
        serde_json::from_str(chains[no - 1].records[0].entry.detail.as_deref().unwrap()).unwrap()
    }

    /// The detail of the last record of chain number `no`.
    fn closing(&self, no: usize) -> serde_json::Value {
        let chains = self.database.in_order();
        serde_json::from_str(chains[no - 1].records.last().unwrap().entry.detail.as_deref().unwrap()).unwrap()
    }

    fn intact(&self) {
        assert_eq!(self.database.fault(), None);
    }

    fn fenced(&self) -> usize {
        self.said.iter().filter(|notice| matches!(notice, Notice::Fenced(_))).count()
    }
}

/// A rig with chain 1 open and one record in it.
fn opened(mode: Mode) -> Rig {
    let mut rig = Rig::new(mode);
    rig.submit(&["first"]);
    rig.settle();
    rig.given.clear();
    rig
}

#[test]
fn the_checker_of_these_tests_sees_a_changed_record() {
    let mut rig = opened(Mode::Durable);
    rig.intact();
    rig.database.chains.values_mut().next().unwrap().records[1].entry.action = Some("other".into());
    assert_eq!(rig.database.fault().as_deref(), Some("chain 1 breaks at 2"));
}
