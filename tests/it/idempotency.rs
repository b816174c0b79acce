//! Repeats: the first decision again and no second record, unless deciding now is stricter.

mod bounds;
mod repeats;
mod replicas;

use agentguard::pb::v1;

use crate::harness::{Admin, Caller, Guard, NewAgent, reason};
use crate::ledger::Ledger;
use crate::postgres::Database;

/// A server on one kind of database, an admin and an agent that may read; dropped in this order.
struct Stage {
    guard: Guard,
    admin: Admin,
    agent: NewAgent,
    caller: Caller,
    url: String,
    database: Option<Database>,
}

impl Stage {
    async fn sqlite() -> Self {
        let guard = Guard::on_sqlite(&[]);
        let url = format!("sqlite://{}", guard.directory().join("agentguard.db").display());
        Self::new(guard, url, None).await
    }

    async fn postgres() -> Self {
        let database = Database::create();
        let url = database.url();
        Self::new(Guard::on_postgres(&url, &[]), url, Some(database)).await
    }

    async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    async fn new(guard: Guard, url: String, database: Option<Database>) -> Self {
        let mut admin = guard.admin().await;
        let agent = admin.agent("repeater").await;
        admin.set_policy(&agent.id, &["read:*"], &[]).await;
        let caller = guard.caller(&agent.key).await;
        Self { guard, admin, agent, caller, url, database }
    }

    /// How many records there are about a resource, and the last one's `repeat_of`.
    async fn records(&self, resource: &str) -> (usize, Option<String>) {
        let ledger = Ledger::read(&self.url, 0).await;
        let records = ledger.all_about(resource);
        (records.len(), records.last().and_then(|record| record.repeat_of.clone()))
    }
}

