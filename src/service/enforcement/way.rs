//! The way of a check, from the verified agent to the answer that may leave: view, decision, record, and the proof
//! that the commit saw no newer policy than the decision did.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::audit::record::Hash;
use crate::audit::{Keeper, Mode, Receipt, Writer};
use crate::auth::Agent;
use crate::clock::{Clock, Instant, Timestamp};
use crate::entropy;
use crate::ids::{DecisionId, Revision};
use crate::policy::{self, Action, Decision};
use crate::service::Error;
use crate::service::call::Call;
use crate::service::convert::Check;
use crate::store::Store;
use crate::telemetry;
use crate::view::{View, Views};

use super::deviation::Deviation;
use super::entry::{self, Circumstances};
use super::idempotency::{Idempotency, Remembered, Repeat, Turn};
use super::report::Reporting;

mod claim;
mod overruled;

use overruled::overruled;

/// Decides and records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Way {
    pub(super) views: Arc<Views>,
    pub(super) writer: Writer,
    pub(super) store: Store,
    pub(super) keeper: Keeper,
    pub(super) clock: Clock,
    pub(super) mode: Mode,
    idempotency: Arc<Idempotency>,
    /// Look-ups of one decision that may be in the database at once; more wait.
    pub(super) look_ups: Arc<Semaphore>,
    /// Agents' listings that may be in the database at once; more wait.
    pub(super) listings: Arc<Semaphore>,
    /// Outcomes under way.
    pub(super) reporting: Arc<Reporting>,
    /// Calls that go on without their callers.
    pub(super) detached: TaskTracker,
    deviation: Deviation,
}

/// A decision that may leave.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its id.
    pub decision_id: DecisionId,
    /// What was decided.
    pub decision: Decision,
    /// The canonical action.
    pub action: Action,
    /// The revision it was decided at.
    pub revision: Revision,
    /// When.
    pub decided_at: Timestamp,
    /// Whether it is an earlier decision answered again.
    pub is_repeat: bool,
    /// The earlier, less strict decision in place of which it was made.
    pub repeat_of: Option<DecisionId>,
}

/// How often a decision is made again because the policy changed under its commit, before the call is given up.
const MAX_ROUNDS: u32 = 8;

/// How long a decision waits to see the policy that its commit saw.
const CATCH_UP: Duration = Duration::from_millis(500);

/// How long a repeat waits to be confirmed; more than a slow read takes, since many repeats share one.
const CONFIRM: Duration = Duration::from_secs(2);

/// Database look-ups of marked retries and outcomes at once, so that they cannot take the pool from everybody else.
const MAX_LOOK_UPS: usize = 4;

/// Agents' listings in the database at once, each of a thousand records at most: few, so that no agent takes the pool
/// from the admins.
const MAX_LISTINGS: usize = 2;

/// Decisions of a batch that are made without letting other calls run.
const YIELD_EVERY: usize = 8;

/// One check on its way.
struct Course {
    check: Check,
    /// Held while this call is the one that decides its key.
    turn: Option<Turn>,
    /// The key's earlier decision, to be answered unless deciding now is stricter.
    known: Option<Box<Remembered>>,
    /// Held while this call is a repeat of it.
    repeat: Option<Repeat>,
    /// What will be answered.
    answer: Option<Answered>,
    /// The earlier check of the same batch whose answer is this one's, too.
    same_as: Option<usize>,
}

impl Course {
    const fn new(check: Check) -> Self {
        Self { check, turn: None, known: None, repeat: None, answer: None, same_as: None }
    }
}

impl Way {
    /// A way through these.
    pub fn new(
        views: Arc<Views>,
        writer: Writer,
        store: Store,
        keeper: Keeper,
        clock: Clock,
        mode: Mode,
    ) -> Self {
        Self {
            views,
            writer,
            store,
            keeper,
            clock,
            mode,
            idempotency: Arc::new(Idempotency::default()),
            look_ups: Arc::new(Semaphore::new(MAX_LOOK_UPS)),
            listings: Arc::new(Semaphore::new(MAX_LISTINGS)),
            reporting: Arc::default(),
            detached: TaskTracker::new(),
            deviation: Deviation::Nothing,
        }
    }

    /// The same way without one of its checks; for tests only, as [`Deviation`] says.
    #[must_use]
    pub fn deviating(self, deviation: Deviation) -> Self {
        Self { deviation, ..self }
    }

    /// Decides one check.
    ///
    /// # Errors
    /// Whatever kept it from being decided and recorded.
    pub async fn one(&self, agent: &Agent, check: Check, call: &Call) -> Result<Answered, Error> {
        let min = check.min_revision.clone();
        let mut answers = self.all(agent, vec![Ok(check)], min, call).await?;
        answers.pop().unwrap_or_else(|| Err(Error::internal("a check got no answer")))
    }

