//! Whose an idempotency key is: the call that decides it, or one more repeat of what was decided.

use crate::audit::record::Hash;
use crate::auth::Agent;
use crate::ids::Revision;
use crate::service::Error;
use crate::service::call::Call;
use crate::service::convert::Check;

use super::super::entry;
use super::super::idempotency::{Claim, LIFETIME, MAX_REPEATS, Remembered};
use super::{Course, Way};

impl Way {
    /// Takes the keys of the checks, in one order for every call so that no two wait for each other.
    pub(super) async fn claim(
        &self,
        agent: &Agent,
        checks: Vec<Result<Check, Error>>,
        min: Option<&Revision>,
        call: &Call,
    ) -> Vec<Result<Course, Error>> {
        let mut courses: Vec<_> = checks.into_iter().map(|check| check.map(Course::new)).collect();
        let mut keyed: Vec<(String, usize)> = courses
            .iter()
            .enumerate()
            .filter_map(|(index, course)| Some((course.as_ref().ok()?.check.idempotency_key.clone()?, index)))
            .collect();
        keyed.sort();
        let mut previous: Option<(String, usize, Hash)> = None;
        for (key, index) in keyed {
            let Some(place) = courses.get_mut(index) else { continue };
            let Ok(course) = place else { continue };
            let digest = self.keeper.digest(&course.check.request);
            let claimed = match &previous {
                // The second of one key in a batch is a repeat of the first, which nobody may wait for here.
                Some((before, first, its)) if *before == key => {
                    course.same_as = Some(*first);
                    if *its == digest { Ok(()) } else { Err(Error::IdempotencyKeyReused) }
                }
                Some(_) | None => {
                    let claimed = self.claim_one(agent, course, &key, min, call).await;
                    previous = Some((key, index, digest));
                    claimed
                }
            };
            if let Err(error) = claimed {
                *place = Err(error);
            }
        }
        courses
    }

    async fn claim_one(
        &self,
        agent: &Agent,
        course: &mut Course,
        key: &str,
        min: Option<&Revision>,
        call: &Call,
    ) -> Result<(), Error> {
        let id = &agent.entry().subject.id;
        let digest = self.keeper.digest(&course.check.request);
        loop {
            let (known, repeat) = match self.idempotency.claim(id, key, self.clock.instant()) {
                Claim::First(turn) => {
                    let Some(earlier) = self.look_up(agent, key, call).await? else {
                        course.turn = Some(turn);
                        return Ok(());
                    };
                    turn.finish(earlier, self.clock.instant());
                    continue;
                }
                Claim::Wait(mut ended) => {
                    // The sender never sends: it is dropped when the first call ends, however it ends.
                    while ended.changed().await.is_ok() {}
                    continue;
                }
                Claim::Doubt => return Err(Error::AuditUnavailable),
                Claim::Known(known, repeat) => (known, repeat),
            };
            if known.digest != digest {
                return Err(Error::IdempotencyKeyReused);
            }
            let newer = min.is_some_and(|min| {
                min.epoch() != known.revision.epoch() || min.number() > known.revision.number()
            });
            if newer || known.repeats >= MAX_REPEATS {
                match self.idempotency.retake(id, key) {
                    Some(turn) => course.turn = Some(turn),
                    None => continue,
                }
            } else {
                course.known = Some(known);
                course.repeat = Some(repeat);
            }
            return Ok(());
        }
    }

    /// The earlier decision of a retry that is marked as one, from another replica or another life of this one.
    async fn look_up(&self, agent: &Agent, key: &str, call: &Call) -> Result<Option<Remembered>, Error> {
        if !call.is_retry {
            return Ok(None);
        }
        let _turn = self.look_ups.acquire().await.map_err(Error::internal)?;
        let since = self.clock.now().minus(LIFETIME);
        let record = self.store.decision_by_key(&agent.entry().subject.id, key, since).await?;
        Ok(record.as_ref().and_then(entry::remembered))
    }
}
