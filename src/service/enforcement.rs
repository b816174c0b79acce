//! `EnforcementService`: what agents call. Messages in, the [`way`] of a check, messages out.
//!
//! **Invariant:** no method does anything without an [`Agent`], which only a verified key can make.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use crate::audit::Record;
use crate::auth::Agent;
use crate::config::DecisionDetail;
use crate::metrics::{Failure, Metrics};
use crate::pb::{rpc, v1};
use crate::policy::Verdict;
use crate::rate_limit::Limiter;

use super::Error;
use super::call::{self, Call, Taken};
use super::convert::{self, Answer, PlaceText};
use super::page::{self, Listing};
use super::status;
use super::tally::Tally;
use super::throttle;

mod deviation;
mod entry;
mod idempotency;
mod report;
mod way;

pub use deviation::Deviation;
pub use way::{Answered, Way};

/// Checks of one batch at most: one transaction stays short.
pub const MAX_BATCH: usize = 100;

/// The stream's endpoint, as metrics name it.
const STREAM: &str = "/agentguard.v1.EnforcementService/EnforceStream";

/// Messages of one stream that may be undecided at once; more wait in the connection.
pub const MAX_OUTSTANDING: usize = 64;

/// The service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Enforcement {
    way: Way,
    detail: DecisionDetail,
    tally: Arc<Tally>,
    limiter: Arc<Limiter>,
    metrics: Metrics,
    bounds: Bounds,
}

/// Bounds that the layers cannot hold, since they do not look into messages.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest that one message of a stream may take.
    pub message_timeout: Duration,
    /// Bytes of one check of a batch.
    pub max_check_size: usize,
}

impl Enforcement {
    /// A service that decides by `way`, tells agents as much as `detail` says, counts answers in `tally` and `metrics`
    /// and charges batches and streams to `limiter`; the layers charge every other call.
    pub const fn new(
        way: Way,
        detail: DecisionDetail,
        tally: Arc<Tally>,
        limiter: Arc<Limiter>,
        metrics: Metrics,
        bounds: Bounds,
    ) -> Self {
        Self { way, detail, tally, limiter, metrics, bounds }
    }

