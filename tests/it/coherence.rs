//! Two replicas on one database: a call that starts after a write was acknowledged is decided with it, wherever the
//! write was made.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use agentguard::service::enforcement::Deviation;

use crate::evidence;
use crate::harness::{Admin, Caller, Guard, NewAgent};
use crate::postgres::Database;

/// Races of the default tier, and of `AGENTGUARD_TEST_FULL=1`.
const TRIALS: (u32, u32) = (300, 20_000);

/// Callers that ask all through a write.
const CALLERS: usize = 2;

/// Calls of each that begin after the acknowledgement.
const CALLS_AFTER: u32 = 2;

/// A write after which the agent may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Write {
    RevokeKey,
    DenyPolicy,
    Deactivate,
    KillSwitch,
}

const WRITES: [Write; 4] = [Write::RevokeKey, Write::DenyPolicy, Write::Deactivate, Write::KillSwitch];

/// What the callers saw.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    trials: u32,
    allowed_before: u32,
    begun_after: u32,
    allowed_after: u32,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.allowed_before += other.allowed_before;
        self.begun_after += other.begun_after;
        self.allowed_after += other.allowed_after;
    }
}

/// Races of one write, one after the other: an agent of its own, an admin of one replica and a caller of the other.
struct Lane {
    write: Write,
    admin: Admin,
    caller: Caller,
    agent: NewAgent,
}

impl Lane {
    /// Lets the agent read, and answers the key to ask with and its id.
    async fn prepare(&mut self) -> (String, String) {
        match self.write {
            Write::RevokeKey => return self.admin.key(&self.agent.id).await,
            Write::DenyPolicy => drop(self.admin.set_policy(&self.agent.id, &["read:*"], &[]).await),
            Write::Deactivate => drop(self.admin.set_active(&self.agent.id, true).await),
            Write::KillSwitch => self.admin.kill(&self.agent.id, false).await,
        }
        (self.agent.key.clone(), self.agent.key_id.clone())
    }

    async fn make(&mut self, key_id: &str) {
        match self.write {
            Write::RevokeKey => self.admin.revoke(key_id).await,
            Write::DenyPolicy => drop(self.admin.set_policy(&self.agent.id, &["read:*"], &["read:*"]).await),
            Write::Deactivate => drop(self.admin.set_active(&self.agent.id, false).await),
            Write::KillSwitch => self.admin.kill(&self.agent.id, true).await,
        }
    }

    async fn trial(&mut self) -> Seen {
        let (key, key_id) = self.prepare().await;
        let acknowledged = Arc::new(AtomicBool::new(false));
        let (begun, mut first) = tokio::sync::mpsc::channel(CALLERS);
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| tokio::spawn(ask(self.caller.with_key(&key), Arc::clone(&acknowledged), begun.clone())))
            .collect();
        for _ in 0..CALLERS {
            first.recv().await.unwrap();
        }
        self.make(&key_id).await;
        acknowledged.store(true, Ordering::SeqCst);
        let mut seen = Seen { trials: 1, ..Seen::default() };
        for caller in callers {
            seen.add(caller.await.unwrap());
        }
        seen
    }
}

/// Races writes at each replica against calls at the other. With `until_broken` a lane ends with the first call that
/// its write should have stopped.
async fn race(
    name: &str,
    deviation: Deviation,
    settings: &[(&str, &str)],
    trials: u32,
    until_broken: bool,
) -> BTreeMap<Write, Seen> {
    let database = Database::create();
    let start = || Guard::deviating_on_postgres(deviation, &database.url(), settings);
    let replicas = [start(), start()];
    let started = Instant::now();
    let left = Arc::new(AtomicU32::new(trials));
    let mut lanes = Vec::new();
    for write in WRITES {
        for (writing, asking) in [(0, 1), (1, 0)] {
            let mut admin = replicas[writing].admin().await;
            let agent = admin.agent("racer").await;
            admin.set_policy(&agent.id, &["read:*"], &[]).await;
            let mut lane = Lane { write, admin, caller: replicas[asking].caller("").await, agent };
            let left = Arc::clone(&left);
            lanes.push(tokio::spawn(async move {
                let mut seen = Seen::default();
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                    .is_ok()
                {
                    seen.add(lane.trial().await);
                    if until_broken && seen.allowed_after > 0 {
                        break;
                    }
                }
                (write, seen)
            }));
        }
    }
    let mut all = BTreeMap::<Write, Seen>::new();
    let mut sum = Seen::default();
    for lane in lanes {
        let (write, seen) = lane.await.unwrap();
        all.entry(write).or_default().add(seen);
        sum.add(seen);
    }
    let figures: [(&str, &dyn std::fmt::Display); 5] = [
        ("trials", &sum.trials),
        ("allowed before", &sum.allowed_before),
        ("begun after", &sum.begun_after),
        ("allowed after", &sum.allowed_after),
        ("seconds", &started.elapsed().as_secs()),
    ];
    evidence::row("races.txt", name, &figures);
    all
}

/// Asks over and over; says when its first call was answered.
async fn ask(
    mut caller: Caller,
    acknowledged: Arc<AtomicBool>,
    begun: tokio::sync::mpsc::Sender<()>,
) -> Seen {
    let mut seen = Seen::default();
    while seen.begun_after < CALLS_AFTER {
        let after = acknowledged.load(Ordering::SeqCst);
        let check = v1::EnforceRequest {
            action: "read_file".to_owned(),
            resource: "/a".to_owned(),
            ..v1::EnforceRequest::default()
        };
        let allowed = match caller.enforce(check).await.map_err(|status| status.code()) {
            Ok(decision) => decision.allowed,
            Err(tonic::Code::Unauthenticated) => false,
            // A commit that a busy disk held for too long: nothing was decided, so nothing was allowed.
            Err(tonic::Code::Unavailable) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
            Err(code) => panic!("{code:?}"),
        };
        seen.begun_after += u32::from(after);
        match (after, allowed) {
            (true, true) => seen.allowed_after += 1,
            (false, true) => seen.allowed_before += 1,
            (_, false) => {}
        }
        begun.try_send(()).ok();
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_an_acknowledged_write_elsewhere_is_decided_with_it() {
    let trials = if evidence::is_full() { TRIALS.1 } else { TRIALS.0 };
    let seen = race("durable", Deviation::Nothing, &[], trials, false).await;
    assert_eq!(seen.values().map(|seen| seen.trials).sum::<u32>(), trials);
    for (write, seen) in seen {
        assert_eq!(seen.allowed_after, 0, "{write:?}: {seen:?}");
        assert_eq!(seen.begun_after, seen.trials * CALLS_AFTER * u32::try_from(CALLERS).unwrap());
        // There was something to lose: before each write the calls were allowed.
        assert!(seen.allowed_before >= seen.trials, "{write:?}: {seen:?}");
    }
}

/// The control: the same servers, only without the check of the revision that the commit saw.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_revision_check_stale_calls_are_allowed() {
    let deviation = Deviation::RevisionUnchecked;
    let name = "control: durable, the commit's revision unchecked";
    for (write, seen) in race(name, deviation, &[], TRIALS.1, true).await {
        assert!(seen.allowed_after > 0, "{write:?}: {seen:?}");
    }
}

/// In `async` mode nothing but the staleness of the view is promised.
#[tokio::test(flavor = "multi_thread")]
async fn async_replicas_are_seen_to_lag() {
    let settings = [("AUDIT_MODE", "async")];
    for (write, seen) in race("control: async", Deviation::Nothing, &settings, TRIALS.1, true).await {
        assert!(seen.allowed_after > 0, "{write:?}: {seen:?}");
    }
}
