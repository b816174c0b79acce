//! Admin acts become audit records: at once from the replica that did them, later from any other if that one died
//! in between. The history row is the outbox; its key in `revision_records` lets no act be told twice.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Clock;
use crate::store::Store;
use crate::store::revision::{Act, Stamp, Unrecorded, digest};

use super::content::hex;
use super::machine::Failure;
use super::record::{Entry, Kind};
use super::writer::Writer;

/// How often acts left over by somebody else are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// An act younger than this is still its own replica's to tell.
const GRACE: Duration = Duration::from_secs(10);

/// Acts that may wait; beyond it the sweep finds them.
const MAX_WAITING: usize = 1_024;

/// The way in for admin calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    acts: mpsc::Sender<Unrecorded>,
}

impl Outbox {
    /// An outbox that writes through `writer`, and the task that does it.
    pub fn start(
        store: Store,
        writer: Writer,
        clock: Clock,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (acts, waiting) = mpsc::channel(MAX_WAITING);
        (Self { acts }, run(store, writer, clock, waiting))
    }

    /// Hands on an act that was committed. Never waits: the history row keeps it safe.
    pub fn tell(&self, act: &Act, stamp: &Stamp) {
        let unrecorded = Unrecorded {
            revision: stamp.revision.clone(),
            at: act.at,
            actor: act.actor.clone(),
            act: act.act.to_owned(),
            target: act.target.clone(),
            request_id: act.request_id.clone(),
            detail: act.detail.clone(),
            digest: digest(&act.detail),
        };
        if self.acts.try_send(unrecorded).is_err() {
            tracing::debug!(revision = %stamp.revision, "an admin act's record is left to the sweep");
        }
    }
}

async fn run(store: Store, writer: Writer, clock: Clock, mut waiting: mpsc::Receiver<Unrecorded>) {
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // Everything up to `settled` is told; heads seen at earlier sweeps move it on once nothing is left below them.
    let mut settled = 0;
    let mut heads: VecDeque<i64> = VecDeque::new();
    loop {
        tokio::select! {
            act = waiting.recv() => {
                let Some(act) = act else { return };
                record(&writer, &act).await;
            }
            _ = sweep.tick() => {
                let Ok(left) = store.unrecorded(settled, clock.now().minus(GRACE)).await else { continue };
                for act in &left {
                    record(&writer, act).await;
                }
                if left.is_empty() {
                    if heads.len() >= 3 && let Some(head) = heads.pop_front() {
                        settled = settled.max(head);
                    }
                    if let Ok(stamp) = store.stamp().await {
                        heads.push_back(stamp.revision.number());
                    }
                }
            }
        }
    }
}

async fn record(writer: &Writer, act: &Unrecorded) {
    match writer.record(vec![entry(act)]).await {
        Ok(_) => {}
        // Another replica told it first: the key refuses the second.
        Err(Failure::Refused) => tracing::debug!(revision = %act.revision, "an admin act was told already"),
        Err(error) => {
            tracing::warn!(%error, revision = %act.revision, "an admin act's record is left to the sweep")
        }
    }
}

/// The audit record of an admin act.
pub fn entry(act: &Unrecorded) -> Entry {
    let mut entry = Entry::new(Kind::Admin);
    entry.revision = Some(act.revision.clone());
    entry.decided_at = Some(act.at);
    entry.request_id = (!act.request_id.is_empty()).then(|| act.request_id.clone());
    let asked = serde_json::from_slice(&act.detail).unwrap_or(serde_json::Value::Null);
    let detail = serde_json::json!({
        "act": act.act,
        "actor": act.actor,
        "asked": asked,
        "digest": hex(&act.digest),
        "target": act.target,
    });
    entry.detail = Some(detail.to_string());
    entry
}
