//! A Redis of a test's own, that may be frozen, killed and started again.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One server.
pub struct Redis {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

/// The program; a machine without it fails the test.
fn program() -> PathBuf {
    let named = std::env::var_os("AGENTGUARD_TEST_REDIS_BIN");
    named.map_or_else(|| PathBuf::from("redis-server"), PathBuf::from)
}

/// A port that nobody listens on now. Below those that the kernel gives to outgoing connections.
fn free_port() -> u16 {
    let bytes = agentguard::entropy::bytes::<2>();
    let start = 20_000 + u16::from_be_bytes(bytes) % 10_000;
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (start..30_000).chain(20_000..start).find(free).unwrap()
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A sentinel that watches the master on `port` under the name `limits`.
    pub async fn sentinel(port: &str) -> Self {
        let server = Self::with(&["sentinel.conf", "--sentinel"]).await;
        for line in [
            ["MONITOR", "limits", "127.0.0.1", port, "1"].as_slice(),
            &["SET", "limits", "down-after-milliseconds", "500"],
            &["SET", "limits", "failover-timeout", "5000"],
        ] {
            server.ask::<String>(&[&["SENTINEL"], line].concat()).await.unwrap();
        }
        server
    }

    /// A server with arguments of its own.
    pub async fn with(arguments: &[&str]) -> Self {
        let directory = tempfile::Builder::new().prefix("redis").tempdir().unwrap();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { directory, port: 0, arguments, process: None };
        // Another test may take the port between the look and the start; a cluster's node needs a second one.
        for _ in 0..5 {
            server.port = free_port();
            if server.begins().await {
                return server;
            }
        }
        panic!("redis-server ends at once, on five ports")
    }

    /// Starts it again after [`Redis::kill`], on the same port, empty.
    pub async fn restart(&mut self) {
        assert!(self.begins().await, "redis-server does not start again on its port");
    }

    /// Starts it; whether it answers, rather than ends.
    async fn begins(&mut self) -> bool {
        assert!(self.process.is_none(), "it is still running");
        let (port, directory) = (self.port.to_string(), self.directory.path().to_str().unwrap());
        let mut command = Command::new(program());
        // A sentinel reads and writes a file.
        if self.arguments.first().is_some_and(|first| first.ends_with(".conf")) {
            std::fs::write(self.directory.path().join("sentinel.conf"), "").unwrap();
            command.arg(self.directory.path().join("sentinel.conf"));
        }
        command.args(["--port", &port, "--bind", "127.0.0.1", "--dir", directory, "--set-proc-title", "no"]);
        if !self.arguments.iter().any(|argument| argument == "--sentinel") {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        command.args(self.arguments.iter().filter(|argument| !argument.ends_with(".conf")));
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process =
            Some(spawned.expect("redis-server does not start; scripts/redis says how to install it"));
        let began = Instant::now();
        // One that wants a password answers, too.
        let silent = |error: &redis::RedisError| error.is_io_error();
        while self.ask::<String>(&["PING"]).await.is_err_and(|error| silent(&error)) {
            if self.process.as_mut().unwrap().try_wait().unwrap().is_some() {
                self.process = None;
                return false;
            }
            assert!(began.elapsed() < PATIENCE, "redis-server does not answer");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }

    /// `kill -9`: connections are reset, everything is forgotten.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// It keeps its connections and answers nothing.
    pub fn freeze(&self) {
        crate::postgres::signal("STOP", &[self.process.as_ref().unwrap().id()]);
    }

    /// It goes on where it was.
    pub fn thaw(&self) {
        crate::postgres::signal("CONT", &[self.process.as_ref().unwrap().id()]);
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its address, as `RATE_LIMIT_STORAGE_URI` has it.
    pub fn uri(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// A connection of the test's own.
    pub async fn connection(&self) -> redis::RedisResult<MultiplexedConnection> {
        redis::Client::open(self.uri())?.get_multiplexed_async_connection().await
    }

    /// One command.
    pub async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.connection().await?).await
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
