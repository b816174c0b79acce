//! The store and the audit on a real database: one suite, run on SQLite and on PostgreSQL.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use agentguard::audit::machine::{Batch, Head};
use agentguard::audit::record::Content;
use agentguard::audit::verify::{Event, Finding, verify};
use agentguard::audit::{Entry, Kind, Mode, Position, Record, Writer, writer};
use agentguard::clock::{Clock, Timestamp};
use agentguard::ids::{AgentId, ChainId, KeyId, PolicyId};
use agentguard::policy::{Document, Environment, Scope, Subject, document};
use agentguard::store::agents::AgentEntry;
use agentguard::store::keys::NewKey;
use agentguard::store::records::ChainHead;
use agentguard::store::revision::Act;
use agentguard::store::{Location, Options, Store};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::postgres::{self, Database};

mod admin;
mod coherence;
mod heads;
mod living;
mod months;
mod tamper;
mod worst;
mod write;

/// Runs each named test on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::store::Bench::sqlite().await).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::store::Bench::postgres().await).await;
                }
            )*
        }
    };
}
use on_both;

/// A migrated database of one's own, a clock to set, and a hand on the tables that the service does not know of.
struct Bench {
    store: Store,
    clock: Clock,
    hand: Hand,
    place: Place,
}

enum Place {
    Sqlite(TempDir),
    Postgres(Database),
}

enum Hand {
    Sqlite(Box<Mutex<SqliteConnection>>),
    Postgres(Box<Mutex<PgConnection>>),
}

/// When tests take place.
fn noon() -> Timestamp {
    Timestamp::parse("2026-01-05T12:00:00Z").unwrap()
}

impl Bench {
    async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let store = Store::open(&Options::sqlite(&path)).await.unwrap();
        store.migrate(noon()).await.unwrap();
        let mut hand = SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap();
        sqlx::raw_sql("pragma recursive_triggers = on; pragma busy_timeout = 5000")
            .execute(&mut hand)
            .await
            .unwrap();
        let hand = Hand::Sqlite(Box::new(Mutex::new(hand)));
        Self { store, clock: Clock::fixed(noon()), hand, place: Place::Sqlite(dir) }
    }

    async fn postgres() -> Self {
        let database = Database::create();
        let store = Store::open(&options(&database, true)).await.unwrap();
        store.migrate(noon()).await.unwrap();
        let hand = PgConnection::connect(&database.url()).await.unwrap();
        let hand = Hand::Postgres(Box::new(Mutex::new(hand)));
        Self { store, clock: Clock::fixed(noon()), hand, place: Place::Postgres(database) }
    }

    /// Another replica's store; on SQLite, where there is only one process, the same one.
    async fn replica(&self) -> Store {
        match &self.place {
            Place::Sqlite(_) => self.store.clone(),
            // The other way in, as behind a pooler.
            Place::Postgres(database) => Store::open(&options(database, false)).await.unwrap(),
        }
    }

    fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Sqlite(_))
    }

    /// Runs statements as somebody with the database in hand, under the triggers.
    async fn try_sql(&self, text: &str) -> Result<(), sqlx::Error> {
        let text = AssertSqlSafe(text.to_owned());
        match &self.hand {
            Hand::Sqlite(hand) => sqlx::raw_sql(text).execute(&mut *hand.lock().await).await.map(drop),
            Hand::Postgres(hand) => sqlx::raw_sql(text).execute(&mut *hand.lock().await).await.map(drop),
        }
    }

    async fn sql(&self, text: &str) {
        self.try_sql(text).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    }

    /// From now on the hand is stronger than the triggers.
    async fn disarm(&self) {
        match &self.hand {
            Hand::Sqlite(_) => {
                self.sql("drop trigger audit_logs_no_delete; drop trigger audit_logs_no_update").await;
            }
            Hand::Postgres(_) => self.sql("set session_replication_role = replica").await,
        }
    }

    /// One value as text; an absent one is empty.
    async fn value(&self, text: &str) -> String {
        let text = AssertSqlSafe(format!("select cast(({text}) as text)"));
        let value: Option<String> = match &self.hand {
            Hand::Sqlite(hand) => sqlx::query_scalar(text).fetch_one(&mut *hand.lock().await).await.unwrap(),
            Hand::Postgres(hand) => {
                sqlx::query_scalar(text).fetch_one(&mut *hand.lock().await).await.unwrap()
            }
        };
        value.unwrap_or_default()
    }

    /// A writer and its task.
    fn writer(&self, mode: Mode, instance: &str) -> (Writer, JoinHandle<()>) {
        start(&self.store, &self.clock, mode, instance)
    }

    /// Everything that verification finds.
    async fn findings(&self) -> Vec<Finding> {
        let (events, mut heard) = tokio::sync::mpsc::channel(16);
        let listener = tokio::spawn(async move {
            let mut findings = Vec::new();
            while let Some(event) = heard.recv().await {
                if let Event::Finding(finding) = event {
                    findings.push(finding);
                }
            }
            findings
        });
        let summary = verify(&self.store, self.clock.now(), None, events).await.unwrap();
        let findings = listener.await.unwrap();
        assert_eq!(summary.tampered + summary.notices, u64::try_from(findings.len()).unwrap());
        findings
    }

    async fn verifies_clean(&self) {
        let findings = self.findings().await;
        assert!(findings.is_empty(), "{findings:#?}");
    }

    async fn chains(&self) -> Vec<ChainHead> {
        self.store.chains(0, 100).await.unwrap()
    }

    /// Every record of a chain.
    async fn records(&self, chain: &str) -> Vec<Record> {
        let rows = self.store.chain_records(chain, 0, i64::MAX, 10_000).await.unwrap();
        rows.into_iter().map(|row| row.unwrap()).collect()
    }
}

