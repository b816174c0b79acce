//! A migrated PostgreSQL database, the straight way to it, the way through the proxy, and what is counted in the end.

use std::collections::HashMap;
use std::sync::Arc;

use agentguard::audit::record::Content;
use agentguard::audit::verify::{Event, Finding, verify};
use agentguard::audit::{Entry, Kind, Mode, Writer, writer};
use agentguard::clock::Clock;
use agentguard::store::{Location, Options, Store};
use tokio::task::JoinHandle;

use super::proxy::Proxy;
use crate::ledger::Ledger;
use crate::postgres::Database;

/// How a writer reaches PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// A statement alone, in one round trip.
    Direct,
    /// An explicit transaction, as behind a pooler.
    Pooler,
}

pub struct World {
    pub proxy: Proxy,
    /// Past the proxy.
    pub straight: Store,
    /// Through the proxy.
    pub through: Store,
    pub database: Arc<Database>,
}

impl World {
    pub async fn new(way: Way) -> Self {
        Self::on(Arc::new(Database::create()), way).await
    }

    /// A proxy of one's own to a database that others may use, too.
    pub async fn on(database: Arc<Database>, way: Way) -> Self {
        let url = database.url();
        let proxy = Proxy::start(&url).await;
        let straight = open(url.clone(), None).await;
        straight.migrate(Clock::System.now()).await.unwrap();
        let through = match way {
            // Only what the writer has to itself goes through the proxy.
            Way::Direct => open(url.clone(), Some(proxy.url(&url))).await,
            Way::Pooler => open(proxy.url(&url), None).await,
        };
        Self { proxy, straight, through, database }
    }

    /// A writer behind the proxy, and its task.
    pub fn writer(&self, instance: &str) -> (Writer, JoinHandle<()>) {
        let settings = writer::settings(Mode::Durable, "0.0.1", instance);
        let (writer, task) = Writer::start(&self.through, settings, Clock::System);
        (writer, tokio::spawn(task))
    }

    /// Everything that verification finds.
    pub async fn findings(&self) -> Vec<Finding> {
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
        verify(&self.straight, Clock::System.now(), None, events).await.unwrap();
        listener.await.unwrap()
    }

    pub async fn ledger(&self) -> Ledger {
        Ledger::read(&self.database.url(), 0).await
    }

    /// Chains there are, and those of them that are open.
    pub async fn chains(&self) -> (usize, usize) {
        let chains = self.straight.chains(0, 1_000).await.unwrap();
        (chains.len(), chains.iter().filter(|chain| !chain.closed).count())
    }
}

async fn open(url: String, direct_url: Option<String>) -> Store {
    let location = Location::Postgres { url, direct_url };
    Store::open(&Options { max_connections: 2, ..Options::at(location) }).await.unwrap()
}

/// A decision about `name`, under an id of that name.
pub fn decision(name: &str) -> Entry {
    let mut entry = Entry::new(Kind::Decision).with_content(Content {
        bytes: serde_json::json!({ "resource": name }).to_string().into_bytes(),
        salt: vec![7; 16],
    });
    entry.decision_id = Some(format!("decision of {name}"));
    entry.action = Some("read:file".into());
    entry.allowed = Some(true);
    entry.verdict = Some("ALLOW".into());
    entry.decided_at = Some(Clock::System.now());
    entry
}

/// What became of the calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub cases: usize,
    pub acknowledged: usize,
    pub found: usize,
    pub lost: usize,
    /// Acknowledged or not: written more than once.
    pub twice: usize,
    /// Not acknowledged; they may stand there once or not at all.
    pub unanswered: usize,
}

impl Count {
    /// Looks every call up, by what it was about.
    pub fn look_up(&mut self, ledger: &Ledger, answers: &HashMap<String, bool>) {
        for (name, acknowledged) in answers {
            let times = ledger.about(name);
            self.twice += usize::from(times > 1);
            if *acknowledged {
                self.acknowledged += 1;
                self.found += usize::from(times == 1);
                self.lost += usize::from(times == 0);
            } else {
                self.unanswered += 1;
            }
        }
    }

    pub fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.acknowledged += other.acknowledged;
        self.found += other.found;
        self.lost += other.lost;
        self.twice += other.twice;
        self.unanswered += other.unanswered;
    }
}
