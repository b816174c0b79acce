//! The state of the server's parts at one moment, as plain numbers: who makes a page fills one.

use std::time::Duration;

use super::catalog::{self, Metric};
use super::exposition::whole;

/// A moment.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Active agents in the view.
    pub active_agents: u64,
    /// Decisions answered, by outcome.
    pub evaluations: Vec<(&'static str, u64)>,
    /// The revision's number.
    pub revision: u64,
    /// Since the view was confirmed.
    pub policy_age: Duration,
    /// Whether this replica decides.
    pub is_ready: bool,
    /// The audit writer.
    pub audit: Audit,
    /// Whether records lie in the default partition; `None` where there is none.
    pub default_partition_in_use: Option<bool>,
    /// The pools of database connections.
    pub pools: Vec<Pool>,
    /// The limiter.
    pub limits: Limits,
    /// The program's version.
    pub version: &'static str,
    /// The kind of database.
    pub database: &'static str,
    /// When the certificate in force ends, in seconds since 1970; `None` without TLS here.
    pub certificate_end: Option<i64>,
    /// Log lines that were not written.
    pub lines_dropped: u64,
    /// Spans by what became of them; empty without a collector.
    pub spans: Vec<(&'static str, u64)>,
}

/// The audit writer at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Audit {
    /// Entries that wait.
    pub queued: u64,
    /// Records committed.
    pub records: u64,
    /// Entries that were answered and could not be written.
    pub unrecorded: u64,
    /// Times another writer moved the chain.
    pub fenced: u64,
    /// Whether records can be committed.
    pub is_available: bool,
}

/// One pool at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// Its name.
    pub name: &'static str,
    /// Connections in use.
    pub used: u64,
    /// Connections at rest.
    pub idle: u64,
    /// Connections at most.
    pub max: u64,
}

/// The limiter at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Where calls are counted.
    pub backend: &'static str,
    /// Whether they can be counted there.
    pub is_up: bool,
    /// Calls admitted.
    pub admitted: u64,
    /// Calls refused.
    pub refused: u64,
    /// Calls judged without Redis.
    pub without_backend: u64,
    /// Failed logins that were told to wait.
    pub logins_refused: u64,
    /// Times Redis went away.
    pub outages: u64,
}

/// A number with the values of its metric's labels.
type Labelled<T> = Vec<(T, Vec<&'static str>)>;

impl Sample {
    /// Whether the sample is where `metric` comes from.
    pub(super) fn tells(metric: &Metric) -> bool {
        let told = Self::told();
        !told.counts(metric).is_empty() || !told.values(metric).is_empty()
    }

    /// A sample in which nothing is absent.
    fn told() -> Self {
        Self {
            evaluations: vec![("allowed", 0)],
            default_partition_in_use: Some(false),
            pools: vec![Pool { name: "main", used: 0, idle: 0, max: 0 }],
            certificate_end: Some(0),
            spans: vec![("ended", 0)],
            ..Self::default()
        }
    }

    /// A counter's counts.
    pub(super) fn counts(&self, metric: &Metric) -> Labelled<u64> {
        let alone = |count: u64| vec![(count, Vec::new())];
        let limits = &self.limits;
        match metric.name {
            name if name == catalog::EVALUATIONS.name => {
                self.evaluations.iter().map(|(outcome, count)| (*count, vec![*outcome])).collect()
            }
            name if name == catalog::AUDIT_RECORDS.name => alone(self.audit.records),
            name if name == catalog::AUDIT_UNRECORDED.name => alone(self.audit.unrecorded),
            name if name == catalog::AUDIT_FENCED.name => alone(self.audit.fenced),
            name if name == catalog::LIMITER_CALLS.name => vec![
                (limits.admitted, vec!["admitted"]),
                (limits.refused, vec!["refused"]),
                (limits.without_backend, vec!["without_backend"]),
                (limits.logins_refused, vec!["login_refused"]),
            ],
            name if name == catalog::LIMITER_OUTAGES.name => alone(limits.outages),
            name if name == catalog::LINES_DROPPED.name => alone(self.lines_dropped),
            name if name == catalog::SPANS.name => {
                self.spans.iter().map(|(result, count)| (*count, vec![*result])).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A gauge's values.
    pub(super) fn values(&self, metric: &Metric) -> Labelled<f64> {
        let alone = |value: f64| vec![(value, Vec::new())];
        let claim = |holds: bool| if holds { 1.0 } else { 0.0 };
        match metric.name {
            name if name == catalog::ACTIVE_AGENTS.name => alone(whole(self.active_agents)),
            name if name == catalog::REVISION.name => alone(whole(self.revision)),
            name if name == catalog::POLICY_AGE.name => alone(self.policy_age.as_secs_f64()),
            name if name == catalog::READY.name => alone(claim(self.is_ready)),
            name if name == catalog::AUDIT_QUEUE.name => alone(whole(self.audit.queued)),
            name if name == catalog::AUDIT_AVAILABLE.name => alone(claim(self.audit.is_available)),
            name if name == catalog::AUDIT_DEFAULT.name => {
                self.default_partition_in_use.map_or_else(Vec::new, |in_use| alone(claim(in_use)))
            }
            name if name == catalog::CONNECTIONS.name => {
                alone(whole(self.pools.iter().map(|pool| pool.used).sum()))
            }
            name if name == catalog::POOL_CONNECTIONS.name => self
                .pools
                .iter()
                .flat_map(|pool| {
                    [(whole(pool.used), vec![pool.name, "used"]), (whole(pool.idle), vec![pool.name, "idle"])]
                })
                .collect(),
            name if name == catalog::POOL_MAX.name => {
                self.pools.iter().map(|pool| (whole(pool.max), vec![pool.name])).collect()
            }
            name if name == catalog::LIMITER_UP.name => {
                vec![(claim(self.limits.is_up), vec![self.limits.backend])]
            }
            name if name == catalog::BUILD.name => vec![(1.0, vec![self.version, self.database])],
            name if name == catalog::CERTIFICATE.name => self
                .certificate_end
                .map_or_else(Vec::new, |end| alone(whole(u64::try_from(end).unwrap_or(0)))),
            _ => Vec::new(),
        }
    }
}
