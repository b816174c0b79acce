//! A small server's beginning and its rest: how long from the start of the process to `SERVING`, and how much memory
//! it holds.

use std::process::Child;
use std::time::{Duration, Instant};

use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::process::Process;
use super::round;
use super::server::{self, Home};

/// Calls before the server is left alone.
const CALLS: u64 = 100;

/// How long it is left alone before its memory is read.
const REST: Duration = Duration::from_millis(1_500);

/// One start on a SQLite file.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// Milliseconds from the start of the process to the line that says that it serves.
    pub line: f64,
    /// Milliseconds to the first `SERVING` of `grpc.health.v1`.
    pub serving: f64,
    /// MiB resident then.
    pub fresh: f64,
    /// MiB resident after calls and a rest.
    pub idle: f64,
}

/// Starts the server `rounds` times on one database, durable.
pub async fn measure(rounds: usize) -> Vec<Started> {
    let home = Home::new("durable", None).await;
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.push(once(&home).await);
    }
    all
}

async fn once(home: &Home) -> Started {
    let began = Instant::now();
    let milliseconds = || began.elapsed().as_secs_f64() * 1e3;
    let (mut child, address) = home.serve("durable");
    let line = milliseconds();
    let channel = Endpoint::from_shared(address.clone()).unwrap().connect().await.unwrap();
    let request = || HealthCheckRequest { service: String::new() };
    let mut health = HealthClient::new(channel);
    while health.check(request()).await.unwrap().into_inner().status() != ServingStatus::Serving {}
    let serving = milliseconds();
    let process = Process(child.id());
    let fresh = process.resident();

    let (key, _admin) = server::agent(&address).await;
    let mut clients = server::connect(&address).await;
    for (number, client) in (0..CALLS).zip((0..clients.len()).cycle()) {
        clients[client].enforce(round::question(&key, 0, number)).await.unwrap();
    }
    tokio::time::sleep(REST).await;
    let idle = process.resident();
    end(&mut child);
    Started { line, serving, fresh, idle }
}

fn end(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}
