//! The disk is full: callers are told `UNAVAILABLE`, the server lives on, and once there is space it serves again.
//! Nothing that was acknowledged is lost, and an async server, which may lose, is seen to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::network::check;
use super::small::SmallDisk;
use super::world::Count;
use crate::harness::{Caller, Guard, eventually};
use crate::ledger::Ledger;
use crate::postgres::{Cluster, Database};

/// Callers that ask as fast as they are answered; one that is refused comes back a little later, as it is told to.
const CALLERS: usize = 8;

/// Answers that are waited for before the disk is full and after.
const BETWEEN: usize = 100;

/// For how long the disk stays full.
const FULL_FOR: Duration = Duration::from_secs(3);

/// What the server may log about it meanwhile: it says what happens, and does not fill another disk with it.
const MAX_LOG_LINES: usize = 400;

/// Callers at work until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    callers: Vec<tokio::task::JoinHandle<Vec<Told>>>,
}

/// What was asked about, and how that ended.
type Told = (String, Result<(), tonic::Code>);

impl Load {
    fn start(caller: &Caller, name: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let callers = (0..CALLERS)
            .map(|number| {
                let (mut caller, stop, answered) = (caller.clone(), Arc::clone(&stop), Arc::clone(&answered));
                let name = name.to_owned();
                tokio::spawn(async move {
                    let mut told = Vec::new();
                    while !stop.load(Ordering::SeqCst) {
                        let name = format!("{name}/{number}/{}", told.len());
                        let answer = caller.enforce(check(&name)).await;
                        if answer.is_ok() {
                            answered.fetch_add(1, Ordering::SeqCst);
                        } else {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                        }
                        told.push((name, answer.map(drop).map_err(|status| status.code())));
                    }
                    told
                })
            })
            .collect();
        Self { stop, answered, callers }
    }

    /// Waits for so many answers from now on.
    async fn goes_on_for(&self, answers: usize) {
        let before = self.answered.load(Ordering::SeqCst);
        eventually("the callers are answered", async || {
            (self.answered.load(Ordering::SeqCst) >= before + answers).then_some(())
        })
        .await;
    }

    async fn stop(self) -> Vec<Told> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for caller in self.callers {
            all.extend(caller.await.unwrap());
        }
        all
    }
}

/// A server with an agent that may read.
async fn caller(guard: &Guard) -> Caller {
    let mut admin = guard.admin().await;
    let agent = admin.agent("caller").await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    guard.caller(&agent.key).await
}

async fn decides(caller: &Caller, name: &str, answers: &mut HashMap<String, bool>) {
    let mut tries = 0;
    eventually("the server decides", async || {
        tries += 1;
        let name = format!("{name}/{tries}");
        let answered = caller.clone().enforce(check(&name)).await.is_ok();
        answers.insert(name, answered);
        answered.then_some(())
    })
    .await;
}

async fn is_refused(caller: &Caller, answers: &mut HashMap<String, bool>) {
    let mut tries = 0;
    eventually("the disk is full", async || {
        tries += 1;
        let name = format!("filling/{tries}");
        let answer = caller.clone().enforce(check(&name)).await;
        answers.insert(name, answer.is_ok());
        let status = answer.err()?;
        assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
        Some(())
    })
    .await;
}

