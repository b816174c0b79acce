//! The real server as a process of its own, on a free port with a database of its own, and ready clients to it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use agentguard::pb::v1::admin_service_client::AdminServiceClient;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use agentguard::service::enforcement::Deviation;
use prost::Message;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::cli::{self, Run};
use crate::deviant;

/// A key that production accepts.
pub const ADMIN_KEY: &str = "hT4-wq9ZrLx2_VbNcY7sKdG5mPjE8uAf";

/// How long a server may take to serve, and how long anything else may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, and how to start it again.
pub struct Guard {
    directory: TempDir,
    settings: Vec<(String, String)>,
    deviation: Deviation,
    process: Option<Child>,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Guard {
    /// A server on a new SQLite file.
    pub fn on_sqlite(settings: &[(&str, &str)]) -> Self {
        Self::deviating_on_sqlite(Deviation::Nothing, settings)
    }

    /// The same with one check left out.
    pub fn deviating_on_sqlite(deviation: Deviation, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("guard").tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("agentguard.db").display());
        Self::start(directory, &url, settings, deviation)
    }

    /// A server on the PostgreSQL database at `url`, which may be served by another one already.
    pub fn on_postgres(url: &str, settings: &[(&str, &str)]) -> Self {
        Self::deviating_on_postgres(Deviation::Nothing, url, settings)
    }

    /// The same with one check left out.
    pub fn deviating_on_postgres(deviation: Deviation, url: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::Builder::new().prefix("guard").tempdir().unwrap();
        Self::start(directory, url, settings, deviation)
    }

    fn start(directory: TempDir, url: &str, settings: &[(&str, &str)], deviation: Deviation) -> Self {
        let url = crate::postgres::served(url);
        let mut all: Vec<(String, String)> = [
            ("DATABASE_URL", url.as_str()),
            ("ADMIN_API_KEY", ADMIN_KEY),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("SHUTDOWN_DRAIN_DELAY", "0"),
            ("SHUTDOWN_GRACE", "2"),
            // Tests ask more often than anybody should; those about limits say so.
            ("RATE_LIMIT_ENABLED", "false"),
        ]
        .into_iter()
        .chain(settings.iter().copied())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        // Later settings win, as they would on a command line.
        all.reverse();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut guard = Self {
            directory,
            settings: all,
            deviation,
            process: None,
            address: nowhere,
            log: Arc::default(),
        };
        let migrated = cli::run(&["migrate", "up"], &guard.environment());
        assert_eq!(migrated.code, 0, "{migrated:?}");
        guard.restart();
        guard
    }

