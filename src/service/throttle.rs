//! Limits as callers meet them: what the limiter says, as errors of the contract.

use std::net::IpAddr;

use super::Error;
use crate::auth::Agent;
use crate::rate_limit::{Limiter, Quota, Verdict};

/// Charges a call of `cost` to an agent; answers how it stands then, if it is limited at all.
///
/// # Errors
/// [`Error::LimitReached`] when the call does not fit yet, `INVALID_ARGUMENT` when it never will,
/// [`Error::RateLimitUnavailable`] when nothing is counted and this deployment refuses calls then. Nothing was charged.
pub async fn charge(limiter: &Limiter, agent: &Agent, cost: usize) -> Result<Option<Quota>, Error> {
    let id = &agent.entry().subject.id;
    match limiter.charge(id, agent.entry().limit.as_ref(), u64::try_from(cost).unwrap_or(u64::MAX)).await {
        Verdict::Unlimited => Ok(None),
        Verdict::Admitted(quota) => Ok(Some(quota)),
        Verdict::Refused(quota) => {
            Err(Error::LimitReached { subject: format!("agent:{id}"), quota: Box::new(quota) })
        }
        Verdict::Unavailable => Err(Error::RateLimitUnavailable),
        Verdict::TooLarge { burst } => Err(Error::invalid(
            "checks",
            format!("has {cost} items; the agent's limit takes {burst} at once"),
        )),
    }
}

/// Charges a failed login to an address; answers what its caller is told.
pub fn failed_login(limiter: &Limiter, address: IpAddr) -> Error {
    match limiter.failed_login(address) {
        Ok(()) => Error::Unauthenticated,
        Err(quota) => Error::LimitReached { subject: format!("address:{address}"), quota: Box::new(quota) },
    }
}
