//! Repeats in the hard cases: of what is not kept whole, while the policy goes back and forth, after a first call that
//! failed, beyond an agent's share.

use std::time::Duration;

use agentguard::pb::v1;
use prost_types::value::Kind;
use prost_types::{Struct, Value};
use tonic::Code;

use super::{Stage, read};
use crate::harness::{admin, eventually, reason};

fn text(key: &str, text: &str) -> Option<Struct> {
    let value = Value { kind: Some(Kind::StringValue(text.to_owned())) };
    Some(Struct { fields: [(key.to_owned(), value)].into() })
}

/// A request whose record holds a digest in place of a secret, and one that holds it in place of what is too long.
fn not_kept_whole(resource: &str, key: &str, ending: &str) -> [v1::EnforceRequest; 2] {
    let long = format!("{}{ending}", "x".repeat(20_000));
    let (secret, large) = (format!("{key}-secret"), format!("{key}-large"));
    [
        v1::EnforceRequest { arguments: text("password", ending), ..read(resource, &secret) },
        v1::EnforceRequest { context: text("page", &long), ..read(resource, &large) },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_whole_is_still_known_again_after_a_restart() {
    for mut stage in Stage::both().await {
        let mut firsts = Vec::new();
        for check in not_kept_whole("/a", "k", "one") {
            firsts.push(stage.caller.enforce(check).await.unwrap());
        }
        let filter = Some(v1::RecordFilter { agent_id: stage.agent.id.clone(), ..Default::default() });
        let asked = admin(v1::ListAuditRecordsRequest { filter, ..Default::default() });
        let records = stage.admin.client().list_audit_records(asked).await.unwrap().into_inner().records;
        // The control: what is compared after the restart is not there any more.
        assert!(records.iter().filter(|it| it.resource() == "/a").all(|it| !it.replayable), "{records:?}");
        stage.guard.kill();
        stage.guard.restart();
        stage.caller = stage.guard.caller(&stage.agent.key).await;
        for (check, first) in not_kept_whole("/a", "k", "one").into_iter().zip(firsts) {
            let again = stage.caller.retry(check).await.unwrap();
            assert_eq!((again.decision_id, again.idempotent_repeat), (first.decision_id, true));
        }
        for other in not_kept_whole("/a", "k", "two") {
            let refused = stage.caller.retry(other).await.unwrap_err();
            assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
        }
        assert_eq!(stage.records("/a").await.0, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_goes_back_and_forth_does_not_bring_an_allow_back() {
    for mut stage in Stage::both().await {
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert!(first.allowed);
        let mut denied = String::new();
        for round in 0..3 {
            stage.admin.set_policy(&stage.agent.id, &["read:*"], &["read:file"]).await;
            let deny = stage.caller.enforce(read("/a", "k")).await.unwrap();
            assert!(!deny.allowed, "round {round}");
            assert_eq!(deny.idempotent_repeat, round > 0, "round {round}");
            if round == 0 {
                assert_eq!(deny.repeat_of, first.decision_id);
                denied = deny.decision_id.clone();
            }
            stage.admin.set_policy(&stage.agent.id, &["read:*"], &[]).await;
            let again = stage.caller.enforce(read("/a", "k")).await.unwrap();
            assert_eq!(
                (again.allowed, again.idempotent_repeat, &again.decision_id),
                (false, true, &denied),
                "round {round}"
            );
            // The control: another key is allowed by the same policy.
            let other = stage.caller.enforce(read("/other", &format!("other-{round}"))).await.unwrap();
            assert!(other.allowed);
        }
        assert_eq!(stage.records("/a").await, (2, Some(first.decision_id)));
        // Nor does a restart: the stricter one is the newest that the database knows.
        stage.guard.kill();
        stage.guard.restart();
        stage.caller = stage.guard.caller(&stage.agent.key).await;
        let again = stage.caller.retry(read("/a", "k")).await.unwrap();
        assert_eq!((again.allowed, again.decision_id), (false, denied));
    }
}

/// Somebody else's lock holds the first call's commit until it is given up; ten more wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_first_call_that_fails_is_answered_and_no_entry_is_left() {
    let mut stage = Stage::postgres().await;
    stage.caller.enforce(read("/open", "")).await.unwrap();
    let pool = sqlx::PgPool::connect(&stage.url).await.unwrap();
    for marked in [false, true] {
        let resource = format!("/failed/{marked}");
        let check = read(&resource, &format!("k-{marked}"));
        let mut lock = pool.begin().await.unwrap();
        sqlx::raw_sql("lock table audit_chains in exclusive mode").execute(&mut *lock).await.unwrap();
        let calls: Vec<_> = (0..11)
            .map(|_| {
                let (mut caller, check) = (stage.caller.clone(), check.clone());
                tokio::spawn(async move { caller.enforce(check).await })
            })
            .collect();
        for call in calls {
            let answer = tokio::time::timeout(Duration::from_secs(20), call).await;
            let status = answer.expect("a call that waited for a failed one is stuck").unwrap().unwrap_err();
            assert_eq!(status.code(), Code::Unavailable, "{status}");
        }
        lock.rollback().await.unwrap();
        // The first one's commit was in doubt and is settled by now or soon; its caller had no answer.
        let caller = stage.caller.clone();
        let again = async || {
            let (mut caller, check) = (caller.clone(), check.clone());
            if marked { caller.retry(check).await.ok() } else { caller.enforce(check).await.ok() }
        };
        let decision = eventually("the key is free", again).await;
        assert!(decision.allowed);
        if !marked {
            assert!(!decision.idempotent_repeat, "a call that failed left an entry: {decision:?}");
        }
        let repeat = again().await.unwrap();
        assert_eq!((&repeat.decision_id, repeat.idempotent_repeat), (&decision.decision_id, true));
        // At most the one that was in doubt and the one that was answered; a marked retry finds the former.
        let (records, _) = stage.records(&resource).await;
        assert!((1..=if marked { 1 } else { 2 }).contains(&records), "{records} records, marked: {marked}");
    }
    let verified = stage.guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// An agent that uses more keys than its share forgets its own oldest, and nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn beyond_an_agents_share_its_oldest_key_is_a_first_call_again() {
    const SHARE: usize = 262_144 / 16;
    let mut stage = Stage::sqlite().await;
    let other = stage.admin.agent("other").await;
    let mut other = stage.guard.caller(&other.key).await;
    other.enforce(read("/other", "k")).await.unwrap();
    let numbers: Vec<usize> = (0..=SHARE).collect();
    let mut first_ids = Vec::new();
    for chunk in numbers.chunks(100) {
        let checks = chunk.iter().map(|number| read("/many", &format!("k-{number}"))).collect();
        let request =
            stage.caller.request(v1::BatchEnforceRequest { checks, ..v1::BatchEnforceRequest::default() });
        let results = stage.caller.client().batch_enforce(request).await.unwrap().into_inner().results;
        first_ids.extend(results.into_iter().map(|result| match result.result {
            Some(v1::batch_enforce_result::Result::Decision(decision)) => decision.decision_id,
            answer => panic!("{answer:?}"),
        }));
    }
    for (number, known) in [(SHARE, true), (1, true), (0, false)] {
        let again = stage.caller.enforce(read("/many", &format!("k-{number}"))).await.unwrap();
        assert_eq!(again.idempotent_repeat, known, "key {number}");
        assert_eq!(again.decision_id == first_ids[number], known, "key {number}");
    }
    assert!(other.enforce(read("/other", "k")).await.unwrap().idempotent_repeat);
}
