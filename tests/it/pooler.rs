//! Behind PgBouncer in transaction mode, with four connections for everybody. A pooler that is used wrongly does not
//! fail: it hands out the row of another's statement. So every value that is read is compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agentguard::clock::Clock;
use agentguard::ids::{AgentId, KeyId};
use agentguard::policy::{Environment, Subject};
use agentguard::store::agents::{AgentEntry, AgentFilter};
use agentguard::store::keys::NewKey;
use agentguard::store::revision::Act;
use agentguard::store::{Location, Options, Store};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::evidence::is_full;
use crate::pgbouncer::PgBouncer;
use crate::postgres::Database;

mod exports;

/// Tasks at once.
const TASKS: usize = 64;

/// Reads of all tasks together.
const READS: (usize, usize) = (6_000, 60_000);

/// Agents that are read, each with a key and a setting of its own.
const AGENTS: usize = 50;

fn reads() -> usize {
    if is_full() { READS.1 } else { READS.0 }
}

/// A way of a test's own, without the one parameter that PgBouncer does not take.
fn plain(url: &str) -> PgConnectOptions {
    url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None)
}

fn act(what: &'static str) -> Act {
    Act {
        actor: "admin".into(),
        act: what,
        target: "agent".into(),
        request_id: "req".into(),
        detail: b"{}".to_vec(),
        at: Clock::System.now(),
        token: agentguard::entropy::bytes(),
    }
}

/// Agents of which each has its number in everything that is stored of it.
async fn fill(store: &Store) -> Vec<AgentId> {
    let now = Clock::System.now();
    let mut ids = Vec::new();
    for number in 0..AGENTS {
        let id = AgentId::new(now, agentguard::entropy::id());
        let subject = Subject {
            id: id.clone(),
            name: format!("agent {number}"),
            team: format!("team {number}"),
            environment: Environment::Production,
            labels: [("number".to_owned(), number.to_string())].into(),
            is_active: true,
        };
        let entry =
            AgentEntry { subject, limit: None, create_time: now, update_time: now, delete_time: None };
        let key = NewKey {
            id: KeyId::new(now, agentguard::entropy::id()),
            agent_id: id.clone(),
            hash: [u8::try_from(number).unwrap(); 32],
            pepper_id: None,
            create_time: now,
            expire_time: None,
        };
        store.create_agent(&act("CreateAgent"), &entry, &key).await.unwrap();
        store.setting_or_make(&format!("setting {number}"), number.to_string().as_bytes()).await.unwrap();
        ids.push(id);
    }
    ids
}

/// One read of some kind about `number`; whether it said what is stored.
async fn read(store: &Store, ids: &[AgentId], turn: usize, number: usize) -> bool {
    let id = &ids[number];
    match turn % 4 {
        0 => store
            .agent(id)
            .await
            .unwrap()
            .is_some_and(|agent| agent.subject.name == format!("agent {number}")),
        1 => {
            let keys = store.keys(id, None, 10).await.unwrap();
            keys.len() == 1 && keys[0].hash == [u8::try_from(number).unwrap(); 32]
        }
        2 => {
            let value = store.setting(&format!("setting {number}")).await.unwrap();
            value.as_deref() == Some(number.to_string().as_bytes())
        }
        _ => {
            let filter = AgentFilter { team: Some(format!("team {number}")), ..AgentFilter::default() };
            let found = store.agents(&filter, None, 10).await.unwrap();
            found.len() == 1 && found[0].subject.id == *id
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_read_gets_another_reads_row() {
    let database = Database::create();
    let pooler = PgBouncer::start(&database.url());
    let location = Location::Postgres { url: pooler.url(&database.url()), direct_url: None };
    let store = Store::open(&Options { max_connections: 30, ..Options::at(location) }).await.unwrap();
    store.migrate(Clock::System.now()).await.unwrap();
    let ids = Arc::new(fill(&store).await);
    let wrong = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, ids, wrong) = (store.clone(), Arc::clone(&ids), Arc::clone(&wrong));
            tokio::spawn(async move {
                for turn in 0..reads() / TASKS {
                    let is_right = read(&store, &ids, task + turn, (task * 7 + turn) % AGENTS).await;
                    wrong.fetch_add(usize::from(!is_right), Ordering::Relaxed);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let wrong = wrong.load(Ordering::Relaxed);
    crate::evidence::row(
        "pooler.txt",
        "the store's reads by 64 tasks over 4 connections",
        &[("reads", &(reads() / TASKS * TASKS)), ("wrong", &wrong), ("failed", &0)],
    );
    assert_eq!(wrong, 0, "of {} reads", reads());
    store.close().await;
}

/// The control: unnamed statements alone, each a transaction of its own, look right and get one another's rows; the same
/// comparison sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn statements_outside_a_transaction_are_seen_to_get_anothers_row() {
    let database = Database::create();
    let pooler = PgBouncer::start(&database.url());
    let pool = PgPoolOptions::new()
        .max_connections(30)
        .test_before_acquire(false)
        .connect_with(plain(&pooler.url(&database.url())))
        .await
        .unwrap();
    let (wrong, failed, done) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..i64::try_from(TASKS).unwrap())
        .map(|task| {
            let (pool, wrong, failed, done) =
                (pool.clone(), Arc::clone(&wrong), Arc::clone(&failed), Arc::clone(&done));
            tokio::spawn(async move {
                for turn in 0..reads() / TASKS {
                    // Two statements of one shape and different meaning, so that neither the number nor the types of
                    // what is bound give a mistake away.
                    let text = if turn % 2 == 0 { "select $1::bigint" } else { "select -$1::bigint" };
                    let right = if turn % 2 == 0 { task } else { -task };
                    let read: Result<i64, _> =
                        sqlx::query_scalar(text).persistent(false).bind(task).fetch_one(&pool).await;
                    done.fetch_add(1, Ordering::Relaxed);
                    match read {
                        Ok(value) => wrong.fetch_add(usize::from(value != right), Ordering::Relaxed),
                        Err(_) => failed.fetch_add(1, Ordering::Relaxed),
                    };
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (wrong, failed) = (wrong.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
    crate::evidence::row(
        "pooler.txt",
        "the control: unnamed statements, no transaction",
        &[("reads", &done.load(Ordering::Relaxed)), ("wrong", &wrong), ("failed", &failed)],
    );
    assert!(wrong > 0, "no wrong row in {} reads ({failed} failed)", done.load(Ordering::Relaxed));
}
