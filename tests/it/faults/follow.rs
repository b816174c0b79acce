//! Two writers on one agent's row while views are refreshed: every view that is ever shown equals what the database
//! held at exactly its revision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agentguard::clock::Clock;
use agentguard::ids::{AgentId, KeyId};
use agentguard::policy::{Environment, Subject};
use agentguard::store::agents::{AgentChange, AgentEntry};
use agentguard::store::keys::NewKey;
use agentguard::store::revision::Act;
use agentguard::store::{Location, Options, Store};
use agentguard::view::{self, Views};

use crate::evidence::is_full;
use crate::postgres::Database;

/// Writes of each writer.
const WRITES: (usize, usize) = (150, 2_000);

/// What the row held, by the number of the revision that wrote it, as the write itself was told.
type History = BTreeMap<i64, Subject>;

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

async fn open(database: &Database, direct: bool) -> Store {
    let direct_url = direct.then(|| database.url());
    let location = Location::Postgres { url: database.url(), direct_url };
    Store::open(&Options { max_connections: 3, ..Options::at(location) }).await.unwrap()
}

/// An agent on a database of its own, and the history that begins with it.
async fn stage(database: &Database) -> (AgentId, History) {
    let store = open(database, true).await;
    let now = Clock::System.now();
    store.migrate(now).await.unwrap();
    let id = AgentId::new(now, agentguard::entropy::id());
    let subject = Subject {
        id: id.clone(),
        name: "at first".into(),
        team: "team".into(),
        environment: Environment::Production,
        labels: BTreeMap::default(),
        is_active: true,
    };
    let entry = AgentEntry { subject, limit: None, create_time: now, update_time: now, delete_time: None };
    let key = NewKey {
        id: KeyId::new(now, agentguard::entropy::id()),
        agent_id: id.clone(),
        hash: [1; 32],
        pepper_id: None,
        create_time: now,
        expire_time: None,
    };
    let stamp = store.create_agent(&act("CreateAgent"), &entry, &key).await.unwrap();
    (id, History::from([(stamp.revision.number(), entry.subject)]))
}

/// Changes one column of the row again and again: each writer its own, so that neither alone knows the whole row.
async fn write(store: Store, id: AgentId, writer: usize, writes: usize) -> History {
    let mut history = History::new();
    for number in 0..writes {
        let text = Some(format!("{writer}/{number}"));
        let change = if writer == 0 {
            AgentChange { name: text, ..AgentChange::default() }
        } else {
            AgentChange { team: text, is_active: Some(number % 2 == 0), ..AgentChange::default() }
        };
        // Two that meet on the row may wait for one another for longer than a lock may be waited for.
        let Ok((entry, stamp)) = store.update_agent(&act("UpdateAgent"), &id, &change).await else {
            continue;
        };
        history.insert(stamp.revision.number(), entry.subject);
    }
    history
}

/// Those of `seen` that differ from what was written at or before their revision.
fn wrong(seen: &BTreeMap<i64, Subject>, history: &History) -> Vec<i64> {
    let at = |number: i64| history.range(..=number).next_back().map(|(_, subject)| subject);
    seen.iter().filter(|&(&number, subject)| at(number) != Some(subject)).map(|(&number, _)| number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_view_is_the_database_at_exactly_its_revision() {
    let database = Database::create();
    let (id, mut history) = stage(&database).await;
    let writes = if is_full() { WRITES.1 } else { WRITES.0 };
    let settings =
        view::Settings { refresh_interval: Duration::from_millis(2), max_staleness: Duration::from_secs(60) };
    let done = Arc::new(AtomicBool::new(false));
    let mut watchers = Vec::new();
    for direct in [true, false] {
        let store = open(&database, direct).await;
        let (views, poll) = Views::start(store, settings, Clock::System).await.unwrap();
        let polling = tokio::spawn(poll);
        let (id, done) = (id.clone(), Arc::clone(&done));
        watchers.push(tokio::spawn(async move {
            let mut seen = BTreeMap::new();
            let mut last = 0;
            while !done.load(Ordering::SeqCst) {
                let view = views.now();
                let number = view.revision().number();
                assert!(number >= last, "a view went back from {last} to {number}");
                last = number;
                let subject = view.agent(&id).unwrap().subject.clone();
                let first = seen.entry(number).or_insert_with(|| subject.clone());
                assert_eq!(*first, subject, "two views of one revision differ");
                tokio::task::yield_now().await;
            }
            polling.abort();
            (seen, views)
        }));
    }
    let writers = [0, 1].map(|writer| {
        let (id, database) = (id.clone(), database.url());
        tokio::spawn(async move {
            let location = Location::Postgres { url: database, direct_url: None };
            let options = Options { max_connections: 3, ..Options::at(location) };
            write(Store::open(&options).await.unwrap(), id, writer, writes).await
        })
    });
    for writer in writers {
        history.extend(writer.await.unwrap());
    }
    done.store(true, Ordering::SeqCst);
    for (way, watcher) in ["direct", "pooler"].into_iter().zip(watchers) {
        let (seen, views) = watcher.await.unwrap();
        assert_eq!(wrong(&seen, &history), [0_i64; 0], "{way}");
        assert!(seen.len() > 10, "{way}: the views hardly moved: {}", seen.len());
        // And in the end it is where the database is.
        let last = views.refresh_within(Duration::from_secs(30)).await.unwrap();
        let (number, subject) = history.iter().next_back().unwrap();
        assert_eq!((last.revision().number(), &last.agent(&id).unwrap().subject), (*number, subject));
        crate::evidence::row(
            "faults-follow.txt",
            &format!("views by the {way} way"),
            &[("writes", &history.len()), ("views seen", &seen.len()), ("wrong", &0)],
        );
    }
}

/// The control: a follower that reads the revision and the row one after the other, and one that patches its view by
/// what a writer was told, show the row at a revision at which it was another; the same look sees both.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_put_together_is_seen_to_differ() {
    let database = Database::create();
    let (id, mut history) = stage(&database).await;
    let store = open(&database, true).await;
    let stamp = store.stamp().await.unwrap();
    let before = store.agent(&id).await.unwrap().unwrap().subject;
    let change = AgentChange { name: Some("meanwhile".into()), ..AgentChange::default() };
    let (entry, next) = store.update_agent(&act("UpdateAgent"), &id, &change).await.unwrap();
    history.insert(next.revision.number(), entry.subject.clone());
    let after = store.agent(&id).await.unwrap().unwrap().subject;
    let number = stamp.revision.number();
    assert_eq!(wrong(&BTreeMap::from([(number, after)]), &history), [number]);
    // Patched: this writer's columns over what was known before the other's write.
    let change = AgentChange { team: Some("other".into()), ..AgentChange::default() };
    let (entry, last) = store.update_agent(&act("UpdateAgent"), &id, &change).await.unwrap();
    history.insert(last.revision.number(), entry.subject);
    let patched = Subject { team: "other".into(), ..before };
    let number = last.revision.number();
    assert_eq!(wrong(&BTreeMap::from([(number, patched)]), &history), [number]);
}
