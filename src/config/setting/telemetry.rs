//! The settings of metrics and logs.

use super::{Kind, Setting};

pub(super) const METRICS: &[Setting] = &[
    Setting {
        name: "METRICS_ENABLED",
        kind: Kind::Switch,
        default: Some("true"),
        dev: None,
        meaning: "Whether anything is counted and shown for Prometheus ([metrics.md](metrics.md)).",
    },
    Setting {
        name: "METRICS_PATH",
        kind: Kind::HttpPath,
        default: Some("/metrics"),
        dev: None,
        meaning: "Where metrics are shown.",
    },
    Setting {
        name: "METRICS_ADDR",
        kind: Kind::Socket,
        default: None,
        dev: None,
        meaning: "A listener of its own for metrics and health, in plain text. Set, the main port shows no metrics.",
    },
    Setting {
        name: "METRICS_ALLOW",
        kind: Kind::Networks,
        default: Some("127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"),
        dev: None,
        meaning: "Whom metrics are shown to, on either listener; loopback and private networks by default. The address is the client's, as `TRUSTED_PROXIES` say: behind a proxy that is not trusted everybody comes from the proxy's, so let it refuse `METRICS_PATH`.",
    },
    Setting {
        name: "METRICS_MAX_SERIES",
        kind: Kind::Count { min: 10, max: 1_000_000 },
        default: Some("10000"),
        dev: None,
        meaning: "The most series with an `agent_id` label, over all metrics; a fiftieth of them (at least four) for one agent. What is beyond counts under `other`.",
    },
];

pub(super) const LOGS: &[Setting] = &[
    Setting {
        name: "LOG_LEVEL",
        kind: Kind::Choice(&["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]),
        default: Some("INFO"),
        dev: None,
        meaning: "The least level that is logged (`WARN` is accepted for `WARNING`). From `DEBUG` on each check has a line; the audit has its record at any level.",
    },
    Setting {
        name: "LOG_FORMAT",
        kind: Kind::Choice(&["json", "text"]),
        default: Some("json"),
        dev: Some("text"),
        meaning: "One JSON object a line, or lines for people. Logs go to standard error.",
    },
];

pub(super) const TRACES: &[Setting] = &[Setting {
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    kind: Kind::Url {
        accepted: "`http://host:4317`, or `https://…` of a collector that speaks OTLP over gRPC",
    },
    default: None,
    dev: None,
    meaning: "The collector that traces are sent to; unset, there are none. A call joins the trace that its `traceparent` names, and its answer says by `traceresponse` which span it was. The OpenTelemetry library reads these of its variables itself: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG`, `OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT`.",
}];
