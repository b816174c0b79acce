//! Every setting, read once at the start: all faults at once, secrets never shown.
//!
//! The table of settings is `config/setting.rs`; this file says what a loaded configuration is and what must
//! hold between settings. `docs/configuration.md` is printed from the table.
//!
//! **Invariant:** no other module reads the environment; a [`Config`] that exists is whole and consistent.

pub mod client;
pub mod document;
pub mod door;
pub mod dotenv;
mod metrics;
pub mod network;
pub mod origins;
mod placeholder;
mod postgres_url;
mod rate_limit;
mod reader;
mod secret;
pub mod setting;
pub mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use door::{Door, Https, TlsFiles, tls_file};
pub use metrics::Metrics;
pub use network::Network;
pub use origins::Origins;
pub use rate_limit::RateLimit;
pub use secret::Secret;

use crate::rate_limit::storage::Storage;
use reader::Reader;

/// The shortest admin key and pepper that production accepts, in characters: 32 of base 64 are 192 bits.
pub const LEAST_KEY_LENGTH: usize = 32;

/// What `serve`, `dev` or `migrate` run with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// TLS, proxies, listeners of their own.
    pub door: Door,
    /// The database.
    pub database: Database,
    /// PostgreSQL itself, where `database` may be a pooler.
    pub database_direct: Option<Secret>,
    /// The role that owns the tables.
    pub database_migrate: Option<Secret>,
    /// The pool of database connections.
    pub pool: Pool,
    /// The admin keys that open: none, one, or two while rotating.
    pub admin_keys: Vec<Secret>,
    /// The pepper that new key hashes are made under.
    pub key_pepper: Option<Secret>,
    /// The pepper before it.
    pub key_pepper_previous: Option<Secret>,
    /// What agents are told of a decision.
    pub decision_detail: DecisionDetail,
    /// How often changed agents, keys and policies are asked for.
    pub policy_refresh_interval: Duration,
    /// For how long an unconfirmed view may decide.
    pub max_policy_staleness: Duration,
    /// When the answer leaves: after its record is committed, or before.
    pub audit_mode: AuditMode,
    /// How it hears of changes.
    pub policy_feed: PolicyFeed,
    /// Parts of key names, in lower case without `_` and `-`, under which values are not stored.
    pub audit_redact_keys: Vec<String>,
    /// How often agents may call, and addresses fail to log in.
    pub rate_limit: RateLimit,
    /// The collector that traces are sent to.
    pub collector: Option<Secret>,
    /// What is counted, and who sees it.
    pub metrics: Metrics,
    /// The upper bound of a unary call.
    pub request_timeout: Duration,
    /// The largest request message, in bytes.
    pub max_request_size: usize,
    /// The largest check, in bytes.
    pub max_enforce_size: usize,
    /// Whether server reflection answers.
    pub reflection_enabled: bool,
    /// How long calls are still accepted after health says `NOT_SERVING`.
    pub shutdown_drain_delay: Duration,
    /// How long calls in flight may then finish.
    pub shutdown_grace: Duration,
    /// What is logged, and how.
    pub log: Log,
    /// Lines to log as warnings at the start.
    pub warnings: Vec<String>,
}

/// Where agents, keys, policies and the audit are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// One SQLite file.
    Sqlite(PathBuf),
    /// PostgreSQL, direct or through a pooler.
    Postgres(Secret),
}

/// Bounds of the pool of database connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Connections that are kept while nobody needs them: `DATABASE_POOL_SIZE`.
    pub kept_connections: u32,
    /// The most connections: `DATABASE_POOL_SIZE` and `DATABASE_MAX_OVERFLOW` together.
    pub max_connections: u32,
    /// How long to wait for a free one.
    pub timeout: Duration,
    /// The age at which one is replaced.
    pub recycle: Duration,
}

/// When the answer to an agent leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditMode {
    /// After its record is committed.
    Durable,
    /// At once; a crash may lose the last records.
    Async,
}

/// How a replica hears of changes before its next poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyFeed {
    /// In every way there is.
    Auto,
    /// By PostgreSQL.
    Postgres,
    /// By Redis.
    Redis,
    /// Not at all.
    Off,
}

