//! What is measured of this server: the counters, and the state of its parts when somebody reads them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body_util::Full;
use tokio::sync::watch;
use tonic::body::Body;

use super::entrance::Opens;
use super::{Health, Tls};
use crate::audit::Writer;
use crate::auth;
use crate::config::{self, Network};
use crate::ids::AgentId;
use crate::metrics::{self, Audit, Failure, Limits, Metrics, Pool, Sample};
use crate::policy::ReasonCode;
use crate::rate_limit::Limiter;
use crate::service::Error;
use crate::service::call::Call;
use crate::service::tally::Tally;
use crate::store::Store;
use crate::view::Views;

/// What is measured, and who sees it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Measured(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    metrics: Metrics,
    /// Where the page is, and whether the main listener has it; `None`: nowhere.
    path: Option<(String, bool)>,
    allow: Vec<Network>,
    parts: Option<State>,
}

/// The parts of which the state is shown.
#[derive(Debug)]
pub(super) struct State {
    pub(super) views: Arc<Views>,
    pub(super) writer: Writer,
    pub(super) store: Store,
    pub(super) limiter: Arc<Limiter>,
    pub(super) tally: Arc<Tally>,
    pub(super) health: watch::Receiver<Health>,
    pub(super) tls: Option<Tls>,
    pub(super) default_month: Arc<DefaultMonth>,
}

/// Whether records lie in the default partition, as was last seen.
#[derive(Debug, Default)]
pub(super) struct DefaultMonth(AtomicU8);

impl DefaultMonth {
    pub(super) fn note(&self, in_use: Option<bool>) {
        self.0.store(in_use.map_or(0, |in_use| 1 + u8::from(in_use)), Ordering::Relaxed);
    }

    fn in_use(&self) -> Option<bool> {
        let noted = self.0.load(Ordering::Relaxed);
        (noted > 0).then_some(noted > 1)
    }
}

impl Measured {
    /// Nothing is measured and nothing is shown.
    pub fn off() -> Self {
        Self(Arc::new(Inner { metrics: Metrics::off(), path: None, allow: Vec::new(), parts: None }))
    }

    /// `metrics` are shown as `config` says, on the main listener unless another one has them.
    pub(super) fn new(metrics: Metrics, config: &config::Metrics, on_main: bool, parts: State) -> Self {
        let path = metrics.is_on().then(|| (config.path.clone(), on_main));
        Self(Arc::new(Inner { metrics, path, allow: config.allow.clone(), parts: Some(parts) }))
    }

    /// The counters.
    pub(super) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Whether the page is at `path` of a listener that opens `opens`.
    pub(super) fn is_at(&self, path: &str, opens: Opens) -> bool {
        self.0.path.as_ref().is_some_and(|(own, on_main)| {
            own == path
                && match opens {
                    Opens::All | Opens::AllButAdmin => *on_main,
                    Opens::Metrics => true,
                    Opens::Admin | Opens::Health => false,
                }
        })
    }

    /// The page, for those who may see it.
    pub(super) async fn page(&self, call: &Call) -> Result<Response<Body>, Error> {
        if !self.0.allow.iter().any(|network| network.contains(call.client)) {
            return Err(Error::PermissionDenied("an address that METRICS_ALLOW covers"));
        }
        let own = self.clone();
        // Thousands of series take milliseconds, which calls of the same thread would wait for.
        let page = tokio::task::spawn_blocking(move || own.text()).await.map_err(Error::internal)?;
        let page = page.map_err(Error::internal)?;
        let mut response = Response::new(Body::new(Full::from(page)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    fn text(&self) -> Result<String, metrics::Error> {
        let Some(parts) = &self.0.parts else { return Ok(String::new()) };
        let view = parts.views.now();
        let is_alive = |id: &AgentId| view.agent(id).is_none_or(|agent| agent.delete_time.is_none());
        self.0.metrics.page(parts.sample(), is_alive).unwrap_or_else(|| Ok(String::new()))
    }
}

impl State {
    fn sample(&self) -> Sample {
        let view = self.views.now();
        let audit = self.writer.figures();
        let limits = self.limiter.figures();
        let whole = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let pool = |pool: crate::store::connections::Connections| Pool {
            name: pool.pool,
            used: pool.used.into(),
            idle: pool.idle.into(),
            max: pool.max.into(),
        };
        Sample {
            active_agents: whole(view.active_agents()),
            evaluations: self.tally.all().map(|(code, count)| (outcome(code), count)).collect(),
            revision: u64::try_from(view.revision().number()).unwrap_or(0),
            policy_age: self.views.age(),
            is_ready: self.health.borrow().policies,
            audit: Audit {
                queued: whole(audit.queued),
                records: audit.records,
                unrecorded: audit.lost,
                fenced: audit.fenced,
                is_available: !audit.broken,
            },
            default_partition_in_use: self.default_month.in_use(),
            pools: self.store.connections().into_iter().map(pool).collect(),
            limits: Limits {
                backend: self.limiter.storage(),
                is_up: self.limiter.is_counting(),
                admitted: limits.admitted,
                refused: limits.refused,
                without_backend: limits.without_redis,
                logins_refused: limits.failures_refused,
                outages: limits.outages,
            },
            version: env!("CARGO_PKG_VERSION"),
            database: self.store.kind(),
            certificate_end: self.tls.as_ref().and_then(Tls::until).map(|end| end.as_micros() / 1_000_000),
            lines_dropped: crate::telemetry::lines_dropped(),
            spans: crate::telemetry::spans(),
        }
    }
}

/// Why a caller was not let in, as metrics tell it.
pub(super) const fn failure(error: auth::Error) -> Failure {
    match error {
        auth::Error::None => Failure::Missing,
        auth::Error::Many => Failure::Multiple,
        auth::Error::Refused => Failure::Invalid,
    }
}

/// The metric's word for a reason.
const fn outcome(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::AllowedByRule => "allowed",
        ReasonCode::DeniedByRule => "denied_by_rule",
        ReasonCode::DeniedRuleError => "denied_rule_error",
        ReasonCode::DeniedNoPolicy => "denied_no_policy",
        ReasonCode::DeniedDefault => "denied_default",
        ReasonCode::ApprovalRequired => "approval_required",
        ReasonCode::ApprovalUnavailable => "approval_unavailable",
        ReasonCode::KillSwitch => "kill_switch",
        ReasonCode::AgentInactive => "agent_inactive",
        ReasonCode::ResourceNotCanonical => "resource_not_canonical",
        ReasonCode::DecisionBudget => "decision_budget",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_its_code_in_lower_case_but_for_an_allow() {
        for code in ReasonCode::ALL.iter().copied() {
            let lower = code.as_str().to_lowercase();
            assert_eq!(outcome(code), if lower == "allowed_by_rule" { "allowed" } else { &lower });
        }
    }

    #[test]
    fn every_status_of_the_table_of_errors_has_a_label_of_its_own() {
        let reasons = (0..=64).filter_map(|number| crate::pb::v1::ErrorReason::try_from(number).ok());
        for reason in reasons {
            let status = crate::service::status::row(reason).http;
            assert!(metrics::STATUSES.contains(&status), "{reason:?} is {status}");
        }
    }

    #[test]
    fn the_default_partition_is_told_of_once_it_was_looked_at() {
        let month = DefaultMonth::default();
        for seen in [None, Some(false), Some(true)] {
            month.note(seen);
            assert_eq!(month.in_use(), seen);
        }
    }
}
