//! Two replicas on one database: a call that starts after a write was acknowledged is decided with it, wherever the
//! write was made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentguard::pb::v1;

use crate::harness::{Admin, Caller, Guard, NewAgent};
use crate::postgres::Database;

/// Races of the default tier, and of `AGENTGUARD_TEST_FULL=1`.
const TRIALS: (u32, u32) = (300, 3_000);

/// Callers that ask all through a write.
const CALLERS: usize = 4;

/// Calls of each that begin after the acknowledgement.
const CALLS_AFTER: u32 = 2;

/// A write after which the agent may do nothing.
#[derive(Clone, Copy, Debug)]
enum Write {
    RevokeKey,
    DenyPolicy,
    Deactivate,
}

const WRITES: [Write; 3] = [Write::RevokeKey, Write::DenyPolicy, Write::Deactivate];

/// What the callers saw.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    allowed_before: u32,
    begun_after: u32,
    allowed_after: u32,
}

impl Write {
    /// Makes it possible, and answers the key that callers use.
    async fn prepare(self, admin: &mut Admin, agent: &NewAgent) -> (String, String) {
        match self {
            Self::RevokeKey => return admin.key(&agent.id).await,
            Self::DenyPolicy => drop(admin.set_policy(&agent.id, &["read:*"], &[]).await),
            Self::Deactivate => drop(admin.set_active(&agent.id, true).await),
        }
        (agent.key.clone(), agent.key_id.clone())
    }

    async fn make(self, admin: &mut Admin, agent: &NewAgent, key_id: &str) {
        match self {
            Self::RevokeKey => admin.revoke(key_id).await,
            Self::DenyPolicy => drop(admin.set_policy(&agent.id, &["read:*"], &["read:*"]).await),
            Self::Deactivate => drop(admin.set_active(&agent.id, false).await),
        }
    }

    /// So that the next write's callers may do something.
    async fn undo(self, admin: &mut Admin, agent: &NewAgent) {
        match self {
            Self::RevokeKey => {}
            Self::DenyPolicy | Self::Deactivate => drop(self.prepare(admin, agent).await),
        }
    }
}

/// Races writes at one replica against calls at the other.
async fn race(settings: &[(&str, &str)], trials: u32, until_broken: bool) -> Seen {
    let database = Database::create();
    let writing = Guard::on_postgres(&database.url(), settings);
    let asking = Guard::on_postgres(&database.url(), settings);
    let mut admin = writing.admin().await;
    let agent = admin.agent("racer").await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    let mut channels = Vec::new();
    for _ in 0..CALLERS {
        channels.push(asking.caller("").await);
    }
    let mut seen = Seen::default();
    for trial in 0..trials {
        let write = WRITES[usize::try_from(trial).unwrap() % WRITES.len()];
        let (key, key_id) = write.prepare(&mut admin, &agent).await;
        let acknowledged = Arc::new(AtomicBool::new(false));
        let (begun, mut first) = tokio::sync::mpsc::channel(CALLERS);
        let callers: Vec<_> = channels
            .iter()
            .map(|caller| tokio::spawn(ask(caller.with_key(&key), Arc::clone(&acknowledged), begun.clone())))
            .collect();
        for _ in 0..CALLERS {
            first.recv().await.unwrap();
        }
        write.make(&mut admin, &agent, &key_id).await;
        acknowledged.store(true, Ordering::SeqCst);
        for caller in callers {
            let one = caller.await.unwrap();
            seen.allowed_before += one.allowed_before;
            seen.begun_after += one.begun_after;
            seen.allowed_after += one.allowed_after;
        }
        write.undo(&mut admin, &agent).await;
        if until_broken && seen.allowed_after > 0 {
            break;
        }
    }
    println!("coherence {settings:?}: {seen:?}");
    seen
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
    let trials = if std::env::var_os("AGENTGUARD_TEST_FULL").is_some() { TRIALS.1 } else { TRIALS.0 };
    let seen = race(&[], trials, false).await;
    assert_eq!(seen.allowed_after, 0, "{seen:?}");
    assert_eq!(seen.begun_after, trials * CALLS_AFTER * u32::try_from(CALLERS).unwrap());
    // There was something to lose: before each write the calls were allowed.
    assert!(seen.allowed_before > trials, "{seen:?}");
}

/// The control: without the check in the commit the same race finds allowed calls.
#[tokio::test(flavor = "multi_thread")]
async fn async_replicas_are_seen_to_lag() {
    let seen = race(&[("AUDIT_MODE", "async")], TRIALS.0, true).await;
    assert!(seen.allowed_after > 0, "{seen:?}");
}
