//! The real program in a process of its own, with an agent that may read and nothing else.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use agentguard::pb::v1;
use agentguard::pb::v1::admin_service_client::AdminServiceClient;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::echo;
use super::process::Process;

const ADMIN_KEY: &str = "hT4-wq9ZrLx2_VbNcY7sKdG5mPjE8uAf";

/// Connections over which calls are spread: more than one, as callers of many processes would have.
const CONNECTIONS: usize = 8;

/// A server and the ways to it.
pub struct Server {
    pub mode: &'static str,
    pub database: &'static str,
    pub agent_key: String,
    pub clients: Vec<EnforcementServiceClient<Channel>>,
    /// `None` of the echo, which has nothing to administer.
    admin: Option<AdminServiceClient<Channel>>,
    child: Child,
    _directory: TempDir,
}

/// What the server's program is called with.
pub struct Home {
    directory: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Home {
    /// A migrated database: a SQLite file, or a new one of the PostgreSQL server at `postgres`.
    pub async fn new(mode: &'static str, postgres: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = match postgres {
            Some(server) => new_database(server, mode).await,
            None => format!("sqlite://{}", directory.path().join("agentguard.db").display()),
        };
        let mut environment = vec![("DATABASE_URL", url.clone())];
        if postgres.is_some() {
            // The server beside it is no pooler.
            environment.push(("DATABASE_DIRECT_URL", url));
        }
        let home = Self { directory, environment };
        let migrated = home.program(&["migrate", "up"]).output().unwrap();
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
        home
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_agentguard"));
        command.args(arguments).env_clear().envs(self.environment.iter().cloned());
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    /// Starts the server; answers it and its address once it says that it serves.
    pub fn serve(&self, mode: &str) -> (Child, String) {
        self.serve_with(mode, &[])
    }

    /// The same with `more` settings. It must log at `INFO`, or its address is not heard.
    fn serve_with(&self, mode: &str, more: &[(&str, &str)]) -> (Child, String) {
        let mut command = self.program(&["serve"]);
        command.envs([
            ("ADMIN_API_KEY", ADMIN_KEY),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("AUDIT_MODE", mode),
            ("RATE_LIMIT_ENABLED", "false"),
        ]);
        command.envs(more.iter().copied());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines.find_map(|line| address(&line)).expect("the server does not serve");
        // A log that nobody reads would fill the pipe and stop the server.
        std::thread::spawn(move || lines.for_each(drop));
        (child, format!("http://{address}"))
    }
}

/// `program`, which prints its address first.
fn start_echo(program: &Path) -> (Child, String) {
    let mut command = Command::new(program);
    let mut child = command.arg(echo::ARGUMENT).env_clear().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap();
    (child, format!("http://{address}"))
}

/// Many connections to one server.
pub async fn connect(address: &str) -> Vec<EnforcementServiceClient<Channel>> {
    let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(EnforcementServiceClient::new(endpoint.connect().await.unwrap()));
    }
    clients
}

/// An agent of the server at `address`: its key, and a client for admins.
pub async fn agent(address: &str) -> (String, AdminServiceClient<Channel>) {
    let endpoint = Endpoint::from_shared(address.to_owned()).unwrap();
    let mut admin = AdminServiceClient::new(endpoint.connect().await.unwrap());
    (new_agent(&mut admin).await, admin)
}

impl Server {
    /// Starts one on a SQLite file, or on a new database of the PostgreSQL server at `postgres`.
    pub async fn start(mode: &'static str, database: &'static str, postgres: Option<&str>) -> Self {
        Self::start_with(mode, database, postgres, &[]).await
    }

    /// The same with `more` settings.
    pub async fn start_with(
        mode: &'static str,
        database: &'static str,
        postgres: Option<&str>,
        more: &[(&str, &str)],
    ) -> Self {
        let home = Home::new(mode, postgres).await;
        let (child, address) = home.serve_with(mode, more);
        let clients = connect(&address).await;
        let (agent_key, admin) = agent(&address).await;
        Self { mode, database, agent_key, clients, admin: Some(admin), child, _directory: home.directory }
    }

    /// Starts the echo.
    pub async fn echo() -> Self {
        let (child, address) = start_echo(&std::env::current_exe().unwrap());
        Self {
            mode: "echo",
            database: "-",
            agent_key: "agk_".to_owned() + &"0".repeat(86),
            clients: connect(&address).await,
            admin: None,
            child,
            _directory: tempfile::tempdir().unwrap(),
        }
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Records and commits of the audit since the start, once nothing waits to be written.
    pub async fn written(&mut self) -> (i64, i64) {
        let Some(admin) = &mut self.admin else { return (0, 0) };
        loop {
            let stats = admin.get_stats(with_key(v1::GetStatsRequest {})).await.unwrap().into_inner();
            let audit = stats.audit.unwrap();
            if audit.queued == 0 {
                return (audit.records, audit.commits);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.admin.is_none() {
            return f.write_str("echo");
        }
        write!(f, "{} on {}", self.mode, self.database)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

async fn new_database(server: &str, mode: &str) -> String {
    let pool = sqlx::PgPool::connect(server).await.unwrap();
    let (drop, create) = match mode {
        "async" => ("drop database if exists load_async", "create database load_async"),
        _ => ("drop database if exists load_durable", "create database load_durable"),
    };
    sqlx::raw_sql(drop).execute(&pool).await.unwrap();
    sqlx::raw_sql(create).execute(&pool).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    format!("{base}/load_{mode}")
}

fn address(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    (line.get("message")? == "serving").then(|| line["address"].as_str().map(str::to_owned)).flatten()
}

fn with_key<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-admin-key", ADMIN_KEY.parse().unwrap());
    request
}

/// An agent with a policy of the usual kind; answers its key.
async fn new_agent(admin: &mut AdminServiceClient<Channel>) -> String {
    let agent = v1::Agent {
        name: "load".to_owned(),
        team: "team".to_owned(),
        environment: "production".to_owned(),
        ..v1::Agent::default()
    };
    let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
    let created = admin.create_agent(with_key(message)).await.unwrap().into_inner();
    let rule = |action: &str, resource: Option<&str>| v1::Rule {
        action: action.to_owned(),
        resource: resource.map(str::to_owned),
        ..v1::Rule::default()
    };
    let policy = v1::Policy {
        scope: Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(created.agent.unwrap().agent_id)) }),
        deny: vec![rule("delete:**", None), rule("read:*", Some("/etc/**"))],
        allow: vec![rule("read:*", Some("/data/**")), rule("search", None)],
        ..v1::Policy::default()
    };
    let message = v1::SetPolicyRequest { policy: Some(policy), ..v1::SetPolicyRequest::default() };
    admin.set_policy(with_key(message)).await.unwrap();
    created.api_key
}
