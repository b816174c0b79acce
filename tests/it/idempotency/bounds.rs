//! How far a key reaches: how often it is answered, at which revision, at the same time, after a caller gave up.

use std::collections::HashSet;
use std::time::Duration;

use agentguard::pb::v1;

use super::{Stage, read};

/// As many as protocol 6 lets pass.
const REPEATS: u32 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn the_seventeenth_repeat_is_decided_and_recorded_anew() {
    for mut stage in Stage::both().await {
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        for number in 1..=REPEATS {
            let again = stage.caller.enforce(read("/a", "k")).await.unwrap();
            assert_eq!(again.decision_id, first.decision_id, "repeat {number}");
        }
        assert_eq!(stage.records("/a").await.0, 1);
        let anew = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert!(anew.allowed && !anew.idempotent_repeat);
        assert_ne!(anew.decision_id, first.decision_id);
        assert_eq!(stage.records("/a").await.0, 2);
        // And stands for the key from now on.
        let again = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert_eq!((again.decision_id, again.idempotent_repeat), (anew.decision_id, true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_min_revision_newer_than_the_entry_decides_anew() {
    for mut stage in Stage::both().await {
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        // Somebody else's policy: nothing changes for this agent but the revision.
        let other = stage.admin.agent("other").await;
        let min_revision = stage.admin.set_policy(&other.id, &["read:*"], &[]).await;
        let old = v1::EnforceRequest { min_revision: first.policy_revision, ..read("/a", "k") };
        assert!(stage.caller.enforce(old).await.unwrap().idempotent_repeat);
        let new = v1::EnforceRequest { min_revision: min_revision.clone(), ..read("/a", "k") };
        let anew = stage.caller.enforce(new).await.unwrap();
        assert!(anew.allowed && !anew.idempotent_repeat);
        assert_eq!(anew.policy_revision, min_revision);
        assert_eq!(stage.records("/a").await.0, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_concurrent_repeats_make_one_record() {
    for stage in Stage::both().await {
        let mut callers = Vec::new();
        for _ in 0..8 {
            callers.push(stage.guard.caller(&stage.agent.key).await);
        }
        let calls: Vec<_> = (0..1_000)
            .map(|number| {
                let mut caller = callers[number % callers.len()].clone();
                tokio::spawn(async move {
                    let mut answer = caller.enforce(read("/a", "k")).await;
                    // A commit that a busy disk held for too long; a client tries again, and says so.
                    while answer.as_ref().is_err_and(|status| status.code() == tonic::Code::Unavailable) {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        answer = caller.retry(read("/a", "k")).await;
                    }
                    answer
                })
            })
            .collect();
        let began = std::time::Instant::now();
        let mut ids = HashSet::new();
        let mut firsts = 0;
        for call in calls {
            let decision =
                call.await.unwrap().unwrap_or_else(|status| panic!("{status}\n{}", stage.guard.log()));
            assert!(decision.allowed);
            firsts += usize::from(!decision.idempotent_repeat);
            ids.insert(decision.decision_id);
        }
        // Repeats under way together count once a second, and the seventeenth is decided anew: on a machine that is so
        // busy that the thousand take a quarter of a minute there may be another.
        let decisions = 1 + usize::try_from(began.elapsed().as_secs() / 16).unwrap();
        assert!(ids.len() <= decisions && firsts == ids.len(), "{} decisions, {firsts} first", ids.len());
        assert_eq!(stage.records("/a").await.0, ids.len());
    }
}

/// A caller that gives up during the commit, which somebody else's lock holds, and asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gave_up_finds_its_first_decision() {
    let mut stage = Stage::postgres().await;
    stage.caller.enforce(read("/open", "")).await.unwrap();
    let pool = sqlx::PgPool::connect(&stage.url).await.unwrap();
    for marked in [false, true] {
        let resource = format!("/given-up/{marked}");
        let check = read(&resource, &format!("k-{marked}"));
        let mut lock = pool.begin().await.unwrap();
        sqlx::raw_sql("lock table audit_chains in exclusive mode").execute(&mut *lock).await.unwrap();
        let mut request = stage.caller.request(check.clone());
        request.set_timeout(Duration::from_millis(50));
        let given_up = stage.caller.client().enforce(request).await.unwrap_err();
        assert!(
            matches!(given_up.code(), tonic::Code::DeadlineExceeded | tonic::Code::Cancelled),
            "{given_up:?}"
        );
        let mut caller = stage.caller.clone();
        let retry = tokio::spawn(async move {
            if marked { caller.retry(check).await } else { caller.enforce(check).await }
        });
        lock.rollback().await.unwrap();
        let decision = retry.await.unwrap().unwrap();
        assert!(decision.allowed && decision.idempotent_repeat, "{decision:?}");
        assert_eq!(stage.records(&resource).await, (1, None));
    }
}
