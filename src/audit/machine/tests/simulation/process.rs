//! One life of a writer's process: the machine, its clock, the one command under way, and what its callers heard.

use std::collections::BTreeMap;

use super::super::super::*;
use super::removed::{self, Rule};
use super::server::{MAX_PRETENCE, Reply, Server, Statement};

/// A call as its caller knows it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) size: usize,
    pub(super) is_poison: bool,
    pub(super) answer: Option<Result<Option<Stamp>, Failure>>,
    /// Restores before the answer.
    pub(super) restores: u32,
}

/// The command under way.
#[derive(Debug)]
pub(super) struct Pending {
    /// Its connection.
    pub(super) session: u64,
    pub(super) statement: Statement,
    pub(super) reply: Option<Reply>,
    pub(super) sent: Instant,
}

/// The place that the next chain must name.
#[derive(Debug)]
struct Owed {
    cursor: Cursor,
    /// The chain that named it; if that was committed, nothing is owed any more.
    named_by: Option<ChainId>,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) life: u32,
    pub(super) machine: Machine,
    pub(super) mode: Mode,
    /// How far its clock is off, in microseconds.
    pub(super) skew: i64,
    pub(super) is_stopped: bool,
    /// Its database cannot be reached.
    pub(super) is_cut_off: bool,
    /// Killed, or ended by itself.
    pub(super) is_gone: bool,
    pub(super) is_closing: bool,
    pub(super) is_closed: bool,
    pub(super) pending: Option<Pending>,
    pub(super) asked: BTreeMap<Ticket, Asked>,
    /// The chain it wrote to last.
    pub(super) chain: Option<ChainId>,
    pub(super) restores_before: u32,
    owed: Option<Owed>,
    last: Option<Arc<Batch>>,
    without: Option<Rule>,
    /// Fences and openings of the breaker, for the figures.
    pub(super) fences: u32,
    pub(super) breaks: u32,
}

impl Process {
    pub(super) fn new(life: u32, mode: Mode, without: Option<Rule>, server: &Server) -> Self {
        let settings = Settings {
            mode,
            patience: Duration::from_millis(500),
            max_batch: 8,
            max_queue: 24,
            version: "1.2.3".into(),
            instance: format!("pod-{life}"),
        };
        let mut entropy = [7; 16];
        entropy[9..13].copy_from_slice(&life.to_be_bytes());
        Self {
            life,
            machine: Machine::new(settings, entropy),
            mode,
            skew: 0,
            is_stopped: false,
            is_cut_off: false,
            is_gone: false,
            is_closing: false,
            is_closed: false,
            pending: None,
            asked: BTreeMap::new(),
            chain: None,
            restores_before: server.restores,
            owed: None,
            last: None,
            without,
            fences: 0,
            breaks: 0,
        }
    }

    pub(super) const fn runs(&self) -> bool {
        !self.is_gone && !self.is_stopped
    }

