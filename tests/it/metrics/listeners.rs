//! Where the page is, and who may see it.

use super::{Page, get};
use crate::harness::Guard;

#[tokio::test]
async fn the_page_is_on_the_main_port_at_its_path() {
    let guard = Guard::on_sqlite(&[("METRICS_PATH", "/internal/metrics")]);
    assert_eq!(get(guard.address(), "/metrics", "").await.0, 404);
    let (status, body) = get(guard.address(), "/internal/metrics", "").await;
    assert_eq!(status, 200);
    assert!(body.contains("agentguard_build_info{"), "{body}");
}

#[tokio::test]
async fn with_a_listener_of_its_own_the_main_port_has_no_page() {
    let guard = Guard::on_sqlite(&[("METRICS_ADDR", "127.0.0.1:0")]);
    let beside = guard.beside("metrics");
    assert_eq!(get(guard.address(), "/metrics", "").await.0, 404);
    assert!(Page::of(beside).await.sum("agentguard_ready", &[]) == 1.0);
    assert_eq!(get(beside, "/health", "").await.0, 200);
    assert_eq!(get(beside, "/enforce", "").await.0, 404, "that listener opens nothing else");
}

#[tokio::test]
async fn only_addresses_that_are_allowed_see_it() {
    let guard = Guard::on_sqlite(&[
        ("METRICS_ALLOW", "192.0.2.0/24"),
        ("TRUST_PROXY_HEADERS", "true"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ]);
    let (status, body) = get(guard.address(), "/metrics", "").await;
    assert_eq!(status, 403, "{body}");
    assert!(!body.contains("agentguard_build_info"), "{body}");
    let as_client = |client: &str| format!("x-forwarded-for: {client}\r\n");
    assert_eq!(get(guard.address(), "/metrics", &as_client("192.0.2.7")).await.0, 200);
    assert_eq!(get(guard.address(), "/metrics", &as_client("198.51.100.7")).await.0, 403);
}

#[tokio::test]
async fn switched_off_there_is_no_page() {
    let guard = Guard::on_sqlite(&[("METRICS_ENABLED", "false")]);
    assert_eq!(get(guard.address(), "/metrics", "").await.0, 404);
}
