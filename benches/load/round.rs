//! One round: so many callers for so long.

use std::fmt;
use std::time::{Duration, Instant};

use agentguard::pb::v1;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use tonic::Request;
use tonic::transport::Channel;

use super::server::Server;

/// How far rate × mean latency may be from the calls in flight.
const TOLERANCE: f64 = 0.05;

/// What a round came to.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Calls answered with a decision, a second.
    pub rate: f64,
    /// Their latencies, in milliseconds.
    pub p50: f64,
    pub p99: f64,
    /// Audit rows a commit.
    pub rows: f64,
    /// Rate × mean latency of all calls.
    pub in_flight: f64,
    /// Calls answered with `UNAVAILABLE` or `RESOURCE_EXHAUSTED` because the audit's queue was full.
    pub refused: f64,
    /// Processor time of the server's process a decided call, in microseconds. The database of `SQLite` is in it.
    pub cpu: f64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, p50, p99, rows, in_flight, refused, cpu } = self;
        write!(
            f,
            "{rate:.0} calls/s, p50 {p50:.2} ms, p99 {p99:.2} ms, {rows:.1} rows a commit, {in_flight:.1} in flight, \
             {refused:.0} refused, {cpu:.1} us CPU a call"
        )
    }
}

/// Latencies in seconds, of calls that were decided and of those that were not.
#[derive(Default)]
struct Seen {
    decided: Vec<f64>,
    refused: Vec<f64>,
    /// When the last one ended.
    until: Option<Instant>,
}

/// Runs one round.
pub async fn run(server: &mut Server, in_flight: usize, span: Duration) -> Figures {
    let before = server.written().await;
    let cpu_before = server.process().cpu();
    let began = Instant::now();
    let end = began + span;
    let callers: Vec<_> = (0..in_flight)
        .map(|number| {
            let client = server.clients[number % server.clients.len()].clone();
            tokio::spawn(ask(client, server.agent_key.clone(), number, end))
        })
        .collect();
    let mut all = Seen::default();
    for caller in callers {
        let seen = caller.await.unwrap();
        all.decided.extend(seen.decided);
        all.refused.extend(seen.refused);
        all.until = all.until.max(seen.until);
    }
    let took = all.until.unwrap().duration_since(began).as_secs_f64();
    let after = server.written().await;
    // After the last record was written: in async mode that work outlasts the answers.
    let cpu = server.process().cpu() - cpu_before;

    let sum: f64 = all.decided.iter().chain(&all.refused).sum();
    let measured = sum / took;
    let missed = (measured - in_flight as f64).abs() / in_flight as f64;
    // A caller that ended early leaves its place empty for the last call's time.
    let ragged = all.decided.iter().chain(&all.refused).copied().fold(0.0, f64::max) / took;
    assert!(
        missed <= TOLERANCE + ragged,
        "{measured:.1} calls in flight were measured, {in_flight} were meant"
    );
    all.decided.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = all.decided.len().checked_sub(1).expect("nothing was decided");
        all.decided[(last as f64 * share).round() as usize] * 1e3
    };
    Figures {
        rate: all.decided.len() as f64 / took,
        p50: at(0.5),
        p99: at(0.99),
        rows: (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64,
        in_flight: measured,
        refused: all.refused.len() as f64,
        cpu: cpu * 1e6 / all.decided.len() as f64,
    }
}

async fn ask(
    mut client: EnforcementServiceClient<Channel>,
    key: String,
    caller: usize,
    end: Instant,
) -> Seen {
    let mut seen = Seen::default();
    let mut number = 0_u64;
    loop {
        let began = Instant::now();
        if began >= end {
            return seen;
        }
        number += 1;
        let answer = client.enforce(question(&key, caller, number)).await;
        let ended = Instant::now();
        seen.until = Some(ended);
        let latency = ended.duration_since(began).as_secs_f64();
        match answer {
            Ok(answer) => {
                let decision = answer.into_inner().decision.unwrap();
                assert!(decision.allowed, "{decision:?}");
                seen.decided.push(latency);
            }
            Err(status) => {
                let full = matches!(status.code(), tonic::Code::Unavailable | tonic::Code::ResourceExhausted);
                assert!(full, "{status:?}");
                seen.refused.push(latency);
            }
        }
    }
}

/// A check that the agent's policy allows.
pub fn question(key: &str, caller: usize, number: u64) -> Request<v1::EnforceRequest> {
    let mut request = Request::new(v1::EnforceRequest {
        action: "read_file".to_owned(),
        resource: format!("/data/{caller}/{number}.txt"),
        session_id: "load".to_owned(),
        ..v1::EnforceRequest::default()
    });
    request.metadata_mut().insert("x-agent-key", key.parse().unwrap());
    request
}
