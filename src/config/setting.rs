//! The one table of settings. The reader, the flags of `agentguard serve`, `docs/configuration.md` and the
//! error texts all come from it.

mod telemetry;

use std::time::Duration;

use super::value::{show_bytes, show_duration};
use crate::rate_limit::storage::FORMS;

/// One setting of the server.
#[derive(Debug)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// The default of `serve`; `None` is unset.
    pub default: Option<&'static str>,
    /// The default of `dev` where it is another one.
    pub dev: Option<&'static str>,
    /// What it does, in a sentence or two of Markdown.
    pub meaning: &'static str,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Count {
        /// The smallest accepted.
        min: u64,
        /// The largest accepted.
        max: u64,
    },
    /// A number of bytes.
    Bytes {
        /// The smallest accepted.
        min: u64,
        /// The largest accepted.
        max: u64,
    },
    /// A duration.
    Span {
        /// The shortest accepted.
        min: Duration,
        /// The longest accepted.
        max: Duration,
    },
    /// One word of a list, in any case.
    Choice(&'static [&'static str]),
    /// An IP address or `localhost`.
    Address,
    /// Comma-separated words.
    Words,
    /// The path of a file.
    Path,
    /// An IP address and a port.
    Socket,
    /// Comma-separated networks in CIDR notation.
    Networks,
    /// The path of a page.
    HttpPath,
    /// Comma-separated origins of the web.
    Origins,
    /// How often something may be done.
    Limit,
    /// A key or pepper; never shown, never a flag.
    Key,
    /// A URL, which may hold a password; never shown, never a flag.
    Url {
        /// What it may name.
        accepted: &'static str,
    },
}

impl Kind {
    /// Whether the value must not be shown; such a setting has a `*_FILE` variable and no flag of its own.
    pub const fn is_secret(self) -> bool {
        match self {
            Self::Key | Self::Url { .. } => true,
            Self::Switch
            | Self::Count { .. }
            | Self::Bytes { .. }
            | Self::Span { .. }
            | Self::Choice(_)
            | Self::Address
            | Self::Words
            | Self::Path
            | Self::Socket
            | Self::Networks
            | Self::HttpPath
            | Self::Origins
            | Self::Limit => false,
        }
    }

    /// What is accepted, for error texts and the documentation.
    pub fn accepted(self) -> String {
        match self {
            Self::Switch => "`true` or `false`".to_owned(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Bytes { min, max } => {
                format!("bytes from {} to {} (`65536`, `256KiB`, `10MiB`)", show_bytes(min), show_bytes(max))
            }
            Self::Span { min, max } => format!(
                "a duration from {} to {} (a bare number is seconds; `100ms`, `5s`, `2m`)",
                show_duration(min),
                show_duration(max)
            ),
            Self::Choice(words) => {
                words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
            }
            Self::Address => "an IP address or `localhost`".to_owned(),
            Self::Words => "names of letters, digits, `_` and `-`, separated by commas; or `none`".to_owned(),
            Self::Path => "the path of a file".to_owned(),
            Self::Socket => {
                "an IP address or `localhost`, and a port (`127.0.0.1:9000`, `[::]:9000`)".to_owned()
            }
            Self::Networks => {
                "addresses and networks, separated by commas (`10.0.0.0/8,192.0.2.7,2001:db8::/32`)"
                    .to_owned()
            }
            Self::HttpPath => "a path of letters, digits, `/`, `_`, `.` and `-` that nothing else answers (`/metrics`)".to_owned(),
            Self::Origins => {
                "origins as browsers send them, separated by commas (`https://dashboard.example.com,http://localhost:3000`); or `*` alone"
                    .to_owned()
            }
            Self::Limit => "calls a period, such as `1000/minute` or `20 per 10 seconds`, each with `burst N` where less or more than all of them may be made at once; several joined by `;` hold at once".to_owned(),
            Self::Key => "visible ASCII without white space and commas".to_owned(),
            Self::Url { accepted } => accepted.to_owned(),
        }
    }
}

impl Setting {
    /// The flag of `agentguard serve`: `--database-pool-size`, for a secret `--admin-api-key-file`.
    pub fn flag(&self) -> String {
        let file = if self.kind.is_secret() { "-file" } else { "" };
        format!("{}{file}", self.name.to_ascii_lowercase().replace('_', "-"))
    }

