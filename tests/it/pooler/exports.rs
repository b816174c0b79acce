//! Exports without an end beside decisions, through a pooler that has four connections: decisions keep their pace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use sqlx::{Connection, PgConnection};

use crate::evidence::is_full;
use crate::harness::{Admin, Caller, Guard, admin};
use crate::pgbouncer::{POOL, PgBouncer};
use crate::postgres::Database;

use super::plain;

/// Records that exports read again and again.
const RECORDS: (usize, usize) = (2_000, 50_000);

/// Who exports at once.
const EXPORTERS: usize = 4;

/// Decisions that are timed, one after the other, in each of the phases.
const TIMED: (usize, usize) = (150, 2_000);

fn size(sizes: (usize, usize)) -> usize {
    if is_full() { sizes.1 } else { sizes.0 }
}

fn check(resource: &str) -> v1::EnforceRequest {
    v1::EnforceRequest {
        action: "read:file".to_owned(),
        resource: resource.to_owned(),
        ..v1::EnforceRequest::default()
    }
}

/// The times of checks, shortest first; `None` for one that was refused.
async fn times(caller: &mut Caller, name: &str) -> Vec<Option<Duration>> {
    let mut times = Vec::new();
    for number in 0..size(TIMED) {
        let since = Instant::now();
        let answer = caller.enforce(check(&format!("{name}/{number}"))).await;
        times.push(answer.is_ok().then(|| since.elapsed()));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    times
}

fn percentile(times: &[Option<Duration>], of_hundred: usize) -> Option<Duration> {
    times[(times.len() - 1) * of_hundred / 100]
}

struct Stage {
    guard: Guard,
    caller: Caller,
    pooler: PgBouncer,
    database: Database,
}

impl Stage {
    async fn new() -> Self {
        let database = Database::create();
        let pooler = PgBouncer::start(&database.url());
        let guard = Guard::on_postgres(&pooler.url(&database.url()), &[]);
        let mut admin = guard.admin().await;
        let agent = admin.agent("caller").await;
        admin.set_policy(&agent.id, &["read:*"], &[]).await;
        let mut caller = guard.caller(&agent.key).await;
        let checks = (0..100).map(|number| check(&format!("filled/{number}"))).collect::<Vec<_>>();
        for _ in 0..size(RECORDS) / checks.len() {
            let message =
                v1::BatchEnforceRequest { checks: checks.clone(), ..v1::BatchEnforceRequest::default() };
            let request = caller.request(message);
            caller.client().batch_enforce(request).await.unwrap();
        }
        Self { guard, caller, pooler, database }
    }
}

/// Reads the whole audit page by page, over and over, and verifies it; counts pages.
async fn export(mut client: Admin, until: Arc<AtomicBool>, pages: Arc<AtomicUsize>) {
    while !until.load(Ordering::SeqCst) {
        let mut page_token = String::new();
        loop {
            let message = v1::ListAuditRecordsRequest { page_size: 100, page_token, ..Default::default() };
            let page = client.client().list_audit_records(admin(message)).await.unwrap().into_inner();
            pages.fetch_add(1, Ordering::SeqCst);
            page_token = page.next_page_token;
            if page_token.is_empty() || until.load(Ordering::SeqCst) {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn endless_exports_leave_decisions_their_pace() {
    let mut stage = Stage::new().await;
    let quiet = times(&mut stage.caller, "quiet").await;
    let (until, pages) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut exporters = Vec::new();
    for _ in 0..EXPORTERS {
        let client = stage.guard.admin().await;
        exporters.push(tokio::spawn(export(client, Arc::clone(&until), Arc::clone(&pages))));
    }
    crate::harness::eventually("exports run", async || {
        (pages.load(Ordering::SeqCst) > EXPORTERS).then_some(())
    })
    .await;
    // Each of them has its turn, and never more at once than leave a connection free.
    let (mut most, looking) = (0, stage.database.url());
    let look = "select count(*) from pg_stat_activity where datname = current_database() and state = 'active' \
         and query like '%from audit_logs%' and pid <> pg_backend_pid()";
    let seen = tokio::task::spawn_blocking(move || {
        for _ in 0..20 {
            most = most.max(crate::postgres::sql(&looking, look).parse::<usize>().unwrap());
        }
        most
    });
    let busy = times(&mut stage.caller, "busy").await;
    let most = seen.await.unwrap();
    until.store(true, Ordering::SeqCst);
    for exporter in exporters {
        exporter.await.unwrap();
    }
    let worst = |times: &[Option<Duration>]| percentile(times, 99).expect("a decision was refused");
    let (quiet, busy) = (worst(&quiet), worst(&busy));
    let pages = pages.load(Ordering::SeqCst);
    crate::evidence::row(
        "exports.txt",
        "exports through four connections",
        &[
            ("p99 quiet us", &quiet.as_micros()),
            ("p99 busy us", &busy.as_micros()),
            ("pages", &pages),
            ("at once", &most),
        ],
    );
    assert!(most <= 2, "{most} exports at once");
    // Exports take their share of the processors, too; behind them in the pooler a decision would wait for whole pages.
    assert!(
        busy < quiet * 4 + Duration::from_millis(300),
        "p99 {quiet:?} without, {busy:?} with {pages} pages"
    );
}

/// The control: whoever takes all of the pooler's connections for long reads is seen in the same figure.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_that_take_every_connection_are_seen_to_stop_decisions() {
    let mut stage = Stage::new().await;
    let quiet = times(&mut stage.caller, "quiet").await;
    assert!(percentile(&quiet, 99).is_some(), "a decision was refused before anything happened");
    let until = Arc::new(AtomicBool::new(false));
    let through = stage.pooler.url(&stage.database.url());
    let readers: Vec<_> = (0..2 * POOL)
        .map(|_| {
            let (through, until) = (through.clone(), Arc::clone(&until));
            tokio::spawn(async move {
                let mut connection = PgConnection::connect_with(&plain(&through)).await.unwrap();
                while !until.load(Ordering::SeqCst) {
                    sqlx::raw_sql("begin; select pg_sleep(0.4), count(*) from audit_logs; commit")
                        .execute(&mut connection)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut busy = Vec::new();
    for number in 0..10 {
        let since = Instant::now();
        let answer = stage.caller.enforce(check(&format!("busy/{number}"))).await;
        busy.push(answer.is_ok().then(|| since.elapsed()));
    }
    until.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.await.unwrap();
    }
    busy.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    let seen = percentile(&busy, 50).is_none_or(|half| half > Duration::from_millis(150));
    assert!(seen, "nothing is seen of it: {busy:?}");
}