    /// Decides checks together: one view, one `now`, one transaction; answers in their order.
    ///
    /// # Errors
    /// Whatever kept them all from being decided and recorded.
    pub async fn all(
        &self,
        agent: &Agent,
        checks: Vec<Result<Check, Error>>,
        min: Option<Revision>,
        call: &Call,
    ) -> Result<Vec<Result<Answered, Error>>, Error> {
        if checks.iter().flatten().all(|check| check.idempotency_key.is_none()) {
            return self.go(agent, checks, min.as_ref(), call).await;
        }
        // A caller that gives up and tries again must find its first call's decision, so that call goes on to its
        // end without its caller.
        let (way, agent, call) = (self.clone(), agent.clone(), call.clone());
        let span = tracing::Span::current();
        let going = async move { way.go(&agent, checks, min.as_ref(), &call).await };
        let going = self.detached.spawn(going.instrument(span));
        going.await.map_err(Error::internal)?
    }

    async fn go(
        &self,
        agent: &Agent,
        checks: Vec<Result<Check, Error>>,
        min: Option<&Revision>,
        call: &Call,
    ) -> Result<Vec<Result<Answered, Error>>, Error> {
        let view = self.views.at_least(min).await.map_err(|error| from_view(error, min))?;
        let mut courses = self.claim(agent, checks, min, call).await;
        if let Err(error) = self.decide(agent, view, &mut courses, call).await {
            self.hold_what_is_in_doubt(courses);
            return Err(error);
        }
        let now = self.clock.instant();
        let same: Vec<_> =
            courses.iter().map(|course| course.as_ref().ok().and_then(|it| it.same_as)).collect();
        let mut answers: Vec<_> =
            courses.into_iter().map(|course| course.and_then(|course| self.finish(course, now))).collect();
        for (index, first) in same.into_iter().enumerate().filter_map(|(index, first)| Some((index, first?)))
        {
            let answer = match answers.get(first) {
                Some(Ok(answer)) => Ok(Answered { is_repeat: true, ..answer.clone() }),
                Some(Err(Error::IdempotencyKeyReused)) => Err(Error::IdempotencyKeyReused),
                Some(Err(_)) | None => Err(Error::AuditUnavailable),
            };
            if let Some(place) = answers.get_mut(index) {
                *place = answer;
            }
        }
        // The view may have grown stale while the commit was under way, for instance because this machine slept.
        self.views.fresh().map_err(|error| from_view(error, None))?;
        Ok(answers)
    }

    /// While a commit is in doubt its keys are nobody's: a retry would look for the decision in the database, find none,
    /// and make a second one beside the first, which is committed a moment later.
    fn hold_what_is_in_doubt(&self, courses: Vec<Result<Course, Error>>) {
        let mut turns: Vec<_> = courses.into_iter().flatten().filter_map(|course| course.turn).collect();
        if turns.is_empty() || !self.writer.is_broken() {
            return;
        }
        turns.iter_mut().for_each(Turn::doubt);
        let writer = self.writer.clone();
        drop(self.detached.spawn(async move {
            writer.settled().await;
            drop(turns);
        }));
    }

    /// The answer of a course; its key stands for it from now on.
    fn finish(&self, mut course: Course, now: Instant) -> Result<Answered, Error> {
        let answer = course.answer.take().ok_or_else(|| Error::internal("a check was not decided"))?;
        let turn = course.turn.take();
        if answer.is_repeat {
            // Taken in an earlier round, for a decision that was overruled since.
            drop(turn);
            if let Some(repeat) = course.repeat.take() {
                repeat.answered();
            }
        } else if let Some(turn) = turn {
            turn.finish(remember(&answer, self.keeper.digest(&course.check.request)), now);
        }
        Ok(answer)
    }

    /// Decides every course and records what needs a record, until the policy that the commit saw gives the verdicts
    /// that were recorded.
    async fn decide(
        &self,
        agent: &Agent,
        view: Arc<View>,
        courses: &mut [Result<Course, Error>],
        call: &Call,
    ) -> Result<(), Error> {
        let mut view = view;
        // The key was verified against a view of its own, and this one may be newer: with the agent as it was then and
        // the policies as they are now, the commit would find nothing to object to.
        let mut agent = agent.recheck(&view, self.clock.now()).map_err(|_| Error::Unauthenticated)?;
        // An answer without a record has no commit to check its revision; a shared read does it instead.
        if self.mode == Mode::Durable
            && self.deviation != Deviation::RepeatsUnconfirmed
            && courses.iter().flatten().any(|course| course.known.is_some())
        {
            if self.writer.is_broken() {
                return Err(Error::DatabaseUnavailable);
            }
            view = self.views.refresh_within(CONFIRM).await.map_err(|error| from_view(error, None))?;
            agent = agent.recheck(&view, self.clock.now()).map_err(|_| Error::Unauthenticated)?;
        }
        for round in 0..MAX_ROUNDS {
            let now = self.clock.now();
            if round > 0 && !overruled(&agent, &view, courses, now).await {
                return Ok(());
            }
            let mut entries = Vec::new();
            let own = courses.iter_mut().flatten().filter(|course| course.same_as.is_none());
            for (at, course) in own.enumerate() {
                // A decision may take milliseconds; a batch of them must not keep the other calls of its thread.
                if at > 0 && at.is_multiple_of(YIELD_EVERY) {
                    tokio::task::yield_now().await;
                }
                self.decide_one(&agent, &view, course, now, call, &mut entries);
            }
            let newest = if entries.is_empty() {
                self.views.now()
            } else {
                let step = tracing::info_span!(target: telemetry::STEP, "commit");
                let receipt = self.writer.record(entries).instrument(step).await?;
                self.newest(&receipt, &view).await?
            };
            if newest.stamp() == view.stamp() {
                return Ok(());
            }
            tracing::debug!(round, seen = %newest.revision(), "the policy changed under a decision; deciding again");
            view = newest;
            agent = agent.recheck(&view, self.clock.now()).map_err(|_| Error::Unauthenticated)?;
        }
        Err(Error::AuditUnavailable)
    }