    /// The variable that names a file holding the value, for a secret.
    pub fn file_variable(&self) -> Option<String> {
        self.kind.is_secret().then(|| format!("{}_FILE", self.name))
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const POSTGRES: &str = "`postgresql://user@host:port/database` (`postgres://` too)";

/// Every setting under its heading, in the order of the documentation.
pub const SETTINGS: &[(&str, &[Setting])] = &[
    (
        "Server",
        &[
            Setting {
                name: "HOST",
                kind: Kind::Address,
                default: Some("0.0.0.0"),
                dev: Some("127.0.0.1"),
                meaning: "The address to listen on. Anything but a loopback address counts as production.",
            },
            Setting {
                name: "PORT",
                kind: Kind::Count { min: 0, max: 65_535 },
                default: Some("8000"),
                dev: None,
                meaning: "The port for gRPC and HTTP alike; `0` takes a free one and logs it.",
            },
            Setting {
                name: "REQUEST_TIMEOUT",
                kind: Kind::Span { min: millis(100), max: secs(3_600) },
                default: Some("30"),
                dev: None,
                meaning: "The upper bound of a unary call or of one stream message; a caller's shorter deadline wins.",
            },
            Setting {
                name: "MAX_REQUEST_SIZE",
                kind: Kind::Bytes { min: 65_536, max: 268_435_456 },
                default: Some("10485760"),
                dev: None,
                meaning: "The largest request message.",
            },
            Setting {
                name: "MAX_ENFORCE_SIZE",
                kind: Kind::Bytes { min: 4_096, max: 4_194_304 },
                default: Some("262144"),
                dev: None,
                meaning: "The largest `Enforce` message, and the largest single check of a batch or stream.",
            },
            Setting {
                name: "REFLECTION_ENABLED",
                kind: Kind::Switch,
                default: Some("true"),
                dev: None,
                meaning: "Whether gRPC server reflection (v1 and v1alpha) answers. It needs no key and shows only the public contract.",
            },
            Setting {
                name: "SHUTDOWN_DRAIN_DELAY",
                kind: Kind::Span { min: millis(0), max: secs(300) },
                default: Some("5"),
                dev: Some("0"),
                meaning: "How long health answers `NOT_SERVING` while calls are still accepted, so that load balancers look away first.",
            },
            Setting {
                name: "SHUTDOWN_GRACE",
                kind: Kind::Span { min: millis(0), max: secs(600) },
                default: Some("20"),
                dev: Some("2"),
                meaning: "How long calls in flight may finish after that. With `SHUTDOWN_DRAIN_DELAY` it must stay below the orchestrator's own patience (Kubernetes: 30 s).",
            },
        ],
    ),
    (
        "TLS, proxies and listeners",
        &[
            Setting {
                name: "ENABLE_HTTPS",
                kind: Kind::Switch,
                default: Some("false"),
                dev: None,
                meaning: "With `TLS_CERT_FILE` and `TLS_KEY_FILE`: TLS ends here. Without them but with `TRUST_PROXY_HEADERS`: TLS ends at the proxy, and calls of which `x-forwarded-proto` is not `https` are refused (health excepted). With neither the start is refused. HTTP answers then carry HSTS.",
            },
            Setting {
                name: "TLS_CERT_FILE",
                kind: Kind::Path,
                default: None,
                dev: None,
                meaning: "The server's certificate in PEM, with those between it and its root. TLS 1.2 or newer. Read again within a second when it changes, without a dropped connection; a pair that does not fit is logged, and the one before it stays.",
            },
            Setting {
                name: "TLS_KEY_FILE",
                kind: Kind::Path,
                default: None,
                dev: None,
                meaning: "The certificate's key in PEM (PKCS #8, PKCS #1 or SEC 1), not encrypted.",
            },
            Setting {
                name: "TLS_CLIENT_CA_FILE",
                kind: Kind::Path,
                default: None,
                dev: None,
                meaning: "Roots in PEM. Set, every client must show a certificate that one of them signed, beside its key; it too is read again when it changes.",
            },
            Setting {
                name: "TRUST_PROXY_HEADERS",
                kind: Kind::Switch,
                default: Some("false"),
                dev: None,
                meaning: "Whether `x-forwarded-for` and `x-forwarded-proto` of the `TRUSTED_PROXIES` are believed. Off, they are ignored.",
            },
            Setting {
                name: "TRUSTED_PROXIES",
                kind: Kind::Networks,
                default: None,
                dev: None,
                meaning: "The proxies in front; required in production where `TRUST_PROXY_HEADERS` is on, else loopback. The client is the last address of `x-forwarded-for` that these do not cover. Their connections are exempt from the bound for one address.",
            },
            Setting {
                name: "CORS_ORIGINS",
                kind: Kind::Origins,
                default: None,
                dev: None,
                meaning: "The origins of pages in browsers that may call, over JSON and gRPC-Web, and read the answers; each exactly as written. `*` is every origin, without credentials of the browser. Unset: none.",
            },
            Setting {
                name: "ADMIN_ADDR",
                kind: Kind::Socket,
                default: None,
                dev: None,
                meaning: "A listener of its own for `AdminService`, with the TLS and the proxies of the main one. Set, the main port answers as if there were no such service.",
            },
            Setting {
                name: "HEALTH_ADDR",
                kind: Kind::Socket,
                default: None,
                dev: None,
                meaning: "A listener of its own for health, in plain text, for probes that have no certificate. The main port goes on answering health too.",
            },
        ],
    ),
    (
        "Database",
        &[
            Setting {
                name: "DATABASE_URL",
                kind: Kind::Url {
                    accepted: "`sqlite://path`, or `postgresql://user@host:port/database` (`postgres://` too)",
                },
                default: Some("sqlite://agentguard.db"),
                dev: None,
                meaning: "The database: one SQLite file, or PostgreSQL, which may stand behind a pooler in transaction mode ([postgresql.md](postgresql.md)). `dev` keeps its own file in its data directory and does not read this variable.",
            },
            Setting {
                name: "DATABASE_DIRECT_URL",
                kind: Kind::Url { accepted: POSTGRES },
                default: None,
                dev: None,
                meaning: "PostgreSQL itself, where `DATABASE_URL` names a pooler: the audit writer and the look for changes reach it this way, one connection each, and migrations do. With it exports may use three quarters of the pool; without it two connections at once, so that they leave a small pooler room for decisions.",
            },
            Setting {
                name: "DATABASE_MIGRATE_URL",
                kind: Kind::Url { accepted: POSTGRES },
                default: None,
                dev: None,
                meaning: "The role that owns the tables; read by `agentguard migrate` only. Without it `DATABASE_DIRECT_URL`, then `DATABASE_URL` is used.",
            },
            Setting {
                name: "DATABASE_POOL_SIZE",
                kind: Kind::Count { min: 1, max: 1_000 },
                default: Some("20"),
                dev: None,
                meaning: "Connections that the pool keeps while nobody needs them; with `DATABASE_MAX_OVERFLOW`, the most it has. Beside the pool a server has up to 4 for admin calls and its own chores, one for the audit writer and one for changes, so that no load takes those. SQLite needs few and takes 4 at most.",
            },
            Setting {
                name: "DATABASE_MAX_OVERFLOW",
                kind: Kind::Count { min: 0, max: 1_000 },
                default: Some("10"),
                dev: None,
                meaning: "Connections beyond `DATABASE_POOL_SIZE` at times of load; each is closed when it is given back.",
            },
            Setting {
                name: "DATABASE_POOL_TIMEOUT",
                kind: Kind::Span { min: millis(100), max: secs(300) },
                default: Some("30"),
                dev: None,
                meaning: "How long a call waits for a free connection before it is answered `UNAVAILABLE`. A database that does not answer is not waited for that long.",
            },
            Setting {
                name: "DATABASE_POOL_RECYCLE",
                kind: Kind::Span { min: secs(10), max: secs(86_400) },
                default: Some("3600"),
                dev: None,
                meaning: "The age at which a connection is closed and replaced.",
            },
        ],
    ),
    (
        "Authentication",
        &[
            Setting {
                name: "ADMIN_API_KEY",
                kind: Kind::Key,
                default: None,
                dev: None,
                meaning: "The admin key; two, separated by a comma, while rotating. In production it is required, of 32 characters or more, and no placeholder. Without one (loopback and SQLite only) no admin call is answered. `dev` makes one.",
            },
            Setting {
                name: "KEY_PEPPER",
                kind: Kind::Key,
                default: None,
                dev: None,
                meaning: "Of 32 characters or more. Agent keys are stored as HMAC-SHA-256 under it instead of plain SHA-256. Once set it must stay, or be handed on as `KEY_PEPPER_PREVIOUS`: the wrong one refuses the start.",
            },
            Setting {
                name: "KEY_PEPPER_PREVIOUS",
                kind: Kind::Key,
                default: None,
                dev: None,
                meaning: "The pepper before `KEY_PEPPER`, for the keys that were made under it.",
            },
        ],
    ),
    (
        "Decisions",
        &[
            Setting {
                name: "DECISION_DETAIL",
                kind: Kind::Choice(&["full", "rule", "kind"]),
                default: Some("rule"),
                dev: None,
                meaning: "What an agent is told: `kind` (verdict, code and a general reason), `rule` (also the rule, its reason and its policy) or `full` (also whether a condition failed to evaluate).",
            },
            Setting {
                name: "POLICY_REFRESH_INTERVAL",
                kind: Kind::Span { min: millis(50), max: secs(60) },
                default: Some("1"),
                dev: None,
                meaning: "How often a replica asks the database for changed agents, keys and policies.",
            },
            Setting {
                name: "POLICY_FEED",
                kind: Kind::Choice(&["auto", "postgres", "redis", "off"]),
                default: Some("auto"),
                dev: None,
                meaning: "How a replica hears of changes before its next poll: `postgres` (LISTEN, at DATABASE_DIRECT_URL), `redis` (the one in RATE_LIMIT_STORAGE_URI) or `auto` (each of them that is given). What is heard makes it read and is never believed; it polls in any case.",
            },
            Setting {
                name: "MAX_POLICY_STALENESS",
                kind: Kind::Span { min: secs(1), max: secs(3_600) },
                default: Some("60"),
                dev: None,
                meaning: "A replica that could not confirm its policies for this long answers `UNAVAILABLE` and reports `NOT_SERVING`. At least twice `POLICY_REFRESH_INTERVAL`.",
            },
        ],
    ),
    (
        "Rate limits",
        &[
            Setting {
                name: "RATE_LIMIT_ENABLED",
                kind: Kind::Switch,
                default: Some("true"),
                dev: Some("false"),
                meaning: "Whether agents are limited at all, and addresses that fail to log in.",
            },
            Setting {
                name: "RATE_LIMIT_DEFAULT",
                kind: Kind::Limit,
                default: Some("1000/minute"),
                dev: None,
                meaning: "How often an agent may call that has no limit of its own (`agentguard agent limit`). A batch counts as its checks, a stream as its messages.",
            },
            Setting {
                name: "RATE_LIMIT_AUTH_FAILURES",
                kind: Kind::Limit,
                default: Some("60/minute"),
                dev: None,
                meaning: "How often one address (IPv6: one /64) may fail to log in at one replica before it is told to wait. A valid key always passes.",
            },
            Setting {
                name: "RATE_LIMIT_STORAGE_URI",
                kind: Kind::Url { accepted: FORMS },
                default: Some("memory://"),
                dev: None,
                meaning: "Where agents' calls are counted: in each replica by itself, or in a Redis (6 or newer) that replicas share. User and password are percent-encoded.",
            },
            Setting {
                name: "RATE_LIMIT_ON_ERROR",
                kind: Kind::Choice(&["local", "deny", "allow"]),
                default: Some("local"),
                dev: None,
                meaning: "While Redis does not answer within 50 ms: `local` limits agents in each replica by itself, `deny` answers `UNAVAILABLE`, `allow` lets every call pass.",
            },
            Setting {
                name: "RATE_LIMIT_REDIS_UNPROTECTED",
                kind: Kind::Switch,
                default: Some("false"),
                dev: None,
                meaning: "Whether a Redis beyond loopback may be used without a password in production. Whoever reaches it can lift or exhaust every limit.",
            },
        ],
    ),
    (
        "Audit",
        &[
            Setting {
                name: "AUDIT_MODE",
                kind: Kind::Choice(&["durable", "async"]),
                default: Some("durable"),
                dev: None,
                meaning: "`durable`: the answer leaves after its record is committed. `async`: answers first; a crash may lose the last records, and verification then says so.",
            },
            Setting {
                name: "AUDIT_REDACT_KEYS",
                kind: Kind::Words,
                default: Some(
                    "password,passwd,secret,token,api_key,apikey,authorization,credential,private_key,access_key,cookie,session_key,connection_string",
                ),
                dev: None,
                meaning: "Values in `arguments` and `context` under keys that contain one of these names (case, `_` and `-` ignored) are replaced by a keyed digest before anything is stored. The list replaces the default; `none` turns redaction off.",
            },
        ],
    ),
    ("Metrics", telemetry::METRICS),
    ("Logs", telemetry::LOGS),
    ("Traces", telemetry::TRACES),
];

/// Every setting, without the headings.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().flat_map(|(_, settings)| settings.iter())
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}