    /// Its clock, when the true time is `at`.
    pub(super) fn clock(&self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.as_micros() + self.skew)
    }

    /// One call of `size` entries.
    ///
    /// # Errors
    /// The rule that the machine breaks, here and below.
    pub(super) fn submit(
        &mut self,
        size: usize,
        is_poison: bool,
        at: Timestamp,
        server: &mut Server,
        sessions: &mut u64,
    ) -> Result<Ticket, String> {
        let ticket = u64::try_from(self.asked.len()).unwrap() + 1;
        self.asked.insert(ticket, Asked { size, is_poison, answer: None, restores: 0 });
        let entries = (0..size)
            .map(|number| {
                let mut entry = Entry::new(Kind::Decision);
                entry.decision_id = Some(format!("{}.{ticket}", self.life));
                if is_poison && number == size / 2 {
                    entry.action = Some(super::super::database::POISON.into());
                }
                entry
            })
            .collect();
        self.feed(Event::Submit { ticket, entries }, at, server, sessions)?;
        Ok(ticket)
    }

    /// Tells the machine, and checks what it does about it.
    pub(super) fn feed(
        &mut self,
        event: Event,
        at: Timestamp,
        server: &mut Server,
        sessions: &mut u64,
    ) -> Result<(), String> {
        let ticked = matches!(event, Event::Tick);
        let clock = self.clock(at);
        let command = removed::step(&mut self.machine, self.without, event, clock, server.now);
        for notice in self.machine.notices() {
            self.hear(notice, server)?;
        }
        if let Some(command) = command {
            if self.pending.is_some() {
                return Err("two commands are under way".into());
            }
            *sessions += 1;
            self.send(command, *sessions, clock, server.now)?;
        }
        if ticked {
            self.nobody_waits_for_a_hanging_database(server.now)?;
        }
        Ok(())
    }

    fn send(&mut self, command: Command, session: u64, clock: Timestamp, now: Instant) -> Result<(), String> {
        let statement = match command {
            Command::Append(batch) => {
                self.times_are_true(&batch, clock)?;
                self.chain = Some(batch.chain_id.clone());
                self.last = Some(Arc::clone(&batch));
                Statement::Append(batch)
            }
            Command::Open(chain) => Statement::Lock(chain),
            Command::ReadHead(chain, seq) => Statement::Head(chain, seq),
        };
        self.pending = Some(Pending { session, statement, reply: None, sent: now });
        Ok(())
    }

    /// A record is at most a minute ahead of its writer's clock; a batch that is sent again is as old as it is.
    fn times_are_true(&self, batch: &Batch, clock: Timestamp) -> Result<(), String> {
        if self.last.as_deref() == Some(batch) {
            return Ok(());
        }
        let pretends = batch.records.iter().any(|record| {
            record.entry.kind != Kind::Chain && record.position.timestamp > clock.plus(MAX_PRETENCE)
        });
        if pretends { Err("a record pretends to be of a later time".into()) } else { Ok(()) }
    }

    /// Hands the database's answer on.
    pub(super) fn respond(
        &mut self,
        at: Timestamp,
        server: &mut Server,
        sessions: &mut u64,
    ) -> Result<(), String> {
        let Some(mut pending) = self.pending.take() else { return Ok(()) };
        let event = match pending.reply.take() {
            Some(Reply::Done(outcome)) => Event::Done(outcome),
            Some(Reply::Head(head)) => Event::Head(Ok(head)),
            Some(Reply::Dead) => pending.statement.unheard(),
            Some(Reply::Listed(listed)) => return self.compose(pending, listed, at, server),
            None => {
                self.pending = Some(pending);
                return Ok(());
            }
        };
        self.feed(event, at, server, sessions)
    }

    /// The list is locked: the opening is composed and sent over the same connection.
    fn compose(
        &mut self,
        pending: Pending,
        listed: Listed,
        at: Timestamp,
        server: &Server,
    ) -> Result<(), String> {
        let clock = self.clock(at);
        let Some(batch) = removed::opening(&mut self.machine, self.without, &listed, clock) else {
            return Ok(());
        };
        self.names_what_it_must(&listed, &batch, server)?;
        self.chain = Some(batch.chain_id.clone());
        self.pending = Some(Pending { statement: Statement::Finish(listed, batch), reply: None, ..pending });
        Ok(())
    }

    /// The first record names the chain before, and the place reached where this writer was fenced.
    fn names_what_it_must(&mut self, listed: &Listed, batch: &Batch, server: &Server) -> Result<(), String> {
        let detail = batch.records.first().and_then(|record| record.entry.detail.clone()).unwrap_or_default();
        let detail: serde_json::Value = serde_json::from_str(&detail).unwrap_or_default();
        let is = |place: &serde_json::Value, chain: &ChainId, seq: i64, hash: &[u8]| {
            place["chain_id"] == chain.as_str()
                && place["seq"] == seq
                && place["hash"] == crate::audit::content::hex(hash)
        };
        let previous = &detail["previous"];
        let follows = match &listed.previous {
            Some((chain, seq, hash)) => is(previous, chain, *seq, hash),
            None => previous.is_null(),
        };
        if !follows {
            return Err("the opening does not name the chain before".into());
        }
        if let Some(owed) = &self.owed
            && owed
                .named_by
                .as_ref()
                .is_some_and(|chain| *chain != batch.chain_id && server.opened.contains(chain.as_str()))
        {
            self.owed = None;
        }
        let reached = &detail["reached"];
        let names = match &mut self.owed {
            Some(owed) => {
                owed.named_by = Some(batch.chain_id.clone());
                is(reached, &owed.cursor.chain_id, owed.cursor.seq, &owed.cursor.hash)
            }
            None => reached.is_null(),
        };
        if names { Ok(()) } else { Err("the opening does not name the place reached".into()) }
    }

    fn hear(&mut self, notice: Notice, server: &Server) -> Result<(), String> {
        match notice {
            Notice::Answer(ticket, answer) => self.answered(ticket, answer, server),
            Notice::Fenced(cursor) => {
                self.fences += 1;
                let is_taken = server.known(&cursor.chain_id).is_some_and(|known| known.is_taken);
                if !is_taken && server.restores == self.restores_before {
                    return Err("fenced, and nobody else moved the chain".into());
                }
                self.owed = Some(Owed { cursor, named_by: None });
                Ok(())
            }
            Notice::BreakerOpened => {
                self.breaks += 1;
                Ok(())
            }
            Notice::Closed => {
                self.is_closed = true;
                Ok(())
            }
            Notice::Lost(_) | Notice::BreakerClosed => Ok(()),
        }
    }

    fn answered(
        &mut self,
        ticket: Ticket,
        answer: Result<Option<Stamp>, Failure>,
        server: &Server,
    ) -> Result<(), String> {
        let asked = self.asked.get_mut(&ticket).ok_or("an answer to nobody")?;
        if asked.answer.is_some() {
            return Err("a call was answered twice".into());
        }
        asked.restores = server.restores;
        asked.answer = Some(answer.clone());
        let placed = server.placed(self.life, ticket);
        let restored = server.restores > self.restores_before;
        match answer {
            Ok(Some(stamp)) => {
                if placed.len() != asked.size && !restored {
                    return Err(format!("acknowledged with {} of {} records", placed.len(), asked.size));
                }
                let number = stamp.revision.number();
                let is_current = number <= server.database().revision
                    && placed.iter().all(|placed| placed.revision <= number);
                if !is_current && !restored {
                    return Err("the answer's revision is not the one its commit saw".into());
                }
                Ok(())
            }
            Ok(None) if self.mode == Mode::Durable => Err("acknowledged without a commit".into()),
            Err(Failure::Refused) if !asked.is_poison => Err("an honest call was refused".into()),
            Err(Failure::Refused | Failure::Fenced | Failure::Overloaded | Failure::Closing)
                if !placed.is_empty() =>
            {
                Err("refused, and its records stand there".into())
            }
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Protocol 2.5: half a second after its batch was sent nobody waits any more.
    fn nobody_waits_for_a_hanging_database(&self, now: Instant) -> Result<(), String> {
        let Phase::Busy(flight) = &self.machine.phase else { return Ok(()) };
        let hangs = now.since(flight.since) >= self.machine.settings.patience;
        let waits = self.asked.values().any(|asked| asked.answer.is_none());
        if hangs && waits { Err("a caller waits for a database that hangs".into()) } else { Ok(()) }
    }
}
