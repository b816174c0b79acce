//! An honest caller at a fixed rate, and how long it waits.

use std::time::{Duration, Instant};

use agentguard::pb::v1;
use tokio::task::JoinSet;

use crate::harness::Caller;

/// Between two calls: fifty a second, so that the caller itself is no load.
const PACE: Duration = Duration::from_millis(20);

/// How long each call took, from the moment at which it was due.
#[derive(Clone, Default)]
pub struct Latencies(Vec<Duration>);

/// Calls at the fixed rate until `until`; every call must be allowed.
pub async fn call(caller: &Caller, until: Instant) -> Latencies {
    let mut calls = JoinSet::new();
    let mut due = Instant::now();
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        let mut caller = caller.clone();
        calls.spawn(async move {
            let check = v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
            let decision = caller.enforce(check).await.expect("the honest caller was refused");
            assert!(decision.allowed, "{decision:?}");
            due.elapsed()
        });
        // What is late is not left out: who waits is counted from when it wanted to call.
        due += PACE;
    }
    Latencies(calls.join_all().await)
}

impl Latencies {
    pub fn add(&mut self, more: &Self) {
        self.0.extend(&more.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What 99 of 100 calls did not exceed.
    pub fn p99(&self) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[sorted.len() * 99 / 100]
    }
}
