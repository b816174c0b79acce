//! Single answers that a replica with an old view must not give, each arranged so that it would.

use agentguard::pb::v1;
use agentguard::service::enforcement::Deviation;
use tonic::Code;

use super::hold::Hold;
use crate::harness::{Admin, Caller, Guard, NewAgent, eventually};
use crate::postgres::Database;

/// A replica that hears of changes only by what its commits see.
const DEAF: [(&str, &str); 2] = [("POLICY_REFRESH_INTERVAL", "60"), ("MAX_POLICY_STALENESS", "120")];

/// Two replicas, an admin of the one and a caller of the other, an agent that may do nothing yet; dropped in this order.
struct Stage {
    _replicas: [Guard; 2],
    admin: Admin,
    caller: Caller,
    agent: NewAgent,
    database: Database,
}

impl Stage {
    async fn new(asking: &[(&str, &str)]) -> Self {
        Self::deviating(Deviation::Nothing, asking).await
    }

    /// The caller's replica leaves `deviation` out.
    async fn deviating(deviation: Deviation, asking: &[(&str, &str)]) -> Self {
        let database = Database::create();
        let url = database.url();
        let replicas = [Guard::on_postgres(&url, &[]), Guard::deviating_on_postgres(deviation, &url, asking)];
        let mut admin = replicas[0].admin().await;
        let agent = admin.agent("asker").await;
        admin.set_policy(&agent.id, &[], &[]).await;
        let mut caller = replicas[1].caller(&agent.key).await;
        assert!(!caller.enforce(check("read:it")).await.unwrap().allowed);
        Self { _replicas: replicas, admin, caller, agent, database }
    }
}

fn check(action: &str) -> v1::EnforceRequest {
    v1::EnforceRequest { action: action.to_owned(), ..v1::EnforceRequest::default() }
}

/// Asks until something is decided: a commit that a busy disk holds for too long is `UNAVAILABLE`.
async fn decided<T>(mut ask: impl AsyncFnMut() -> Result<T, tonic::Status>) -> T {
    eventually("a decision", async || match ask().await {
        Ok(decision) => Some(decision),
        Err(status) if status.code() == Code::Unavailable => None,
        Err(status) => panic!("{status:?}"),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_after_a_laxer_write_elsewhere_is_decided_with_it() {
    let mut stage = Stage::new(&DEAF).await;
    let mut superseding = 0;
    for turn in 0..20 {
        let allow = turn % 2 == 0;
        match turn % 4 {
            0 => drop(stage.admin.set_policy(&stage.agent.id, &["read:it"], &[]).await),
            1 => drop(stage.admin.set_active(&stage.agent.id, false).await),
            2 => drop(stage.admin.set_active(&stage.agent.id, true).await),
            _ => drop(stage.admin.set_policy(&stage.agent.id, &["read:it"], &["read:it"]).await),
        }
        let caller = stage.caller.clone();
        let decision = decided(async || caller.clone().enforce(check("read:it")).await).await;
        assert_eq!(decision.allowed, allow, "turn {turn}: {decision:?}");
        let replaced = format!(
            "select count(*) from audit_logs where decision_id = '{}' and supersedes is not null",
            decision.decision_id
        );
        superseding += stage.database.sql(&replaced).parse::<u32>().unwrap();
    }
    // The replica really was behind: what it decided first was replaced.
    assert!(superseding >= 15, "only {superseding}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_decided_again_has_one_revision() {
    let mut stage = Stage::new(&DEAF).await;
    let mut again = 0;
    for turn in 0..10 {
        // One verdict changes and one does not.
        let allow: &[&str] = if turn % 2 == 0 { &["read:it", "write:it"] } else { &["write:it"] };
        let written = stage.admin.set_policy(&stage.agent.id, allow, &[]).await;
        let message = v1::BatchEnforceRequest {
            checks: vec![check("read:it"), check("write:it"), check("send:it")],
            ..v1::BatchEnforceRequest::default()
        };
        let caller = stage.caller.clone();
        let answered = decided(async || {
            let request = caller.request(message.clone());
            caller.clone().client().batch_enforce(request).await
        })
        .await;
        let mut decisions = Vec::new();
        for result in answered.into_inner().results {
            let Some(v1::batch_enforce_result::Result::Decision(decision)) = result.result else { panic!() };
            decisions.push((decision.allowed, decision.policy_revision));
        }
        let expected: Vec<_> =
            [turn % 2 == 0, true, false].into_iter().map(|allowed| (allowed, written.clone())).collect();
        assert_eq!(decisions, expected, "turn {turn}");
        let superseding = "select count(*) from audit_logs where supersedes is not null";
        again = stage.database.sql(superseding).parse().unwrap();
    }
    assert!(again >= 20, "only {again} were decided again");
}

/// What a deaf replica answers to a repeat after a deny was acknowledged elsewhere.
async fn repeat_after_a_deny(deviation: Deviation) -> v1::Decision {
    let mut stage = Stage::deviating(deviation, &DEAF).await;
    stage.admin.set_policy(&stage.agent.id, &["read:it"], &[]).await;
    let keyed = v1::EnforceRequest { idempotency_key: "once".to_owned(), ..check("read:it") };
    let caller = stage.caller.clone();
    let first = decided(async || caller.clone().enforce(keyed.clone()).await).await;
    assert!(first.allowed, "{first:?}");
    stage.admin.set_policy(&stage.agent.id, &[], &[]).await;
    decided(async || caller.clone().enforce(keyed.clone()).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_deny_elsewhere_is_denied() {
    let decision = repeat_after_a_deny(Deviation::Nothing).await;
    assert!(!decision.allowed && !decision.idempotent_repeat, "{decision:?}");
}

/// The control: without the read that confirms it the old answer is given again.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_confirming_read_a_repeat_is_stale() {
    let decision = repeat_after_a_deny(Deviation::RepeatsUnconfirmed).await;
    assert!(decision.allowed && decision.idempotent_repeat, "{decision:?}");
}

/// A commit may have taken its snapshot long before it ends. What the replica itself has heard meanwhile counts.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_not_older_than_what_its_replica_knows() {
    let mut stage = Stage::new(&[("POLICY_REFRESH_INTERVAL", "50ms")]).await;
    let mut hold = Hold::on_last_decider(&stage.database).await;
    let mut decided = 0;
    // A machine too slow to do it all before the breaker opens gets `UNAVAILABLE` and another try.
    for _ in 0..40 {
        let allowed = stage.admin.set_policy(&stage.agent.id, &["read:it"], &[]).await;
        knows(&stage.caller, &allowed).await;
        hold.close().await;
        let mut caller = stage.caller.clone();
        let call = tokio::spawn(async move { caller.enforce(check("read:it")).await });
        hold.is_waited_for().await;
        let denied = stage.admin.set_policy(&stage.agent.id, &[], &[]).await;
        knows(&stage.caller, &denied).await;
        hold.open().await;
        match call.await.unwrap() {
            Ok(decision) => {
                assert!(!decision.allowed, "{decision:?}");
                decided += 1;
            }
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
        if decided == 3 {
            return;
        }
    }
    assert!(decided > 0, "no call was decided");
}

/// Waits until the caller's replica has reached a revision.
async fn knows(caller: &Caller, revision: &str) {
    eventually("the replica hears of it", async || {
        let request = caller.request(v1::WhoAmIRequest {});
        let answer = caller.clone().client().who_am_i(request).await.unwrap().into_inner();
        (answer.policy_revision == revision).then_some(())
    })
    .await;
}
