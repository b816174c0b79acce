//! The one table of metrics: names, kinds, labels and meanings. The instruments, `docs/metrics.md` and the tests of
//! `monitoring/` come from it.

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name, as Prometheus has it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels, each with its values.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it says, in one sentence: the help text of the page.
    pub help: &'static str,
    /// What else a reader must know, in Markdown.
    pub note: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// A value of now.
    Gauge,
    /// Durations in buckets, in seconds.
    Histogram,
}

impl Kind {
    /// As the page says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const METHOD: (&str, &str) = ("method", "HTTP method, `POST` for gRPC, `other`");
const ENDPOINT: (&str, &str) = (
    "endpoint",
    "RPC path (`/agentguard.v1.EnforcementService/Enforce`) or route template (`/enforce`), `other`",
);
const STATUS: (&str, &str) =
    ("status", "HTTP status of the answer or of the error's reason ([errors.md](errors.md))");
const AGENT: (&str, &str) = ("agent_id", "the agent, `other`");
const ACTION: (&str, &str) = ("action", "the canonical action, `unmatched`, `other`");
const POOL: (&str, &str) = ("pool", "`main`, `audit`, `poll`");

macro_rules! catalog {
    ($($group:literal { $($id:ident = $kind:ident $name:literal [$($label:expr),*] $help:literal, $note:literal;)+ })+) => {
        $($(
            #[doc = $help]
            pub const $id: &Metric =
                &Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help, note: $note };
        )+)+

        /// Every metric of ours under its heading, in the order of the documentation.
        pub const GROUPS: &[(&str, &[&Metric])] = &[$(($group, &[$($id),+])),+];
    };
}

catalog! {
    "HTTP and gRPC" {
        REQUESTS = Counter "agentguard_http_requests_total" [METHOD, ENDPOINT, STATUS]
            "Calls by method, endpoint and status, over gRPC and HTTP alike.",
            "Each call counts once, when it ends, refused ones too. Of `EnforceStream` each message counts; another stream counts when it ends. A verdict is 200, whatever it is.";
        DURATIONS = Histogram "agentguard_http_request_duration_seconds" [METHOD, ENDPOINT]
            "How long calls took, from their head to the head of their answer.",
            "As many as `agentguard_http_requests_total`. Of a stream: until it began to answer, of `EnforceStream` each message.";
        ERRORS = Counter "agentguard_http_errors_total" [METHOD, ENDPOINT, STATUS]
            "Calls of which the status is 400 or more.",
            "Part of `agentguard_http_requests_total`. 499: the caller did not wait.";
        IN_FLIGHT = Gauge "agentguard_http_requests_in_flight" []
            "Calls and streams under way.", "";
        AUTHENTICATION_FAILURES = Counter "agentguard_authentication_failures_total" [("type", "`missing`, `multiple`, `invalid`, `wrong_kind`")]
            "Calls without exactly one valid key of the kind they need.",
            "`invalid` is any key that opens nothing: malformed, unknown, wrong, revoked, expired, of a deleted agent. `wrong_kind` is an agent's key where an admin's is needed, or the reverse.";
    }
    "Decisions" {
        ENFORCEMENT = Counter "agentguard_enforcement_total" [AGENT, ACTION, ("allowed", "`true`, `false`")]
            "Decisions answered, by agent and action.",
            "An action that no rule decided is `unmatched`, so that no agent can make series by inventing names.";
        LOGS = Counter "agentguard_logs_total" [AGENT, ACTION, ("result", "`allowed`, `denied`, `pending`; `success`, `error`, `unknown`")]
            "Audit records of what agents asked and reported, by agent and action.",
            "Decisions are `allowed`, `denied` or `pending` (a person must release them), outcomes and reports `success` or `error`, reports that do not say `unknown`. A decision that is answered again makes no record.";
        EVALUATIONS = Counter "agentguard_policy_evaluations_total" [("outcome", "`allowed`, else the reason code in lower case")]
            "Decisions answered, by reason.", "";
        ACTIVE_AGENTS = Gauge "agentguard_active_agents" []
            "Agents that are active, as this replica knows them.", "";
        AGENT_SERIES = Gauge "agentguard_metrics_agent_series" []
            "Series with an agent_id label.", "At most `METRICS_MAX_SERIES`.";
    }
    "Policies" {
        REVISION = Gauge "agentguard_policy_revision" []
            "Number of the revision that this replica decides by.", "The number behind the dot; replicas differ for a moment after a change.";
        POLICY_AGE = Gauge "agentguard_policy_age_seconds" []
            "Time since this replica's policies were confirmed.", "Beyond `MAX_POLICY_STALENESS` nothing is decided.";
        READY = Gauge "agentguard_ready" []
            "1 while this replica decides, 0 while it does not.", "";
    }
    "Audit" {
        AUDIT_QUEUE = Gauge "agentguard_audit_queue_depth" []
            "Audit entries that wait to be written.", "";
        AUDIT_COMMITS = Histogram "agentguard_audit_commit_seconds" []
            "How long commits of audit records took.", "";
        AUDIT_RECORDS = Counter "agentguard_audit_records_total" []
            "Audit records committed, of all kinds.", "";
        AUDIT_UNRECORDED = Counter "agentguard_audit_unrecorded_total" []
            "Answers that left and of which the record could not be written.", "Can only grow in `async` mode.";
        AUDIT_FENCED = Counter "agentguard_audit_fenced_total" []
            "Times another writer moved this replica's audit chain.", "";
        AUDIT_AVAILABLE = Gauge "agentguard_audit_available" []
            "1 while audit records can be committed, 0 while calls are refused because they cannot.", "";
        AUDIT_DEFAULT = Gauge "agentguard_audit_default_partition_in_use" []
            "1 while audit records lie in the default partition because their month was not made.", "PostgreSQL only; looked at every five minutes.";
    }
    "Database" {
        CONNECTIONS = Gauge "agentguard_database_connections" []
            "Database connections in use, over all pools.", "";
        POOL_CONNECTIONS = Gauge "agentguard_database_pool_connections" [POOL, ("state", "`used`, `idle`")]
            "Database connections by pool and state.", "";
        POOL_MAX = Gauge "agentguard_database_pool_max_connections" [POOL]
            "The most database connections of a pool.", "";
    }
    "Rate limits" {
        LIMITER_UP = Gauge "agentguard_rate_limit_backend_up" [("backend", "`memory`, `redis`")]
            "1 while calls can be counted where they are to be, 0 while Redis does not answer.", "";
        LIMITER_CALLS = Counter "agentguard_rate_limit_calls_total" [("result", "`admitted`, `refused`, `without_backend`, `login_refused`")]
            "Calls that the limiter judged.",
            "A batch counts once. `without_backend` counts again those that were judged without Redis because it did not answer; `login_refused` are failed logins that were told to wait.";
        LIMITER_OUTAGES = Counter "agentguard_rate_limit_outages_total" []
            "Times Redis went away.", "";
    }
    "This process" {
        BUILD = Gauge "agentguard_build_info" [("version", "of the program"), ("database", "`sqlite`, `postgresql`")]
            "Always 1; its labels say what runs.", "";
        CERTIFICATE = Gauge "agentguard_tls_certificate_expiry_timestamp_seconds" []
            "When the certificate in force ends, in seconds since 1970.", "Only where TLS ends here.";
        LINES_DROPPED = Counter "agentguard_log_lines_dropped_total" []
            "Log lines that were not written because standard error took none.", "";
        SPANS = Counter "agentguard_trace_spans_total" [("result", "`ended`, `exported`, `failed`")]
            "Spans of traces: all that ended, those a collector took, and those it did not.", "Only with a collector. What ended and is neither waits, or found the queue full.";
    }
}

