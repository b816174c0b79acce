//! What agents did, by agent and action: counters of which the number is bounded, whatever agents send.
//!
//! **Invariant:** at most so many series as were asked for exist at any time; nothing that is counted is lost, it only
//! counts under `other`. Counting what was counted before is one look-up under a shared lock and one addition a counter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::ids::AgentId;

/// The label of what no bound has room for.
pub const OTHER: &str = "other";

/// The action's label where no rule matched: else agents could make series by inventing names.
pub const UNMATCHED: &str = "unmatched";

/// What is counted of an agent and an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `agentguard_enforcement_total`, by `allowed`.
    Enforcement(bool),
    /// `agentguard_logs_total`, by `result`.
    Logged(Logged),
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A decision: the agent may act.
    Allowed,
    /// A decision: it must not.
    Denied,
    /// A decision: a person has to release it.
    Pending,
    /// An outcome or a report: it went well.
    Success,
    /// An outcome or a report: it failed.
    Error,
    /// A report that does not say.
    Unknown,
}

/// Every kind, in the order of the counters of a cell.
const KINDS: [Kind; 8] = [
    Kind::Enforcement(true),
    Kind::Enforcement(false),
    Kind::Logged(Logged::Allowed),
    Kind::Logged(Logged::Denied),
    Kind::Logged(Logged::Pending),
    Kind::Logged(Logged::Success),
    Kind::Logged(Logged::Error),
    Kind::Logged(Logged::Unknown),
];

impl Logged {
    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Error => "error",
            Self::Unknown => "unknown",
        }
    }
}

/// The counters of one agent and one action; one that is zero is no series.
#[derive(Debug, Default)]
struct Cell([AtomicU64; KINDS.len()]);

impl Cell {
    fn counter(&self, kind: Kind) -> Option<&AtomicU64> {
        KINDS.iter().position(|known| *known == kind).and_then(|place| self.0.get(place))
    }

