//! Readiness follows the database, and says what `grpc.health.v1` says.

use serde_json::json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::{ask, json};
use crate::harness::{Guard, eventually};
use crate::keys::raw::Wire;
use crate::postgres::Cluster;

async fn looks(guard: &Guard, wire: &Wire) -> (u16, i32) {
    let ready = ask(wire, ("GET", "/health/ready"), ("accept", "*/*"), "").await;
    let mut health = HealthClient::new(guard.channel().await);
    let said = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
    (ready.http, said.status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_makes_not_ready_and_its_return_ready_again() {
    let mut cluster = Cluster::start(&[]);
    let guard = Guard::on_postgres(&cluster.url(), &[]);
    let wire = Wire::connect(&guard.endpoint()).await;
    eventually("ready", async || (looks(&guard, &wire).await == (200, 1)).then_some(())).await;
    let ready = eventually("the database was asked", async || {
        let ready = json(&ask(&wire, ("GET", "/health/ready"), ("accept", "*/*"), "").await);
        ready["checks"]["database"]["latency_ms"].as_f64().filter(|latency| *latency > 0.0).map(|_| ready)
    });
    let ready = ready.await;
    assert!(ready["checks"]["policies"]["age_seconds"].is_number(), "{ready}");

    cluster.kill();
    eventually("not ready", async || (looks(&guard, &wire).await == (503, 2)).then_some(())).await;
    let ready = json(&ask(&wire, ("GET", "/health/ready"), ("accept", "*/*"), "").await);
    assert_eq!(ready["checks"]["database"], json!({"status": "unavailable"}), "{ready}");
    assert!(ready["reason"].as_str().unwrap().contains("database"), "{ready}");
    // It lives all the same.
    assert_eq!(ask(&wire, ("GET", "/health/live"), ("accept", "*/*"), "").await.http, 200);
    cluster.restart();
    eventually("ready again", async || (looks(&guard, &wire).await == (200, 1)).then_some(())).await;
}
