//! What one check may allocate: the whole server, from the bytes of a call to the bytes of its answer, with the audit
//! writer and the database driver, on one thread whose allocations are counted.
//!
//! A binary of its own, because the counter is an allocator. SQLite's own thread is not counted; PostgreSQL's driver
//! works on the counted one. Calls come one after the other in durable mode, so that each has a commit of its own: how
//! many share one in async mode, and with it what each allocates, hangs on how fast the disk is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by panicking, starts its own tasks and reads its own environment"
)]

use std::future::Future;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use agentguard::clock::Clock;
use agentguard::config::{Config, Program};
use agentguard::pb::v1;
use agentguard::pb::v1::admin_service_client::AdminServiceClient;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use agentguard::server;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

const ADMIN_KEY: &str = "hT4-wq9ZrLx2_VbNcY7sKdG5mPjE8uAf";

/// Calls of a turn, one after the other.
const CALLS: u64 = 50;

/// Turns; the cheapest counts, since timers of the server go off in some, and a call may be asked again.
const TURNS: usize = 5;

/// How often a call is asked before the test gives up.
const TRIES: usize = 100;

/// Allocations above a budget that are forgiven: what the compiler does with a temporary value is its own affair.
const MARGIN: u64 = 4;

/// Allocations below a budget from which it is too generous: it would forgive the next loss.
const SLACK: u64 = 12;

/// Allocations a call, measured; a change that lowers them lowers the figure here.
const ON_SQLITE: u64 = 150;
const ON_POSTGRES: u64 = 163;

#[test]
fn a_durable_check_on_sqlite_keeps_within_its_budget() {
    let mut server = Counted::on_sqlite();
    keeps_within(server.a_call(0), ON_SQLITE);
}

#[test]
fn a_durable_check_on_postgres_keeps_within_its_budget() {
    let mut server = Counted::on_postgres();
    keeps_within(server.a_call(0), ON_POSTGRES);
}

/// The control: what is planted into every call is counted, but for one that timers may hide; and a count that is one
/// beyond the margin fails.
#[test]
fn one_allocation_beyond_the_margin_is_seen() {
    let mut server = Counted::on_sqlite();
    let (usual, planted) = (server.a_call(0), server.a_call(MARGIN + 1));
    assert!(planted >= usual + MARGIN, "{usual} allocations a call, {planted} with {} planted", MARGIN + 1);
    let beyond = std::panic::catch_unwind(|| keeps_within(usual + MARGIN + 1, usual));
    assert!(beyond.is_err());
}

/// Holds a count to a budget. One that lies far below shows that the budget must be lowered; an optimizer may spare
/// some, so that only the debug build is held to that side.
fn keeps_within(counted: u64, budget: u64) {
    println!("{counted} allocations a call, the budget is {budget}");
    let is_generous = cfg!(debug_assertions) && counted + SLACK < budget;
    assert!(
        !is_generous && counted <= budget + MARGIN,
        "a call makes {counted} allocations, the budget is {budget} and {MARGIN} more; if the change is meant, \
         write the new figure into this file"
    );
}

/// A server on this thread, and a caller on another one that makes calls when it is told to.
struct Counted {
    runtime: Runtime,
    turns: mpsc::UnboundedSender<oneshot::Sender<()>>,
    _directory: tempfile::TempDir,
}