    /// Counts if that makes no series; whether it did.
    fn count_again(&self, kind: Kind) -> bool {
        let Some(counter) = self.counter(kind).filter(|counter| counter.load(Ordering::Relaxed) != 0) else {
            return false;
        };
        counter.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn count(&self, kind: Kind) {
        if let Some(counter) = self.counter(kind) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The counters of one agent.
#[derive(Debug, Default)]
struct OfAgent {
    actions: HashMap<Arc<str>, Cell>,
    /// Series of it.
    series: usize,
}

#[derive(Debug, Default)]
struct Table {
    agents: HashMap<AgentId, OfAgent>,
    /// Series of all agents.
    series: usize,
}

/// Counters by agent and action.
#[derive(Debug)]
pub struct Agents {
    table: RwLock<Table>,
    /// Of those whom the table has no room for.
    other: Cell,
    max: usize,
    share: usize,
}

/// One series as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The agent, or [`OTHER`].
    pub agent: Arc<str>,
    /// The action, [`UNMATCHED`] or [`OTHER`].
    pub action: Arc<str>,
    /// What is counted.
    pub kind: Kind,
    /// How often it was.
    pub count: u64,
}

/// Of all series one agent may have this part.
const SHARE: usize = 50;

/// But not less than these: a verdict and a record of two actions.
const LEAST_SHARE: usize = 4;

impl Agents {
    /// At most `max` series.
    pub fn new(max: usize) -> Self {
        Self {
            table: RwLock::default(),
            other: Cell::default(),
            // Those of nobody in particular are always to be had.
            max: max.saturating_sub(KINDS.len()),
            share: (max / SHARE).max(LEAST_SHARE),
        }
    }

    /// Counts each of `kinds` for an agent and an action.
    pub fn count(&self, agent: &AgentId, action: &str, kinds: &[Kind]) {
        {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            let of_agent = table.agents.get(agent);
            let cell = of_agent.and_then(|it| it.actions.get(action));
            if let Some(cell) = cell
                && kinds
                    .iter()
                    .all(|kind| cell.counter(*kind).is_some_and(|it| it.load(Ordering::Relaxed) != 0))
            {
                kinds.iter().for_each(|kind| cell.count(*kind));
                return;
            }
            // Once there is no room nothing is made, and nobody may make others wait for trying.
            if table.series >= self.max {
                let others = of_agent.and_then(|it| it.actions.get(OTHER));
                for kind in kinds {
                    let known = [cell, others].into_iter().flatten().any(|cell| cell.count_again(*kind));
                    if !known {
                        self.other.count(*kind);
                    }
                }
                return;
            }
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for kind in kinds {
            self.count_first(&mut table, agent, action, *kind);
        }
    }

    /// The action's own label if the agent has series of it, so that what an agent only claims makes none.
    pub fn count_known(&self, agent: &AgentId, action: &str, kinds: &[Kind]) {
        let known = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            table.agents.get(agent).is_some_and(|it| it.actions.contains_key(action))
        };
        self.count(agent, if known { action } else { UNMATCHED }, kinds);
    }

    fn count_first(&self, table: &mut Table, agent: &AgentId, action: &str, kind: Kind) {
        if !table.agents.contains_key(agent) && table.series < self.max {
            table.agents.insert(agent.clone(), OfAgent::default());
        }
        let Table { agents, series } = table;
        let Some(of_agent) = agents.get_mut(agent) else { return self.other.count(kind) };
        for (label, bound) in [(action, self.share), (OTHER, usize::MAX)] {
            if of_agent.actions.get(label).is_some_and(|cell| cell.count_again(kind)) {
                return;
            }
            if *series < self.max && of_agent.series < bound {
                of_agent.actions.entry(label.into()).or_default().count(kind);
                of_agent.series += 1;
                *series += 1;
                return;
            }
        }
        self.other.count(kind);
    }

    /// Forgets the agents that are not `alive`: they will not call again, and others need the room.
    pub fn forget(&self, alive: impl Fn(&AgentId) -> bool) {
        let is_any_dead = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            table.agents.keys().any(|agent| !alive(agent))
        };
        if is_any_dead {
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            table.agents.retain(|agent, _| alive(agent));
            table.series = table.agents.values().map(|it| it.series).sum();
        }
    }

    /// Every series.
    pub fn series(&self) -> Vec<Series> {
        let other: Arc<str> = OTHER.into();
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let mut series = Vec::with_capacity(table.series + KINDS.len());
        let mut show = |agent: &Arc<str>, action: &Arc<str>, cell: &Cell| {
            let counts = cell.0.iter().map(|counter| counter.load(Ordering::Relaxed));
            for (kind, count) in KINDS.into_iter().zip(counts).filter(|(_, count)| *count > 0) {
                series.push(Series { agent: Arc::clone(agent), action: Arc::clone(action), kind, count });
            }
        };
        for (agent, of_agent) in &table.agents {
            let agent: Arc<str> = agent.as_str().into();
            for (action, cell) in &of_agent.actions {
                show(&agent, action, cell);
            }
        }
        show(&other, &other, &self.other);
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const ALLOWED: [Kind; 2] = [Kind::Enforcement(true), Kind::Logged(Logged::Allowed)];

    fn agent(number: u16) -> AgentId {
        let mut entropy = [0; 16];
        entropy[14..].copy_from_slice(&number.to_be_bytes());
        AgentId::new(Timestamp::from_micros(0), entropy)
    }

    fn total(series: &[Series]) -> u64 {
        series.iter().map(|series| series.count).sum()
    }

    #[test]
    fn what_was_counted_is_shown_by_agent_and_action() {
        let agents = Agents::new(100);
        for _ in 0..3 {
            agents.count(&agent(1), "read:file", &ALLOWED);
        }
        agents.count(&agent(1), "read:file", &[Kind::Enforcement(false)]);
        let shown = agents.series();
        assert_eq!(shown.len(), 3);
        let of = |kind: Kind| shown.iter().find(|series| series.kind == kind).unwrap().count;
        assert_eq!((of(ALLOWED[0]), of(ALLOWED[1]), of(Kind::Enforcement(false))), (3, 3, 1));
    }

    #[test]
    fn many_agents_and_actions_keep_the_bound_and_nothing_is_lost() {
        for max in [10, 100, 1_000] {
            let agents = Agents::new(max);
            for number in 0..2_000 {
                agents.count(&agent(number % 500), &format!("read:{number}"), &ALLOWED);
            }
            let shown = agents.series();
            assert!(shown.len() <= max, "{} series of {max}", shown.len());
            assert_eq!(total(&shown), 4_000, "{max}");
            assert!(shown.iter().any(|series| &*series.agent == OTHER), "{max}");
        }
    }

    #[test]
    fn one_agent_leaves_room_to_the_others() {
        let agents = Agents::new(1_000);
        for number in 0..2_000 {
            agents.count(&agent(1), &format!("read:{number}"), &ALLOWED);
        }
        let own = agents.series();
        assert!(own.len() <= 1_000 / SHARE + KINDS.len(), "{}", own.len());
        assert!(own.iter().any(|series| &*series.action == OTHER));
        agents.count(&agent(2), "read:file", &ALLOWED);
        let other = agents.series().into_iter().find(|series| *series.agent == *agent(2).as_str()).unwrap();
        assert_eq!((&*other.action, other.count), ("read:file", 1));
    }

    #[test]
    fn what_an_agent_only_claims_makes_no_series_of_its_name() {
        let agents = Agents::new(100);
        agents.count_known(&agent(1), "made:up", &[Kind::Logged(Logged::Success)]);
        agents.count(&agent(1), "read:file", &ALLOWED);
        agents.count_known(&agent(1), "read:file", &[Kind::Logged(Logged::Success)]);
        let actions: Vec<_> = agents
            .series()
            .into_iter()
            .filter(|series| series.kind == Kind::Logged(Logged::Success))
            .map(|series| series.action.to_string())
            .collect();
        assert!(actions.contains(&UNMATCHED.to_owned()) && actions.contains(&"read:file".to_owned()));
        assert_eq!(actions.len(), 2);
    }

    #[test]
    fn deleted_agents_make_room() {
        let agents = Agents::new(20);
        for number in 0..50 {
            agents.count(&agent(number), "read:file", &ALLOWED);
        }
        agents.forget(|_| false);
        agents.count(&agent(99), "read:file", &ALLOWED);
        let shown = agents.series();
        assert!(shown.iter().any(|series| *series.agent == *agent(99).as_str()), "{shown:?}");
    }

    #[test]
    fn threads_together_lose_no_count_and_keep_the_bound() {
        const THREADS: u16 = 4;
        const CALLS: u16 = 5_000;
        let agents = Agents::new(200);
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let agents = &agents;
                scope.spawn(move || {
                    for number in 0..CALLS {
                        agents.count(&agent(number % 97), &format!("a:{}", (number + thread) % 13), &ALLOWED);
                    }
                });
            }
        });
        let shown = agents.series();
        assert_eq!(total(&shown), 2 * u64::from(THREADS) * u64::from(CALLS));
        assert!(shown.len() <= 200, "{}", shown.len());
    }
}
