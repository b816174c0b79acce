//! What the server logs: the deployment guide's fields, never a key, and nobody waits for whoever reads.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use agentguard::pb::v1;
use serde_json::Value;

use crate::cli;
use crate::harness::{ADMIN_KEY, Admin, Caller, Guard};
use crate::metrics::{Page, get};

/// A key in a log, if there is one: the admins', or anything that begins as agents' keys do. Every server of the suite is
/// held to it when it ends.
pub fn secret_in(log: &str) -> Option<&str> {
    log.lines().find(|line| line.contains(ADMIN_KEY) || line.contains("agk_"))
}

fn check(action: &str) -> v1::EnforceRequest {
    v1::EnforceRequest { action: action.to_owned(), ..v1::EnforceRequest::default() }
}

#[tokio::test]
async fn a_check_is_logged_with_the_guides_fields_first() {
    let guard = Guard::on_sqlite(&[("LOG_LEVEL", "DEBUG")]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    admins.set_policy(&agent.id, &["read:*"], &[]).await;
    let mut caller = guard.caller(&agent.key).await;
    let mut request = caller.request(check("readFile"));
    request.metadata_mut().insert("x-request-id", "req_1234567890".parse().unwrap());
    caller.client().enforce(request).await.unwrap();
    let line = crate::harness::eventually("the check is logged", async || {
        guard.log().lines().find(|line| line.contains("Enforcement check")).map(str::to_owned)
    })
    .await;
    let json: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
    assert_eq!(json["action"], "read:file");
    assert_eq!(json["agent_id"], agent.id.as_str());
    assert_eq!(json["allowed"], true);
    assert_eq!(json["request_id"], "req_1234567890");
    let guides =
        ["timestamp", "level", "logger", "message", "agent_id", "action", "allowed", "request_id", "target"];
    let places: Vec<_> = guides.iter().map(|name| line.find(&format!("\"{name}\": ")).expect(name)).collect();
    assert!(places.is_sorted(), "{line}");
    assert!(line.starts_with("{\"timestamp\": \"20"), "{line}");
}

#[tokio::test]
async fn at_no_level_is_a_key_in_the_log() {
    let guard =
        Guard::on_sqlite(&[("LOG_LEVEL", "TRACE"), ("KEY_PEPPER", "hX7-qq1ZrLx2_VbNcY7sKdG5mPjE8uAf")]);
    let mut admins = guard.admin().await;
    let agent = admins.agent("reader").await;
    let (second, second_id) = admins.key(&agent.id).await;
    let caller = guard.caller(&agent.key).await;
    let keys = [agent.key.as_str(), second.as_str(), ADMIN_KEY];
    for key in keys {
        caller.with_key(key).enforce(check("read:file")).await.ok();
        // In every place where somebody may put it by mistake.
        caller.with_key(&agent.key).enforce(check(key)).await.ok();
        get(guard.address(), &format!("/enforce?key={key}"), &format!("x-request-id: {key}\r\n")).await;
        get(guard.address(), &format!("/{key}"), &format!("authorization: Bearer {key}x\r\n")).await;
    }
    admins.revoke(&second_id).await;
    caller.with_key(&second).enforce(check("read:file")).await.unwrap_err();
    let log = guard.log();
    assert!(log.contains("\"level\": \"TRACE\"") || log.contains("\"level\": \"DEBUG\""), "{log}");
    assert_eq!(secret_in(&log), None);
    assert!(!log.contains("hX7-qq1ZrLx2"), "the pepper is in the log");
}

#[test]
fn a_key_in_a_log_is_seen() {
    let key = format!("agk_{}", "0".repeat(86));
    for planted in [key.as_str(), ADMIN_KEY] {
        assert!(secret_in(&format!("{{}}\n{{\"path\": \"/{planted}\"}}\n")).is_some());
    }
    assert_eq!(secret_in("{\"key\": \"key_01h455vb4pex5vsknk084sn02q\"}"), None);
}

#[tokio::test]
async fn a_server_whose_log_nobody_reads_answers_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("agentguard.db").display());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("LOG_LEVEL", "DEBUG"),
        ("RATE_LIMIT_ENABLED", "false"),
    ];
    assert_eq!(cli::run(&["migrate", "up"], &settings).code, 0);
    let mut process =
        cli::program(&["serve"], &settings).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let address: std::net::SocketAddr = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .find_map(|line| line["address"].as_str()?.parse().ok())
        .expect("the server serves");
    // From here on the pipe fills and nobody empties it.
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let agent = Admin::over(channel.clone()).agent("reader").await;
    let caller = Caller::over(channel, &agent.key);
    let mut dropped = 0.0;
    for _ in 0..400 {
        let calls = (0..100).map(|_| {
            let mut caller = caller.clone();
            async move { caller.enforce(check("read:file")).await.unwrap() }
        });
        futures_util::future::join_all(calls).await;
        dropped = Page::of(address).await.sum("agentguard_log_lines_dropped_total", &[]);
        if dropped > 0.0 {
            break;
        }
    }
    process.kill().unwrap();
    process.wait().unwrap();
    assert!(dropped > 0.0, "the pipe never filled");
}
