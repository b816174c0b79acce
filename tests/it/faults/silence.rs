//! A network that dies without a word: PostgreSQL gives the writer's session up within seconds, and with it the lock
//! on the chain's head that an unfinished statement holds.
//!
//! Loopback never loses a packet, so what is looked at is the kernel's own timer on PostgreSQL's end of the connection.

use agentguard::clock::Clock;
use agentguard::store::{Location, Options, Store};

use super::world::{Way, World, decision};
use crate::postgres::{Database, sql};

/// PostgreSQL's ends of the sessions of a database that last ran something like `query`: server's port and client's.
fn sessions(database: &Database, query: &str) -> Vec<(u16, u16)> {
    let text = format!(
        "select current_setting('port'), client_port from pg_stat_activity \
         where datname = current_database() and query like '%{query}%' and pid <> pg_backend_pid()"
    );
    let rows = database.sql(&text);
    let port = |text: &str| text.parse().unwrap();
    rows.lines().map(|row| row.split_once('|').unwrap()).map(|(own, peer)| (port(own), port(peer))).collect()
}

/// In how many seconds the kernel probes the connection from local port `own` to `peer` if nothing comes; the kernel
/// counts in hundredths.
fn probed_in((own, peer): (u16, u16)) -> Option<f64> {
    const KEEPALIVE: &str = "02";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let mut port = || u16::from_str_radix(fields.next()?.rsplit_once(':')?.1, 16).ok();
        let ends = (port()?, port()?);
        let (timer, when) = fields.nth(2)?.split_once(':')?;
        let due = u32::from_str_radix(when, 16).ok()?;
        (ends == (own, peer) && timer == KEEPALIVE).then_some(f64::from(due) / 100.0)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_network_frees_the_writers_lock_in_seconds() {
    let world = World::new(Way::Direct).await;
    let (writer, task) = world.writer("silent");
    writer.record(vec![decision("one")]).await.unwrap();
    writer.record(vec![decision("two")]).await.unwrap();
    let own = sessions(&world.database, "update audit_chains");
    assert_eq!(own.len(), 1, "{own:?}");
    // A timer that is just being set again is not shown.
    let probed = crate::harness::eventually("a timer", async || probed_in(own[0])).await;
    assert!(probed <= 2.5, "the writer's session is probed only after {probed} s");
    // The control: a session with the system's own settings is probed in two hours.
    let mut other = <sqlx::PgConnection as sqlx::Connection>::connect(&world.database.url()).await.unwrap();
    sqlx::query("select 'the control'").execute(&mut other).await.unwrap();
    let plain = sessions(&world.database, "the control");
    assert_eq!(plain.len(), 1, "{plain:?}");
    let plain = crate::harness::eventually("a timer", async || probed_in(plain[0])).await;
    assert!(plain > 60.0, "the look cannot tell: {plain} s");
    writer.close().await;
    task.await.unwrap();
}

/// A Unix socket has no such timers, and the settings are no reason to refuse it.
#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_direct_way_too() {
    let database = Database::create();
    let directory =
        sql(&database.url(), "select split_part(current_setting('unix_socket_directories'), ',', 1)");
    let port = sql(&database.url(), "show port");
    let (_, name) = database.url().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let socket =
        format!("postgresql://postgres@localhost:{port}/{name}?host={}", directory.replace('/', "%2F"));
    let location = Location::Postgres { url: database.url(), direct_url: Some(socket) };
    let store = Store::open(&Options { max_connections: 2, ..Options::at(location) }).await.unwrap();
    store.migrate(Clock::System.now()).await.unwrap();
    let settings = agentguard::audit::writer::settings(agentguard::audit::Mode::Durable, "0.0.1", "socket");
    let (writer, task) = agentguard::audit::Writer::start(&store, settings, Clock::System);
    let task = tokio::spawn(task);
    writer.record(vec![decision("one")]).await.unwrap();
    writer.record(vec![decision("two")]).await.unwrap();
    let local = "select count(*) from pg_stat_activity where datname = current_database() \
         and query like '%update audit_chains%' and client_port = -1";
    assert_eq!(database.sql(local), "1", "the writer did not come through the socket");
    writer.close().await;
    task.await.unwrap();
}
