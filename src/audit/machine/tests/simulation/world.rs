//! The seeded scheduler: whatever may happen next to writers, connections, clocks and the database, in any order.

use super::super::super::*;
use super::process::{Pending, Process};
use super::removed::Rule;
use super::server::{Reply, Server, Statement};

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, sides: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    pub(super) fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }
}

macro_rules! acts {
    ($($name:ident $weight:literal)+) => {
        /// What may happen next, and how often beside the others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Act { $($name,)+ }

        const ACTS: &[(Act, usize)] = &[$((Act::$name, $weight),)+];
    };
}

acts! {
    Submit 30
    Execute 34
    Respond 34
    PassLittle 20
    SubmitPoison 4
    Cut 10
    Late 8
    PassMuch 4
    Crash 3
    Start 3
    Stop 3
    CutOff 3
    JanitorLooks 3
    JanitorCloses 3
    Intrude 1
    Admin 5
    StepClock 4
    Close 2
    RestartDatabase 2
    BackUp 1
    Restore 1
}

/// What no history can do without.
const ALWAYS: [Act; 4] = [Act::Submit, Act::Execute, Act::Respond, Act::PassLittle];

/// Steps of a history, at the most.
const MAX_STEPS: usize = 120;

/// Writers at a time.
const MAX_WRITERS: usize = 3;

/// After this long the shell gives a command up.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(3);

/// A transaction that waits for a lock gives up after this long.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// A statement that its client gave up, still on its way.
#[derive(Debug)]
pub(super) struct Late {
    session: u64,
    statement: Statement,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) server: Server,
    /// Every life there was.
    pub(super) processes: Vec<Process>,
    pub(super) dice: Dice,
    /// The true time.
    pub(super) at: Timestamp,
    pub(super) late: Vec<Late>,
    looked: Vec<Cursor>,
    without: Option<Rule>,
    sessions: u64,
    acts: Vec<(Act, usize)>,
    /// What happened, where somebody wants to read it.
    pub(super) trace: Option<Vec<String>>,
    /// How often each act took place.
    pub(super) counts: Vec<(Act, u32)>,
}

impl World {
    pub(super) fn new(seed: u64, without: Option<Rule>, traced: bool) -> Self {
        let mut dice = Dice::new(seed);
        // Each history has some of the troubles only, so that each trouble is also seen without the others.
        let acts = ACTS.iter().copied().filter(|(act, _)| ALWAYS.contains(act) || dice.one_in(2)).collect();
        let mut world = Self {
            server: Server::new(without),
            processes: Vec::new(),
            dice,
            at: Timestamp::from_micros(1_767_614_400_000_000),
            late: Vec::new(),
            looked: Vec::new(),
            without,
            sessions: 0,
            acts,
            trace: traced.then(Vec::new),
            counts: Vec::new(),
        };
        let writers = 1 + world.dice.below(MAX_WRITERS);
        for _ in 0..writers {
            world.start();
        }
        world
    }

    /// Plays the history, lets everything heal, ends every writer.
    ///
    /// # Errors
    /// The rule that was broken, in words.
    pub(super) fn play(&mut self) -> Result<(), String> {
        let steps = MAX_STEPS / 3 + self.dice.below(MAX_STEPS - MAX_STEPS / 3);
        for _ in 0..steps {
            let act = self.pick();
            self.act(act)?;
            if let Some(fault) = self.server.fault.take() {
                return Err(fault);
            }
        }
        self.heal()?;
        super::check::whole(self)
    }

    fn pick(&mut self) -> Act {
        let whole: usize = self.acts.iter().map(|(_, weight)| weight).sum();
        let mut at = self.dice.below(whole);
        for (act, weight) in &self.acts {
            match at.checked_sub(*weight) {
                Some(left) => at = left,
                None => return *act,
            }
        }
        Act::PassLittle
    }

