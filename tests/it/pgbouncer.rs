//! A PgBouncer of a test's own, in transaction mode.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::postgres::{Owner, as_owner, free_port, give, run_sql};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that it has to each database, as many as the issue of small poolers is about.
pub const POOL: usize = 4;

/// In front of one server.
pub struct PgBouncer {
    directory: TempDir,
    port: u16,
    process: Child,
}

/// The program; a machine without it fails the test.
fn program() -> PathBuf {
    let named = std::env::var_os("AGENTGUARD_TEST_PGBOUNCER_BIN");
    named.map_or_else(|| PathBuf::from("pgbouncer"), PathBuf::from)
}

impl PgBouncer {
    /// In front of the server of `url`, with [`POOL`] connections to each database and user. Everybody is trusted.
    pub fn start(url: &str) -> Self {
        let owner = Owner::of_server();
        // Another test may take the port between the look and the start.
        for _ in 0..5 {
            let directory = tempfile::Builder::new().prefix("bouncer").tempdir().unwrap();
            give(directory.path());
            let port = free_port();
            let file = directory.path().join("pgbouncer.ini");
            std::fs::write(&file, ini(url, port, &directory)).unwrap();
            std::fs::write(directory.path().join("users"), "\"postgres\" \"\"\n\"agentguard\" \"\"\n")
                .unwrap();
            let mut command = as_owner(Command::new(program()), owner.as_ref());
            command.arg(&file).current_dir(directory.path());
            let log = std::fs::File::create(directory.path().join("log")).unwrap();
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
            let process =
                command.spawn().expect("pgbouncer does not start; scripts/pgbouncer says how to install it");
            let mut bouncer = Self { directory, port, process };
            if bouncer.answers(url) {
                return bouncer;
            }
        }
        panic!("pgbouncer ends at once, on five ports")
    }

    /// Whether it answers, rather than ends.
    fn answers(&mut self, url: &str) -> bool {
        let began = Instant::now();
        while run_sql(&self.url(url), "select 1").is_err() {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap();
            assert!(began.elapsed() < PATIENCE, "pgbouncer does not answer: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// The database at `straight` by way of it.
    pub fn url(&self, straight: &str) -> String {
        let (user, rest) = straight.split_once('@').unwrap();
        let (_, name) = rest.split_once('/').unwrap();
        format!("{user}@127.0.0.1:{}/{name}", self.port)
    }
}

fn ini(url: &str, port: u16, directory: &TempDir) -> String {
    let authority = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    let (host, upstream) = authority.split_once(':').unwrap();
    format!(
        "[databases]\n* = host={host} port={upstream}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {}/users\npool_mode = transaction\n\
         max_client_conn = 2000\ndefault_pool_size = {POOL}\n",
        directory.path().display()
    )
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // One that has ended already is no fault here.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
