//! An honest caller at a fixed rate, and how long it waits.

use std::time::{Duration, Instant};

use agentguard::pb::v1;
use tokio::task::JoinSet;

use crate::harness::{Caller, reason};

/// Between two calls: fifty a second, so that the caller itself is no load.
const PACE: Duration = Duration::from_millis(20);

/// How often a call may be tried again.
const TRIES: usize = 20;

/// How long each call took, from the moment at which it was due.
pub struct Latencies {
    all: Vec<Duration>,
    /// Tries that found the disk too slow to record them, which is answered at once and is no fault of the front door.
    pub unrecorded: usize,
}

/// Calls at the fixed rate until `until`; every call must be allowed, at once or once the disk is back.
pub async fn call(caller: &Caller, until: Instant) -> Latencies {
    let mut calls = JoinSet::new();
    let mut due = Instant::now();
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        let mut caller = caller.clone();
        calls.spawn(async move {
            let check = v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
            for unrecorded in 0..TRIES {
                match caller.enforce(check.clone()).await {
                    Ok(decision) => {
                        assert!(decision.allowed, "{decision:?}");
                        return (due.elapsed(), unrecorded);
                    }
                    Err(status) if reason(&status) == "AUDIT_UNAVAILABLE" => {
                        tokio::time::sleep(Duration::from_millis(250)).await;
                    }
                    Err(status) => panic!("the honest caller was refused: {status}"),
                }
            }
            panic!("nothing is recorded any more")
        });
        // What is late is not left out: who waits is counted from when it wanted to call.
        due += PACE;
    }
    let (all, unrecorded): (Vec<_>, Vec<_>) = calls.join_all().await.into_iter().unzip();
    Latencies { all, unrecorded: unrecorded.into_iter().sum() }
}

impl Latencies {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// What 99 of 100 calls did not exceed.
    pub fn p99(&self) -> Duration {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        sorted[sorted.len() * 99 / 100]
    }
}