/// Fills `disk` under a server and empties it; `mend` does then what an operator would.
async fn is_survived(name: &'static str, guard: &Guard, url: &str, disk: &SmallDisk, mend: impl FnOnce()) {
    let caller = caller(guard).await;
    let mut answers = HashMap::new();
    decides(&caller, "before", &mut answers).await;
    let (process, lines) = (guard.process(), guard.log().lines().count());
    let load = Load::start(&caller, "load");
    load.goes_on_for(BETWEEN).await;
    disk.fill();
    is_refused(&caller, &mut answers).await;
    let full = Instant::now();
    while full.elapsed() < FULL_FOR {
        disk.fill();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lines = guard.log().lines().count() - lines;
    let emptied = Instant::now();
    disk.empty();
    mend();
    decides(&caller, "after", &mut answers).await;
    let back = emptied.elapsed();
    load.goes_on_for(BETWEEN).await;
    let told = load.stop().await;
    let refused = told.iter().filter(|(_, answer)| answer.is_err()).count();
    for (name, answer) in told {
        assert!(matches!(answer, Ok(()) | Err(tonic::Code::Unavailable)), "{name}: {answer:?}");
        answers.insert(name, answer.is_ok());
    }
    assert!(refused > 0, "no caller felt it");
    assert_eq!(guard.process(), process);
    assert!(Path::new("/proc").join(process.to_string()).exists(), "the server ended: {}", guard.log());
    assert!(lines < MAX_LOG_LINES, "{lines} lines of log");
    let mut count = Count::default();
    count.look_up(&Ledger::read(url, 0).await, &answers);
    assert_eq!((count.lost, count.twice), (0, 0), "{count:?}\n{}", guard.log());
    let run = guard.cli(&["audit", "verify"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(!run.stdout.contains("DATABASE_ROLLED_BACK"), "{run:?}");
    crate::evidence::row(
        "faults-disk.txt",
        name,
        &[
            ("acknowledged", &count.acknowledged),
            ("found once", &count.found),
            ("lost", &count.lost),
            ("twice", &count.twice),
            ("refused", &refused),
            ("back ms", &back.as_millis()),
            ("log lines", &lines),
        ],
    );
}

/// The address of a SQLite file on `disk`.
fn on(disk: &SmallDisk) -> String {
    format!("sqlite://{}", disk.path().join("agentguard.db").display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_sqlite_refuses_and_comes_back() {
    let disk = SmallDisk::mount(8);
    let url = on(&disk);
    let guard = Guard::on_sqlite(&[("DATABASE_URL", &url)]);
    is_survived("SQLite", &guard, &url, &disk, || ()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_starts_on_a_full_disk_and_waits_for_space() {
    let disk = SmallDisk::mount(8);
    let url = on(&disk);
    let mut guard = Guard::on_sqlite(&[("DATABASE_URL", &url)]);
    let mut admin = guard.admin().await;
    let agent = admin.agent("caller").await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    let caller = guard.caller(&agent.key).await;
    let mut answers = HashMap::new();
    decides(&caller, "before", &mut answers).await;
    disk.fill();
    is_refused(&caller, &mut answers).await;
    guard.kill();
    guard.restart();
    let caller = guard.caller(&agent.key).await;
    let status = caller.clone().enforce(check("full")).await.expect_err("nothing can be recorded");
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
    disk.empty();
    decides(&caller, "after", &mut answers).await;
    let mut count = Count::default();
    count.look_up(&Ledger::read(&url, 0).await, &answers);
    assert_eq!((count.lost, count.twice), (0, 0), "{count:?}");
}

/// Admin writes come over connections of their own, more than one of which then meets the full disk.
#[tokio::test(flavor = "multi_thread")]
async fn admin_writes_come_back_when_space_does() {
    const WRITES: usize = 12;
    let disk = SmallDisk::mount(8);
    let guard = Guard::on_sqlite(&[("DATABASE_URL", &on(&disk))]);
    let admin = guard.admin().await;
    let write = |number: usize| {
        let mut admin = admin.clone();
        tokio::spawn(async move {
            // Large, so that the log has to grow.
            let labels = (0..64).map(|label| (format!("label{label}"), "x".repeat(255))).collect();
            let agent = agentguard::pb::v1::Agent {
                name: format!("agent {number}"),
                team: "team".to_owned(),
                environment: "production".to_owned(),
                labels,
                ..Default::default()
            };
            let message =
                agentguard::pb::v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
            let created = admin.client().create_agent(crate::harness::admin(message)).await;
            created.map(drop).map_err(|status| status.code())
        })
    };
    write(0).await.unwrap().unwrap();
    disk.fill();
    let mut refused = 0;
    for call in (0..WRITES).map(write).collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        assert!(matches!(answer, Ok(()) | Err(tonic::Code::Unavailable)), "{answer:?}");
        refused += usize::from(answer.is_err());
    }
    assert!(refused > 1, "the disk was not full");
    disk.empty();
    for call in (0..WRITES).map(write).collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), Ok(()), "{}", guard.log());
    }
}

/// PostgreSQL's tables on the small disk: it refuses what would make them grow, and serves the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_postgres_tables_refuses_and_comes_back() {
    let cluster = Cluster::start(&[]);
    let disk = SmallDisk::mount(32);
    disk.give_to_postgres();
    let database = cluster.database();
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    crate::postgres::sql(
        &cluster.url(),
        &format!("create tablespace small location '{}'", disk.path().display()),
    );
    crate::postgres::sql(&cluster.url(), &format!("alter database {name} set tablespace small"));
    let guard = on_postgres(&database);
    is_survived("PostgreSQL, tables", &guard, &database.url(), &disk, || ()).await;
    drop((guard, database, cluster));
}

/// PostgreSQL's log on the small disk: it panics, and cannot start before there is space; then its operator starts it.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_postgres_log_refuses_and_comes_back() {
    let disk = SmallDisk::mount(96);
    let mut cluster =
        Cluster::with_log_at(&disk.path().join("wal"), &["min_wal_size=32MB", "max_wal_size=48MB"]);
    let database = cluster.database();
    let guard = on_postgres(&database);
    is_survived("PostgreSQL, write-ahead log", &guard, &database.url(), &disk, || {
        cluster.kill();
        cluster.restart();
    })
    .await;
    assert!(cluster.log().contains("No space left on device"), "{}", cluster.log());
    drop((guard, database, cluster));
}

fn on_postgres(database: &Database) -> Guard {
    let url = database.url();
    Guard::on_postgres(&url, &[("DATABASE_DIRECT_URL", &url)])
}

/// The control: an async server on a full disk has acknowledged what it could not write; killed, it has lost that, and
/// the same count sees it.
#[tokio::test(flavor = "multi_thread")]
async fn an_async_server_on_a_full_disk_is_seen_to_lose() {
    let disk = SmallDisk::mount(8);
    let url = on(&disk);
    let mut guard = Guard::on_sqlite(&[("DATABASE_URL", &url), ("AUDIT_MODE", "async")]);
    let caller = caller(&guard).await;
    let mut answers = HashMap::new();
    decides(&caller, "before", &mut answers).await;
    disk.fill();
    // More than fits into what the log has left of its last page.
    for number in 0..200 {
        let name = format!("queued/{number}");
        let answered = caller.clone().enforce(check(&name)).await.is_ok();
        answers.insert(name, answered);
    }
    guard.kill();
    disk.empty();
    guard.restart();
    let mut count = Count::default();
    count.look_up(&Ledger::read(&url, 0).await, &answers);
    assert!(count.lost > 0, "{count:?}");
}
