//! The rules of writing (protocols 2 and 3), each against a small database in memory that does what it is told, or
//! loses the command before or after it took effect.

use std::collections::BTreeMap;

use super::*;

mod database;
mod doubt;
mod order;
mod refusal;
mod simulation;

use database::{Database, POISON};

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
    let record = &mut rig.database.chains.values_mut().next().unwrap().records[1];
    Arc::make_mut(&mut record.entry).action = Some("other".into());
    assert_eq!(rig.database.fault().as_deref(), Some("chain 1 breaks at 2"));
}