/// What an agent is told of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionDetail {
    /// Verdict, code and a general reason.
    Kind,
    /// Also the rule, its reason and its policy.
    Rule,
    /// Also whether a condition failed to evaluate.
    Full,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least level.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// The least level that is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For finding faults.
    Debug,
    /// What a running system does.
    Info,
    /// What may need a look.
    Warning,
    /// What failed.
    Error,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object.
    Json,
    /// For people.
    Text,
}

/// One thing wrong with the configuration; its text is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {wrong}; accepted: {accepted}")]
pub struct Fault {
    /// The variable.
    pub setting: String,
    /// What is wrong. Shows no secret.
    pub wrong: String,
    /// What is accepted, or what to do.
    pub accepted: String,
}

/// For whom the configuration is loaded; defaults and demands differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// `agentguard serve`.
    Serve,
    /// `agentguard dev`, with its own database file and the admin key it keeps.
    Dev {
        /// The database file in the data directory.
        database: PathBuf,
        /// The admin key of the data directory; `ADMIN_API_KEY` wins where it is set.
        admin_key: Secret,
    },
    /// `agentguard migrate`: the database only; no key is demanded.
    Migrate,
}

/// Values from the command line by the names of their variables; they win over the environment.
pub type Flags = BTreeMap<String, String>;