    fn environment(&self) -> Vec<(&str, &str)> {
        let mut seen = Vec::new();
        self.settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| {
                let new = !seen.contains(name);
                seen.push(name);
                new
            })
            .collect()
    }

    /// Starts the server again after [`Guard::kill`] or [`Guard::stop`]: the same database, another port.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the server is still running");
        let environment = self.environment();
        let mut command = match self.deviation {
            Deviation::Nothing => cli::program(&["serve"], &environment),
            deviation => deviant::program(deviation, &environment),
        };
        command.current_dir(self.directory.path()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        self.process = Some(process);
        let (send, address) = std::sync::mpsc::channel();
        let log = Arc::clone(&self.log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(address) = listening(&line) {
                    send.send(address).ok();
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        // The channel is closed when the process ends, so that one that refuses to start is not waited for.
        self.address = address
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("the server does not serve ({error}): {}", self.log()));
    }

    /// `kill -9`: no farewell, no last flush.
    pub fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// The server's process.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Asks the server to end, and waits for it.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        crate::postgres::signal("TERM", &[process.id()]);
        let status = process.wait().unwrap();
        assert!(status.success(), "the server ended with {status}: {}", self.log());
    }

    /// The server's process, to be stopped, continued or looked at.
    pub fn process(&self) -> u32 {
        self.process.as_ref().expect("the server runs").id()
    }

    /// Everything that the server logged, over all its lives.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The most memory that the running process ever had resident, in bytes.
    pub fn peak_memory(&self) -> usize {
        let process = self.process.as_ref().expect("the server does not run").id();
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1_024
    }

    /// Where its files are; with SQLite, `agentguard.db`.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the listener that `service` (`admin`, `health`) has to itself is, as the log says.
    pub fn beside(&self, service: &str) -> SocketAddr {
        let log = self.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let line = lines.find(|line| line["service"] == service).expect("the log names no such listener");
        line["listens_on"].as_str().unwrap().parse().unwrap()
    }

    /// Where it listens, as clients write it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new connection.
    pub async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.endpoint()).unwrap().connect().await.unwrap()
    }

    /// A connection with the admin's key.
    pub async fn admin(&self) -> Admin {
        Admin { client: AdminServiceClient::new(self.channel().await) }
    }

    /// A connection with an agent's key.
    pub async fn caller(&self, key: &str) -> Caller {
        Caller { client: EnforcementServiceClient::new(self.channel().await), key: key.to_owned() }
    }

    /// Runs the program as an admin's client of this server.
    pub fn cli(&self, args: &[&str]) -> Run {
        cli::run(args, &[("AGENTGUARD_ENDPOINT", &self.endpoint()), ("AGENTGUARD_ADMIN_KEY", ADMIN_KEY)])
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.kill();
        if !std::thread::panicking() {
            assert_eq!(crate::logs::secret_in(&self.log()), None, "a key is in the log");
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("the end of the server's log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// The address in the line that says where the server listens.
fn listening(line: &str) -> Option<SocketAddr> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line.get("address")?.as_str()?.parse().ok()
}

/// An admin.
#[derive(Clone)]
pub struct Admin {
    client: AdminServiceClient<Channel>,
}

/// An agent as it was created, with its first key.
#[derive(Clone, Debug)]
pub struct NewAgent {
    pub id: String,
    pub key: String,
    pub key_id: String,
}

impl Admin {
    /// An admin on a connection that was made otherwise.
    pub fn over(channel: Channel) -> Self {
        Self { client: AdminServiceClient::new(channel) }
    }

    /// The client, for calls that have no short form here; give it requests of [`admin`].
    pub fn client(&mut self) -> &mut AdminServiceClient<Channel> {
        &mut self.client
    }

    /// A new agent of team `team` in production.
    pub async fn agent(&mut self, name: &str) -> NewAgent {
        let agent = v1::Agent {
            name: name.to_owned(),
            team: "team".to_owned(),
            environment: "production".to_owned(),
            ..v1::Agent::default()
        };
        let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
        let created = self.client.create_agent(admin(message)).await.unwrap().into_inner();
        NewAgent {
            id: created.agent.unwrap().agent_id,
            key: created.api_key,
            key_id: created.key.unwrap().key_id,
        }
    }

    /// What the server has done so far.
    pub async fn stats(&mut self) -> v1::GetStatsResponse {
        self.client.get_stats(admin(v1::GetStatsRequest {})).await.unwrap().into_inner()
    }

    /// Another key of an agent: the key and its id.
    pub async fn key(&mut self, agent_id: &str) -> (String, String) {
        let message = v1::CreateAgentKeyRequest { agent_id: agent_id.to_owned(), expire_time: None };
        let created = self.client.create_agent_key(admin(message)).await.unwrap().into_inner();
        (created.api_key, created.key.unwrap().key_id)
    }

    /// Revokes a key.
    pub async fn revoke(&mut self, key_id: &str) {
        let message = v1::RevokeAgentKeyRequest { key_id: key_id.to_owned() };
        self.client.revoke_agent_key(admin(message)).await.unwrap();
    }

    /// Makes an agent active or inactive; answers the revision.
    pub async fn kill(&mut self, agent_id: &str, is_on: bool) {
        let message = v1::SetKillSwitchRequest {
            scope: Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(agent_id.to_owned())) }),
            is_on: Some(is_on),
            reason: "drill".to_owned(),
        };
        self.client.set_kill_switch(admin(message)).await.unwrap();
    }

    pub async fn set_active(&mut self, agent_id: &str, is_active: bool) -> String {
        let agent =
            v1::Agent { agent_id: agent_id.to_owned(), is_active: Some(is_active), ..v1::Agent::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["is_active".to_owned()] });
        let message = v1::UpdateAgentRequest { agent: Some(agent), update_mask };
        self.client.update_agent(admin(message)).await.unwrap().into_inner().revision
    }

    /// Writes an agent's policy from action patterns; answers the revision.
    pub async fn set_policy(&mut self, agent_id: &str, allow: &[&str], deny: &[&str]) -> String {
        let rules = |actions: &[&str]| {
            let rule = |action: &&str| v1::Rule { action: (*action).to_owned(), ..v1::Rule::default() };
            actions.iter().map(rule).collect()
        };
        let policy = v1::Policy {
            scope: Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(agent_id.to_owned())) }),
            allow: rules(allow),
            deny: rules(deny),
            ..v1::Policy::default()
        };
        let message = v1::SetPolicyRequest { policy: Some(policy), ..v1::SetPolicyRequest::default() };
        self.client.set_policy(admin(message)).await.unwrap().into_inner().revision
    }
}

/// A call with the admin's key.
pub fn admin<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-admin-key", ADMIN_KEY.parse().unwrap());
    request
}

/// An agent's client.
#[derive(Clone)]
pub struct Caller {
    client: EnforcementServiceClient<Channel>,
    key: String,
}

impl Caller {
    /// An agent on a connection that was made otherwise.
    pub fn over(channel: Channel, key: &str) -> Self {
        Self { client: EnforcementServiceClient::new(channel), key: key.to_owned() }
    }

    /// The client, for calls that have no short form here; give it requests of [`Caller::request`].
    pub fn client(&mut self) -> &mut EnforcementServiceClient<Channel> {
        &mut self.client
    }

    /// The same connection with another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { client: self.client.clone(), key: key.to_owned() }
    }

    /// A call with the agent's key.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-agent-key", self.key.parse().unwrap());
        request
    }

    /// One check.
    pub async fn enforce(&mut self, check: v1::EnforceRequest) -> Result<v1::Decision, Status> {
        let request = self.request(check);
        Ok(self.client.enforce(request).await?.into_inner().decision.unwrap())
    }

    /// One check, marked as tried before.
    pub async fn retry(&mut self, check: v1::EnforceRequest) -> Result<v1::Decision, Status> {
        let mut request = self.request(check);
        request.metadata_mut().insert("x-agentguard-attempt", "1".parse().unwrap());
        Ok(self.client.enforce(request).await?.into_inner().decision.unwrap())
    }
}

/// Tries until it comes true; for what another process does in its own time.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The `ErrorInfo` reason of a refusal; empty if it has none.
pub fn reason(status: &Status) -> String {
    let details = agentguard::pb::rpc::Status::decode(status.details()).unwrap_or_default().details;
    let info = details.iter().find(|detail| detail.type_url.ends_with("google.rpc.ErrorInfo"));
    info.map(|info| agentguard::pb::rpc::ErrorInfo::decode(info.value.as_slice()).unwrap().reason)
        .unwrap_or_default()
}