    /// The newest view after a commit: read anew if the commit saw another revision than `view`'s, else the newest that
    /// is known here. The latter matters to a process that was stopped while its commit was under way: the poll may
    /// have confirmed a newer view since, and no age would tell that the decision was not made in that one.
    async fn newest(&self, receipt: &Receipt, view: &View) -> Result<Arc<View>, Error> {
        match &receipt.stamp {
            Some(stamp) if stamp != view.stamp() && self.deviation != Deviation::RevisionUnchecked => {
                self.views.refresh_within(CATCH_UP).await.map_err(|error| from_view(error, None))
            }
            Some(_) | None => Ok(self.views.now()),
        }
    }

    fn decide_one(
        &self,
        agent: &Agent,
        view: &View,
        course: &mut Course,
        now: Timestamp,
        call: &Call,
        entries: &mut Vec<crate::audit::Entry>,
    ) {
        let request = &course.check.request;
        let policies = view.policies(agent.entry());
        let step = tracing::info_span!(target: telemetry::STEP, "decide").entered();
        let decision = policy::decide(&policies, &agent.entry().subject, request, now);
        drop(step);
        let is_stricter = |than: &Decision| decision.verdict.is_stricter_than(than.verdict);
        let mut repeat_of = None;
        let mut supersedes = None;
        match &course.known {
            Some(known) if !is_stricter(&known.decision) => {
                course.answer = Some(again(known));
                return;
            }
            Some(known) => repeat_of = Some(known.decision_id.clone()),
            None => {}
        }
        // One of the call's verdicts is overruled, so all of them are made anew: a batch has one revision.
        if let Some(before) = course.answer.as_ref().filter(|before| !before.is_repeat) {
            supersedes = Some(before.decision_id.clone());
        }
        if course.turn.is_none()
            && let Some(key) = &course.check.idempotency_key
        {
            // The stricter decision replaces the key's entry, unless another repeat is about to do so.
            course.turn = self.idempotency.retake(&agent.entry().subject.id, key);
        }
        let decision_id = DecisionId::new(now, entropy::id());
        let kept = self.keeper.request(&course.check.action_as_sent, request, entropy::salt());
        entries.push(entry::decision(
            &decision_id,
            &decision,
            request,
            kept,
            &Circumstances {
                agent,
                policies: &policies,
                revision: view.revision(),
                decided_at: now,
                request_id: &call.request_id,
                idempotency_key: course.check.idempotency_key.as_deref(),
                repeat_of: repeat_of.as_ref(),
                supersedes: supersedes.as_ref(),
            },
        ));
        course.answer = Some(Answered {
            decision_id,
            action: request.action.clone(),
            decision,
            revision: view.revision().clone(),
            decided_at: now,
            is_repeat: false,
            repeat_of,
        });
    }
}

fn again(known: &Remembered) -> Answered {
    Answered {
        decision_id: known.decision_id.clone(),
        decision: known.decision.clone(),
        action: known.action.clone(),
        revision: known.revision.clone(),
        decided_at: known.decided_at,
        is_repeat: true,
        repeat_of: None,
    }
}

fn remember(answer: &Answered, digest: Hash) -> Remembered {
    Remembered {
        digest,
        decision_id: answer.decision_id.clone(),
        decision: answer.decision.clone(),
        action: answer.action.clone(),
        revision: answer.revision.clone(),
        decided_at: answer.decided_at,
        repeats: 0,
    }
}

/// A view's situations as a caller sees them.
pub(super) fn from_view(error: crate::view::Error, min: Option<&Revision>) -> Error {
    use crate::view::Error as View;
    match error {
        View::Unavailable => match min {
            Some(min) => Error::RevisionNotReached(min.to_string()),
            None => Error::DatabaseUnavailable,
        },
        View::Stale => Error::PolicyStale,
        View::UnknownRevision { asked, .. } => Error::RevisionUnknown(asked.to_string()),
        View::Store(error) => error.into(),
        error @ View::Policy { .. } => Error::internal(error),
    }
}