impl Config {
    /// Loads the configuration: flags first, then `env`, then defaults. An empty variable counts as unset.
    ///
    /// # Errors
    ///
    /// Every fault at once, in the order of the table.
    pub fn load(
        program: &Program,
        env: impl Fn(&str) -> Option<String>,
        flags: &Flags,
    ) -> Result<Self, Vec<Fault>> {
        let dev = matches!(program, Program::Dev { .. });
        let mut read = Reader::new(&env, flags, dev);
        let host = read.address("HOST");
        let database = match program {
            Program::Dev { database, .. } => Database::Sqlite(database.clone()),
            Program::Serve | Program::Migrate => read.database("DATABASE_URL"),
        };
        let listen = SocketAddr::new(host, read.number("PORT"));
        let mut config = Self {
            listen,
            door: Door::read(program, listen, &mut read),
            request_timeout: read.span("REQUEST_TIMEOUT"),
            max_request_size: read.number("MAX_REQUEST_SIZE"),
            max_enforce_size: read.number("MAX_ENFORCE_SIZE"),
            reflection_enabled: read.switch("REFLECTION_ENABLED"),
            shutdown_drain_delay: read.span("SHUTDOWN_DRAIN_DELAY"),
            shutdown_grace: read.span("SHUTDOWN_GRACE"),
            database,
            database_direct: if dev { None } else { read.postgres("DATABASE_DIRECT_URL") },
            database_migrate: if dev { None } else { read.postgres("DATABASE_MIGRATE_URL") },
            pool: Pool {
                kept_connections: read.number("DATABASE_POOL_SIZE"),
                max_connections: read
                    .number::<u32>("DATABASE_POOL_SIZE")
                    .saturating_add(read.number::<u32>("DATABASE_MAX_OVERFLOW")),
                timeout: read.span("DATABASE_POOL_TIMEOUT"),
                recycle: read.span("DATABASE_POOL_RECYCLE"),
            },
            admin_keys: read.keys("ADMIN_API_KEY"),
            key_pepper: read.key("KEY_PEPPER"),
            key_pepper_previous: read.key("KEY_PEPPER_PREVIOUS"),
            decision_detail: match read.choice("DECISION_DETAIL") {
                "full" => DecisionDetail::Full,
                "kind" => DecisionDetail::Kind,
                _ => DecisionDetail::Rule,
            },
            policy_refresh_interval: read.span("POLICY_REFRESH_INTERVAL"),
            max_policy_staleness: read.span("MAX_POLICY_STALENESS"),
            policy_feed: match read.choice("POLICY_FEED") {
                "postgres" => PolicyFeed::Postgres,
                "redis" => PolicyFeed::Redis,
                "off" => PolicyFeed::Off,
                _ => PolicyFeed::Auto,
            },
            audit_mode: match read.choice("AUDIT_MODE") {
                "async" => AuditMode::Async,
                _ => AuditMode::Durable,
            },
            audit_redact_keys: read.words("AUDIT_REDACT_KEYS"),
            rate_limit: RateLimit::load(&mut read),
            collector: read.collector("OTEL_EXPORTER_OTLP_ENDPOINT"),
            metrics: Metrics::read(&mut read),
            log: Log {
                level: match read.choice("LOG_LEVEL") {
                    "TRACE" => LogLevel::Trace,
                    "DEBUG" => LogLevel::Debug,
                    "WARNING" => LogLevel::Warning,
                    "ERROR" => LogLevel::Error,
                    _ => LogLevel::Info,
                },
                format: match read.choice("LOG_FORMAT") {
                    "text" => LogFormat::Text,
                    _ => LogFormat::Json,
                },
            },
            warnings: Vec::new(),
        };
        match program {
            Program::Dev { admin_key, .. } if config.admin_keys.is_empty() => {
                config.admin_keys.push(admin_key.clone());
            }
            Program::Dev { .. } | Program::Serve | Program::Migrate => {}
        }
        config.check(program, &mut read);
        config.warnings = read.warnings();
        let faults = read.into_faults();
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// Whether strangers may reach it: anything but a loopback address, or a PostgreSQL database.
    pub fn is_production(&self) -> bool {
        self.is_open() || matches!(self.database, Database::Postgres(_))
    }

    /// Whether it listens beyond loopback. A listener that answers nothing but health does not count.
    fn is_open(&self) -> bool {
        [Some(self.listen), self.door.admin].into_iter().flatten().any(|address| !is_loopback(address.ip()))
    }

    /// A feed that is asked for by name must be there.
    fn check_feed(&self, read: &mut Reader<'_>) {
        let missing = match self.policy_feed {
            PolicyFeed::Postgres if self.database_direct.is_none() => "DATABASE_DIRECT_URL",
            PolicyFeed::Redis if matches!(self.rate_limit.storage, Storage::Memory) => {
                "a Redis in RATE_LIMIT_STORAGE_URI"
            }
            PolicyFeed::Auto | PolicyFeed::Postgres | PolicyFeed::Redis | PolicyFeed::Off => return,
        };
        read.fault(
            "POLICY_FEED",
            &format!("needs {missing}, which is not given"),
            "`auto`, or what it needs",
        );
    }

    /// What must hold between settings.
    fn check(&self, program: &Program, read: &mut Reader<'_>) {
        if self.max_enforce_size > self.max_request_size {
            read.fault("MAX_ENFORCE_SIZE", "is larger than MAX_REQUEST_SIZE", "at most MAX_REQUEST_SIZE");
        }
        if self.policy_refresh_interval.saturating_mul(2) > self.max_policy_staleness {
            let wrong =
                "is less than twice POLICY_REFRESH_INTERVAL, so that one lost poll would stop the server";
            read.fault("MAX_POLICY_STALENESS", wrong, "at least twice POLICY_REFRESH_INTERVAL");
        }
        if matches!(self.database, Database::Sqlite(_)) {
            for (name, given) in [
                ("DATABASE_DIRECT_URL", &self.database_direct),
                ("DATABASE_MIGRATE_URL", &self.database_migrate),
            ] {
                if given.is_some() {
                    read.fault(name, "is set, but DATABASE_URL is SQLite", "leave it unset with SQLite");
                }
            }
        }
        self.check_feed(read);
        self.check_ways(read);
        let peppers = [("KEY_PEPPER", &self.key_pepper), ("KEY_PEPPER_PREVIOUS", &self.key_pepper_previous)];
        for (name, pepper) in peppers {
            if let Some(wrong) = pepper.as_ref().and_then(|pepper| placeholder::weakness(pepper.expose())) {
                read.warn(format!("{name} {wrong}; use {STRONG_KEY}"));
            }
        }
        match (&self.key_pepper, &self.key_pepper_previous) {
            (None, Some(_)) => read.fault(
                "KEY_PEPPER_PREVIOUS",
                "is set without KEY_PEPPER",
                "the old pepper here and the new one in KEY_PEPPER",
            ),
            (Some(new), Some(old)) if new == old => {
                read.fault(
                    "KEY_PEPPER_PREVIOUS",
                    "is the same as KEY_PEPPER",
                    "the pepper before KEY_PEPPER",
                );
            }
            (Some(_) | None, None) | (Some(_), Some(_)) => {}
        }
        if self.is_production() {
            self.rate_limit.check_protection(read);
        }
        match program {
            Program::Serve | Program::Dev { .. } => self.check_exposure(read),
            Program::Migrate => {}
        }
    }

    /// What the URLs of PostgreSQL ask for.
    fn check_ways(&self, read: &mut Reader<'_>) {
        let url = match &self.database {
            Database::Sqlite(_) => None,
            Database::Postgres(url) => Some(url),
        };
        for (name, url) in [
            ("DATABASE_URL", url),
            ("DATABASE_DIRECT_URL", self.database_direct.as_ref()),
            ("DATABASE_MIGRATE_URL", self.database_migrate.as_ref()),
        ] {
            let Some(url) = url.map(Secret::expose) else { continue };
            if let Some((wrong, accepted)) = postgres_url::fault(url) {
                read.fault(name, &wrong, &accepted);
            } else if let Some(mode) = postgres_url::unverified(url) {
                read.warn(format!(
                    "{name} has sslmode {mode}: whoever is in between can read and change what is sent; use \
                     sslmode=verify-full with sslrootcert"
                ));
            }
        }
    }

    /// What must hold where strangers may reach the server.
    fn check_exposure(&self, read: &mut Reader<'_>) {
        if self.is_production() && !read.is_faulty("ADMIN_API_KEY") {
            if self.admin_keys.is_empty() {
                let why = if self.is_open() {
                    "is not set, and listening beyond loopback makes this production"
                } else {
                    "is not set, and a PostgreSQL database makes this production"
                };
                read.fault("ADMIN_API_KEY", why, STRONG_KEY);
            }
            for key in &self.admin_keys {
                if let Some(wrong) = placeholder::weakness(key.expose()) {
                    read.fault("ADMIN_API_KEY", &wrong, STRONG_KEY);
                } else if placeholder::looks_guessable(key.expose()) {
                    read.warn(format!("ADMIN_API_KEY looks guessable; use {STRONG_KEY}"));
                }
            }
        }
        if self.is_production() {
            self.door.check_production(read);
        }
    }
}

const STRONG_KEY: &str = "a random key of 32 characters or more (`python3 -c \"import secrets; print(secrets.token_urlsafe(32))\"`)";

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: LogFormat::Json }
    }
}

