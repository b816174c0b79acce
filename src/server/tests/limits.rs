//! Who calls too often, and what it is told.

use super::http_face::{json_and_key, post, split};
use super::*;
use crate::pb::rpc;

async fn front(default: &str, failures: &str) -> Front {
    let (default, failures) = (default.parse().ok(), failures.parse().ok());
    let limited = rate_limit::Settings { default, failures, ..rate_limit::Settings::off() };
    Front::limiting(Limits::default(), limited).await
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: ")))?;
    line.split_once(": ").map(|(_, value)| value)
}

fn details(answer: &Answer) -> rpc::Status {
    let status = Status::from_header_map(&answer.headers).unwrap();
    rpc::Status::decode(status.details()).unwrap()
}

fn detail<M: Message + Default>(status: &rpc::Status, name: &str) -> M {
    let found = status.details.iter().find(|any| any.type_url.ends_with(name)).unwrap();
    M::decode(found.value.as_slice()).unwrap()
}

#[tokio::test]
async fn a_call_too_many_is_refused_with_everything_that_a_client_needs() {
    let front = front("2/hour", "").await;
    let http2 = front.http2().await;
    for _ in 0..2 {
        assert_eq!(http2.enforce("read:file").await.code(), Some("0"));
    }
    let refused = http2.enforce("read:file").await;
    assert_eq!((refused.code(), refused.reason()), (Some("8"), Some(ErrorReason::RateLimited)));
    let pushback: u64 = refused.headers["grpc-retry-pushback-ms"].to_str().unwrap().parse().unwrap();
    // The next of two an hour fits after half an hour.
    assert!((1_790_000..=1_800_000).contains(&pushback), "{pushback}");
    let status = details(&refused);
    let retry: rpc::RetryInfo = detail(&status, "google.rpc.RetryInfo");
    assert!((1_790..=1_800).contains(&retry.retry_delay.unwrap().seconds));
    let failure: rpc::QuotaFailure = detail(&status, "google.rpc.QuotaFailure");
    let violation = &failure.violations[0];
    assert!(violation.subject.starts_with("agent:agt_"), "{violation:?}");
    assert_eq!((violation.description.as_str(), violation.quota_value), ("2/hour calls", 2));
}

#[tokio::test]
async fn over_http_every_answer_says_how_the_caller_stands() {
    let front = front("3/minute burst 2;100/hour", "").await;
    let headers = json_and_key(&front);
    let ask = async || post(&front, &headers, r#"{"action": "read:file"}"#).await;
    let first = ask().await;
    let (status, head, _) = split(&first);
    assert_eq!(status, 200, "{first}");
    assert_eq!(header(head, "ratelimit-limit"), Some("3"));
    assert_eq!(header(head, "ratelimit-remaining"), Some("1"));
    assert_eq!(header(head, "ratelimit-reset"), Some("20"));
    assert_eq!(header(head, "ratelimit-policy"), Some("3;w=60, 100;w=3600"));
    assert_eq!(split(&ask().await).0, 200);
    let refused = ask().await;
    let (status, head, body) = split(&refused);
    assert_eq!((status, body["code"].as_str()), (429, Some("RATE_LIMITED")), "{refused}");
    assert_eq!(header(head, "ratelimit-remaining"), Some("0"));
    let after: u64 = header(head, "retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&after), "{after}");
}

#[tokio::test]
async fn grpc_and_http_are_charged_to_one_limit() {
    let front = front("2/hour", "").await;
    assert_eq!(front.http2().await.enforce("read:file").await.code(), Some("0"));
    let headers = json_and_key(&front);
    let ask = async || post(&front, &headers, r#"{"action": "read:file"}"#).await;
    assert_eq!(split(&ask().await).0, 200);
    assert_eq!(split(&ask().await).0, 429);
}

#[tokio::test]
async fn admins_and_those_who_need_no_key_are_not_limited() {
    let front = front("1/hour", "").await;
    let http2 = front.http2().await;
    assert_eq!(http2.enforce("read:file").await.code(), Some("0"));
    assert_eq!(http2.enforce("read:file").await.code(), Some("8"));
    for _ in 0..20 {
        let admin = http2
            .request("/agentguard.v1.AdminService/GetStats")
            .header("x-admin-key", ADMIN_KEY)
            .body(Full::new(frame(b"")));
        let mut admin = admin.unwrap();
        admin.headers_mut().remove("x-agent-key");
        assert_eq!(http2.send(admin).await.code(), Some("0"));
        assert_eq!(http2.call("/grpc.health.v1.Health/Check", b"").await.code(), Some("0"));
        let live = front.http1("GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert_eq!(split(&live).0, 200);
    }
}

#[tokio::test]
async fn an_address_that_fails_to_log_in_too_often_is_told_to_wait_and_a_valid_key_passes() {
    let front = front("1000/minute", "3/hour").await;
    let mut stranger = front.http2().await;
    let mut other = stranger.key.clone();
    // Another secret for the same key id; its checksum is wrong, too.
    other.replace_range(40..44, "0000");
    stranger.key = other;
    for _ in 0..3 {
        assert_eq!(stranger.enforce("read:file").await.code(), Some("16"));
    }
    let refused = stranger.enforce("read:file").await;
    assert_eq!((refused.code(), refused.reason()), (Some("8"), Some(ErrorReason::RateLimited)));
    let failure: rpc::QuotaFailure = detail(&details(&refused), "google.rpc.QuotaFailure");
    assert_eq!(failure.violations[0].subject, "address:127.0.0.1");
    // From the same address.
    assert_eq!(front.http2().await.enforce("read:file").await.code(), Some("0"));
    let headers = "content-type: application/json\r\nx-agent-key: agk_nonsense\r\n";
    let over_http = post(&front, headers, "{}").await;
    assert_eq!(split(&over_http).0, 429, "{over_http}");
}
