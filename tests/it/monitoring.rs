//! What `monitoring/` names exists: every metric, label, job and alert.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use agentguard::metrics::catalog::{self, Kind};
use regex::Regex;

const FILES: [&str; 4] = ["alerts.yml", "alerts.test.yml", "grafana-dashboard.json", "otel-collector.yaml"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Every name that a query may use, with its labels.
fn known() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut known = BTreeMap::new();
    for metric in catalog::all() {
        let labels: BTreeSet<_> = metric.labels.iter().map(|(name, _)| *name).collect();
        if metric.kind == Kind::Histogram {
            let bucket = labels.iter().copied().chain(["le"]).collect();
            known.insert(format!("{}_bucket", metric.name), bucket);
            known.insert(format!("{}_sum", metric.name), labels.clone());
            known.insert(format!("{}_count", metric.name), labels);
        } else {
            known.insert(metric.name.to_owned(), labels);
        }
    }
    for (name, _) in catalog::PROCESS {
        known.insert((*name).to_owned(), BTreeSet::new());
    }
    known.insert("up".to_owned(), BTreeSet::new());
    known
}

/// What is wrong with the metrics and labels that `text` names.
fn strangers(text: &str) -> Vec<String> {
    let known = known();
    let series = Regex::new(r#"\b(agentguard_\w+|process_\w+|up)\b(?:\\?\{([^}]*)\})?"#).unwrap();
    let label = Regex::new(r#"(\w+)\s*(?:=~|!=|=)\s*\\?""#).unwrap();
    let by = Regex::new(r"\b(?:by|ignoring|on) \(([^)]*)\)").unwrap();
    let shown = Regex::new(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}").unwrap();
    // What Prometheus itself adds to every series.
    let given = ["job", "instance", "alertname", "alertstate"];
    let every: BTreeSet<&str> = known.values().flatten().copied().chain(given).collect();
    let mut wrong = Vec::new();
    for found in series.captures_iter(text) {
        let name = &found[1];
        let Some(labels) = known.get(name) else {
            wrong.push(format!("no metric `{name}`"));
            continue;
        };
        for used in label.captures_iter(found.get(2).map_or("", |labels| labels.as_str())) {
            if !labels.contains(&used[1]) && !given.contains(&&used[1]) {
                wrong.push(format!("`{name}` has no label `{}`", &used[1]));
            }
        }
    }
    let listed = by.captures_iter(text).flat_map(|found| {
        let list = found.get(1).unwrap().as_str();
        list.split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    });
    let listed: Vec<String> =
        listed.chain(shown.captures_iter(text).map(|found| found[1].to_owned())).collect();
    wrong.extend(
        listed
            .into_iter()
            .filter(|name| !every.contains(name.as_str()))
            .map(|name| format!("no label `{name}`")),
    );
    wrong
}

#[test]
fn every_metric_and_label_that_is_named_exists() {
    // Text in words is no query.
    let words = Regex::new(r"(?m)^\s*(#|- name:|summary:|description:).*$").unwrap();
    for file in FILES {
        let text = read(&format!("monitoring/{file}"));
        let text = words.replace_all(&text, "");
        assert_eq!(strangers(&text), Vec::<String>::new(), "{file}");
    }
    let dashboard = read("monitoring/grafana-dashboard.json");
    assert!(dashboard.matches("agentguard_").count() >= 25, "the dashboard was not read");
}

#[test]
fn a_name_that_nothing_has_is_seen() {
    for (text, wrong) in [
        ("rate(agentguard_http_request_total[5m])", "no metric `agentguard_http_request_total`"),
        ("agentguard_logs_total{allowed=\"true\"}", "`agentguard_logs_total` has no label `allowed`"),
        (
            "agentguard_http_request_duration_seconds > 1",
            "no metric `agentguard_http_request_duration_seconds`",
        ),
        ("sum by (agent) (agentguard_enforcement_total)", "no label `agent`"),
    ] {
        assert_eq!(strangers(text), [wrong], "{text}");
    }
}

#[test]
fn jobs_are_those_that_are_scraped() {
    let scraped = Regex::new(r"job_name: (\w+)").unwrap();
    for file in ["prometheus.yml", "otel-collector.yaml"] {
        let text = read(&format!("monitoring/{file}"));
        let jobs: Vec<_> = scraped.captures_iter(&text).map(|found| found[1].to_owned()).collect();
        assert_eq!(jobs, ["agentguard"], "{file}");
        assert!(text.contains("metrics_path: /metrics"), "{file}");
    }
    let named = Regex::new(r#"job=\\?"(\w+)\\?""#).unwrap();
    for file in FILES {
        let text = read(&format!("monitoring/{file}"));
        assert!(named.captures_iter(&text).all(|found| &found[1] == "agentguard"), "{file}");
    }
}

#[test]
fn each_alert_has_a_severity_and_a_section_of_the_runbook() {
    let alerts = read("monitoring/alerts.yml");
    let runbook = read("docs/runbook.md");
    let sections: Vec<_> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let severity = Regex::new(r"severity: (P[0-3])\n").unwrap();
    let mut names = Vec::new();
    for alert in alerts.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap();
        let severity = severity.captures(alert).expect(name);
        let place = format!("runbook.md#{}\n", name.to_lowercase());
        assert!(alert.contains(&place), "{name} names no {place}");
        let section = runbook.split(&format!("## {name}\n")).nth(1).expect(name);
        assert!(section.trim_start().starts_with(&severity[1]), "{name}: another severity in the runbook");
        names.push(name);
    }
    assert_eq!(names, sections, "the runbook has its sections in the order of the alerts");
}

#[test]
fn the_guides_four_alerts_stand_as_written() {
    let alerts = read("monitoring/alerts.yml");
    for (name, expression, pause) in [
        ("HighErrorRate", "rate(agentguard_http_errors_total[5m]) > 0.05", "5m"),
        (
            "SlowRequests",
            "histogram_quantile(0.95, rate(agentguard_http_request_duration_seconds_bucket[5m])) > 1",
            "5m",
        ),
        ("DatabaseConnectionsHigh", "agentguard_database_connections > 15", "5m"),
        ("HighRateLimitViolations", "rate(agentguard_http_errors_total{status=\"429\"}[5m]) > 0.1", "5m"),
    ] {
        let written = format!("- alert: {name}\n        expr: {expression}\n        for: {pause}\n");
        assert!(alerts.contains(&written), "{name}");
    }
}
