//! Regular expressions whose every run is counted.
//!
//! **Invariant:** no run keeps a cache that a text could make useless. A small expression becomes a table with
//! one look-up for each byte; any other is walked state by state, and each state is a step.

use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::{self, NFA, State, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::MAX_REGEX_BYTES;
use crate::policy::meter::{Meter, OverBudget};

/// Bytes of a table; small enough to stay near the processor while a text is read.
const MAX_TABLE_BYTES: usize = 32 * 1024;
/// Bytes that making a table may take.
const MAX_MAKING_BYTES: usize = 256 * 1024;
/// States of an expression that is tried as a table; making one takes time for each.
const MAX_TABLE_STATES: usize = 256;
/// Steps that the start of a run costs.
const START_STEPS: u32 = 20;
/// Steps that testing an anchor or a border of words costs; the latter decodes what is on either side.
const LOOK_STEPS: u32 = 6;

/// A regular expression, ready to run.
#[derive(Clone, Debug)]
pub(super) struct Matcher(Form);

#[derive(Clone, Debug)]
enum Form {
    Table(Box<dense::DFA<Vec<u32>>>),
    States(NFA),
}

impl Matcher {
    /// Compiles `pattern`; the message says what is wrong.
    pub(super) fn compile(pattern: &str) -> Result<Self, String> {
        let config =
            thompson::Config::new().nfa_size_limit(Some(MAX_REGEX_BYTES)).which_captures(WhichCaptures::None);
        let nfa = NFA::compiler()
            .configure(config)
            .syntax(syntax::Config::new().nest_limit(50))
            .build(pattern)
            .map_err(|error| match error.size_limit() {
                Some(_) => {
                    format!("has a regular expression of more than {MAX_REGEX_BYTES} bytes when compiled")
                }
                None => "has a regular expression that does not compile".into(),
            })?;
        Ok(Self(table(&nfa).map_or(Form::States(nfa), |table| Form::Table(Box::new(table)))))
    }

    /// Whether a part of `text` matches.
    pub(super) fn is_match(&self, text: &str, meter: &mut Meter) -> Result<bool, OverBudget> {
        meter.spend(START_STEPS)?;
        match &self.0 {
            Form::Table(table) => {
                meter.spend_bytes(text.len(), 1)?;
                // No table has bytes at which it gives up; if one did, the text would not match.
                Ok(table.try_search_fwd(&Input::new(text).earliest(true)).is_ok_and(|found| found.is_some()))
            }
            Form::States(nfa) => Walk::new(nfa, text.as_bytes(), meter)?.run(),
        }
    }
}

fn table(nfa: &NFA) -> Option<dense::DFA<Vec<u32>>> {
    if nfa.states().len() > MAX_TABLE_STATES {
        return None;
    }
    let config = dense::Config::new()
        .start_kind(StartKind::Unanchored)
        .dfa_size_limit(Some(MAX_TABLE_BYTES))
        .determinize_size_limit(Some(MAX_MAKING_BYTES));
    let table = dense::Builder::new().configure(config).build_from_nfa(nfa).ok()?;
    let starts = table.start_state_forward(&Input::new("").anchored(Anchored::No));
    starts.is_ok().then_some(table)
}

/// All ways through the states at once, byte by byte.
struct Walk<'a, 'm> {
    nfa: &'a NFA,
    text: &'a [u8],
    meter: &'m mut Meter,
    /// For each state the place in the text, counted from 1, at which it was last met.
    met: Vec<u32>,
    /// States that wait for the next byte.
    waiting: Vec<StateID>,
    /// States to be looked at.
    stack: Vec<StateID>,
}

impl<'a, 'm> Walk<'a, 'm> {
    fn new(nfa: &'a NFA, text: &'a [u8], meter: &'m mut Meter) -> Result<Self, OverBudget> {
        meter.spend_bytes(nfa.states().len(), 16)?;
        let met = vec![0; nfa.states().len()];
        Ok(Self { nfa, text, meter, met, waiting: Vec::new(), stack: Vec::new() })
    }

    /// Whether any way ends in a match.
    fn run(mut self) -> Result<bool, OverBudget> {
        let mut now = Vec::new();
        let mut at = 0;
        loop {
            if (at == 0 || !self.nfa.is_always_start_anchored())
                && self.reach(self.nfa.start_anchored(), at)?
            {
                return Ok(true);
            }
            let Some(&byte) = self.text.get(at) else { return Ok(false) };
            if self.waiting.is_empty() && self.nfa.is_always_start_anchored() {
                return Ok(false);
            }
            self.meter.spend(1)?;
            std::mem::swap(&mut now, &mut self.waiting);
            at += 1;
            for state in now.drain(..) {
                if let Some(next) = self.after(state, byte)?
                    && self.reach(next, at)?
                {
                    return Ok(true);
                }
            }
        }
    }

    /// Where `byte` leads from a state that waits for one.
    fn after(&mut self, state: StateID, byte: u8) -> Result<Option<StateID>, OverBudget> {
        match self.nfa.state(state) {
            State::ByteRange { trans } => {
                self.meter.spend(1)?;
                Ok(trans.matches_byte(byte).then_some(trans.next))
            }
            State::Sparse(sparse) => {
                self.meter.spend_bytes(sparse.transitions.len(), 4)?;
                Ok(sparse.matches_byte(byte))
            }
            State::Dense(dense) => {
                self.meter.spend(1)?;
                Ok(dense.matches_byte(byte))
            }
            State::Look { .. }
            | State::Union { .. }
            | State::BinaryUnion { .. }
            | State::Capture { .. }
            | State::Fail
            | State::Match { .. } => Ok(None),
        }
    }

    /// Follows everything that takes no byte; whether it is a match.
    fn reach(&mut self, state: StateID, at: usize) -> Result<bool, OverBudget> {
        let place = u32::try_from(at).unwrap_or(u32::MAX - 1) + 1;
        self.stack.clear();
        self.stack.push(state);
        while let Some(state) = self.stack.pop() {
            self.meter.spend(1)?;
            match self.met.get_mut(state.as_usize()) {
                Some(met) if *met != place => *met = place,
                Some(_) | None => continue,
            }
            match self.nfa.state(state) {
                State::ByteRange { .. } | State::Sparse(_) | State::Dense(_) => self.waiting.push(state),
                State::Look { look, next } => {
                    self.meter.spend(LOOK_STEPS)?;
                    if self.nfa.look_matcher().matches(*look, self.text, at) {
                        self.stack.push(*next);
                    }
                }
                State::Union { alternates } => self.stack.extend(alternates.iter().copied()),
                State::BinaryUnion { alt1, alt2 } => self.stack.extend([*alt1, *alt2]),
                State::Capture { next, .. } => self.stack.push(*next),
                State::Fail => {}
                State::Match { .. } => return Ok(true),
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests;
