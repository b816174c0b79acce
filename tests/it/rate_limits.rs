//! Limits as agents meet them: what is charged, what is refused, what is charged nothing.

use agentguard::pb::v1;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::harness::{Caller, Guard, reason};

mod agreement;
mod forms;
mod shared;
mod under_load;

/// A server whose agents have a limit.
fn limited(limit: &str) -> Guard {
    Guard::on_sqlite(&[("RATE_LIMIT_ENABLED", "true"), ("RATE_LIMIT_DEFAULT", limit)])
}

/// A new agent's caller.
async fn caller(guard: &Guard) -> Caller {
    let agent = guard.admin().await.agent("limited").await;
    guard.caller(&agent.key).await
}

fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }
}

async fn batch(caller: &mut Caller, checks: usize) -> Result<v1::BatchEnforceResponse, tonic::Status> {
    let request =
        caller.request(v1::BatchEnforceRequest { checks: vec![check(); checks], ..Default::default() });
    Ok(caller.client().batch_enforce(request).await?.into_inner())
}

/// How many more single calls fit; uses them up.
async fn left(caller: &mut Caller) -> usize {
    let mut left = 0;
    loop {
        match caller.enforce(check()).await {
            Ok(_) => left += 1,
            Err(status) if reason(&status) == "RATE_LIMITED" => return left,
            Err(status) => panic!("{status:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_costs_its_size_and_a_refused_one_nothing() {
    let guard = limited("10/day");
    let mut caller = caller(&guard).await;
    assert_eq!(batch(&mut caller, 7).await.unwrap().results.len(), 7);
    let refused = batch(&mut caller, 4).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    assert_eq!(left(&mut caller).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_would_never_fit_is_the_callers_fault() {
    let guard = limited("100/day burst 10");
    let mut caller = caller(&guard).await;
    let refused = batch(&mut caller, 11).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"));
    assert!(refused.message().contains("takes 10 at once"), "{}", refused.message());
    assert_eq!(left(&mut caller).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_of_a_stream_is_charged_and_the_stream_lives() {
    let guard = limited("5/day");
    let mut caller = caller(&guard).await;
    let message = |sequence| v1::EnforceStreamRequest { sequence, request: Some(check()) };
    let request = caller.request(tokio_stream::iter((0..20).map(message)));
    let mut answers = caller.client().enforce_stream(request).await.unwrap().into_inner();
    let (mut decided, mut refused) = (0, 0);
    while let Some(answer) = answers.next().await {
        match answer.unwrap().result.unwrap() {
            v1::enforce_stream_response::Result::Decision(_) => decided += 1,
            v1::enforce_stream_response::Result::Error(status) => {
                assert_eq!(status.code, i32::from(Code::ResourceExhausted));
                assert!(status.details.iter().any(|any| any.type_url.ends_with("google.rpc.RetryInfo")));
                refused += 1;
            }
        }
    }
    assert_eq!((decided, refused), (5, 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_and_every_other_call_of_an_agent_are_charged() {
    let guard = limited("10/day");
    let mut caller = caller(&guard).await;
    let keyed = v1::EnforceRequest { idempotency_key: "once".to_owned(), ..check() };
    let first = caller.enforce(keyed.clone()).await.unwrap();
    let again = caller.enforce(keyed).await.unwrap();
    assert_eq!(first.decision_id, again.decision_id);
    let invalid = caller.enforce(v1::EnforceRequest::default()).await.unwrap_err();
    assert_eq!(invalid.code(), Code::InvalidArgument);
    let request = caller.request(v1::WhoAmIRequest {});
    caller.client().who_am_i(request).await.unwrap();
    let request = caller.request(v1::ListOwnRecordsRequest::default());
    caller.client().list_own_records(request).await.unwrap();
    let too_many = batch(&mut caller, 101).await.unwrap_err();
    assert_eq!(too_many.code(), Code::InvalidArgument);
    assert_eq!(left(&mut caller).await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_do_not_share_a_limit_and_keys_of_one_agent_do() {
    let guard = limited("3/day");
    let mut admin = guard.admin().await;
    let (one, other) = (admin.agent("one").await, admin.agent("other").await);
    let (second_key, _) = admin.key(&one.id).await;
    let mut caller = guard.caller(&one.key).await;
    caller.enforce(check()).await.unwrap();
    assert_eq!(left(&mut caller.with_key(&second_key)).await, 2);
    assert_eq!(left(&mut caller.with_key(&other.key)).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agents_own_limit_holds_with_the_next_call_and_is_on_record() {
    let guard = limited("3/day");
    let agent = guard.admin().await.agent("worker").await;
    let mut caller = guard.caller(&agent.key).await;
    assert_eq!(left(&mut caller).await, 3);
    let limit = |args: &[&str]| {
        let run = guard.cli(&[&["agent", "limit", agent.id.as_str(), "--json"], args].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let shown: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let shown = &shown["rate_limit"];
        (shown["limit"].as_str().unwrap().to_owned(), shown["is_default"].as_bool().unwrap_or_default())
    };
    assert_eq!(limit(&[]), ("3/day".to_owned(), true));
    assert_eq!(limit(&["--set", "10 per day burst 10"]), ("10/day".to_owned(), false));
    // What was used so far counts under the new limit, too: three of a day's three have drained a day from now.
    assert_eq!(left(&mut caller).await, 0);
    assert_eq!(limit(&["--set", "unlimited"]), ("unlimited".to_owned(), false));
    for _ in 0..30 {
        caller.enforce(check()).await.unwrap();
    }
    assert_eq!(limit(&[]), ("unlimited".to_owned(), false));
    assert_eq!(limit(&["--default"]), ("3/day".to_owned(), true));
    assert_eq!(left(&mut caller).await, 0);
    let wrong = guard.cli(&["agent", "limit", &agent.id, "--set", "often"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("`often` is no limit"), "{wrong:?}");
    let unknown = guard.cli(&["agent", "limit", "agt_01h455vb4pex5vsknk084sn02q"]);
    assert!(unknown.stderr.contains("NOT_FOUND"), "{unknown:?}");
    let records = guard.cli(&["audit", "list", "--json"]).stdout;
    assert!(records.contains("SetRateLimit") && records.contains("10/day"), "{records}");
    // It survives a restart, as everything does that was acknowledged.
    limit(&["--set", "5/minute"]);
    drop(caller);
    let mut guard = guard;
    guard.kill();
    guard.restart();
    let mut caller = guard.caller(&agent.key).await;
    assert_eq!(left(&mut caller).await, 5);
    assert_eq!(guard.cli(&["agent", "delete", &agent.id, "--yes"]).code, 0);
    let deleted = guard.cli(&["agent", "limit", &agent.id, "--default"]);
    assert!(deleted.stderr.contains("AGENT_DELETED"), "{deleted:?}");
}
