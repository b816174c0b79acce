//! Whether verdicts at hand still stand in a newer view.

use crate::auth::Agent;
use crate::clock::Timestamp;
use crate::policy;
use crate::service::Error;
use crate::view::View;

use super::{Course, YIELD_EVERY};

/// Whether deciding now gives a verdict that must be answered in place of the one at hand: any other one, unless a known
/// decision is repeated and deciding now is no stricter than that. Another policy with the same verdict takes nothing back, so a busy admin keeps nobody
/// from being answered.
pub(super) async fn overruled(
    agent: &Agent,
    view: &View,
    courses: &[Result<Course, Error>],
    now: Timestamp,
) -> bool {
    let policies = view.policies(agent.entry());
    for (at, course) in courses.iter().flatten().enumerate() {
        if at > 0 && at.is_multiple_of(YIELD_EVERY) {
            tokio::task::yield_now().await;
        }
        let Some(before) = &course.answer else { continue };
        let verdict = policy::decide(&policies, &agent.entry().subject, &course.check.request, now).verdict;
        let answer = match &course.known {
            Some(known) if !verdict.is_stricter_than(known.decision.verdict) => known.decision.verdict,
            Some(_) | None => verdict,
        };
        if answer != before.decision.verdict {
            return true;
        }
    }
    false
}