    pub(super) fn note(&mut self, what: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = what(self);
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    /// One of the processes for which `fits`.
    fn any(&mut self, fits: impl Fn(&Process) -> bool) -> Option<usize> {
        let which: Vec<_> = (0..self.processes.len()).filter(|at| fits(&self.processes[*at])).collect();
        (!which.is_empty()).then(|| which[self.dice.below(which.len())])
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        match self.counts.iter_mut().find(|(counted, _)| *counted == act) {
            Some((_, count)) => *count += 1,
            None => self.counts.push((act, 1)),
        }
        let runs = |process: &Process| process.runs();
        match act {
            Act::Submit | Act::SubmitPoison => {
                let Some(at) = self.any(runs) else { return Ok(()) };
                let size = 1 + self.dice.below(3);
                self.submit(at, size, act == Act::SubmitPoison).map(drop)
            }
            Act::Execute => {
                let reachable = |process: &Process| {
                    !process.is_cut_off && process.pending.as_ref().is_some_and(|it| it.reply.is_none())
                };
                let Some(at) = self.any(reachable) else { return Ok(()) };
                let is_torn = self.dice.one_in(6);
                self.execute(at, is_torn);
                Ok(())
            }
            Act::Respond => {
                let replied = |process: &Process| {
                    process.runs() && process.pending.as_ref().is_some_and(|it| it.reply.is_some())
                };
                let Some(at) = self.any(replied) else { return Ok(()) };
                self.respond(at)
            }
            Act::Cut => {
                let Some(at) = self.any(|process| process.runs() && process.pending.is_some()) else {
                    return Ok(());
                };
                self.cut(at)
            }
            Act::Late => {
                self.late_arrival();
                Ok(())
            }
            Act::PassLittle => {
                let millis = [1, 5, 20, 100, 300, 600][self.dice.below(6)];
                self.pass(Duration::from_millis(millis))
            }
            Act::PassMuch => {
                let seconds = [2, 4, 70, 660][self.dice.below(4)];
                self.pass(Duration::from_secs(seconds))
            }
            Act::Crash => {
                // A process of the operating system's may be killed while it is stopped.
                let Some(at) = self.any(|process| !process.is_gone) else { return Ok(()) };
                self.abandon(at);
                self.processes[at].is_gone = true;
                self.note(|world| format!("writer {} is killed", world.processes[at].life));
                Ok(())
            }
            Act::Start => {
                if self.processes.iter().filter(|process| !process.is_gone).count() < MAX_WRITERS {
                    self.start();
                }
                Ok(())
            }
            Act::Stop => {
                let Some(at) = self.any(|process| !process.is_gone) else { return Ok(()) };
                let process = &mut self.processes[at];
                process.is_stopped = !process.is_stopped;
                self.note(|world| {
                    format!("writer {} stopped: {}", world.processes[at].life, world.processes[at].is_stopped)
                });
                Ok(())
            }
            Act::CutOff => {
                let Some(at) = self.any(|process| !process.is_gone) else { return Ok(()) };
                let process = &mut self.processes[at];
                process.is_cut_off = !process.is_cut_off;
                self.note(|world| {
                    format!("writer {} cut off: {}", world.processes[at].life, world.processes[at].is_cut_off)
                });
                Ok(())
            }
            Act::JanitorLooks => {
                self.looked = self.server.silent();
                self.note(|world| format!("the janitor sees {} silent chains", world.looked.len()));
                Ok(())
            }
            Act::JanitorCloses => {
                if let Some(cursor) = self.looked.pop() {
                    self.note(|_| format!("the janitor closes {}", cursor.chain_no));
                    self.server.close(cursor, self.at);
                }
                Ok(())
            }
            Act::Intrude => {
                self.note(|_| "somebody else appends".into());
                let which = self.dice.below(16);
                self.server.intrude(which);
                Ok(())
            }
            Act::Admin => {
                self.server.revise();
                Ok(())
            }
            Act::StepClock => {
                let Some(at) = self.any(|process| !process.is_gone) else { return Ok(()) };
                let seconds = [-3_456_000, -3_600, -90, -30, 30, 3_600, 31_536_000][self.dice.below(7)];
                self.processes[at].skew += seconds * 1_000_000;
                self.note(|world| format!("writer {}'s clock steps {seconds} s", world.processes[at].life));
                Ok(())
            }
            Act::Close => {
                let Some(at) = self.any(|process| process.runs() && !process.is_closing) else {
                    return Ok(());
                };
                self.close(at)
            }
            Act::RestartDatabase => self.restart_database(),
            Act::BackUp => {
                self.server.back_up();
                self.note(|_| "a backup is made".into());
                Ok(())
            }
            Act::Restore => {
                if self.server.restore() {
                    self.note(|_| "the backup is put back".into());
                    self.restart_database()?;
                }
                Ok(())
            }
        }
    }

    fn start(&mut self) {
        let life = u32::try_from(self.processes.len()).unwrap() + 1;
        let mode = if self.dice.one_in(4) { Mode::Async } else { Mode::Durable };
        self.processes.push(Process::new(life, mode, self.without, &self.server));
        self.note(|_| format!("writer {life} starts, {mode:?}"));
    }

    pub(super) fn submit(&mut self, at: usize, size: usize, is_poison: bool) -> Result<Ticket, String> {
        self.note(|world| {
            format!(
                "writer {}: a call of {size}{}",
                world.processes[at].life,
                if is_poison { ", poison" } else { "" }
            )
        });
        self.processes[at].submit(size, is_poison, self.at, &mut self.server, &mut self.sessions)
    }

    fn feed(&mut self, at: usize, event: Event) -> Result<(), String> {
        self.processes[at].feed(event, self.at, &mut self.server, &mut self.sessions)
    }

    pub(super) fn close(&mut self, at: usize) -> Result<(), String> {
        self.note(|world| format!("writer {} is asked to end", world.processes[at].life));
        self.processes[at].is_closing = true;
        self.feed(at, Event::Close)
    }

    /// The database does what the process asked for.
    pub(super) fn execute(&mut self, at: usize, is_torn: bool) {
        let Some(mut pending) = self.processes[at].pending.take() else { return };
        let waited = self.server.now.since(pending.sent) >= LOCK_TIMEOUT;
        if let Some(reply) = self.server.execute(pending.session, &pending.statement, is_torn) {
            pending.reply = Some(reply);
        } else if waited {
            pending.reply = Some(Reply::Dead);
        }
        self.note(|world| {
            format!(
                "database, writer {}: {} -> {:?}",
                world.processes[at].life,
                brief(&pending),
                pending.reply
            )
        });
        self.processes[at].pending = Some(pending);
    }

    pub(super) fn respond(&mut self, at: usize) -> Result<(), String> {
        self.note(|world| format!("writer {} is answered", world.processes[at].life));
        self.processes[at].respond(self.at, &mut self.server, &mut self.sessions)
    }

    /// The process loses its connection; what it sent may still arrive.
    fn cut(&mut self, at: usize) -> Result<(), String> {
        let Some(pending) = self.abandon(at) else { return Ok(()) };
        self.note(|world| format!("writer {} loses its connection", world.processes[at].life));
        let event = pending.unheard();
        self.feed(at, event)
    }

    fn abandon(&mut self, at: usize) -> Option<Statement> {
        let pending = self.processes[at].pending.take()?;
        if pending.reply.is_none() && !self.dice.one_in(3) {
            self.late.push(Late { session: pending.session, statement: pending.statement.clone() });
        }
        Some(pending.statement)
    }

    pub(super) fn late_arrival(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let which = self.dice.below(self.late.len());
        // Kept now and then: the network may deliver a thing twice.
        let late = if self.dice.one_in(4) {
            let Late { session, statement } = &self.late[which];
            Late { session: *session, statement: statement.clone() }
        } else {
            self.late.swap_remove(which)
        };
        let reply = self.server.execute(late.session, &late.statement, false);
        self.note(|_| format!("a statement given up arrives: {reply:?}"));
    }

    fn restart_database(&mut self) -> Result<(), String> {
        self.note(|_| "the database restarts".into());
        self.server.restart();
        for at in 0..self.processes.len() {
            if self.processes[at].is_stopped {
                if let Some(pending) = &mut self.processes[at].pending {
                    pending.reply = Some(Reply::Dead);
                }
            } else if !self.processes[at].is_gone {
                self.cut(at)?;
            }
        }
        // What was on its way to the old server is gone.
        self.late.clear();
        Ok(())
    }

    /// Time passes for everybody.
    pub(super) fn pass(&mut self, time: Duration) -> Result<(), String> {
        self.server.now = self.server.now.plus(time);
        self.at = self.at.plus(time);
        self.note(|_| format!("{time:?} pass"));
        for at in 0..self.processes.len() {
            let process = &self.processes[at];
            if !process.runs() {
                continue;
            }
            if !process.is_cut_off
                && let Some(chain) = process.machine.chain().cloned()
            {
                self.server.seen(&chain);
            }
            let given_up = self.processes[at].pending.as_ref().is_some_and(|pending| {
                pending.reply.is_none() && self.server.now.since(pending.sent) >= COMMAND_TIMEOUT
            });
            if given_up {
                self.cut(at)?;
            }
            self.feed(at, Event::Tick)?;
        }
        self.server.tidy();
        Ok(())
    }
}

fn brief(pending: &Pending) -> String {
    match &pending.statement {
        Statement::Append(batch) => {
            format!(
                "append {} records after {} of chain {}",
                batch.records.len(),
                batch.prev_seq,
                batch.chain_no
            )
        }
        Statement::Head(_, seq) => format!("read the head and record {seq}"),
        Statement::Lock(_) => "lock the list".into(),
        Statement::Finish(listed, batch) => {
            format!("open chain {} with {} records", listed.chain_no, batch.records.len())
        }
    }
}
