//! PostgreSQL's months, and SQLite's one server.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn months_are_made_ahead_and_records_land_in_theirs() {
    let bench = Bench::postgres().await;
    let made = bench.store.make_months(noon()).await.unwrap();
    assert_eq!(
        made,
        ["audit_logs_2026_01", "audit_logs_2026_02", "audit_logs_2026_03", "audit_logs_2026_04"]
    );
    assert!(bench.store.make_months(noon()).await.unwrap().is_empty());
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    for at in ["2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z", "2026-09-01T00:00:00Z"] {
        bench.clock.set(Timestamp::parse(at).unwrap());
        writer.record(vec![decision("a")]).await.unwrap();
    }
    writer.close().await;
    task.await.unwrap();
    let there = bench
        .value(
            "select string_agg(t || ' ' || n, ', ' order by t) from \
             (select tableoid::regclass::text as t, count(*) as n from audit_logs group by 1) as x",
        )
        .await;
    assert_eq!(there, "audit_logs_2026_01 2, audit_logs_2026_02 1, audit_logs_default 2");
    assert!(
        bench.try_sql("update audit_logs_2026_01 set action = 'x'").await.is_err(),
        "append-only in every month"
    );
    bench.verifies_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_came_before_their_month_move_into_it() {
    let bench = Bench::postgres().await;
    let (writer, task) = bench.writer(Mode::Durable, "pod");
    let september = Timestamp::parse("2026-09-01T00:00:00Z").unwrap();
    bench.clock.set(september);
    writer.record(vec![decision("early")]).await.unwrap();
    let in_default = "select count(*) from audit_logs_default";
    assert_eq!(bench.value(in_default).await, "2");
    assert_eq!(bench.store.default_month_in_use().await.unwrap(), Some(true));
    assert_eq!(bench.store.make_months(september).await.unwrap().len(), 4);
    assert_eq!(bench.value(in_default).await, "0");
    assert_eq!(bench.store.default_month_in_use().await.unwrap(), Some(false));
    assert_eq!(bench.value("select count(*) from audit_logs_2026_09").await, "2");
    writer.record(vec![decision("in time")]).await.unwrap();
    writer.close().await;
    task.await.unwrap();
    assert_eq!(bench.value(in_default).await, "0");
    for statement in
        ["delete from audit_logs_default", "delete from audit_logs_2026_09", "truncate audit_logs"]
    {
        let refused = bench.try_sql(statement).await;
        assert!(refused.is_err() || statement.contains("default"), "append-only again: {statement}");
    }
    bench.verifies_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_waits_for_an_open_reader_and_no_record_waits_for_the_month() {
    let bench = Bench::postgres().await;
    let (writer, _task) = bench.writer(Mode::Durable, "pod");
    writer.record(vec![decision("before")]).await.unwrap();
    bench.sql("begin").await;
    bench.value("select count(*) from audit_logs").await;
    let store = bench.store.clone();
    let making =
        tokio::spawn(
            async move { store.make_months(Timestamp::parse("2026-06-01T00:00:00Z").unwrap()).await },
        );
    for _ in 0..20 {
        let started = std::time::Instant::now();
        writer.record(vec![decision("meanwhile")]).await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(450), "a record waited {:?}", started.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!making.is_finished(), "the control: the reader does stand in the way");
    bench.sql("commit").await;
    assert_eq!(making.await.unwrap().unwrap().len(), 4);
    bench.verifies_clean().await;
}

/// How long the slowest of some records took; `None` if one was refused.
async fn slowest(writer: &Writer, records: usize) -> Option<Duration> {
    let mut slowest = Duration::ZERO;
    for _ in 0..records {
        let started = std::time::Instant::now();
        writer.record(vec![decision("meanwhile")]).await.ok()?;
        slowest = slowest.max(started.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(slowest)
}

/// The promise is 300 ms beyond the usual; the rest is for a machine that runs other tests beside.
const BEYOND: Duration = Duration::from_millis(450);

/// Drops January as docs/postgresql.md says: behind no reader for longer than `lock_timeout`, again and again.
async fn drop_january(url: String, lock_timeout: &'static str) {
    let mut owner = PgConnection::connect(&url).await.unwrap();
    let text = format!(
        "begin; set local lock_timeout = '{lock_timeout}'; set local statement_timeout = '3s'; \
         alter table audit_logs detach partition audit_logs_2026_01; drop table audit_logs_2026_01; commit"
    );
    while sqlx::raw_sql(AssertSqlSafe(text.clone())).execute(&mut owner).await.is_err() {
        sqlx::raw_sql("rollback").execute(&mut owner).await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_made_and_one_dropped_beside_an_open_reader_and_no_record_waits() {
    let bench = Bench::postgres().await;
    let Place::Postgres(database) = &bench.place else { panic!() };
    bench.store.make_months(noon()).await.unwrap();
    bench.clock.set(Timestamp::parse("2026-02-05T12:00:00Z").unwrap());
    let (writer, _task) = bench.writer(Mode::Durable, "pod");
    let usual = slowest(&writer, 20).await.unwrap();
    bench.sql("begin").await;
    bench.value("select count(*) from audit_logs").await;
    let store = bench.store.clone();
    let june = Timestamp::parse("2026-06-01T00:00:00Z").unwrap();
    let making = tokio::spawn(async move { store.make_months(june).await });
    let dropping = tokio::spawn(drop_january(database.url(), "200ms"));
    let beside = slowest(&writer, 40).await.expect("a record was refused");
    assert!(!making.is_finished() && !dropping.is_finished(), "the reader does not stand in the way");
    assert!(beside < usual + BEYOND, "usually {usual:?}, beside the reader {beside:?}");
    bench.sql("commit").await;
    making.await.unwrap().unwrap();
    dropping.await.unwrap();
    assert_eq!(bench.value("select to_regclass('audit_logs_2026_01') is null").await, "true");
    // The control: one who waits in the queue for the reader stops every record behind it.
    bench.store.make_months(noon()).await.unwrap();
    bench.sql("begin").await;
    bench.value("select count(*) from audit_logs").await;
    let queueing = tokio::spawn(drop_january(database.url(), "0"));
    let behind = slowest(&writer, 20).await;
    assert!(behind.is_none_or(|behind| behind > usual + BEYOND), "nothing is seen of it: {behind:?}");
    queueing.abort();
    bench.sql("rollback").await;
}

#[tokio::test]
async fn a_second_server_on_one_sqlite_file_is_refused() {
    let bench = Bench::sqlite().await;
    let Place::Sqlite(dir) = &bench.place else { panic!() };
    let options = Options::sqlite(dir.path().join("a.db"));
    let refused = Store::open(&options).await.unwrap_err().to_string();
    assert!(refused.contains("in use by another agentguard process"), "{refused}");
    let Bench { store, place, .. } = bench;
    store.close().await;
    drop(store);
    Store::open(&options).await.unwrap();
    drop(place);
}
