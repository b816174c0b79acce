//! How soon a change is seen by the other replicas: at once while a feed is up, at the next poll otherwise; and never
//! believed from a hint.

use std::fmt::Display;
use std::time::{Duration, Instant};

use agentguard::pb::v1;

use crate::evidence;
use crate::harness::{Admin, Guard, admin, eventually};
use crate::postgres::Database;
use crate::redis::Redis;

/// Changes of each kind: of the default tier, and of `AGENTGUARD_TEST_FULL=1`.
const CHANGES: (usize, usize) = (25, 250);

/// What a feed promises, and what a poll adds to its interval.
const FEED_BOUND: Duration = Duration::from_millis(100);
const POLL_SLACK: Duration = Duration::from_millis(200);

/// For a machine that does other things as well: the default tier asserts that nothing waited for a poll.
const LENIENT: Duration = Duration::from_secs(2);

/// A poll that no test waits for.
const NEVER: &str = "60";

#[derive(Clone, Copy, Debug)]
enum Change {
    Policy,
    RevokedKey,
    Disabled,
    KillSwitch,
}

const KINDS: [Change; 4] = [Change::Policy, Change::RevokedKey, Change::Disabled, Change::KillSwitch];

/// Makes a change at one replica; the revision.
async fn make(admin_: &mut Admin, agent: &str, key_id: &str, change: Change, turn: bool) -> String {
    match change {
        Change::Policy => admin_.set_policy(agent, &["read:*"], if turn { &["send:*"] } else { &[] }).await,
        Change::RevokedKey => {
            let message = v1::RevokeAgentKeyRequest { key_id: key_id.to_owned() };
            admin_.client().revoke_agent_key(admin(message)).await.unwrap().into_inner().revision
        }
        Change::Disabled => admin_.set_active(agent, turn).await,
        Change::KillSwitch => {
            let message = v1::SetKillSwitchRequest {
                scope: Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(agent.to_owned())) }),
                is_on: Some(true),
                reason: "drill".to_owned(),
            };
            admin_.client().set_kill_switch(admin(message)).await.unwrap().into_inner().revision
        }
    }
}