    fn answer(&self, agent: &Agent, answered: &Answered) -> v1::Decision {
        self.tally.count(answered.decision.code);
        let agent_id = &agent.entry().subject.id;
        let allowed = answered.decision.verdict == Verdict::Allow;
        tracing::debug!(%agent_id, action = %answered.action, allowed, "Enforcement check");
        self.metrics.decided(agent_id, &answered.action, &answered.decision, !answered.is_repeat);
        let answer = Answer {
            decision: &answered.decision,
            decision_id: Some(&answered.decision_id),
            action: &answered.action,
            revision: &answered.revision,
            decided_at: answered.decided_at,
            idempotent_repeat: answered.is_repeat,
            repeat_of: answered.repeat_of.as_ref(),
        };
        convert::decision(&answer, self.detail)
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<v1::EnforceStreamResponse, Status>> + Send>>;

#[tonic::async_trait]
impl v1::enforcement_service_server::EnforcementService for Enforcement {
    async fn enforce(
        &self,
        request: Request<v1::EnforceRequest>,
    ) -> Result<Response<v1::EnforceResponse>, Status> {
        let Taken { caller: agent, call, message } = call::from_agent(request)?;
        let result = async {
            let answered = self.way.one(&agent, convert::check(message)?, &call).await?;
            Ok(v1::EnforceResponse { decision: Some(self.answer(&agent, &answered)) })
        };
        respond(&call, result.await)
    }

    async fn batch_enforce(
        &self,
        request: Request<v1::BatchEnforceRequest>,
    ) -> Result<Response<v1::BatchEnforceResponse>, Status> {
        let Taken { caller: agent, call, message } = call::from_agent(request)?;
        let result = async {
            let read = checks(message, self.bounds.max_check_size);
            // What is no batch costs one, as every call does.
            let cost = read.as_ref().map_or(1, |(checks, _)| checks.len());
            throttle::charge(&self.limiter, &agent, cost).await?;
            let (checks, min) = read?;
            let answers = self.way.all(&agent, checks, min, &call).await?;
            let results = answers
                .into_iter()
                .map(|answer| v1::BatchEnforceResult {
                    result: Some(match answer {
                        Ok(answered) => {
                            v1::batch_enforce_result::Result::Decision(self.answer(&agent, &answered))
                        }
                        Err(error) => v1::batch_enforce_result::Result::Error(item_error(&error, &call)),
                    }),
                })
                .collect();
            Ok(v1::BatchEnforceResponse { results })
        };
        respond(&call, result.await)
    }

    type EnforceStreamStream = Answers;

    async fn enforce_stream(
        &self,
        request: Request<Streaming<v1::EnforceStreamRequest>>,
    ) -> Result<Response<Answers>, Status> {
        let Taken { caller: agent, call, message: messages } = call::from_agent(request)?;
        let service = self.clone();
        let answers = messages
            .map(move |message| {
                let (service, agent, call) = (service.clone(), agent.clone(), call.clone());
                async move { service.stream_item(&agent, message?, &call).await }
            })
            .buffer_unordered(MAX_OUTSTANDING);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn report_outcome(
        &self,
        request: Request<v1::ReportOutcomeRequest>,
    ) -> Result<Response<v1::ReportOutcomeResponse>, Status> {
        let Taken { caller: agent, call, message } = call::from_agent(request)?;
        let result = async {
            let (decision_id, outcome) = convert::outcome(message)?;
            let success = outcome.success;
            let recorded = self.way.outcome(&agent, decision_id, outcome, &call).await?;
            if let Some(action) = &recorded {
                self.metrics.reported(&agent.entry().subject.id, action, Some(success));
            }
            Ok(v1::ReportOutcomeResponse { idempotent_repeat: recorded.is_none() })
        };
        respond(&call, result.await)
    }

    async fn report(
        &self,
        request: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        let Taken { caller: agent, call, message } = call::from_agent(request)?;
        let result = async {
            let (check, outcome) = convert::report(message)?;
            let (report_id, at) = self.way.report(&agent, &check, outcome.as_ref(), &call).await?;
            let success = outcome.map(|outcome| outcome.success);
            self.metrics.reported(&agent.entry().subject.id, check.request.action.as_str(), success);
            let timestamp = Some(convert::timestamp_message(at));
            Ok(v1::ReportResponse { report_id: report_id.to_string(), timestamp })
        };
        respond(&call, result.await)
    }

    async fn list_own_records(
        &self,
        request: Request<v1::ListOwnRecordsRequest>,
    ) -> Result<Response<v1::ListOwnRecordsResponse>, Status> {
        let Taken { caller: agent, call, message } = call::from_agent(request)?;
        respond(&call, self.own_records(&agent, message).await)
    }

    async fn who_am_i(
        &self,
        request: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let Taken { caller: agent, call, .. } = call::from_agent(request)?;
        respond(
            &call,
            Ok(v1::WhoAmIResponse {
                agent: Some(convert::agent_message(agent.entry())),
                key: Some(convert::key_message(agent.key(), self.way.clock.now())),
                policy_revision: self.way.views.now().revision().to_string(),
            }),
        )
    }
}

impl Enforcement {
    /// One message of a stream. Key, agent and limit are checked for every message; a bad one gets its own error and the
    /// stream lives on.
    async fn stream_item(
        &self,
        agent: &Agent,
        message: v1::EnforceStreamRequest,
        call: &Call,
    ) -> Result<v1::EnforceStreamResponse, Status> {
        let sequence = message.sequence;
        let observed = self.metrics.begin(&http::Method::POST, STREAM, &self.way.clock);
        let decided = async {
            let agent_id = &agent.entry().subject.id;
            let held = Some(Arc::new(call.in_flight.admit()?.charge(agent_id)?));
            let call = Call { held, ..call.clone() };
            let agent = agent.recheck(&self.way.views.now(), self.way.clock.now()).map_err(|_| {
                self.metrics.authentication_failed(Failure::Invalid);
                Error::Unauthenticated
            })?;
            throttle::charge(&self.limiter, &agent, 1).await?;
            let check = convert::check(message.request.unwrap_or_default())?;
            self.way.one(&agent, check, &call).await
        };
        let decided = tokio::time::timeout(self.bounds.message_timeout, decided).await;
        let result = match decided.unwrap_or(Err(Error::DeadlineExceeded)) {
            Ok(answered) => {
                observed.finish(200);
                v1::enforce_stream_response::Result::Decision(self.answer(agent, &answered))
            }
            Err(error) => {
                observed.finish(status::row(error.reason()).http);
                v1::enforce_stream_response::Result::Error(item_error(&error, call))
            }
        };
        Ok(v1::EnforceStreamResponse { sequence, result: Some(result) })
    }

    async fn own_records(
        &self,
        agent: &Agent,
        message: v1::ListOwnRecordsRequest,
    ) -> Result<v1::ListOwnRecordsResponse, Error> {
        let size = page::size(message.page_size)?;
        let listing = Listing::new(
            "ListOwnRecords",
            &v1::ListOwnRecordsRequest { page_size: 0, page_token: String::new(), ..message.clone() },
        );
        let after = listing.parsed::<PlaceText>(&message.page_token)?;
        let mut faults = convert::Faults::default();
        let own = &agent.entry().subject.id;
        let mut filter = convert::filter("filter", message.filter, &mut faults);
        if filter.agent.as_ref().is_some_and(|asked| asked != own) {
            faults.add("filter.agent_id", "is another agent's; an agent sees its own records");
        }
        filter.agent = Some(own.clone());
        faults.or(Some(()))?;
        let newest_first = !message.oldest_first;
        let _turn = self.way.listings.acquire().await.map_err(Error::internal)?;
        let found = self
            .way
            .store
            .records(&filter, after.map(|place| place.0), newest_first, page::rows(size))
            .await?;
        let position = |record: &Record| PlaceText::of(record).to_string();
        let show = |record: Record| convert::own_record(&record, self.detail);
        let (records, next_page_token) = listing.fill(found, size, position, show);
        Ok(v1::ListOwnRecordsResponse { records, next_page_token })
    }
}

/// A batch as read: its checks, each by itself, and its oldest revision.
type Batch = (Vec<Result<convert::Check, Error>>, Option<crate::ids::Revision>);

/// Reads a batch: its checks, each by itself, and its oldest revision.
fn checks(message: v1::BatchEnforceRequest, max_size: usize) -> Result<Batch, Error> {
    let mut faults = convert::Faults::default();
    if message.checks.is_empty() || message.checks.len() > MAX_BATCH {
        faults.add("checks", format!("has {} items; 1 to {MAX_BATCH} are accepted", message.checks.len()));
    }
    for (index, check) in message.checks.iter().enumerate() {
        if !check.min_revision.is_empty() {
            faults.add(format!("checks[{index}].min_revision"), "stands on the batch, not on a check");
        }
    }
    let min = faults.parse_optional("min_revision", &message.min_revision);
    faults.or(Some(()))?;
    let check = |check: v1::EnforceRequest| {
        if check.encoded_len() > max_size {
            return Err(Error::MessageTooLarge { limit: max_size });
        }
        convert::check(check)
    };
    Ok((message.checks.into_iter().map(check).collect(), min))
}

fn respond<T>(call: &Call, result: Result<T, Error>) -> Result<Response<T>, Status> {
    result.map(Response::new).map_err(|error| call.refuse(&error))
}

fn item_error(error: &Error, call: &Call) -> rpc::Status {
    call::log(error, &call.request_id);
    error.to_rpc(&call.request_id)
}
