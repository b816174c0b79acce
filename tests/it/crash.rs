//! `kill -9` of the server and of PostgreSQL under load: what was acknowledged is in the audit exactly once, and the
//! chains verify. The same check finds the loss where losing is allowed.
//!
//! 3 rounds each; 100 with `AGENTGUARD_TEST_FULL=1`.

mod load;
mod table;

use crate::harness::{Guard, NewAgent, eventually};
use crate::ledger::Ledger;
use crate::postgres::{Cluster, Database, random};
use load::{Asked, Load, check};
use table::Count;

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Server,
    Postgres,
}

/// A server, its database and an agent to ask for; dropped in this order.
struct Stage {
    guard: Guard,
    database: Option<Database>,
    cluster: Option<Cluster>,
    url: String,
    agent: NewAgent,
}

impl Stage {
    async fn on_sqlite(settings: &[(&str, &str)]) -> Self {
        let guard = Guard::on_sqlite(settings);
        let url = format!("sqlite://{}", guard.directory().join("agentguard.db").display());
        let agent = actors(&guard).await;
        Self { guard, database: None, cluster: None, url, agent }
    }

    async fn on_postgres(settings: &[(&str, &str)], server_settings: &[&str]) -> Self {
        let cluster = Cluster::start(server_settings);
        let database = cluster.database();
        let url = database.url();
        let guard = Guard::on_postgres(&url, settings);
        let agent = actors(&guard).await;
        // Only what comes after this may be lost, where losing is allowed.
        database.sql("checkpoint");
        Self { guard, database: Some(database), cluster: Some(cluster), url, agent }
    }

    /// Kills in the middle of the load, starts again, and waits until the server decides again. Answers what was
    /// acknowledged, and of the rest what is still open.
    async fn crash(&mut self, victim: Victim, round: u32) -> Load {
        let mut load = Load::start(&self.guard, &self.agent.key, round).await;
        // Anywhere in a run of commits: the count of answers before the blow is random.
        let blow = 100 + usize::try_from(random() % 400).unwrap();
        load.until(blow).await;
        match victim {
            Victim::Server => self.guard.kill(),
            Victim::Postgres => self.cluster.as_mut().unwrap().kill(),
        }
        load.finish().await;
        match victim {
            Victim::Server => self.guard.restart(),
            Victim::Postgres => self.cluster.as_mut().unwrap().restart(),
        }
        let caller = self.guard.caller(&self.agent.key).await;
        let probe = check(&format!("probe/{round}"), None);
        eventually("the server decides again", async || caller.clone().enforce(probe.clone()).await.ok())
            .await;
        load
    }

    /// Sends the unanswered checks that have a key once more, marked as tried before.
    async fn retry(&self, load: &mut Load) {
        let caller = self.guard.caller(&self.agent.key).await;
        for asked in std::mem::take(&mut load.unanswered) {
            let Some(check) = asked.keyed() else { continue };
            let again = async || caller.clone().retry(check.clone()).await.ok();
            let decision = eventually("a retry is answered", again).await;
            load.acknowledged.push(Asked {
                decision_id: decision.decision_id,
                allowed: decision.allowed,
                ..asked
            });
        }
    }

    fn verifies(&self) {
        let run = self.guard.cli(&["audit", "verify"]);
        assert_eq!(run.code, 0, "{run:?}");
        assert!(run.stdout.contains("verified: "), "{run:?}");
    }
}

async fn actors(guard: &Guard) -> NewAgent {
    let mut admin = guard.admin().await;
    let agent = admin.agent("crash").await;
    admin.set_policy(&agent.id, &["read:*"], &["write:*"]).await;
    agent
}

fn rounds() -> u32 {
    if std::env::var_os("AGENTGUARD_TEST_FULL").is_some() { 100 } else { 3 }
}

/// The promise: nothing acknowledged is lost or told twice, and the chains verify after every crash.
async fn keeps_what_it_acknowledged(name: &str, mut stage: Stage, victim: Victim) {
    let mut count = Count::default();
    let mut all = Vec::new();
    for round in 0..rounds() {
        let from = Ledger::last_chain(&stage.url).await;
        let mut load = stage.crash(victim, round).await;
        count.cut += load.unanswered.len();
        stage.retry(&mut load).await;
        let ledger = Ledger::read(&stage.url, from).await;
        count.round(&ledger, &load.acknowledged);
        // Every chain is checked from its first record on, so that doing it each time would make it quadratic.
        if rounds() < 10 || round % 10 == 9 {
            stage.verifies();
        }
        all.extend(load.acknowledged);
    }
    table::print(name, &count);
    assert_eq!((count.lost, count.twice), (0, 0), "{count:?}\n{}", stage.guard.log());
    // A later crash must not take what an earlier one left.
    let mut whole = Count::default();
    whole.round(&Ledger::read(&stage.url, 0).await, &all);
    assert_eq!((whole.lost, whole.twice, whole.found), (0, 0, all.len()), "{whole:?}");
    assert_eq!(whole.acknowledged, count.acknowledged);
}

/// The control: the same check finds loss, so that it would have found it above.
async fn is_seen_to_lose(name: &str, mut stage: Stage, victim: Victim) -> Stage {
    let mut count = Count::default();
    for round in 0..20 {
        let load = stage.crash(victim, round).await;
        count.cut += load.unanswered.len();
        count.round(&Ledger::read(&stage.url, 0).await, &load.acknowledged);
        if count.lost > 0 {
            break;
        }
    }
    table::print(name, &count);
    assert!(count.lost > 0, "the check finds no loss where there must be some: {count:?}");
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_on_sqlite_keeps_what_it_acknowledged() {
    let stage = Stage::on_sqlite(&[]).await;
    keeps_what_it_acknowledged("server killed, SQLite", stage, Victim::Server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_on_postgres_keeps_what_it_acknowledged() {
    let stage = Stage::on_postgres(&[], &[]).await;
    keeps_what_it_acknowledged("server killed, PostgreSQL", stage, Victim::Server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgres_keeps_what_was_acknowledged() {
    let stage = Stage::on_postgres(&[], &[]).await;
    keeps_what_it_acknowledged("PostgreSQL killed", stage, Victim::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_server_that_is_killed_is_seen_to_lose() {
    let stage = Stage::on_sqlite(&[("AUDIT_MODE", "async")]).await;
    let stage = is_seen_to_lose("control: async server killed, SQLite", stage, Victim::Server).await;
    // Losing was allowed, so it is no tampering; but it is said.
    let run = stage.guard.cli(&["audit", "verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("LOSS_POSSIBLE"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_server_on_postgres_that_is_killed_is_seen_to_lose() {
    let stage = Stage::on_postgres(&[("AUDIT_MODE", "async")], &[]).await;
    is_seen_to_lose("control: async server killed, PostgreSQL", stage, Victim::Server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_only_promises_is_seen_to_lose() {
    let stage = Stage::on_postgres(&[], &["synchronous_commit=off", "wal_writer_delay=10s"]).await;
    let stage =
        is_seen_to_lose("control: synchronous_commit=off, PostgreSQL killed", stage, Victim::Postgres).await;
    // The writer still knows the head that it was told of, and the next chain names it.
    let run = stage.guard.cli(&["audit", "verify"]);
    assert!(run.stdout.contains("DATABASE_ROLLED_BACK"), "{run:?}");
    drop(stage.database);
}