/// Metrics of the process, as Prometheus's own clients name them; the library makes them.
pub const PROCESS: &[(&str, &str)] = &[
    ("process_cpu_seconds_total", "counter"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
];

/// Every metric of ours.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|(_, metrics)| metrics.iter().copied())
}

/// `docs/metrics.md`. A test compares it with the file.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for (heading, metrics) in GROUPS {
        page.push_str(&format!(
            "\n## {heading}\n\n| Metric | Kind | Labels | Meaning |\n|---|---|---|---|\n"
        ));
        for metric in *metrics {
            let labels: Vec<_> =
                metric.labels.iter().map(|(name, values)| format!("`{name}`: {values}")).collect();
            let labels = if labels.is_empty() { "none".to_owned() } else { labels.join("<br>") };
            let meaning = [metric.help, metric.note].join(" ");
            let kind = metric.kind.as_str();
            page.push_str(&format!("| `{}` | {kind} | {labels} | {} |\n", metric.name, meaning.trim_end()));
        }
    }
    let process: Vec<_> = PROCESS.iter().map(|(name, _)| format!("`{name}`")).collect();
    let buckets: Vec<_> = super::timer::BUCKETS.iter().map(ToString::to_string).collect();
    page.push_str(&format!(
        "\nBeside them those that Prometheus's own clients have of every process: {}.\n\nHistograms have buckets up to {} seconds.\n",
        process.join(", "),
        buckets.join(", ")
    ));
    page
}

const HEAD: &str = "# Metrics

<!-- Printed by the program from src/metrics/catalog.rs; do not edit. Remedy: UPDATE_DOCS=1 cargo test --test it metrics -->

`GET /metrics` on the main port (`METRICS_PATH`), or on a listener of its own (`METRICS_ADDR`), in Prometheus's text format, for
the addresses of `METRICS_ALLOW`. `METRICS_ENABLED=false` switches counting and page off. Settings: [configuration.md](configuration.md).
`monitoring/` holds a Prometheus, its alerts, a dashboard and more, ready to use.

Counters begin at zero with the process. Series with an `agent_id` are bounded by `METRICS_MAX_SERIES`: what is beyond counts under
`other`, so that sums stay right. An agent's series end when it is deleted.
";
