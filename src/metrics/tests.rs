//! Pages of metrics that were counted by hand.

use http::Method;

use super::*;
use crate::clock::{Clock, Timestamp};

const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";

fn metrics(max_series: usize) -> Metrics {
    Metrics::new(max_series, [ENFORCE.to_owned(), "/enforce".to_owned()]).unwrap()
}

fn page(metrics: &Metrics, sample: Sample) -> String {
    metrics.page(sample, |_| true).unwrap().unwrap()
}

fn agent(number: u8) -> AgentId {
    AgentId::new(Timestamp::from_micros(0), [number; 16])
}

/// The value of a series as the page writes it.
fn value(page: &str, series: &str) -> Option<f64> {
    let line =
        page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[test]
fn a_call_counts_once_with_its_status_and_its_time() {
    let metrics = metrics(100);
    for status in [200, 200, 429] {
        metrics.begin(&Method::POST, ENFORCE, &Clock::System).finish(status);
    }
    let page = page(&metrics, Sample::default());
    let labels = "method=\"POST\",status=\"200\"";
    let series = format!("agentguard_http_requests_total{{endpoint=\"{ENFORCE}\",{labels}}}");
    assert_eq!(value(&page, &series), Some(2.0), "{page}");
    let series =
        format!("agentguard_http_errors_total{{endpoint=\"{ENFORCE}\",method=\"POST\",status=\"429\"}}");
    assert_eq!(value(&page, &series), Some(1.0), "{page}");
    assert!(!page.contains(
        "errors_total{endpoint=\"/agentguard.v1.EnforcementService/Enforce\",method=\"POST\",status=\"200\"}"
    ));
    let count =
        format!("agentguard_http_request_duration_seconds_count{{endpoint=\"{ENFORCE}\",method=\"POST\"}}");
    assert_eq!(value(&page, &count), Some(3.0), "{page}");
    assert!(page.contains("le=\"0.00005\"") && page.contains("le=\"30\""), "{page}");
    assert_eq!(value(&page, "agentguard_http_requests_in_flight"), Some(0.0), "{page}");
}

#[test]
fn a_call_that_is_dropped_counts_by_what_it_was() {
    let metrics = metrics(100);
    let begin = || metrics.begin(&Method::POST, ENFORCE, &Clock::System);
    drop(begin());
    let mut served = begin();
    served.open(false);
    drop(served);
    let mut messages = begin();
    messages.open(true);
    drop(messages);
    let mut failed = begin();
    failed.open(true);
    failed.close(Some(503));
    let page = page(&metrics, Sample::default());
    let total = |status: u16| {
        let labels = format!("endpoint=\"{ENFORCE}\",method=\"POST\",status=\"{status}\"");
        value(&page, &format!("agentguard_http_requests_total{{{labels}}}"))
    };
    assert_eq!([499, 200, 503].map(total), [Some(1.0), Some(1.0), Some(1.0)], "{page}");
    assert_eq!(value(&page, "agentguard_http_requests_in_flight"), Some(0.0), "{page}");
}

#[test]
fn what_strangers_send_makes_no_series() {
    let metrics = metrics(100);
    for number in 0..1_000 {
        let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        metrics.begin(&method, &format!("/{number}"), &Clock::System).finish(404);
    }
    let page = page(&metrics, Sample::default());
    assert_eq!(page.matches("agentguard_http_requests_total{").count(), 1, "{page}");
    let series = "agentguard_http_requests_total{endpoint=\"other\",method=\"other\",status=\"404\"}";
    assert_eq!(value(&page, series), Some(1_000.0), "{page}");
}

#[test]
fn series_of_agents_are_beneath_the_bound_whatever_the_library_thinks() {
    // More than the library folds together by itself.
    let metrics = metrics(6_000);
    for number in 0..=u8::MAX {
        for action in 0..40 {
            let action = Action::parse(&format!("read:file{action}")).unwrap();
            let rule = crate::policy::RuleHit {
                scope: crate::policy::ScopeKind::Everyone,
                policy_id: crate::ids::PolicyId::new(Timestamp::from_micros(0), [0; 16]),
                version: 1,
                rule_id: "r".into(),
                reason: None,
                errored: false,
            };
            let code = crate::policy::ReasonCode::AllowedByRule;
            let decision = Decision::recorded(Verdict::Allow, code, Some(rule));
            metrics.decided(&agent(number), &action, &decision, true);
        }
    }
    let page = page(&metrics, Sample::default());
    let of_agents: Vec<&str> = page.lines().filter(|line| line.contains("agent_id=")).collect();
    assert!(of_agents.len() <= 6_000 && of_agents.len() > 5_900, "{}", of_agents.len());
    assert_eq!(value(&page, "agentguard_metrics_agent_series"), Some(of_agents.len() as f64));
    let sum: f64 = of_agents
        .iter()
        .filter(|line| line.starts_with("agentguard_enforcement_total"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert_eq!(sum, 256.0 * 40.0);
    assert!(!page.contains("otel"), "{page}");
}

#[test]
fn every_metric_of_the_catalogue_is_on_the_page_with_its_kind_and_labels() {
    let metrics = metrics(100);
    metrics.begin(&Method::POST, ENFORCE, &Clock::System).finish(500);
    metrics.commits().observe(std::time::Duration::from_millis(2));
    let none = Decision::recorded(Verdict::Deny, crate::policy::ReasonCode::DeniedDefault, None);
    metrics.decided(&agent(1), &Action::parse("made:up").unwrap(), &none, true);
    metrics.reported(&agent(1), "made:up", None);
    let sample = Sample {
        evaluations: vec![("denied_default", 1)],
        default_partition_in_use: Some(true),
        pools: vec![Pool { name: "main", used: 2, idle: 1, max: 9 }],
        certificate_end: Some(1),
        spans: vec![("ended", 1)],
        ..Sample::default()
    };
    let page = page(&metrics, sample);
    for metric in catalog::all() {
        let kind = format!("# TYPE {} {}\n", metric.name, metric.kind.as_str());
        assert!(page.contains(&kind), "{}: {page}", metric.name);
        assert!(page.contains(&format!("# HELP {} {}\n", metric.name, metric.help)), "{}", metric.name);
        let lines = page.lines().filter(|line| line.starts_with(metric.name));
        for line in lines.filter(|line| line.as_bytes().get(metric.name.len()) == Some(&b'{')) {
            for (label, _) in metric.labels {
                assert!(line.contains(&format!("{label}=\"")), "{line}");
            }
            let labels = line.matches("=\"").count();
            assert_eq!(labels, metric.labels.len(), "{line}");
        }
    }
    for (name, _) in catalog::PROCESS {
        assert!(page.contains(&format!("\n{name} ")) || page.starts_with(name), "{name}: {page}");
    }
    assert!(page.contains("agentguard_enforcement_total{action=\"unmatched\""), "{page}");
    assert_eq!(value(&page, "agentguard_database_connections"), Some(2.0));
}

#[test]
fn switched_off_it_counts_nothing_and_has_no_page() {
    let metrics = Metrics::off();
    metrics.begin(&Method::POST, ENFORCE, &Clock::System).finish(200);
    metrics.authentication_failed(Failure::Missing);
    metrics.commits().observe(std::time::Duration::from_millis(1));
    assert!(metrics.page(Sample::default(), |_| true).is_none());
}
