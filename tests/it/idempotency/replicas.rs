//! Retries that are marked as such: over a restart, and over replicas.

use agentguard::pb::v1;

use super::{Stage, read};
use crate::harness::{Guard, reason};

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_retry_finds_its_first_decision_after_a_restart() {
    for mut stage in Stage::both().await {
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        let killed = stage.caller.enforce(read("/b", "l")).await.unwrap();
        for (end, resource, key, first) in [("stop", "/a", "k", first), ("kill", "/b", "l", killed)] {
            if end == "stop" {
                stage.guard.stop()
            } else {
                stage.guard.kill()
            }
            stage.guard.restart();
            stage.caller = stage.guard.caller(&stage.agent.key).await;
            let again = stage.caller.retry(read(resource, key)).await.unwrap();
            assert!(again.idempotent_repeat, "{end}: {again:?}");
            // The rule's own words are not in the record; all that decides is.
            let told = |decision: v1::Decision| {
                (
                    decision.decision_id,
                    decision.verdict,
                    decision.reason_code,
                    decision.action,
                    decision.rule_id,
                )
            };
            assert_eq!(told(again), told(first), "{end}");
            let status = stage.caller.retry(read("/other", key)).await.unwrap_err();
            assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED", "{end}");
            // Found once, it is known to repeats that are not marked too.
            assert!(stage.caller.enforce(read(resource, key)).await.unwrap().idempotent_repeat, "{end}");
            assert_eq!(stage.records(resource).await, (1, None), "{end}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_retry_after_a_restart_is_decided_anew_where_that_is_stricter() {
    for mut stage in Stage::both().await {
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        stage.guard.kill();
        stage.guard.restart();
        stage.guard.admin().await.set_policy(&stage.agent.id, &[], &[]).await;
        let anew = stage.guard.caller(&stage.agent.key).await.retry(read("/a", "k")).await.unwrap();
        assert!(!anew.allowed && !anew.idempotent_repeat);
        assert_eq!(anew.repeat_of, first.decision_id);
        assert_eq!(stage.records("/a").await, (2, Some(first.decision_id)));
    }
}

/// The control of the two above: without the mark nobody looks into the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_is_not_marked_is_a_first_call_after_a_restart() {
    let mut stage = Stage::sqlite().await;
    let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
    stage.guard.kill();
    stage.guard.restart();
    let second = stage.guard.caller(&stage.agent.key).await.enforce(read("/a", "k")).await.unwrap();
    assert!(second.allowed && !second.idempotent_repeat);
    assert_ne!(second.decision_id, first.decision_id);
    assert_eq!(stage.records("/a").await.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_marked_retry_finds_its_first_decision_on_another_replica() {
    let mut stage = Stage::postgres().await;
    let other = Guard::on_postgres(&stage.url, &[]);
    let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
    let mut caller = other.caller(&stage.agent.key).await;
    let again = caller.retry(read("/a", "k")).await.unwrap();
    assert_eq!((again.decision_id, again.idempotent_repeat), (first.decision_id, true));
    assert_eq!(stage.records("/a").await, (1, None));
    drop((other, stage.database));
}
