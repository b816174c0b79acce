//! What Prometheus reads of the real server: each metric counts as many as there were calls, who may see the page, and
//! how large it gets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use agentguard::pb::v1;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use crate::config::same_as_printed;
use crate::harness::{Guard, admin, eventually};

mod bound;
mod listeners;

const ENFORCE: &str = "/agentguard.v1.EnforcementService/Enforce";
const STREAM: &str = "/agentguard.v1.EnforcementService/EnforceStream";
const BATCH: &str = "/agentguard.v1.EnforcementService/BatchEnforce";

#[test]
fn the_documentation_of_metrics_is_current() {
    same_as_printed(
        "docs/metrics.md",
        &agentguard::metrics::catalog::markdown(),
        "UPDATE_DOCS=1 cargo test --test it metrics",
    );
}

/// A page as values by series; a series is its name and its labels in the order of their names.
pub struct Page(BTreeMap<String, f64>);

impl Page {
    /// The page of the listener at `address`.
    pub async fn of(address: SocketAddr) -> Self {
        let (status, body) = get(address, "/metrics", "").await;
        assert_eq!(status, 200, "{body}");
        Self::parse(&body)
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Self(
            lines
                .map(|line| {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    (series.to_owned(), value.parse().unwrap())
                })
                .collect(),
        )
    }

    /// The sum of the series of `name` that have all of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
        self.0
            .iter()
            .filter(|(series, _)| series.split('{').next() == Some(name))
            .filter(|(series, _)| wanted.iter().all(|label| series.contains(label.as_str())))
            .map(|(_, value)| value)
            .sum()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|series| series.split('{').next().unwrap())
    }
}

/// One request over HTTP/1.1: status and body.
pub async fn get(address: SocketAddr, path: &str, more: &str) -> (u16, String) {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n")).await
}

async fn post(address: SocketAddr, path: &str, key: &str, body: &str) -> (u16, String) {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-agent-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(address, &head).await
}

