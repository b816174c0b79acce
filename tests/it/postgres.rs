//! PostgreSQL for tests: a database of one's own on the suite's server, or a whole server of one's own to kill.
//!
//! `scripts/test` provides the server. A test that lacks it fails and says so; it never skips.

use std::collections::hash_map::RandomState;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const REMEDY: &str = "this test needs PostgreSQL 15 or newer; run it by `scripts/test`, \
                      or alone by `scripts/test -- --test it NAME`";

/// How long a server may take to start, recovery after a crash included.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database of a test's own on the suite's server; it is gone when the value is dropped.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    /// An empty database under a new name.
    pub fn create() -> Self {
        let server = std::env::var("AGENTGUARD_TEST_POSTGRES_URL")
            .unwrap_or_else(|_| panic!("AGENTGUARD_TEST_POSTGRES_URL is not set: {REMEDY}"));
        Self::create_on(&server)
    }

    fn create_on(server: &str) -> Self {
        let name = format!("test_{:016x}", random());
        // `template0` has no users that could stand in the way of a copy.
        sql(server, &format!("create database {name} template template0"));
        Self { server: server.to_owned(), name }
    }

    /// A copy of it as it is; nobody may be connected to it.
    pub fn copy(&self) -> Self {
        let name = format!("test_{:016x}", random());
        sql(&self.server, &format!("create database {name} template {}", self.name));
        Self { server: self.server.clone(), name }
    }

    /// Puts `copy` in its place, under whoever is connected to it.
    pub fn put_back(&self, copy: &Self) {
        sql(&self.server, &format!("drop database {} with (force)", self.name));
        sql(&self.server, &format!("create database {} template {}", self.name, copy.name));
    }

    /// Where it is: `postgresql://postgres@127.0.0.1:PORT/NAME`.
    pub fn url(&self) -> String {
        in_database(&self.server, &self.name)
    }

    /// Where a server shall look for it: through the suite's pooler where there is one (`scripts/test`, step `pooler`).
    pub fn served_url(&self) -> String {
        served(&self.url())
    }

    /// Runs SQL by `psql`, as somebody with the database in hand would, and gives the rows as text,
    /// columns parted by `|`.
    pub fn sql(&self, text: &str) -> String {
        sql(&self.url(), text)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that was killed takes its databases along; nothing to say while a test already fails.
        drop(run_sql(&self.server, &format!("drop database if exists {} with (force)", self.name)));
    }
}

/// The suite's pooler, where the tests run through one.
pub fn pooler() -> Option<String> {
    std::env::var("AGENTGUARD_TEST_POOLER_URL").ok().filter(|url| !url.is_empty())
}

/// A database of the suite's server by way of the suite's pooler, where there is one; any other URL as it is.
pub fn served(url: &str) -> String {
    let (Some(pooler), Ok(server)) = (pooler(), std::env::var("AGENTGUARD_TEST_POSTGRES_URL")) else {
        return url.to_owned();
    };
    let base = |url: &str| url.rsplit_once('/').unwrap().0.to_owned();
    match url.strip_prefix(&base(&server)) {
        Some(name) => base(&pooler) + name,
        None => url.to_owned(),
    }
}

/// A PostgreSQL server of a test's own, to be killed and started again; it is gone when the value is dropped.
pub struct Cluster {
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    postmaster: Option<Child>,
}

impl Cluster {
    /// A new, empty, running server. `settings` are `name=value`, as `postgres -c` takes them; without any,
    /// what is committed is on the disk (`fsync` and `synchronous_commit` are on).
    ///
    /// With `synchronous_commit=off` add `wal_writer_delay=10s`: what a kill loses is what the server has not
    /// yet handed to the kernel, and by default it does so after 200 ms.
    pub fn start(settings: &[&str]) -> Self {
        Self::make(None, settings)
    }

    /// The same with the write-ahead log in the directory `log`, which must not be there yet, in segments of 1 MiB.
    pub fn with_log_at(log: &Path, settings: &[&str]) -> Self {
        Self::make(Some(log), settings)
    }

