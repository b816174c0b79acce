//! The end of a history: everything works again, and every writer must serve, answer and end.

use super::super::super::*;
use super::process::Process;
use super::world::{LOCK_TIMEOUT, World};

impl World {
    /// Everything works again. Every call is answered, every writer serves, ends and leaves a closed chain.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        self.note(|_| "everything heals".into());
        for process in &mut self.processes {
            process.is_stopped = false;
            process.is_cut_off = false;
        }
        self.settle()?;
        while !self.late.is_empty() {
            self.late_arrival();
        }
        // A late statement may have locked the list; its transaction ends by itself.
        self.pass(LOCK_TIMEOUT)?;
        self.settle()?;
        for at in 0..self.processes.len() {
            let process = &self.processes[at];
            if process.is_gone || process.is_closing {
                continue;
            }
            if process.machine.is_broken() {
                return Err("the breaker stays open".into());
            }
            // The first call after a fence may find the chain taken, the second must not.
            let mut answer = None;
            for _ in 0..2 {
                let ticket = self.submit(at, 1, false)?;
                self.settle()?;
                answer = self.processes[at].asked.get(&ticket).and_then(|asked| asked.answer.clone());
                if matches!(answer, Some(Ok(_))) {
                    break;
                }
            }
            if !matches!(answer, Some(Ok(_))) {
                return Err(format!("a healthy database, and no service: {answer:?}"));
            }
        }
        for at in 0..self.processes.len() {
            if self.processes[at].runs() && !self.processes[at].is_closing {
                self.close(at)?;
            }
        }
        self.settle()?;
        while !self.late.is_empty() {
            self.late_arrival();
        }
        Ok(())
    }

    /// A healthy database does all that is wanted, until nobody wants anything.
    fn settle(&mut self) -> Result<(), String> {
        // A late statement may hold the list for a second, of which every third turn lets 10 ms pass.
        for _ in 0..4_000 {
            if self.dice.one_in(4) {
                self.late_arrival();
            }
            let mut rests = true;
            let mut due: Option<Instant> = None;
            for at in 0..self.processes.len() {
                if !self.processes[at].runs() {
                    continue;
                }
                if self.processes[at].pending.is_some() {
                    rests = false;
                    if self.processes[at].pending.as_ref().is_some_and(|pending| pending.reply.is_none()) {
                        self.execute(at, false);
                    }
                    self.respond(at)?;
                } else if let Some(at) = self.processes[at].machine.deadline() {
                    rests = false;
                    due = Some(due.map_or(at, |due| due.min(at)));
                }
            }
            if rests {
                return self.everybody_is_answered();
            }
            let waits = self.processes.iter().any(|process| process.runs() && process.pending.is_some());
            let pause = match due {
                Some(due) => due.since(self.server.now).max(Duration::from_millis(1)),
                None => Duration::from_millis(10),
            };
            if !waits || self.dice.one_in(3) {
                self.pass(pause)?;
            }
        }
        Err("the writers do not come to rest".into())
    }

    fn everybody_is_answered(&self) -> Result<(), String> {
        let waits = |process: &Process| process.asked.values().any(|asked| asked.answer.is_none());
        match self.processes.iter().find(|process| process.runs() && waits(process)) {
            Some(process) => Err(format!("writer {} leaves a call unanswered", process.life)),
            None => Ok(()),
        }
    }
}