/// How long until every other replica's view has reached `revision`. Asked of figures, which cause no read.
async fn seen(others: &mut [Admin], revision: &str, since: Instant) -> Duration {
    let number = |text: &str| text.split_once('.').unwrap().1.parse::<u64>().unwrap();
    for other in others {
        loop {
            if number(&other.stats().await.revision) >= number(revision) {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "a change is not seen");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    since.elapsed()
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

/// From acknowledgement until all three replicas have it: sorted, all kinds together.
async fn latencies(name: &str, replicas: &[Guard], changes: usize) -> Vec<Duration> {
    let mut admins = Vec::new();
    for replica in replicas {
        admins.push(replica.admin().await);
    }
    let mut all = Vec::new();
    for change in KINDS {
        let mut took = Vec::new();
        let agent = admins[0].agent("changed").await;
        for turn in 0..changes {
            let writing = turn % admins.len();
            let key_id = match change {
                Change::RevokedKey => admins[writing].key(&agent.id).await.1,
                _ => agent.key_id.clone(),
            };
            let revision = make(&mut admins[writing], &agent.id, &key_id, change, turn % 2 == 0).await;
            took.push(seen(&mut admins, &revision, Instant::now()).await);
        }
        took.sort();
        let millis = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1_000.0);
        let (p50, p99) = (millis(percentile(&took, 50)), millis(percentile(&took, 99)));
        let worst = millis(*took.last().unwrap());
        let figures: [(&str, &dyn Display); 4] =
            [("changes", &took.len()), ("p50 ms", &p50), ("p99 ms", &p99), ("worst ms", &worst)];
        evidence::row("feed.txt", &format!("{name}: {change:?}"), &figures);
        all.extend(took);
    }
    all.sort();
    all
}

fn changes() -> usize {
    if evidence::is_full() { CHANGES.1 } else { CHANGES.0 }
}

fn replicas(database: &Database, settings: &[(&str, &str)]) -> Vec<Guard> {
    (0..3).map(|_| Guard::on_postgres(&database.url(), settings)).collect()
}

async fn is_up(replicas: &[Guard], line: &str) {
    for replica in replicas {
        eventually("the feed is up", async || {
            replica.log().contains(&format!("\"feed\": \"{line}\"")).then_some(())
        })
        .await;
    }
}

fn within(latencies: &[Duration]) {
    let bound = if evidence::is_full() { FEED_BOUND } else { LENIENT };
    assert!(percentile(latencies, 99) <= bound, "{:?}", percentile(latencies, 99));
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_tells_every_replica_of_a_change() {
    let database = Database::create();
    let url = database.url();
    let replicas = replicas(
        &database,
        &[("DATABASE_DIRECT_URL", &url), ("POLICY_REFRESH_INTERVAL", NEVER), ("MAX_POLICY_STALENESS", "300")],
    );
    is_up(&replicas, "postgresql").await;
    within(&latencies("LISTEN", &replicas, changes()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_tells_every_replica_of_a_change_and_without_it_the_poll_does() {
    let mut redis = Redis::start().await;
    let database = Database::create();
    let uri = redis.uri();
    let settings = [("RATE_LIMIT_STORAGE_URI", &*uri), ("POLICY_REFRESH_INTERVAL", "500ms")];
    let replicas = replicas(&database, &settings);
    is_up(&replicas, "redis").await;
    within(&latencies("Redis", &replicas, changes()).await);
    redis.kill();
    let slow = latencies("Redis gone, polled every 500 ms", &replicas, changes() / 5).await;
    let bound = Duration::from_millis(500) + POLL_SLACK;
    assert!(percentile(&slow, 99) <= if evidence::is_full() { bound } else { bound + LENIENT });
    // The control of the first figure: without a feed a change waits for the poll.
    assert!(percentile(&slow, 50) >= Duration::from_millis(100), "{:?}", percentile(&slow, 50));
    redis.restart().await;
    eventually("the feed is back", async || {
        let ups = |log: String| log.matches("the change feed is up").count();
        replicas.iter().all(|replica| ups(replica.log()) >= 2).then_some(())
    })
    .await;
    within(&latencies("Redis back", &replicas, changes() / 5).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_while_the_line_was_lost_is_read_when_it_is_back() {
    let database = Database::create();
    let url = database.url();
    let settings =
        [("DATABASE_DIRECT_URL", &*url), ("POLICY_REFRESH_INTERVAL", NEVER), ("MAX_POLICY_STALENESS", "300")];
    let here = Guard::on_postgres(&url, &settings);
    let there = Guard::on_postgres(&url, &settings);
    is_up(std::slice::from_ref(&there), "postgresql").await;
    let (mut writing, mut reading) = (here.admin().await, there.admin().await);
    let agent = writing.agent("missed").await;
    // Every listener's session is ended, and the change made before one is back.
    database.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%listen%' \
         and datname = current_database() and pid <> pg_backend_pid()",
    );
    let revision = writing.set_policy(&agent.id, &["read:*"], &[]).await;
    let took = seen(std::slice::from_mut(&mut reading), &revision, Instant::now()).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(there.log().contains("the change feed is lost"), "{}", there.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_feed_and_poll_a_view_stays_old_which_this_check_sees() {
    let database = Database::create();
    let settings = [
        ("POLICY_FEED", "off"),
        ("POLICY_REFRESH_INTERVAL", NEVER),
        ("MAX_POLICY_STALENESS", "300"),
        // In durable mode the commit's own check would see to it.
        ("AUDIT_MODE", "async"),
    ];
    let here = Guard::on_postgres(&database.url(), &settings);
    let mut writing = here.admin().await;
    let agent = writing.agent("stale").await;
    writing.set_policy(&agent.id, &["read:*"], &[]).await;
    let there = Guard::on_postgres(&database.url(), &settings);
    let mut caller = there.caller(&agent.key).await;
    let check = || v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
    assert!(caller.enforce(check()).await.unwrap().allowed);
    writing.revoke(&agent.key_id).await;
    tokio::time::sleep(FEED_BOUND * 3).await;
    assert!(caller.enforce(check()).await.unwrap().allowed, "nothing told this replica, yet it knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_hint_changes_nothing() {
    let redis = Redis::start().await;
    let database = Database::create();
    let uri = redis.uri();
    let guard = Guard::on_postgres(&database.url(), &[("RATE_LIMIT_STORAGE_URI", &uri)]);
    is_up(std::slice::from_ref(&guard), "redis").await;
    let mut admin_ = guard.admin().await;
    let before = admin_.stats().await.revision;
    for hint in ["zzzz.99999999", "", "not a revision", &"9".repeat(4_000)] {
        let heard: i64 = redis.ask(&["PUBLISH", "agentguard:changes", hint]).await.unwrap();
        assert_eq!(heard, 1);
    }
    let agent = admin_.agent("after").await;
    assert!(
        guard
            .caller(&agent.key)
            .await
            .enforce(v1::EnforceRequest { action: "a:b".into(), ..Default::default() })
            .await
            .is_ok()
    );
    let after = admin_.stats().await.revision;
    assert_eq!(before.split_once('.').unwrap().0, after.split_once('.').unwrap().0);
}
