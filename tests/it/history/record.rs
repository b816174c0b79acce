//! Concurrent clients of three replicas, and the history that they saw.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agentguard::service::enforcement::Deviation;
use sqlx::{Connection, PgConnection};
use tonic::{Code, Response, Status};

use super::checker::{At, Call, History, Write};
use super::model::{Effect, KeyNo, Scope};
use super::{ask, govern};
use crate::harness::{Guard, eventually};
use crate::postgres::Database;

const REPLICAS: usize = 3;

/// Clients of each replica that check; a stream, and an admin, beside them.
const CALLERS: u64 = 3;

/// Keys that callers choose from; among them some that are dead.
const POOL: usize = 12;

/// How often a session of the servers is ended under them, so that commits get no answer.
const CUT_EVERY: Duration = Duration::from_millis(400);

/// What clients saw.
pub struct Recorded {
    pub history: History,
    /// Checks that were not decided.
    pub undecided: usize,
}

/// A key that callers may use.
#[derive(Clone, Debug)]
pub struct Usable {
    pub number: KeyNo,
    pub text: String,
}

/// What all clients share.
pub struct Shared {
    origin: Instant,
    /// With the request id of each, by which an unknown outcome is looked up.
    writes: Mutex<Vec<(Write, String)>>,
    calls: Mutex<Vec<Call>>,
    undecided: AtomicUsize,
    pool: Mutex<Vec<Usable>>,
    /// The newest revision that an acknowledgement named.
    acknowledged: Mutex<(i64, String)>,
    /// The newest version of each scope's policy that an acknowledgement named.
    pub versions: Mutex<HashMap<Scope, usize>>,
    next: AtomicU32,
    over: AtomicBool,
}

impl Shared {
    pub fn now(&self) -> At {
        self.origin.elapsed()
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A number that nothing else has.
    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// The newest revision that was acknowledged to anybody.
    pub fn acknowledged(&self) -> (i64, String) {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Lets callers use a key.
    pub fn publish(&self, key: Usable) {
        let mut pool = self.pool.lock().unwrap();
        if pool.len() == POOL {
            pool.remove(0);
        }
        pool.push(key);
    }

    pub fn any_key(&self, dice: &mut Dice) -> Usable {
        let pool = self.pool.lock().unwrap();
        pool[dice.below(pool.len())].clone()
    }

    pub fn add_call(&self, call: Call, undecided: usize) {
        self.undecided.fetch_add(undecided, Ordering::Relaxed);
        if !call.answers.is_empty() {
            self.calls.lock().unwrap().push(call);
        }
    }

    /// Makes a write and notes what became of it.
    pub async fn write<T: Revised, F: Future<Output = Result<Response<T>, Status>>>(
        &self,
        effect: Effect,
        send: impl FnOnce(String) -> F,
    ) -> Option<T> {
        let request_id = format!("write-{}", self.number());
        let invoked = self.now();
        let done = send(request_id.clone()).await;
        let answered = self.now();
        let mut write = Write { effect, invoked, acknowledged: None, revision: None };
        let answer = match done {
            Ok(answer) if answer.get_ref().revision().is_empty() => None,
            Ok(answer) => {
                let answer = answer.into_inner();
                let number = number_of(answer.revision());
                write.acknowledged = Some(answered);
                write.revision = Some(number);
                let mut newest = self.acknowledged.lock().unwrap();
                if newest.0 < number {
                    *newest = (number, answer.revision().to_owned());
                }
                Some(answer)
            }
            Err(status) => match status.code() {
                // Refused for what it asks: nothing was changed. If it was, its revision is missing from the history.
                Code::NotFound | Code::FailedPrecondition | Code::InvalidArgument => return None,
                Code::Unavailable | Code::DeadlineExceeded | Code::Unknown | Code::Internal => None,
                _ => panic!("{effect:?}: {status:?}"),
            },
        };
        self.writes.lock().unwrap().push((write, request_id));
        answer
    }
}

/// The answer to a write.
pub trait Revised {
    /// The revision that the write made.
    fn revision(&self) -> &str;
}

/// The number in a revision.
pub fn number_of(revision: &str) -> i64 {
    revision.rsplit_once('.').unwrap().1.parse().unwrap()
}

/// A small generator: what clients do is theirs, when it happens is the machine's.
pub struct Dice(u64);

impl Dice {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 20) % u64::try_from(bound).unwrap()).unwrap()
    }

    /// A pause of less than `millis`.
    pub async fn pause(&mut self, millis: usize) {
        tokio::time::sleep(Duration::from_millis(u64::try_from(self.below(millis)).unwrap())).await;
    }
}

