//! What limits cost: the whole server with its limits in memory, in Redis and switched off, in rounds that take turns.
//! `bench/limits` is the command.
//!
//! A closed loop: each caller asks again as soon as it is answered, so that calls in flight = rate × mean latency.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark fails by panicking, starts its own tasks and reads its own environment"
)]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use agentguard::pb::v1::admin_service_client::AdminServiceClient;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

const ADMIN_KEY: &str = "hT4-wq9ZrLx2_VbNcY7sKdG5mPjE8uAf";

/// Calls in flight.
const IN_FLIGHT: [usize; 2] = [64, 256];

/// Connections over which they are spread.
const CONNECTIONS: usize = 8;

/// Where limits are counted; the others are compared with the first.
const STORAGE: [&str; 3] = ["memory", "redis", "off"];

/// Everybody is counted, in two windows, and nobody refused.
const LIMIT: &str = "1000000/second;1000000000/hour";

fn main() {
    let (mut rounds, mut span) = (3, Duration::from_secs(2));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).expect("a number");
        match argument.as_str() {
            "--rounds" => rounds = number(),
            "--seconds" => span = Duration::from_secs(number()),
            "--bench" => {}
            other => panic!("`{other}` is no option; there are --rounds N and --seconds N"),
        }
    }
    assert!(rounds > 0 && !span.is_zero(), "at least one round of one second");
    let variable =
        |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; use bench/limits"));
    let postgres = variable("AGENTGUARD_BENCH_POSTGRES_URL");
    let redis = variable("AGENTGUARD_BENCH_REDIS_URL");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(&postgres, &redis, rounds, span));
}

async fn measure(postgres: &str, redis: &str, rounds: u64, span: Duration) {
    println!("mode     limits   in flight   calls/s    p50 ms    p99 ms   part of memory");
    for mode in ["durable", "async"] {
        let mut servers = Vec::new();
        for storage in STORAGE {
            let server = Server::start(mode, storage, postgres, redis).await;
            // Connections, caches and the first chain are made before anything is measured.
            server.round(64, Duration::from_millis(500)).await;
            servers.push(server);
        }
        for in_flight in IN_FLIGHT {
            let mut seen = vec![Vec::new(); STORAGE.len()];
            for _ in 0..rounds {
                for (server, seen) in servers.iter().zip(&mut seen) {
                    seen.push(server.round(in_flight, span).await);
                }
            }
            let medians: Vec<[f64; 3]> =
                seen.iter().map(|seen| [0, 1, 2].map(|which| median(seen, which))).collect();
            for (storage, [rate, p50, p99]) in STORAGE.iter().zip(&medians) {
                let part = rate / medians[0][0];
                println!(
                    "{mode:8} {storage:8} {in_flight:>9} {rate:>9.0} {p50:>9.2} {p99:>9.2} {part:>16.2}"
                );
            }
        }
        for server in &servers {
            server.check().await;
        }
    }
}