impl Counted {
    fn on_sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("agentguard.db").display());
        Self::start(url, directory)
    }

    /// On a database of the suite's server: one of its own name, made anew.
    fn on_postgres() -> Self {
        let server = std::env::var("AGENTGUARD_TEST_POSTGRES_URL").expect(
            "AGENTGUARD_TEST_POSTGRES_URL is not set: this test needs PostgreSQL; run it by `scripts/test`",
        );
        let directory = tempfile::tempdir().unwrap();
        let name = format!("allocations_{:032x}", u128::from_be_bytes(agentguard::entropy::id()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pool = sqlx::PgPool::connect(&server).await.unwrap();
            // The name is random and needs no quotes.
            let create = format!("create database {name} template template0");
            sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.unwrap();
        });
        let (base, _) = server.rsplit_once('/').unwrap();
        Self::start(format!("{base}/{name}"), directory)
    }

    fn start(url: String, directory: tempfile::TempDir) -> Self {
        let migrated = Command::new(env!("CARGO_BIN_EXE_agentguard"))
            .args(["migrate", "up"])
            .env_clear()
            .env("DATABASE_URL", &url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        let direct = url.starts_with("postgres").then(|| url.clone());
        let environment = move |name: &str| -> Option<String> {
            match name {
                "DATABASE_URL" => Some(url.clone()),
                "DATABASE_DIRECT_URL" => direct.clone(),
                "ADMIN_API_KEY" => Some(ADMIN_KEY.to_owned()),
                "HOST" => Some("127.0.0.1".to_owned()),
                "PORT" => Some("0".to_owned()),
                "AUDIT_MODE" => Some("durable".to_owned()),
                "LOG_LEVEL" => Some("ERROR".to_owned()),
                // Its polls would be counted, the more the slower the machine is.
                "POLICY_REFRESH_INTERVAL" => Some("15".to_owned()),
                "MAX_POLICY_STALENESS" => Some("300".to_owned()),
                _ => None,
            }
        };
        let config = Config::load(&Program::Serve, environment, &Default::default()).unwrap();
        // As in the program: without it no call would have its span. Another test of this process may have been first.
        agentguard::telemetry::start(config.log, None, Clock::System).ok();

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (turns, told) = mpsc::unbounded_channel();
        let (stopper, stop) = server::stop();
        let address = runtime.block_on(async {
            let built = server::build(&config, Clock::System).await.unwrap();
            let address = built.address().unwrap();
            tokio::spawn(async move {
                built.run(stop).await.unwrap();
                drop(stopper);
            });
            address
        });
        std::thread::spawn(move || calls(address, told));
        Self { runtime, turns, _directory: directory }
    }

    /// Allocations of a call, with so many `planted` in every one.
    fn a_call(&mut self, planted: u64) -> u64 {
        // What is made once, at the first calls, is not a call's.
        self.turn();
        (0..TURNS).map(|_| self.counted_turn(planted)).min().unwrap()
    }

    fn counted_turn(&mut self, planted: u64) -> u64 {
        let counted = allocation_counter::measure(|| {
            self.turn();
            for _ in 0..CALLS * planted {
                drop(std::hint::black_box(Box::new(0_u8)));
            }
        });
        counted.count_total.div_ceil(CALLS)
    }

    /// Has the calls of a turn made; the server only works in here.
    fn turn(&mut self) {
        let (done, over) = oneshot::channel();
        self.turns.send(done).unwrap();
        self.runtime.block_on(over).expect("the caller failed");
    }
}

/// The caller's thread.
fn calls(address: SocketAddr, mut told: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut caller = None;
        while let Some(done) = told.recv().await {
            let (key, client) = match &mut caller {
                Some(caller) => caller,
                none => none.insert(agent(address).await),
            };
            for number in 0..CALLS {
                ask(client, key, number).await;
            }
            done.send(()).ok();
        }
    });
}

async fn ask(client: &mut EnforcementServiceClient<Channel>, key: &str, number: u64) {
    let message = v1::EnforceRequest {
        action: "read_file".to_owned(),
        resource: format!("/data/{:03}.txt", number % 1_000),
        session_id: "session".to_owned(),
        ..v1::EnforceRequest::default()
    };
    for _ in 0..TRIES {
        let mut request = Request::new(message.clone());
        request.metadata_mut().insert("x-agent-key", key.parse().unwrap());
        match client.enforce(request).await {
            Ok(answer) => return assert!(answer.into_inner().decision.unwrap().allowed),
            // A busy machine's disk took too long.
            Err(status) if status.code() == Code::Unavailable => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(status) => panic!("{status:?}"),
        }
    }
    panic!("no answer in {TRIES} tries");
}

/// An agent with a policy, and a client for it.
fn agent(address: SocketAddr) -> impl Future<Output = (String, EnforcementServiceClient<Channel>)> {
    fn with_key<T>(message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-admin-key", ADMIN_KEY.parse().unwrap());
        request
    }
    async move {
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        let mut admin = AdminServiceClient::new(channel.clone());
        let agent = v1::Agent {
            name: "reader".to_owned(),
            team: "team".to_owned(),
            environment: "production".to_owned(),
            ..v1::Agent::default()
        };
        let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
        let created = admin.create_agent(with_key(message)).await.unwrap().into_inner();
        let rule = v1::Rule {
            action: "read:*".to_owned(),
            resource: Some("/data/**".to_owned()),
            ..v1::Rule::default()
        };
        let agent_id = created.agent.unwrap().agent_id;
        let policy = v1::Policy {
            scope: Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(agent_id)) }),
            allow: vec![rule],
            ..v1::Policy::default()
        };
        let message = v1::SetPolicyRequest { policy: Some(policy), ..v1::SetPolicyRequest::default() };
        admin.set_policy(with_key(message)).await.unwrap();
        (created.api_key, EnforcementServiceClient::new(channel))
    }
}
