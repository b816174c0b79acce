//! Whether a history is possible: a function of what clients saw, with no server and no clock in it.
//!
//! Writes are in the order of their revisions, each takes effect at one instant between its invocation and its
//! acknowledgement, and each call must have an instant between its invocation and its answer at which the state gives
//! exactly what it was told. Calls whose spans do not overlap must not go back in time either. Since the order of writes
//! is known, the least revision that each call can have seen is found from the left to the right, and a history in which
//! every call finds one is possible: any other choice of revisions is later for every call.

use std::collections::HashMap;
use std::time::Duration;

use super::model::{Action, Effect, KeyNo, State, Verdict};

/// An instant on the one clock of all clients.
pub type At = Duration;

/// A write.
#[derive(Clone, Debug)]
pub struct Write {
    pub effect: Effect,
    pub invoked: At,
    /// `None` if no acknowledgement came.
    pub acknowledged: Option<At>,
    /// The number of its revision; `None` if it is known not to have taken place.
    pub revision: Option<i64>,
}

/// A call: one check, or a batch that is decided at one instant.
#[derive(Clone, Debug)]
pub struct Call {
    pub key: KeyNo,
    pub invoked: At,
    pub answered: At,
    pub min_revision: Option<i64>,
    /// What was answered; checks that were not decided (an error, a cut connection) are not in it.
    pub answers: Vec<Answer>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub action: Action,
    pub verdict: Verdict,
    /// Of what was decided; nothing is for a key that opens nothing.
    pub decision: Option<Decision>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub id: String,
    /// The number of the revision that it names.
    pub revision: i64,
    /// Whether it is an earlier decision, answered again.
    pub is_repeat: bool,
}

/// Everything that clients saw. Before the first write stands revision `first - 1`, in which nothing is.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub first: i64,
    pub writes: Vec<Write>,
    pub calls: Vec<Call>,
}

/// What is impossible in a history. Numbers are places in its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The revisions are not the numbers from `first` on, each once.
    Revisions { number: i64, times: usize },
    /// A write that was acknowledged before another one began has a later revision.
    WriteOrder { earlier: usize, later: usize },
    /// Allowed, and at no instant of the call was it.
    StaleAllow { call: usize },
    /// Another verdict that no instant of the call gives.
    Impossible { call: usize },
    /// The verdict is not what the policy at the revision named says.
    Mixed { call: usize },
    /// A revision that no write had reached when the answer came.
    Future { call: usize },
    /// A revision below the one demanded.
    BelowMinimum { call: usize },
    /// Decisions of one batch name different revisions.
    Split { call: usize },
    /// One decision id stands for two decisions.
    TwoDecisions { call: usize },
}

impl History {
    /// What a violation is about, with the writes around it, for people.
    pub fn around(&self, violation: &Violation) -> String {
        let Some(call) = violation.call().and_then(|call| self.calls.get(call)) else { return String::new() };
        let near = self.writes.iter().filter(|write| {
            write.invoked <= call.answered
                && write.acknowledged.is_none_or(|end| end + Duration::from_millis(100) >= call.invoked)
        });
        format!("{call:?}\n    beside {:#?}", near.collect::<Vec<_>>())
    }
}

impl Violation {
    const fn call(&self) -> Option<usize> {
        match self {
            Self::Revisions { .. } | Self::WriteOrder { .. } => None,
            Self::StaleAllow { call }
            | Self::Impossible { call }
            | Self::Mixed { call }
            | Self::Future { call }
            | Self::BelowMinimum { call }
            | Self::Split { call }
            | Self::TwoDecisions { call } => Some(*call),
        }
    }
}

/// What a possible history held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub writes: usize,
    pub unacknowledged: usize,
    pub answers: usize,
    pub allowed: usize,
    pub repeats: usize,
    /// Answers to calls that overlapped a write, so that more than one state was possible.
    pub raced: usize,
    /// Answers that name a revision older than the last one acknowledged before the call: decided before, found by the
    /// commit to be overtaken, and decided again with the same verdict.
    pub older: usize,
}

