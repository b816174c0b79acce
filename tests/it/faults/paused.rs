//! A replica is stopped between its decision and the commit of it, and everyone is denied through another replica
//! meanwhile: once the first goes on, no ALLOW leaves it, neither for the call under way nor for those behind it.
//!
//! Pauses of up to a second; 70 s, beyond what a view may be old, with `AGENTGUARD_TEST_FULL=1`.

use std::time::Duration;

use agentguard::pb::v1;
use agentguard::service::enforcement::Deviation;
use sqlx::{Connection, PgConnection};

use super::network::check;
use crate::evidence::is_full;
use crate::harness::{Admin, Caller, Guard, admin, eventually};
use crate::postgres::{Database, signal};

/// Calls that reach the stopped replica after the write was acknowledged.
const BEHIND: usize = 4;

/// Tries that the control has to let an ALLOW out.
const CONTROL_TRIES: usize = 20;

/// Pauses, in milliseconds: shorter than what opens the breaker, as long, and longer.
const PAUSES: [u64; 8] = [0, 0, 50, 50, 200, 200, 700, 1_000];
const FULL_PAUSES: [u64; 2] = [70_000, 70_000];

const WAITING: &str = "select count(*) from pg_locks w join pg_stat_activity a on a.pid = w.pid \
     where not w.granted and a.datname = current_database() and $1 = any (pg_blocking_pids(w.pid))";

/// Two replicas, and a hand that holds all commits.
struct Stage {
    stopped: Guard,
    caller: Caller,
    admin: Admin,
    hand: PgConnection,
    pid: i32,
    // Behind what uses them, so that they are dropped last.
    _other: Guard,
    database: Database,
}

impl Stage {
    async fn new(deviation: Deviation) -> Self {
        let database = Database::create();
        let settings = [("DATABASE_DIRECT_URL", &*database.url())];
        let stopped = Guard::deviating_on_postgres(deviation, &database.url(), &settings);
        let other = Guard::on_postgres(&database.url(), &settings);
        let mut admin = other.admin().await;
        let agent = admin.agent("paused").await;
        admin.set_policy(&agent.id, &["read:*"], &[]).await;
        let caller = stopped.caller(&agent.key).await;
        let mut hand = PgConnection::connect(&database.url()).await.unwrap();
        let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut hand).await.unwrap();
        Self { stopped, caller, admin, hand, pid, _other: other, database }
    }

    /// Denies everyone to read, or takes that back.
    async fn deny(&mut self, denied: bool) {
        let action = if denied { "read:*" } else { "nothing:*" };
        let policy = v1::Policy {
            scope: Some(v1::Scope { kind: Some(v1::scope::Kind::Everyone(v1::scope::Everyone {})) }),
            deny: vec![v1::Rule { action: action.to_owned(), ..v1::Rule::default() }],
            ..v1::Policy::default()
        };
        let message = v1::SetPolicyRequest { policy: Some(policy), ..v1::SetPolicyRequest::default() };
        self.admin.client().set_policy(admin(message)).await.unwrap();
    }

    async fn run(&mut self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&mut self.hand).await.unwrap();
    }

    /// Stops the replica for `pause` while a decision of it waits for its commit; how its calls ended: first the one
    /// under way, then those that came after the write. And whether PostgreSQL made that commit meanwhile, rather than
    /// to give up waiting for the lock.
    async fn pause(&mut self, number: usize, pause: Duration) -> (bool, Vec<Answer>) {
        self.deny(false).await;
        let call = |caller: &Caller, name: String| {
            let mut caller = caller.clone();
            tokio::spawn(async move { caller.enforce(check(&name)).await })
        };
        // The replica has seen that reading is allowed, and its chain is open.
        let (caller, before) = (self.caller.clone(), format!("before/{number}"));
        eventually("reading is allowed", async || {
            let decision = caller.clone().enforce(check(&before)).await.ok()?;
            decision.allowed.then_some(())
        })
        .await;
        // The whole table: a statement takes its snapshot once it has that lock, whereas one that waits for a row
        // would tell of the revision before the write.
        self.run("begin; lock table audit_chains in exclusive mode").await;
        let first = format!("first/{number}");
        let mut calls = vec![call(&self.caller, first.clone())];
        let pid = self.pid;
        let hand = &mut self.hand;
        eventually("a commit waits for the lock", async || {
            let count: i64 = sqlx::query_scalar(WAITING).bind(pid).fetch_one(&mut *hand).await.unwrap();
            (count > 0).then_some(())
        })
        .await;
        signal("STOP", &[self.stopped.process()]);
        self.deny(true).await;
        calls.extend((0..BEHIND).map(|behind| call(&self.caller, format!("behind/{number}/{behind}"))));
        self.run("rollback").await;
        // PostgreSQL ends the statement without the replica.
        let committed = format!(
            "select count(*) from audit_logs where convert_from(content, 'UTF8') like '%\"{first}\"%'"
        );
        let mut there = false;
        for _ in 0..50 {
            there = self.database.sql(&committed) != "0";
            if there {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(pause).await;
        signal("CONT", &[self.stopped.process()]);
        let mut answers = Vec::new();
        for call in calls {
            answers.push(match call.await.unwrap() {
                Ok(decision) if decision.allowed => Answer::Allowed,
                Ok(_) => Answer::Denied,
                Err(_) => Answer::Undecided,
            });
        }
        (there, answers)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Allowed,
    Denied,
    /// No decision left, which a caller takes for a refusal.
    Undecided,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_replica_allows_nothing_that_was_denied_meanwhile() {
    let mut stage = Stage::new(Deviation::Nothing).await;
    let pauses: Vec<u64> = PAUSES.into_iter().chain(FULL_PAUSES.into_iter().filter(|_| is_full())).collect();
    let mut table =
        format!("{:>10} {:24} {:>10} {:>10} {:>10}\n", "pause ms", "", "allowed", "denied", "undecided");
    let (mut denied, mut struck) = (0, 0);
    for (number, pause) in pauses.into_iter().enumerate() {
        let (committed, answers) = stage.pause(number, Duration::from_millis(pause)).await;
        let what = if committed { "after the commit" } else { "the commit gave up" };
        struck += usize::from(committed);
        let count = |wanted: Answer| answers.iter().filter(|&&answer| answer == wanted).count();
        table += &format!(
            "{pause:>10} {what:24} {:>10} {:>10} {:>10}\n",
            count(Answer::Allowed),
            count(Answer::Denied),
            count(Answer::Undecided)
        );
        denied += count(Answer::Denied);
        assert!(!answers.contains(&Answer::Allowed), "pause of {pause} ms: {answers:?}\n{table}");
    }
    super::evidence("faults-paused.txt", &table);
    // Something was at stake, and the replica decides again.
    assert!(struck > 0 && denied > 0, "{table}");
    let verified = stage.stopped.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// The control: without the revision check at the commit an ALLOW leaves, and the same look sees it.
#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_replica_that_does_not_check_is_seen_to_allow() {
    let mut stage = Stage::new(Deviation::RevisionUnchecked).await;
    for number in 0..CONTROL_TRIES {
        let (_, answers) = stage.pause(number, Duration::ZERO).await;
        if answers.first() == Some(&Answer::Allowed) {
            return;
        }
    }
    panic!("no ALLOW left in {CONTROL_TRIES} tries");
}
