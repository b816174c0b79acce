//! What agents add to the audit: the outcome of a decision of their own, and reports of what was never asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::Instrument;

use crate::audit::{Kind, Mode, Record};
use crate::auth::Agent;
use crate::clock::Timestamp;
use crate::entropy;
use crate::ids::{DecisionId, ReportId};
use crate::policy::Object;
use crate::service::Error;
use crate::service::call::Call;
use crate::service::convert::{Check, Outcome};
use crate::telemetry;

use super::entry::of_agent;
use super::way::Way;

/// In `async` mode a decision may be answered this long before its record can be found.
const SHIPPING_BOUND: Duration = Duration::from_secs(60);

/// A record's month is looked for from this long before its decision's birth: writers' clocks may differ.
const CLOCK_SLACK: Duration = Duration::from_secs(3_600);

/// Outcomes under way on this replica: the second about one decision waits for the first, so that it finds it on
/// record and two workers are not both told that theirs stands.
#[derive(Debug, Default)]
pub(super) struct Reporting {
    /// A channel closes when its turn ends.
    open: Mutex<HashMap<DecisionId, watch::Receiver<()>>>,
}

/// The one report of its decision, until dropped.
#[derive(Debug)]
struct Turn {
    reporting: Arc<Reporting>,
    decision_id: DecisionId,
    /// Wakes who waits.
    _ended: watch::Sender<()>,
}

impl Reporting {
    async fn turn(self: &Arc<Self>, decision_id: &DecisionId) -> Turn {
        loop {
            let mut earlier = {
                let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                match open.get(decision_id) {
                    Some(earlier) => earlier.clone(),
                    None => {
                        let (ended, waiting) = watch::channel(());
                        open.insert(decision_id.clone(), waiting);
                        let (reporting, decision_id) = (Arc::clone(self), decision_id.clone());
                        return Turn { reporting, decision_id, _ended: ended };
                    }
                }
            };
            // The sender never sends: it is dropped when the turn ends.
            while earlier.changed().await.is_ok() {}
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.reporting.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.decision_id);
    }
}

impl Way {
    /// Records what came of a decision; answers the decision's action, or nothing if that was known already.
    ///
    /// # Errors
    /// Not found for an unknown decision or another agent's; already exists when another outcome is known.
    pub(super) async fn outcome(
        &self,
        agent: &Agent,
        decision_id: DecisionId,
        outcome: Outcome,
        call: &Call,
    ) -> Result<Option<String>, Error> {
        // A caller that gives up and reports again must find what its first call recorded, so that call goes on to
        // its end without its caller.
        let (way, agent, call) = (self.clone(), agent.clone(), call.clone());
        let span = tracing::Span::current();
        let going = async move {
            let _turn = way.reporting.turn(&decision_id).await;
            way.record_outcome(&agent, &decision_id, &outcome, &call).await
        };
        let going = self.detached.spawn(going.instrument(span));
        going.await.map_err(Error::internal)?
    }

    async fn record_outcome(
        &self,
        agent: &Agent,
        decision_id: &DecisionId,
        outcome: &Outcome,
        call: &Call,
    ) -> Result<Option<String>, Error> {
        let records = {
            let _turn = self.look_ups.acquire().await.map_err(Error::internal)?;
            let step = tracing::info_span!(target: telemetry::STEP, "database", db.operation.name = "decision_records");
            self.store.decision_records(decision_id, CLOCK_SLACK).instrument(step).await?
        };
        let own = agent.entry().subject.id.as_str();
        let decision = records.iter().find(|record| {
            record.entry.kind == Kind::Decision && record.entry.agent_id.as_deref() == Some(own)
        });
        let Some(decision) = decision else {
            let age = self.clock.now().minus(SHIPPING_BOUND);
            // Another agent's is answered as one that is not there.
            if self.mode == Mode::Async && decision_id.born() >= age {
                return Err(Error::DecisionNotYetKnown(decision_id.to_string()));
            }
            return Err(Error::NotFound { what: "decision", id: decision_id.to_string() });
        };
        let (content, replayable) =
            self.keeper.outcome(outcome.error.as_deref(), &outcome.metadata, entropy::salt());
        // The first in the order of readers counts, should two replicas have recorded one each.
        if let Some(first) = records.iter().find(|record| record.entry.kind == Kind::Outcome) {
            return if same_outcome(first, outcome.success, &content.bytes) {
                Ok(None)
            } else {
                Err(Error::AlreadyExists("another outcome of this decision is recorded".into()))
            };
        }
        let mut entry = of_agent(Kind::Outcome, agent);
        entry.decision_id = Some(decision_id.to_string());
        entry.action = decision.entry.action.clone();
        entry.outcome = Some(outcome_name(outcome.success).to_owned());
        entry.request_id = Some(call.request_id.as_ref().to_owned());
        entry.replayable = Some(replayable);
        let step = tracing::info_span!(target: telemetry::STEP, "commit");
        self.writer.record(vec![entry.with_content(content)]).instrument(step).await?;
        Ok(Some(decision.entry.action.clone().unwrap_or_default()))
    }

    /// Records an action that was never asked about. Never taken for a decision.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub(super) async fn report(
        &self,
        agent: &Agent,
        check: &Check,
        outcome: Option<&Outcome>,
        call: &Call,
    ) -> Result<(ReportId, Timestamp), Error> {
        let now = self.clock.now();
        let id = ReportId::new(now, entropy::id());
        let none = Object::new();
        let (error, metadata) =
            outcome.map_or((None, &none), |outcome| (outcome.error.as_deref(), &outcome.metadata));
        let kept =
            self.keeper.report(&check.action_as_sent, &check.request, error, metadata, entropy::salt());
        let mut entry = of_agent(Kind::Report, agent);
        entry.decision_id = Some(id.to_string());
        entry.action = Some(check.request.action.as_str().to_owned());
        entry.outcome = outcome.map(|outcome| outcome_name(outcome.success).to_owned());
        entry.decided_at = Some(now);
        entry.request_id = Some(call.request_id.as_ref().to_owned());
        entry.replayable = Some(kept.replayable);
        let step = tracing::info_span!(target: telemetry::STEP, "commit");
        self.writer.record(vec![entry.with_content(kept.content)]).instrument(step).await?;
        Ok((id, now))
    }
}

const fn outcome_name(success: bool) -> &'static str {
    if success { "success" } else { "error" }
}

/// Whether a recorded outcome says the same; of an erased one only success or error is left to compare.
fn same_outcome(record: &Record, success: bool, content: &[u8]) -> bool {
    record.entry.outcome.as_deref() == Some(outcome_name(success))
        && record.entry.content.as_ref().is_none_or(|kept| kept.bytes == content)
}
