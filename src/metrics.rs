//! Every metric, and typed functions to count it. `catalog` is the table of them, `calls` counts what comes in by the
//! front door, `agents` what agents did, `sample` is the state of the parts at one moment, `exposition` the page that
//! Prometheus reads.
//!
//! **Invariant:** counting waits for nobody and makes no series beyond its bound; what the parts count themselves is
//! read when a page is made, and costs calls nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub mod agents;
mod calls;
pub mod catalog;
mod exposition;
mod sample;
mod timer;

use agents::{Agents, Kind, Logged, UNMATCHED};
use calls::Calls;
use exposition::Exposition;

pub use calls::{Observed, STATUSES};
pub use exposition::CONTENT_TYPE;
pub use sample::{Audit, Limits, Pool, Sample};
pub use timer::Timer;

use crate::ids::AgentId;
use crate::policy::{Action, Decision, Verdict};

/// Why there is no page.
#[derive(Clone, Debug, thiserror::Error)]
#[error("metrics cannot be shown")]
pub struct Error(#[source] Arc<dyn std::error::Error + Send + Sync>);

impl Error {
    fn because(cause: impl Into<Box<dyn std::error::Error>>) -> Self {
        // Some causes cannot be sent to another thread; their text can.
        Self(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(cause.into().to_string())))
    }
}

/// Counts. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    calls: Calls,
    agents: Agents,
    failures: Failures,
    commits: Timer,
    exposition: Exposition,
}

/// Why a caller was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There was no credential.
    Missing,
    /// There was more than one.
    Multiple,
    /// It opens nothing.
    Invalid,
    /// It opens something else.
    WrongKind,
}

impl Failure {
    const ALL: [Self; 4] = [Self::Missing, Self::Multiple, Self::Invalid, Self::WrongKind];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Multiple => "multiple",
            Self::Invalid => "invalid",
            Self::WrongKind => "wrong_kind",
        }
    }
}

#[derive(Debug, Default)]
struct Failures([AtomicU64; Failure::ALL.len()]);

impl Failures {
    fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Failure::ALL.into_iter().map(Failure::as_str).zip(counts)
    }
}

impl Metrics {
    /// Metrics with at most `max_series` series that have an `agent_id`; calls are told apart by `endpoints`.
    ///
    /// # Errors
    /// When the library refuses one of the metrics.
    pub fn new(max_series: usize, endpoints: impl IntoIterator<Item = String>) -> Result<Self, Error> {
        let exposition = Exposition::new(max_series)?;
        let inner = Arc::new(Inner {
            calls: Calls::new(endpoints, exposition.timer(catalog::DURATIONS)),
            agents: Agents::new(max_series),
            failures: Failures::default(),
            commits: exposition.timer(catalog::AUDIT_COMMITS),
            exposition,
        });
        inner.exposition.watch(&Arc::downgrade(&inner));
        Ok(Self(Some(inner)))
    }

    /// Counts nothing and shows nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Whether it counts.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn inner(&self) -> Option<&Inner> {
        self.0.as_deref()
    }

    /// Counts a caller that was not let in.
    pub fn authentication_failed(&self, failure: Failure) {
        let place = Failure::ALL.iter().position(|known| *known == failure);
        let counter = self.inner().zip(place).and_then(|(inner, place)| inner.failures.0.get(place));
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a decision that is answered; `is_recorded` if it has a record of its own.
    pub fn decided(&self, agent: &AgentId, action: &Action, decision: &Decision, is_recorded: bool) {
        let Some(inner) = self.inner() else { return };
        let logged = match decision.verdict {
            Verdict::Allow => Logged::Allowed,
            Verdict::Deny => Logged::Denied,
            Verdict::RequireApproval => Logged::Pending,
        };
        let kinds = [Kind::Enforcement(decision.verdict == Verdict::Allow), Kind::Logged(logged)];
        let kinds = if is_recorded { kinds.as_slice() } else { kinds.get(..1).unwrap_or_default() };
        let action = if decision.rule.is_some() { action.as_str() } else { UNMATCHED };
        inner.agents.count(agent, action, kinds);
    }

    /// Counts an outcome or a report that was recorded.
    pub fn reported(&self, agent: &AgentId, action: &str, success: Option<bool>) {
        let Some(inner) = self.inner() else { return };
        let logged = match success {
            Some(true) => Logged::Success,
            Some(false) => Logged::Error,
            None => Logged::Unknown,
        };
        inner.agents.count_known(agent, action, &[Kind::Logged(logged)]);
    }

    /// For how long commits of audit records take.
    pub fn commits(&self) -> Timer {
        self.inner().map_or_else(Timer::default, |inner| inner.commits.clone())
    }

    /// The page; `None` if nothing is counted. Agents that are not `alive` are forgotten.
    ///
    /// # Errors
    /// When the library refuses.
    pub fn page(&self, sample: Sample, alive: impl Fn(&AgentId) -> bool) -> Option<Result<String, Error>> {
        let inner = self.inner()?;
        inner.agents.forget(alive);
        Some(inner.exposition.page(sample, inner.agents.series()))
    }
}

#[cfg(test)]
mod tests;