    fn make(log: Option<&Path>, settings: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let owner = Owner::of_server();
        give(directory.path());
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let made = program("initdb", owner.as_ref())
            .arg("-D")
            .arg(directory.path().join("data"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"])
            .args(
                log.iter()
                    .flat_map(|log| [OsStr::new("--wal-segsize=1"), OsStr::new("--waldir"), log.as_os_str()]),
            )
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut cluster = Self { directory, port: free_port(), settings, postmaster: None };
        // A port that was free a moment ago may be taken by now; only before the first start may it still change.
        for _ in 0..5 {
            if cluster.try_start() {
                return cluster;
            }
            cluster.port = free_port();
        }
        panic!("PostgreSQL does not start: {}", cluster.log());
    }

    /// Its maintenance database: `postgresql://postgres@127.0.0.1:PORT/postgres`, the same after a restart.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// A new, empty database on this server.
    pub fn database(&self) -> Database {
        Database::create_on(&self.url())
    }

    /// `kill -9` of the server and all its processes: no checkpoint, no farewell, no last flush.
    pub fn kill(&mut self) {
        let Some(mut postmaster) = self.postmaster.take() else { return };
        let root = postmaster.id();
        // Stopped first, so that it cannot see its children die and act on it.
        signal("STOP", &[root]);
        let mut all = children(root);
        all.push(root);
        signal("KILL", &all);
        postmaster.wait().unwrap();
        // A new server refuses to start while an old process still holds the shared memory.
        let started = Instant::now();
        while all.iter().any(|&process| is_alive(process)) {
            assert!(started.elapsed() < PATIENCE, "killed processes of PostgreSQL are still there");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts the server again after [`Cluster::kill`], at the same address; returns when its recovery is done.
    pub fn restart(&mut self) {
        assert!(self.postmaster.is_none(), "the server is still running");
        assert!(self.try_start(), "PostgreSQL does not start again: {}", self.log());
    }

    /// What the server wrote to its log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    fn try_start(&mut self) -> bool {
        let directory = self.directory.path();
        let log = std::fs::File::options().create(true).append(true).open(directory.join("log")).unwrap();
        let mut command = program("postgres", Owner::of_server().as_ref());
        command.arg("-D").arg(directory.join("data")).arg("-k").arg(directory);
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "max_connections=200", "-c", "timezone=Pacific/Auckland"]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.current_dir(directory).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut postmaster = command.spawn().unwrap();
        let started = Instant::now();
        let url = self.url();
        while started.elapsed() < PATIENCE {
            if postmaster.try_wait().unwrap().is_some() {
                return false;
            }
            if run_sql(&url, "select 1").is_ok() {
                self.postmaster = Some(postmaster);
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.postmaster = Some(postmaster);
        panic!("PostgreSQL is not ready after {PATIENCE:?}: {}", self.log());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The user that the server runs as where the tests run as root, which it refuses.
pub struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    pub fn of_server() -> Option<Self> {
        (number("id", &["-u"]) == 0).then(|| Self {
            user: number("id", &["-u", "postgres"]),
            group: number("id", &["-g", "postgres"]),
        })
    }
}

/// Makes the server's user the owner of a directory.
pub fn give(directory: &Path) {
    if let Some(owner) = Owner::of_server() {
        chown(directory, Some(owner.user), Some(owner.group)).unwrap();
    }
}

fn number(program: &str, arguments: &[&str]) -> u32 {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.trim().parse().unwrap_or_else(|_| panic!("`{program} {arguments:?}` printed no number: {REMEDY}"))
}

/// One of PostgreSQL's programs; run as `owner` where there is one.
pub fn program(name: &str, owner: Option<&Owner>) -> Command {
    let path = programs().join(name);
    assert!(path.exists(), "there is no `{}`: {REMEDY}", path.display());
    as_owner(Command::new(path), owner)
}

/// A command of `owner`, where there is one, that hears nothing of the caller's own PostgreSQL settings.
pub fn as_owner(mut command: Command, owner: Option<&Owner>) -> Command {
    for variable in
        ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS", "PGSERVICE", "PGDATA"]
    {
        command.env_remove(variable);
    }
    if let Some(owner) = owner {
        command.uid(owner.user).gid(owner.group);
    }
    command
}

fn programs() -> PathBuf {
    std::env::var_os("AGENTGUARD_TEST_PG_BIN")
        .unwrap_or_else(|| panic!("AGENTGUARD_TEST_PG_BIN is not set: {REMEDY}"))
        .into()
}

/// Runs SQL by `psql` against the database at `url` and gives the rows as text, columns parted by `|`.
pub fn sql(url: &str, text: &str) -> String {
    run_sql(url, text).unwrap_or_else(|fault| panic!("psql: {fault}\n{text}"))
}

pub fn run_sql(url: &str, text: &str) -> Result<String, String> {
    let output = program("psql", None)
        .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The address `server` with another database's name.
fn in_database(server: &str, name: &str) -> String {
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

/// A port below the range from which the kernel takes those of outgoing connections: between a kill and the
/// restart nobody else shall get it.
pub fn free_port() -> u16 {
    for _ in 0..100 {
        let port = 20_000 + u16::try_from(random() % 10_000).unwrap();
        let nobody_answers = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err();
        if nobody_answers && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 20000 and 29999");
}

pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Sends a signal to processes.
pub fn signal(name: &str, processes: &[u32]) {
    let mut line = format!("kill -s {name}");
    for process in processes {
        write!(line, " {process}").unwrap();
    }
    // One that has ended meanwhile is no fault.
    Command::new("sh").args(["-c", &line]).stderr(Stdio::null()).status().unwrap();
}

/// The state letter and the parent of a process, as the kernel tells.
fn state(process: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // `pid (name) state parent …`, and the name may hold anything.
    let mut rest = text.rsplit_once(')')?.1.split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}

/// A process that has ended but was not waited for holds nothing any more.
fn is_alive(process: u32) -> bool {
    state(process).is_some_and(|(letter, _)| !matches!(letter, 'Z' | 'X'))
}

fn children(parent: u32) -> Vec<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|&process| state(process).is_some_and(|(_, of)| of == parent))
        .collect()
}

#[test]
fn every_test_has_a_database_of_its_own() {
    let (one, other) = (Database::create(), Database::create());
    one.sql("create table only_here (n int); insert into only_here values (7)");
    assert_eq!(one.sql("select n, 'x' from only_here"), "7|x");
    assert!(run_sql(&other.url(), "select n from only_here").is_err());
    let (server, name) = (one.server.clone(), one.name.clone());
    drop(one);
    assert_eq!(sql(&server, &format!("select count(*) from pg_database where datname = '{name}'")), "0");
}

#[test]
fn a_killed_cluster_keeps_what_it_committed() {
    let mut cluster = Cluster::start(&[]);
    let database = cluster.database();
    assert_eq!(
        database.sql("select current_setting('fsync') || current_setting('synchronous_commit')"),
        "onon"
    );
    database.sql("create table t (n int)");
    database.sql("insert into t select generate_series(1, 1000)");
    cluster.kill();
    assert!(run_sql(&database.url(), "select 1").is_err());
    cluster.restart();
    assert_eq!(database.sql("select count(*) from t"), "1000");
    assert!(cluster.log().contains("was not properly shut down"), "{}", cluster.log());
}

/// The negative control of every crash test: the kill really loses what is not flushed.
#[test]
fn a_killed_cluster_loses_what_it_only_promised() {
    let mut cluster = Cluster::start(&["synchronous_commit=off", "wal_writer_delay=10s"]);
    let database = cluster.database();
    database.sql("create table t (n int)");
    database.sql("checkpoint");
    database.sql("insert into t values (1)");
    assert_eq!(database.sql("select count(*) from t"), "1");
    cluster.kill();
    cluster.restart();
    assert_eq!(database.sql("select count(*) from t"), "0");
}