fn median(seen: &[[f64; 3]], which: usize) -> f64 {
    let mut all: Vec<f64> = seen.iter().map(|figures| figures[which]).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// The real program in a process of its own.
struct Server {
    storage: &'static str,
    key: String,
    clients: Vec<EnforcementServiceClient<Channel>>,
    admin: AdminServiceClient<Channel>,
    process: Child,
    _directory: TempDir,
}

impl Server {
    async fn start(mode: &str, storage: &'static str, postgres: &str, redis: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = new_database(postgres, &format!("limits_{mode}_{storage}")).await;
        let program = |argument: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_agentguard"));
            command.args(argument).env_clear().current_dir(directory.path()).stdin(Stdio::null());
            command.envs([("DATABASE_URL", url.as_str()), ("DATABASE_DIRECT_URL", &url)]);
            command
        };
        let migrated = program(&["migrate", "up"]).output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let mut command = program(&["serve"]);
        command.envs([
            ("ADMIN_API_KEY", ADMIN_KEY),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("AUDIT_MODE", mode),
            ("RATE_LIMIT_ENABLED", if storage == "off" { "false" } else { "true" }),
            ("RATE_LIMIT_STORAGE_URI", if storage == "redis" { redis } else { "memory://" }),
            ("RATE_LIMIT_DEFAULT", LIMIT),
        ]);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| address(&line)).expect("the server does not serve");
        // A log that nobody reads would fill the pipe and stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(EnforcementServiceClient::new(endpoint.connect().await.unwrap()));
        }
        let mut admin = AdminServiceClient::new(endpoint.connect().await.unwrap());
        let key = agent(&mut admin).await;
        Self { storage, key, clients, admin, process, _directory: directory }
    }

    /// Calls a second, and the middle and the 99th of a hundred latencies in milliseconds.
    async fn round(&self, in_flight: usize, span: Duration) -> [f64; 3] {
        let began = Instant::now();
        let callers: Vec<_> = (0..in_flight)
            .map(|number| {
                tokio::spawn(ask(self.clients[number % CONNECTIONS].clone(), self.key.clone(), began + span))
            })
            .collect();
        let mut latencies = Vec::new();
        for caller in callers {
            latencies.extend(caller.await.unwrap());
        }
        let took = began.elapsed().as_secs_f64();
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] * 1e3;
        [latencies.len() as f64 / took, at(0.5), at(0.99)]
    }

    /// That what was measured is what is said: calls were counted where they should be and none was refused. How many
    /// were too late for Redis is printed: on a machine with other work they are those that waited for a processor.
    async fn check(&self) {
        let request = with_key("x-admin-key", ADMIN_KEY, v1::GetStatsRequest {});
        let stats = self.admin.clone().get_stats(request).await.unwrap().into_inner().rate_limits.unwrap();
        let expected = if self.storage == "off" { "" } else { self.storage };
        assert_eq!(stats.storage, expected);
        assert_eq!(stats.refused, 0, "{stats:?}");
        if self.storage == "redis" {
            println!("{} of {} calls were judged without Redis", stats.without_redis, stats.admitted);
        }
        assert_eq!(stats.admitted > 0, self.storage != "off", "{stats:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

async fn ask(mut client: EnforcementServiceClient<Channel>, key: String, end: Instant) -> Vec<f64> {
    let mut latencies = Vec::new();
    loop {
        let began = Instant::now();
        if began >= end {
            return latencies;
        }
        let message = v1::EnforceRequest {
            action: "read_file".to_owned(),
            resource: "/data/a.txt".to_owned(),
            ..Default::default()
        };
        match client.enforce(with_key("x-agent-key", &key, message)).await {
            Ok(answer) => {
                assert!(answer.into_inner().decision.unwrap().allowed);
                latencies.push(began.elapsed().as_secs_f64());
            }
            // In async mode the database cannot follow, and the queue is full.
            Err(status) => {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

async fn new_database(server: &str, name: &str) -> String {
    let pool = sqlx::PgPool::connect(server).await.unwrap();
    for statement in [format!("drop database if exists {name}"), format!("create database {name}")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    }
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/{name}")
}

fn address(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line.get("message")? == "serving").then(|| line["address"].as_str().map(str::to_owned)).flatten()
}

fn with_key<T>(header: &'static str, key: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(header, key.parse().unwrap());
    request
}

/// An agent that may read; answers its key.
async fn agent(admin: &mut AdminServiceClient<Channel>) -> String {
    let agent = v1::Agent {
        name: "load".to_owned(),
        team: "team".to_owned(),
        environment: "production".to_owned(),
        ..v1::Agent::default()
    };
    let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
    let created = admin.create_agent(with_key("x-admin-key", ADMIN_KEY, message)).await.unwrap().into_inner();
    let policy = v1::Policy {
        scope: Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(created.agent.unwrap().agent_id)) }),
        allow: vec![v1::Rule { action: "read:*".to_owned(), ..v1::Rule::default() }],
        ..v1::Policy::default()
    };
    let message = v1::SetPolicyRequest { policy: Some(policy), ..v1::SetPolicyRequest::default() };
    admin.set_policy(with_key("x-admin-key", ADMIN_KEY, message)).await.unwrap();
    created.api_key
}