impl fmt::Display for Database {
    /// The path of a SQLite file; of PostgreSQL only the kind, because its URL may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(_) => f.write_str("postgresql"),
        }
    }
}

/// The process's environment. The one place that reads it.
#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub fn process_environment(name: &str) -> Option<String> {
    // A value that is not UTF-8 must not count as unset: a placeholder that no check accepts is put in its place.
    std::env::var_os(name).map(|value| value.into_string().unwrap_or_else(|_| "\u{fffd}".to_owned()))
}

/// `env` with the `.env` file of `directory` behind it, for `dev`: what is set in the environment wins.
///
/// # Errors
///
/// A `.env` that exists and cannot be read, or every line of it that is wrong.
pub fn with_dotenv(
    env: impl Fn(&str) -> Option<String>,
    directory: &Path,
) -> Result<impl Fn(&str) -> Option<String>, Vec<Fault>> {
    let path = directory.join(".env");
    let fault = |wrong: String| Fault {
        setting: ".env".to_owned(),
        wrong,
        accepted: "`NAME=value` lines, as docs/configuration.md says".to_owned(),
    };
    let pairs = match reader::small_file(&path) {
        Ok(text) => dotenv::parse(&text).map_err(|lines| lines.into_iter().map(fault).collect::<Vec<_>>())?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(error) => return Err(vec![fault(format!("cannot be read: {error}"))]),
    };
    Ok(move |name: &str| env(name).filter(|value| !value.is_empty()).or_else(|| pairs.get(name).cloned()))
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