async fn exchange(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

fn check(action: &str) -> v1::EnforceRequest {
    v1::EnforceRequest { action: action.to_owned(), ..v1::EnforceRequest::default() }
}

#[tokio::test]
async fn each_metric_counts_as_many_as_there_were_calls_over_grpc_and_http() {
    let guard = Guard::on_sqlite(&[]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    admins.set_policy(&agent.id, &["read:*"], &["delete:*"]).await;
    let mut caller = guard.caller(&agent.key).await;

    // 7 allowed, 3 denied by a rule, 2 that no rule knows, over gRPC; 4 allowed and 1 denied over HTTP.
    let mut last = None;
    for _ in 0..7 {
        last = Some(caller.enforce(check("readFile")).await.unwrap());
    }
    for _ in 0..3 {
        caller.enforce(check("delete:file")).await.unwrap();
    }
    for number in 0..2 {
        caller.enforce(check(&format!("invented:{number}"))).await.unwrap();
    }
    for action in ["read:file", "read:file", "read:file", "read:file", "delete:file"] {
        let body = format!("{{\"action\": \"{action}\"}}");
        assert_eq!(post(guard.address(), "/enforce", &agent.key, &body).await.0, 200);
    }
    // A batch is one call and three decisions, one of them a bad check.
    let batch = v1::BatchEnforceRequest {
        checks: vec![check("read:file"), check("delete:file"), check("")],
        ..Default::default()
    };
    let request = caller.request(batch);
    caller.client().batch_enforce(request).await.unwrap();
    // A stream is its messages: two good ones and a bad one.
    let messages = ["read:file", "read:file", ""]
        .map(|action| v1::EnforceStreamRequest { request: Some(check(action)), ..Default::default() });
    let request = caller.request(futures_util::stream::iter(messages));
    let mut answers = caller.client().enforce_stream(request).await.unwrap().into_inner();
    while answers.next().await.transpose().unwrap().is_some() {}
    // Reports: one outcome, twice, one report of a known action and one of an invented one.
    for _ in 0..2 {
        let outcome = v1::ReportOutcomeRequest {
            decision_id: last.as_ref().unwrap().decision_id.clone(),
            outcome: Some(v1::Outcome { success: Some(true), ..Default::default() }),
        };
        let request = caller.request(outcome);
        caller.client().report_outcome(request).await.unwrap();
    }
    for action in ["read:file", "invented:by-report"] {
        let report = v1::ReportRequest { action: action.to_owned(), ..Default::default() };
        let request = caller.request(report);
        caller.client().report(request).await.unwrap();
    }
    // Refused: a bad check, no key, a wrong one, two, one of the other kind, a path that is not there.
    assert_eq!(caller.enforce(check("")).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(post(guard.address(), "/enforce", "agk_none", "{}").await.0, 401);
    assert_eq!(get(guard.address(), "/nowhere", "").await.0, 404);
    let none = caller.client().enforce(tonic::Request::new(check("read:file"))).await.unwrap_err();
    assert_eq!(none.code(), Code::Unauthenticated);
    let mut two = caller.request(check("read:file"));
    two.metadata_mut().insert("x-admin-key", "another".parse().unwrap());
    assert_eq!(caller.client().enforce(two).await.unwrap_err().code(), Code::Unauthenticated);
    let other = caller.client().enforce(admin(check("read:file"))).await.unwrap_err();
    assert_eq!(other.code(), Code::PermissionDenied);

    let page = eventually("the stream's last message is counted", async || {
        let page = Page::of(guard.address()).await;
        (page.sum("agentguard_http_requests_total", &[("endpoint", STREAM)]) >= 3.0).then_some(page)
    })
    .await;
    let requests = |endpoint: &str, status: &str| {
        page.sum("agentguard_http_requests_total", &[("endpoint", endpoint), ("status", status)])
    };
    assert_eq!(requests(ENFORCE, "200"), 12.0);
    assert_eq!(requests(ENFORCE, "422"), 1.0);
    assert_eq!(requests(ENFORCE, "401"), 2.0);
    assert_eq!(requests(ENFORCE, "403"), 1.0);
    assert_eq!((requests("/enforce", "200"), requests("/enforce", "401")), (5.0, 1.0));
    assert_eq!((requests(BATCH, "200"), requests("other", "404")), (1.0, 1.0));
    assert_eq!((requests(STREAM, "200"), requests(STREAM, "422")), (2.0, 1.0));
    for endpoint in [ENFORCE, STREAM, BATCH, "/enforce", "other"] {
        let of = |name: &str| page.sum(name, &[("endpoint", endpoint)]);
        let timed = of("agentguard_http_request_duration_seconds_count");
        assert_eq!(timed, of("agentguard_http_requests_total"), "{endpoint}");
    }
    assert_eq!(page.sum("agentguard_http_errors_total", &[]), 7.0);
    assert_eq!(page.sum("agentguard_http_errors_total", &[("status", "200")]), 0.0);

    // 12 + 5 + 2 of the batch + 2 of the stream.
    let own = ("agent_id", agent.id.as_str());
    let enforced = |more: &[(&str, &str)]| page.sum("agentguard_enforcement_total", &[&[own], more].concat());
    assert_eq!(enforced(&[]), 21.0);
    assert_eq!(enforced(&[("action", "read:file"), ("allowed", "true")]), 14.0);
    assert_eq!(enforced(&[("action", "delete:file"), ("allowed", "false")]), 5.0);
    assert_eq!(enforced(&[("action", "unmatched"), ("allowed", "false")]), 2.0);
    let outcome = |outcome: &str| page.sum("agentguard_policy_evaluations_total", &[("outcome", outcome)]);
    assert_eq!(outcome("allowed"), 14.0);
    assert_eq!((outcome("denied_by_rule"), outcome("denied_default")), (5.0, 2.0));
    let logged = |more: &[(&str, &str)]| page.sum("agentguard_logs_total", &[&[own], more].concat());
    assert_eq!((logged(&[("result", "allowed")]), logged(&[("result", "denied")])), (14.0, 7.0));
    assert_eq!(logged(&[("result", "success"), ("action", "read:file")]), 1.0, "a repeat is no record");
    assert_eq!(logged(&[("result", "unknown"), ("action", "read:file")]), 1.0);
    assert_eq!(logged(&[("result", "unknown"), ("action", "unmatched")]), 1.0);
    let failed = |kind: &str| page.sum("agentguard_authentication_failures_total", &[("type", kind)]);
    assert_eq!(["missing", "multiple", "invalid", "wrong_kind"].map(failed), [1.0; 4]);
    assert_eq!(page.sum("agentguard_active_agents", &[]), 1.0);
    let stats = admins.stats().await;
    assert_eq!(page.sum("agentguard_audit_records_total", &[]), stats.audit.unwrap().records as f64);
    assert!(page.sum("agentguard_audit_commit_seconds_count", &[]) > 0.0);
    assert_eq!(page.sum("agentguard_ready", &[]), 1.0);
    assert_eq!(page.sum("agentguard_rate_limit_backend_up", &[("backend", "memory")]), 1.0);
    assert!(page.sum("agentguard_database_pool_max_connections", &[]) >= 3.0);
    let number = stats.revision.split_once('.').unwrap().1.parse::<f64>().unwrap();
    assert_eq!(page.sum("agentguard_policy_revision", &[]), number);
}

#[tokio::test]
async fn a_call_that_its_caller_gives_up_counts_as_499() {
    // No commit ends in time: the file is locked by somebody else.
    let guard = Guard::on_sqlite(&[]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    let mut caller = guard.caller(&agent.key).await;
    let file = guard.directory().join("agentguard.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let mut lock = pool.acquire().await.unwrap();
    sqlx::raw_sql("begin immediate").execute(&mut *lock).await.unwrap();
    let call =
        tokio::time::timeout(std::time::Duration::from_millis(100), caller.enforce(check("read:file")));
    assert!(call.await.is_err(), "the lock held nobody up");
    eventually("the call that was given up is counted", async || {
        let page = Page::of(guard.address()).await;
        let given_up = page.sum("agentguard_http_errors_total", &[("endpoint", ENFORCE), ("status", "499")]);
        (given_up == 1.0 && page.sum("agentguard_http_requests_in_flight", &[]) == 1.0).then_some(())
    })
    .await;
    sqlx::raw_sql("rollback").execute(&mut *lock).await.unwrap();
}

#[tokio::test]
async fn an_admins_stream_counts_when_it_ends_and_its_end_is_no_error() {
    let guard = Guard::on_sqlite(&[]);
    let mut admins = guard.admin().await;
    let follow = "/agentguard.v1.AdminService/FollowAudit";
    let request = admin(v1::FollowAuditRequest::default());
    let records = admins.client().follow_audit(request).await.unwrap();
    assert_eq!(
        Page::of(guard.address()).await.sum("agentguard_http_requests_total", &[("endpoint", follow)]),
        0.0
    );
    drop(records);
    eventually("the stream is counted once it has ended", async || {
        let page = Page::of(guard.address()).await;
        let ended = page.sum("agentguard_http_requests_total", &[("endpoint", follow), ("status", "200")]);
        (ended == 1.0).then(|| assert_eq!(page.sum("agentguard_http_errors_total", &[]), 0.0))
    })
    .await;
}

#[tokio::test]
async fn a_page_takes_no_longer_than_a_glance() {
    let guard = Guard::on_sqlite(&[]);
    let began = Instant::now();
    let page = Page::of(guard.address()).await;
    println!("an idle server's page: {} series in {:?}", page.0.len(), began.elapsed());
    for (name, _) in agentguard::metrics::catalog::PROCESS {
        assert!(page.names().any(|known| known == *name), "{name}");
    }
}
