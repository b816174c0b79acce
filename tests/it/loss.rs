//! What verification says of a server that answers first and writes behind: never plain OK, unless it closed its chain.

use agentguard::pb::v1;
use serde_json::Value;

use crate::harness::{Guard, eventually};
use crate::postgres::Database;
use crate::watch::Watch;

async fn ask(guard: &Guard, key: &str, count: usize) {
    let mut caller = guard.caller(key).await;
    for _ in 0..count {
        let check = v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
        caller.enforce(check).await.unwrap();
    }
}

/// The findings of a verification, each its kind, chain, record and text, and the last line for people.
fn verify(guard: &Guard) -> (Vec<(String, i64, i64, String)>, String) {
    let shown = guard.cli(&["audit", "verify"]);
    // A loss that the mode allows is no tampering.
    assert_eq!(shown.code, 0, "{shown:?}");
    let json = guard.cli(&["audit", "verify", "--json"]);
    let result: Value = serde_json::from_str(&json.stdout).unwrap();
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().unwrap(),
        value => value.as_i64().unwrap(),
    };
    let findings = result["findings"].as_array().unwrap().iter().map(|finding| {
        assert_ne!(finding["tampered"], true, "{finding}");
        (
            finding["kind"].as_str().unwrap().to_owned(),
            number(&finding["chain_no"]),
            number(&finding["seq"]),
            finding["message"].as_str().unwrap().to_owned(),
        )
    });
    (findings.collect(), shown.stdout)
}

async fn loses_or_says_so(mut guard: Guard, url: &str) {
    let agent = guard.admin().await.agent("worker").await;
    let watch = Watch::on(url).await;
    ask(&guard, &agent.key, 20).await;
    let last = "select coalesce(max(seq), 0) from audit_logs where chain_no = 1";
    eventually("something is written", async || (watch.number(last).await >= 2).then_some(())).await;
    // What comes now is acknowledged and cannot be written before the end.
    let hold = watch.hold().await;
    ask(&guard, &agent.key, 5).await;
    let seq = watch.number(last).await;
    guard.kill();
    hold.release().await;
    guard.restart();
    let records = watch.number("select count(*) from audit_logs where kind = 'decision'").await;
    assert!(records <= 20, "the control: something is really lost");
    // The new life has its own chain, open and in the same mode, of which as much can be said.
    ask(&guard, &agent.key, 1).await;
    let second = "select count(*) from audit_logs where chain_no = 2 and kind = 'decision'";
    eventually("the second chain is open", async || (watch.number(second).await == 1).then_some(())).await;
    let (findings, shown) = verify(&guard);
    assert!(
        findings.iter().any(|(kind, chain, at, text)| {
            let at_the_end = *at == seq && text.contains(&format!("loss possible after seq {seq}"));
            kind == "LOSS_POSSIBLE" && *chain == 1 && at_the_end
        }),
        "{seq}: {findings:?}"
    );
    assert!(findings.iter().all(|(kind, ..)| kind == "LOSS_POSSIBLE"), "{findings:?}");
    assert!(shown.contains("LOSS_POSSIBLE") && shown.contains("notices"), "{shown}");
    // A chain that its writer closed has lost nothing.
    guard.stop();
    guard.restart();
    let (findings, _) = verify(&guard);
    assert!(findings.iter().all(|(_, chain, ..)| *chain != 2), "{findings:?}");
    assert!(findings.iter().any(|(_, chain, ..)| *chain == 1), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_server_that_is_killed_on_sqlite_may_have_lost_its_tail() {
    let guard = Guard::on_sqlite(&[("AUDIT_MODE", "async")]);
    let url = format!("sqlite://{}", guard.directory().join("agentguard.db").display());
    loses_or_says_so(guard, &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_async_server_that_is_killed_on_postgres_may_have_lost_its_tail() {
    let database = Database::create();
    let guard = Guard::on_postgres(&database.url(), &[("AUDIT_MODE", "async")]);
    loses_or_says_so(guard, &database.url()).await;
    drop(database);
}

/// The control: a server that writes before it answers is killed in the same way and verifies without a notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_durable_server_that_is_killed_has_lost_nothing() {
    let mut guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("worker").await;
    ask(&guard, &agent.key, 20).await;
    guard.kill();
    guard.restart();
    let (findings, shown) = verify(&guard);
    assert!(findings.is_empty(), "{findings:?}");
    assert!(shown.contains("verified: ") && !shown.contains("notice"), "{shown}");
}