/// A check that the agent's policy allows.
fn read(resource: &str, key: &str) -> v1::EnforceRequest {
    v1::EnforceRequest {
        action: "read_file".to_owned(),
        resource: resource.to_owned(),
        idempotency_key: key.to_owned(),
        ..v1::EnforceRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_decision_and_makes_no_second_record() {
    for mut stage in Stage::both().await {
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert!(first.allowed && !first.idempotent_repeat);
        let again = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert_eq!(again, v1::Decision { idempotent_repeat: true, ..first });
        assert_eq!(stage.records("/a").await, (1, None));
        // The key is the agent's own: another one's call under it is a first call.
        let other = stage.admin.agent("other").await;
        let decision = stage.guard.caller(&other.key).await.enforce(read("/a", "k")).await.unwrap();
        assert!(!decision.allowed && !decision.idempotent_repeat);
        assert_eq!(stage.records("/a").await.0, 2);
    }
}

/// What a repeat is answered after `change`, which makes deciding now stricter.
async fn stricter(stage: &mut Stage, change: impl AsyncFnOnce(&mut Stage)) -> v1::Decision {
    let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
    assert!(first.allowed);
    change(stage).await;
    let anew = stage.caller.enforce(read("/a", "k")).await.unwrap();
    assert_eq!(anew.verdict(), v1::Verdict::Deny);
    assert!(!anew.idempotent_repeat);
    assert_ne!(anew.decision_id, first.decision_id);
    assert_eq!(anew.repeat_of, first.decision_id);
    assert_eq!(stage.records("/a").await, (2, Some(first.decision_id)));
    // From now on the key stands for the stricter one.
    let again = stage.caller.enforce(read("/a", "k")).await.unwrap();
    assert_eq!((again.decision_id, again.idempotent_repeat), (anew.decision_id.clone(), true));
    assert_eq!(stage.records("/a").await.0, 2);
    anew
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_revoked_permission_is_decided_anew() {
    for mut stage in Stage::both().await {
        let revoke = async |stage: &mut Stage| drop(stage.admin.set_policy(&stage.agent.id, &[], &[]).await);
        let anew = stricter(&mut stage, revoke).await;
        assert_eq!(anew.reason_code(), v1::ReasonCode::DeniedDefault);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_new_deny_is_decided_anew() {
    for mut stage in Stage::both().await {
        let deny = async |stage: &mut Stage| {
            drop(stage.admin.set_policy(&stage.agent.id, &["read:*"], &["read:file"]).await)
        };
        let anew = stricter(&mut stage, deny).await;
        assert_eq!(anew.reason_code(), v1::ReasonCode::DeniedByRule);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_by_an_inactive_agent_is_decided_anew() {
    for mut stage in Stage::both().await {
        let deactivate = async |stage: &mut Stage| drop(stage.admin.set_active(&stage.agent.id, false).await);
        let anew = stricter(&mut stage, deactivate).await;
        assert_eq!(anew.reason_code(), v1::ReasonCode::AgentInactive);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_would_be_laxer_gets_the_first_decision() {
    for mut stage in Stage::both().await {
        stage.admin.set_policy(&stage.agent.id, &[], &[]).await;
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert!(!first.allowed);
        stage.admin.set_policy(&stage.agent.id, &["read:*"], &[]).await;
        let again = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert_eq!(again, v1::Decision { idempotent_repeat: true, ..first });
        assert_eq!(stage.records("/a").await, (1, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_content_under_the_same_key_is_refused() {
    for mut stage in Stage::both().await {
        stage.caller.enforce(read("/a", "k")).await.unwrap();
        let argument = ("n".to_owned(), prost_types::Value::from(1.0));
        let others = [
            read("/b", "k"),
            v1::EnforceRequest { action: "read_directory".to_owned(), ..read("/a", "k") },
            v1::EnforceRequest { session_id: "s".to_owned(), ..read("/a", "k") },
            v1::EnforceRequest { on_behalf_of: "u".to_owned(), ..read("/a", "k") },
            v1::EnforceRequest {
                arguments: Some(prost_types::Struct { fields: [argument].into() }),
                ..read("/a", "k")
            },
        ];
        for other in others {
            let status = stage.caller.enforce(other.clone()).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{other:?}");
            assert_eq!(reason(&status), "IDEMPOTENCY_KEY_REUSED", "{other:?}");
        }
        // The same act by another spelling of its name is the same content.
        let same = v1::EnforceRequest { action: "Read-File".to_owned(), ..read("/a", "k") };
        assert!(stage.caller.enforce(same).await.unwrap().idempotent_repeat);
        assert_eq!(stage.records("/a").await.0, 1);
        assert_eq!(stage.records("/b").await.0, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_first_call_leaves_no_entry() {
    for mut stage in Stage::both().await {
        let nameless = v1::EnforceRequest { action: "--".to_owned(), ..read("/a", "k") };
        let status = stage.caller.enforce(nameless).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        let first = stage.caller.enforce(read("/a", "k")).await.unwrap();
        assert!(first.allowed && !first.idempotent_repeat);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_twice_in_one_batch_makes_one_record() {
    for mut stage in Stage::both().await {
        let checks = vec![read("/a", "k"), read("/b", "l"), read("/a", "k"), read("/c", "l")];
        let request =
            stage.caller.request(v1::BatchEnforceRequest { checks, ..v1::BatchEnforceRequest::default() });
        let answers = stage.caller.client().batch_enforce(request).await.unwrap().into_inner().results;
        use v1::batch_enforce_result::Result::{Decision, Error};
        let answers: Vec<_> = answers.into_iter().filter_map(|answer| answer.result).collect();
        let [Decision(first), Decision(_), Decision(again), Error(other)] = answers.as_slice() else {
            panic!("not the answers of a batch with a repeat and a reuse: {answers:?}")
        };
        assert_eq!(*again, v1::Decision { idempotent_repeat: true, ..first.clone() });
        assert_eq!(other.code, tonic::Code::InvalidArgument as i32);
        assert_eq!(stage.records("/a").await.0, 1);
        assert_eq!(stage.records("/c").await.0, 0);
    }
}
