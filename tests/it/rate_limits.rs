//! Limits as agents meet them: what is charged, what is refused, what is charged nothing.

use agentguard::pb::v1;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::harness::{Caller, Guard, reason};

mod agreement;
mod shared;

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