/// Runs clients for `span` against replicas that leave `deviation` out.
pub async fn record(deviation: Deviation, span: Duration) -> Recorded {
    let database = Database::create();
    let replicas: Vec<Guard> = (0..REPLICAS)
        .map(|_| {
            Guard::deviating_on_postgres(deviation, &database.url(), &[("POLICY_REFRESH_INTERVAL", "2")])
        })
        .collect();
    let shared = Arc::new(Shared {
        origin: Instant::now(),
        writes: Mutex::default(),
        calls: Mutex::default(),
        undecided: AtomicUsize::new(0),
        pool: Mutex::default(),
        acknowledged: Mutex::new((0, String::new())),
        versions: Mutex::default(),
        next: AtomicU32::new(1),
        over: AtomicBool::new(false),
    });
    let mut channels = Vec::new();
    for replica in &replicas {
        channels.push(replica.channel().await);
    }
    let mut clients = Vec::new();
    for (number, channel) in (0..).zip(&channels) {
        let mut clerk = govern::Clerk::new(Arc::clone(&shared), number, channel.clone(), channels.clone());
        clerk.found().await;
        clients.push(tokio::spawn(clerk.run()));
    }
    for (number, channel) in (0..).zip(&channels) {
        for caller in 0..CALLERS {
            let seed = 100 + number * CALLERS + caller;
            clients.push(tokio::spawn(ask::calls(Arc::clone(&shared), channel.clone(), seed)));
        }
        clients.push(tokio::spawn(ask::streams(Arc::clone(&shared), channel.clone(), 200 + number)));
    }
    let cutter = tokio::spawn(cut(Arc::clone(&shared), database.url()));
    tokio::time::sleep(span).await;
    shared.over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    cutter.await.unwrap();
    drop(replicas);
    let history = settle(&shared, &database).await;
    Recorded { history, undecided: shared.undecided.load(Ordering::Relaxed) }
}

/// Ends one of the servers' sessions now and then.
async fn cut(shared: Arc<Shared>, url: String) {
    let any = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() \
         and application_name = 'agentguard' order by random() limit 1";
    let mut session = PgConnection::connect(&url).await.unwrap();
    while !shared.is_over() {
        tokio::time::sleep(CUT_EVERY).await;
        sqlx::raw_sql(any).execute(&mut session).await.unwrap();
    }
}

/// The history, once nothing can be committed any more; writes without an answer are looked up.
async fn settle(shared: &Shared, database: &Database) -> History {
    let sessions = "select count(*) from pg_stat_activity where datname = current_database() \
         and application_name = 'agentguard'";
    eventually("every session of the servers has ended", async || {
        (database.sql(sessions) == "0").then_some(())
    })
    .await;
    let made: HashMap<String, i64> = database
        .sql("select request_id, n from revisions")
        .lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(request, n)| (request.to_owned(), n.parse().unwrap()))
        .collect();
    let mut writes = Vec::new();
    for (mut write, request_id) in shared.writes.lock().unwrap().drain(..) {
        let stored = made.get(&request_id).copied();
        if write.acknowledged.is_some() {
            assert_eq!(write.revision, stored, "acknowledged with another revision: {write:?}");
        }
        write.revision = stored;
        writes.push(write);
    }
    History { first: 1, writes, calls: std::mem::take(&mut *shared.calls.lock().unwrap()) }
}