fn options(database: &Database, direct: bool) -> Options {
    // Through the suite's pooler nothing is direct.
    let direct_url = (direct && postgres::pooler().is_none()).then(|| database.url());
    Options::at(Location::Postgres { url: database.served_url(), direct_url })
}

fn start(store: &Store, clock: &Clock, mode: Mode, instance: &str) -> (Writer, JoinHandle<()>) {
    let (writer, task) = Writer::start(store, writer::settings(mode, "0.0.1", instance), clock.clone());
    (writer, tokio::spawn(task))
}

/// Sixteen bytes that no other call gets.
fn fresh() -> [u8; 16] {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let mut bytes = agentguard::entropy::id();
    bytes[15] = COUNT.fetch_add(1, Ordering::Relaxed);
    bytes
}

fn act(what: &'static str) -> Act {
    Act {
        actor: "admin".into(),
        act: what,
        target: "x".into(),
        request_id: "req-1".into(),
        detail: br#"{"a":1}"#.to_vec(),
        at: noon(),
        token: fresh(),
    }
}

fn agent(name: &str) -> (AgentEntry, NewKey) {
    let id = AgentId::new(noon(), fresh());
    let subject = Subject {
        id: id.clone(),
        name: name.into(),
        team: "data".into(),
        environment: Environment::Staging,
        labels: [("tier".to_owned(), "gold \u{1f512}".to_owned())].into(),
        is_active: true,
    };
    let entry =
        AgentEntry { subject, limit: None, create_time: noon(), update_time: noon(), delete_time: None };
    (entry, key(&id))
}

fn key(agent_id: &AgentId) -> NewKey {
    NewKey {
        id: KeyId::new(noon(), fresh()),
        agent_id: agent_id.clone(),
        hash: [9; 32],
        pepper_id: Some("p1".into()),
        create_time: noon(),
        expire_time: None,
    }
}

fn policy(scope: &Scope, action: &str) -> Document {
    let scope = match scope {
        Scope::Everyone => serde_json::json!({"everyone": {}}),
        Scope::Team(team) => serde_json::json!({"team": team}),
        Scope::Agent(agent) => serde_json::json!({"agent_id": agent.as_str()}),
    };
    document::from_json(&serde_json::json!({"scope": scope, "allow": [{"action": action}]})).unwrap()
}

fn policy_id() -> PolicyId {
    PolicyId::new(noon(), fresh())
}

/// A decision of which every column has a value.
fn decision(name: &str) -> Entry {
    let text = |what: &str| Some(format!("{what} of {name}"));
    let mut entry = Entry::new(Kind::Decision).with_content(Content {
        bytes: format!(r#"{{"resource":"{name}"}}"#).into_bytes(),
        salt: vec![7; 16],
    });
    entry.decision_id = text("decision");
    entry.agent_id = text("agent");
    entry.agent_name = text("agent name");
    entry.team = text("team");
    entry.environment = text("environment");
    entry.labels = text("labels");
    entry.agent_active = Some(true);
    entry.key_id = text("key");
    entry.action = Some(name.to_owned());
    entry.allowed = Some(false);
    entry.verdict = text("verdict");
    entry.reason_code = text("reason");
    entry.rule_id = text("rule");
    entry.policies = text("policies");
    entry.error_rule_ids = text("error rules");
    entry.revision = Some("abc.7".parse().unwrap());
    entry.decided_at = Some(noon());
    entry.request_id = text("request");
    entry.trace_id = text("trace");
    entry.idempotency_key = text("idempotency key");
    entry.repeat_of = text("repeat");
    entry.supersedes = text("supersedes");
    entry.approval_id = text("approval");
    entry.outcome = text("outcome");
    entry.replayable = Some(true);
    entry.detail = text("detail");
    entry
}

/// `entries` behind a head, as whoever writes chains would place them.
fn batch(chain: &ChainId, chain_no: i64, head: (i64, [u8; 32]), entries: Vec<(Timestamp, Entry)>) -> Batch {
    let mut records: Vec<Record> = Vec::new();
    for (timestamp, entry) in entries {
        let (seq, prev_hash) = records.last().map_or(head, |last| (last.position.seq, last.hash));
        let position = Position { chain_id: chain.clone(), chain_no, seq: seq + 1, timestamp, prev_hash };
        records.push(Record::new(position, entry));
    }
    Batch { chain_id: chain.clone(), chain_no, prev_seq: head.0, prev_hash: head.1, records, closes: false }
}

/// Looks again until it is so; says what it waited for if it never is.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..1_000 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}

/// Where a head stands, as a batch wants it.
fn stand(head: &Head) -> (i64, [u8; 32]) {
    (head.seq, head.hash)
}
