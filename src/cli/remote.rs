//! The way to the server: one channel, one key, one deadline for each call.

use std::path::PathBuf;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Request, Response, Status};

use super::{Failure, Session, failure};
use crate::config::client::{self, Client, Role};
use crate::config::{Fault, Secret, value};
use crate::pb::v1::admin_service_client::AdminServiceClient;
use crate::pb::v1::enforcement_service_client::EnforcementServiceClient;

/// The largest answer that is taken: a page ends at 2 MiB, a policy may have as much.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// The longest wait for a connection, within the command's own deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a call to this process's own server may take.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Flags of every command that calls the server.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Flags {
    /// The server's address [env: AGENTGUARD_ENDPOINT] [default: http://127.0.0.1:8000]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// A file that holds the key, in place of the environment
    #[arg(long, value_name = "PATH")]
    key_file: Option<PathBuf>,
    /// How long to wait for an answer: `10s`, `500ms`
    #[arg(long, value_name = "TIME", default_value = client::DEFAULT_TIMEOUT, value_parser = timeout)]
    timeout: Duration,
    /// Let the key travel in plain text to another machine
    #[arg(long)]
    insecure: bool,
    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

impl Flags {
    /// How long to wait for an answer.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let within = Duration::from_millis(1)..=Duration::from_secs(86_400);
    value::duration(text)
        .filter(|span| within.contains(span))
        .ok_or_else(|| "a duration from 1ms to 24h, such as `10s`, `500ms`, `2m`".to_owned())
}

/// A connection to the server, acting in one role.
#[derive(Clone, Debug)]
pub struct Remote {
    channel: Channel,
    endpoint: String,
    header: Option<(&'static str, MetadataValue<Ascii>)>,
    /// How long a call may take.
    pub timeout: Duration,
}

impl Remote {
    /// Connects as `role`.
    pub async fn connect(flags: &Flags, role: Role, session: &Session<'_>) -> Result<Self, Failure> {
        let client = settings(flags, role, session)?;
        let unreachable = |cause: String| Failure::Unreachable { endpoint: client.endpoint.clone(), cause };
        let header = match (&client.key, role) {
            (None, _) | (_, Role::Nobody) => None,
            (Some(key), Role::Admin) => Some(("x-admin-key", key)),
            (Some(key), Role::Agent) => Some(("x-agent-key", key)),
        };
        let header = header.and_then(|(name, key)| {
            let mut value = MetadataValue::try_from(key.expose()).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let mut endpoint = Endpoint::from_shared(client.endpoint.clone())
            .and_then(|endpoint| endpoint.user_agent(concat!("agentguard-cli/", env!("CARGO_PKG_VERSION"))))
            .map_err(|error| unreachable(failure::causes(&error)))?
            .connect_timeout(client.timeout.min(CONNECT_TIMEOUT))
            .http2_keep_alive_interval(Duration::from_secs(30));
        if client.endpoint.starts_with("https:") {
            let mut tls = match &client.tls.roots {
                Some(roots) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(roots)),
                None => ClientTlsConfig::new().with_native_roots(),
            };
            if let Some((certificate, key)) = &client.tls.identity {
                tls = tls.identity(Identity::from_pem(certificate, key.expose()));
            }
            endpoint = endpoint.tls_config(tls).map_err(|error| unreachable(failure::causes(&error)))?;
        }
        let channel = endpoint.connect().await.map_err(|error| unreachable(failure::causes(&error)))?;
        Ok(Self { channel, endpoint: client.endpoint.clone(), header, timeout: client.timeout })
    }

    /// Connects to the server that this process runs, with one key.
    pub async fn local(address: &str, (header, key): (&'static str, &Secret)) -> Result<Self, Failure> {
        let unreachable = |error: tonic::transport::Error| Failure::Unreachable {
            endpoint: address.to_owned(),
            cause: failure::causes(&error),
        };
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(unreachable)?;
        let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).connect().await.map_err(unreachable)?;
        let header = MetadataValue::try_from(key.expose()).ok().map(|value| (header, value));
        Ok(Self { channel, endpoint: address.to_owned(), header, timeout: LOCAL_TIMEOUT })
    }

    /// The admin's service.
    pub fn admin(&self) -> AdminServiceClient<Channel> {
        AdminServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The agents' service.
    pub fn enforcement(&self) -> EnforcementServiceClient<Channel> {
        EnforcementServiceClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// The channel itself, for the health service.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// A call with key and deadline.
    pub fn call<T>(&self, message: T) -> Request<T> {
        let mut request = self.stream(message);
        request.set_timeout(self.timeout);
        request
    }

    /// A call with key and without deadline, for answers that go on.
    pub fn stream<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some((name, value)) = &self.header {
            request.metadata_mut().insert(*name, value.clone());
        }
        request
    }

    /// The answer's message, or why there is none.
    pub fn answer<T>(&self, answer: Result<Response<T>, Status>) -> Result<T, Failure> {
        answer.map(Response::into_inner).map_err(|status| Failure::call(&self.endpoint, &status))
    }

    /// Why a stream ended.
    pub fn failure(&self, status: &Status) -> Failure {
        Failure::call(&self.endpoint, status)
    }

    /// A failure to hear from the server.
    pub fn silent(&self, cause: impl Into<String>) -> Failure {
        Failure::Unreachable { endpoint: self.endpoint.clone(), cause: cause.into() }
    }
}

/// Whether an admin key is set, for commands that can say more with one.
pub fn has_admin_key(flags: &Flags, session: &Session<'_>) -> bool {
    settings(flags, Role::Admin, session).is_ok()
}

fn settings(flags: &Flags, role: Role, session: &Session<'_>) -> Result<Client, Failure> {
    let given = client::Flags {
        endpoint: flags.endpoint.clone(),
        key_file: flags.key_file.clone(),
        timeout: flags.timeout,
        insecure: flags.insecure,
    };
    Client::load(role, session.env, &given).map_err(|faults: Vec<Fault>| Failure::Configuration(faults))
}