/// Every violation of a history, or what it held.
pub fn check(history: &History) -> Result<Summary, Vec<Violation>> {
    let timeline = Timeline::new(history)?;
    let mut found = Vec::new();
    let mut summary = Summary {
        writes: timeline.begun.len(),
        unacknowledged: history.writes.iter().filter(|write| write.acknowledged.is_none()).count(),
        ..Summary::default()
    };
    let mut decisions: HashMap<&str, (i64, Verdict, Action)> = HashMap::new();
    let mut calls: Vec<(usize, &Call)> = history.calls.iter().enumerate().collect();
    calls.sort_by_key(|(_, call)| call.invoked);
    // Of calls already placed: the highest revision that was seen by one answered up to then.
    let mut seen = Seen::default();
    for (number, call) in calls {
        if call.answers.is_empty() {
            continue;
        }
        let acknowledged = timeline.acknowledged_by(call.invoked);
        let lo = acknowledged.max(seen.before(call.invoked));
        let hi = timeline.begun_by(call.answered);
        let fits =
            |n: &usize| call.answers.iter().all(|answer| timeline.states[*n].permits(call.key, answer));
        match (lo..=hi).find(fits) {
            Some(least) => seen.add(call.answered, least),
            None => {
                let stale = call.answers.iter().any(|answer| {
                    answer.verdict == Verdict::Allow
                        && (lo..=hi).all(|n| !timeline.states[n].permits(call.key, answer))
                });
                found.push(if stale {
                    Violation::StaleAllow { call: number }
                } else {
                    Violation::Impossible { call: number }
                });
            }
        }
        let mut fresh = None;
        for answer in &call.answers {
            summary.answers += 1;
            summary.allowed += usize::from(answer.verdict == Verdict::Allow);
            summary.raced += usize::from(lo < hi);
            let Some(decision) = &answer.decision else { continue };
            summary.repeats += usize::from(decision.is_repeat);
            if call.min_revision.is_some_and(|min| decision.revision < min) {
                found.push(Violation::BelowMinimum { call: number });
            }
            let own = (decision.revision, answer.verdict, answer.action);
            if *decisions.entry(&decision.id).or_insert(own) != own {
                found.push(Violation::TwoDecisions { call: number });
            }
            let place =
                usize::try_from(decision.revision - history.first + 1).ok().filter(|place| *place <= hi);
            match place {
                None => found.push(Violation::Future { call: number }),
                Some(place) => {
                    summary.older += usize::from(!decision.is_repeat && place < acknowledged);
                    if timeline.states[place].verdict(call.key, answer.action) != answer.verdict {
                        found.push(Violation::Mixed { call: number });
                    }
                }
            }
            if !decision.is_repeat && *fresh.get_or_insert(decision.revision) != decision.revision {
                found.push(Violation::Split { call: number });
            }
        }
    }
    if found.is_empty() { Ok(summary) } else { Err(found) }
}

impl State {
    /// Whether this state can have given the answer. An earlier decision is answered again unless deciding now is
    /// stricter.
    fn permits(&self, key: KeyNo, answer: &Answer) -> bool {
        let verdict = self.verdict(key, answer.action);
        match &answer.decision {
            Some(decision) if decision.is_repeat => verdict <= answer.verdict,
            Some(_) | None => verdict == answer.verdict,
        }
    }
}

/// The states in order, and when each may and must have been reached.
struct Timeline {
    /// After each number of writes.
    states: Vec<State>,
    /// For each write in order: the earliest instant at which it can have taken effect, which no later write precedes.
    begun: Vec<At>,
    /// For each write in order: the instant by which it must have taken effect; ever later.
    ended: Vec<At>,
}

impl Timeline {
    fn new(history: &History) -> Result<Self, Vec<Violation>> {
        let mut ordered: Vec<(i64, usize, &Write)> = history
            .writes
            .iter()
            .enumerate()
            .filter_map(|(place, write)| Some((write.revision?, place, write)))
            .collect();
        ordered.sort_by_key(|(revision, ..)| *revision);
        let mut found = Vec::new();
        for (expected, (revision, ..)) in (history.first..).zip(&ordered) {
            if *revision != expected {
                let times = ordered.iter().filter(|(revision, ..)| *revision == expected).count();
                found.push(Violation::Revisions { number: expected, times });
                break;
            }
        }
        let mut latest: Option<(At, usize)> = None;
        let mut begun = Vec::new();
        for (_, place, write) in &ordered {
            if let (Some((begin, later)), Some(end)) = (latest, write.acknowledged)
                && end < begin
            {
                found.push(Violation::WriteOrder { earlier: *place, later });
            }
            if latest.is_none_or(|(begin, _)| begin < write.invoked) {
                latest = Some((write.invoked, *place));
            }
            begun.extend(latest.map(|(begin, _)| begin));
        }
        if !found.is_empty() {
            return Err(found);
        }
        let mut ended: Vec<At> =
            ordered.iter().map(|(_, _, write)| write.acknowledged.unwrap_or(At::MAX)).collect();
        for place in (1..ended.len()).rev() {
            ended[place - 1] = ended[place - 1].min(ended[place]);
        }
        let mut states = vec![State::default()];
        for (_, _, write) in &ordered {
            states.push(states[states.len() - 1].after(write.effect));
        }
        Ok(Self { states, begun, ended })
    }

    /// How many writes must have taken effect before `at`.
    fn acknowledged_by(&self, at: At) -> usize {
        self.ended.partition_point(|ended| *ended < at)
    }

    /// How many writes can have taken effect by `at`.
    fn begun_by(&self, at: At) -> usize {
        self.begun.partition_point(|begun| *begun <= at)
    }
}

/// What answers have shown to be reached, and when.
#[derive(Default)]
struct Seen {
    /// Answered and seen, both ever greater.
    steps: std::collections::BTreeMap<At, usize>,
}

impl Seen {
    fn before(&self, at: At) -> usize {
        self.steps.range(..at).next_back().map_or(0, |(_, n)| *n)
    }

    fn add(&mut self, at: At, n: usize) {
        if self.steps.range(..=at).next_back().is_some_and(|(_, known)| *known >= n) {
            return;
        }
        let overtaken: Vec<At> =
            self.steps.range(at..).take_while(|(_, known)| **known <= n).map(|(at, _)| *at).collect();
        for at in overtaken {
            self.steps.remove(&at);
        }
        self.steps.insert(at, n);
    }
}
