//! A hot standby that lags answers every question about policies with what once was true. It never confirms a view: a
//! replica that is led to one by a failover of names or addresses stops deciding instead.

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use agentguard::clock::Clock;
use agentguard::store::changes::Changes;
use agentguard::store::{Location, Options, Store};
use agentguard::view::{self, Views};
use tempfile::TempDir;

use crate::harness::eventually;
use crate::postgres::{Cluster, Owner, free_port, give, program, run_sql, sql};

/// A hot standby that has stopped to apply what its primary writes.
struct Standby {
    _directory: TempDir,
    port: u16,
    process: Child,
}

impl Standby {
    async fn of(primary: &Cluster) -> Self {
        let directory = tempfile::Builder::new().prefix("standby").tempdir().unwrap();
        give(directory.path());
        let data = directory.path().join("data");
        let owner = Owner::of_server();
        let copied = program("pg_basebackup", owner.as_ref())
            .args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", &primary.url(), "-D"])
            .arg(&data)
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        let port = free_port();
        let mut command = program("postgres", owner.as_ref());
        command.arg("-D").arg(&data).arg("-k").arg(directory.path());
        command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "max_connections=200"]);
        command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let standby = Self { _directory: directory, port, process };
        eventually("the standby answers", async || {
            run_sql(&standby.server(), "select pg_wal_replay_pause()").ok()
        })
        .await;
        standby
    }

    fn server(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // An immediate stop, which takes its children along.
        crate::postgres::signal("QUIT", &[self.process.id()]);
        self.process.wait().ok();
    }
}

async fn open(url: &str) -> Store {
    let location = Location::Postgres { url: url.to_owned(), direct_url: None };
    Store::open(&Options { max_connections: 2, ..Options::at(location) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lagging_hot_standby_never_confirms_a_view() {
    let primary = Cluster::start(&[]);
    let database = primary.database();
    let direct = open(&database.url()).await;
    direct.migrate(Clock::System.now()).await.unwrap();
    let standby = Standby::of(&primary).await;
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    let at_standby = format!("postgresql://postgres@{}/{name}", standby.address());

    // A way that leads to the primary until names are changed under it.
    let mut proxy = super::proxy::Proxy::start(&database.url()).await;
    let through = open(&proxy.url(&database.url())).await;
    let settings = view::Settings {
        refresh_interval: Duration::from_millis(100),
        max_staleness: Duration::from_secs(2),
    };
    let (views, poll) = Views::start(through, settings, Clock::System).await.unwrap();
    let polling = tokio::spawn(poll);
    views.fresh().unwrap();
    proxy.redirect(standby.address());
    eventually("the view grows old", async || views.fresh().is_err().then_some(())).await;
    assert!(views.at_least(None).await.is_err(), "it decides by a standby's word");
    assert!(views.refresh_within(Duration::from_secs(2)).await.is_err());

    // The control: what the standby says would have confirmed it. Its revision is the very one that the view has.
    let known = views.now().stamp().clone();
    let revision = "select epoch || '.' || n from revision";
    assert_eq!(sql(&at_standby, revision), known.revision.to_string());
    let answer = open(&at_standby).await.changes(Some(&known)).await.unwrap();
    assert!(matches!(answer, Changes::Standby), "{answer:?}");
    let answer = direct.changes(Some(&known)).await.unwrap();
    assert!(matches!(answer, Changes::None(_)), "{answer:?}");

    // And back.
    proxy.redirect(database.url().split('@').nth(1).unwrap().split('/').next().unwrap().parse().unwrap());
    eventually("the primary confirms it again", async || views.fresh().is_ok().then_some(())).await;
    polling.abort();
}
