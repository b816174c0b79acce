//! The HTTP face: the same layers, the same service, JSON.

use serde_json::{Value, json};

use super::*;

/// Status, head and JSON body of an HTTP/1.1 answer.
pub(super) fn split(answer: &str) -> (u16, &str, Value) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head, serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(super) async fn post(front: &Front, headers: &str, body: &str) -> String {
    let length = body.len();
    front
        .http1(&format!(
            "POST /enforce HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        ))
        .await
}

pub(super) fn json_and_key(front: &Front) -> String {
    format!("content-type: application/json\r\nx-agent-key: {}\r\n", front.agent_key)
}

#[tokio::test]
async fn the_guides_curl_is_answered() {
    let front = Front::start().await;
    let headers = format!("{}x-request-id: curl-1\r\n", json_and_key(&front));
    let answer = post(&front, &headers, r#"{"action": "read:file", "resource": "test.txt"}"#).await;
    let (status, head, body) = split(&answer);
    assert_eq!(status, 200, "{answer}");
    assert!(head.to_lowercase().contains("x-request-id: curl-1"));
    assert_eq!(
        body,
        json!({
            "allowed": true, "status": "allowed", "reason": "", "reason_code": "ALLOWED_BY_RULE",
            "decision_id": "dec_01h455vb4pex5vsknk084sn02q", "action": "read:file", "rule_id": "",
            "policy_revision": "", "request_id": "curl-1"
        })
    );
}

#[tokio::test]
async fn every_fault_has_its_status() {
    let limits = Limits { max_enforce_size: 4_096, ..Limits::default() };
    let front = Front::with(limits).await;
    let good = json_and_key(&front);
    let key = format!("x-agent-key: {}\r\n", front.agent_key);
    let json_type = "content-type: application/json\r\n";
    let large = format!(r#"{{"action": "{}"}}"#, "x".repeat(5_000));
    let twice = format!("{good}authorization: Bearer {}\r\n", front.agent_key);
    let admin = format!("{json_type}x-admin-key: {ADMIN_KEY}\r\n");
    for (headers, body, status, code) in [
        (good.as_str(), "{", 400, "MALFORMED_MESSAGE"),
        (&good, r#"{"action": "a", "action": "b"}"#, 400, "MALFORMED_MESSAGE"),
        (&good, r#"{"action": 7}"#, 422, "INVALID_ARGUMENT"),
        (&good, "[]", 422, "INVALID_ARGUMENT"),
        (&good, large.as_str(), 413, "MESSAGE_TOO_LARGE"),
        (&good, r#"{"action": "panic"}"#, 500, "INTERNAL"),
        (json_type, "{}", 401, "UNAUTHENTICATED"),
        (&twice, "{}", 401, "UNAUTHENTICATED"),
        (&admin, "{}", 403, "PERMISSION_DENIED"),
        (&key, "{}", 415, "UNSUPPORTED_MEDIA_TYPE"),
    ] {
        let answer = post(&front, headers, body).await;
        let (found, head, json) = split(&answer);
        assert_eq!((found, &json["code"]), (status, &json!(code)), "{headers} {body}: {answer}");
        let id = json["request_id"].as_str().unwrap();
        assert!(!id.is_empty() && head.contains(id), "{answer}");
        assert!(json["detail"].is_string());
    }
}

#[tokio::test]
async fn health_needs_no_key_and_unknown_paths_and_methods_are_told_apart() {
    let front = Front::start().await;
    for (request, status, member) in [
        ("GET /health", 200, json!({"status": "healthy"})),
        ("GET /health/live", 200, json!({"status": "alive"})),
        ("GET /health/ready", 200, json!({"status": "ready"})),
        ("GET /nothing", 404, json!({"code": "NOT_FOUND"})),
        ("GET /enforce", 405, json!({"code": "METHOD_NOT_ALLOWED"})),
        ("DELETE /health", 405, json!({"code": "METHOD_NOT_ALLOWED"})),
    ] {
        let answer =
            front.http1(&format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        let (found, _, body) = split(&answer);
        assert_eq!(found, status, "{answer}");
        let (name, value) = member.as_object().unwrap().iter().next().unwrap();
        assert_eq!(&body[name], value, "{answer}");
    }
    let head = front.http1("HEAD /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

async fn ready(front: &Front) -> (u16, Value) {
    let answer = front.http1("GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let (status, _, body) = split(&answer);
    (status, body)
}

#[tokio::test]
async fn readiness_says_how_every_part_is() {
    let front = Front::start().await;
    let (status, body) = ready(&front).await;
    assert_eq!(status, 200);
    assert_eq!(
        body["checks"],
        json!({
            "database": {"status": "ok", "latency_ms": 1.5}, "limiter": {"status": "ok"},
            "audit": {"status": "ok"}, "policies": {"status": "ok", "age_seconds": 0.25},
            "server": {"status": "ok"}
        })
    );
}

#[tokio::test]
async fn readiness_says_what_is_wrong() {
    let front = Front::start().await;
    let away = Pulse { latency: None, is_away: true };
    let slow = Pulse { latency: None, is_away: false };
    for (health, status, check, word, reason) in [
        (Health { policies: false, ..well() }, 503, "policies", "stale", "not been confirmed"),
        (Health { database: away, ..well() }, 503, "database", "unavailable", "database does not answer"),
        // Without it nothing is recorded, but in this mode answers do not wait for that.
        (Health { database: away, waits_for_database: false, ..well() }, 200, "database", "unavailable", ""),
        (Health { database: slow, ..well() }, 200, "database", "slow", ""),
        (Health { audit: false, ..well() }, 200, "audit", "unavailable", ""),
        (Health { limiter: false, ..well() }, 200, "limiter", "degraded", ""),
    ] {
        front.health.send_replace(health);
        let (found, body) = ready(&front).await;
        assert_eq!((found, &body["checks"][check]["status"]), (status, &json!(word)), "{body}");
        assert_eq!(body["reason"].is_string(), status == 503, "{body}");
        assert!(body["reason"].as_str().unwrap_or_default().contains(reason), "{body}");
    }
}

#[tokio::test]
async fn json_is_spoken_on_http2_too() {
    let front = Front::start().await;
    let client = front.http2().await;
    let request = Request::post("http://x/enforce")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", front.agent_key));
    let answer = client.send(request.body(Full::from(r#"{"action": "read:file"}"#)).unwrap()).await;
    assert_eq!(answer.http, StatusCode::OK);
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["allowed"], true);
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let front =
        Front::with(Limits { request_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let headers = json_and_key(&front);
    let answer = front
        .http1(&format!(
            "POST /enforce HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99\r\n{headers}\r\n{{"
        ))
        .await;
    let (status, _, body) = split(&answer);
    assert_eq!((status, &body["code"]), (504, &json!("DEADLINE_EXCEEDED")));
}
