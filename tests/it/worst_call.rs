//! The worst that one agent may send, beside 63 honest calls, through the whole server: 64 answers each time, none
//! late.

use std::collections::BTreeMap;
use std::time::Duration;

use agentguard::pb::v1;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::harness::{Admin, Caller, Guard, NewAgent, admin};
use crate::postgres::Database;
use crate::watch::Watch;

const HONEST: usize = 63;
const ROUNDS: usize = 5;

/// An answer later than this is a stall, on however busy a machine.
const LATE: Duration = Duration::from_secs(20);

fn text(text: impl Into<String>) -> Value {
    Value { kind: Some(Kind::StringValue(text.into())) }
}

fn object(members: impl IntoIterator<Item = (String, Value)>) -> Struct {
    Struct { fields: members.into_iter().collect() }
}

fn list(values: Vec<Value>) -> Value {
    Value { kind: Some(Kind::ListValue(ListValue { values })) }
}

/// An agent of which everything is as long as it may be.
async fn nasty(admin_: &mut Admin) -> NewAgent {
    let labels: BTreeMap<_, _> =
        (0..64).map(|number| (format!("{number:\u{1}>63}"), "\u{1}".repeat(255))).collect();
    let agent = v1::Agent {
        name: "\u{10ffff}".repeat(63),
        team: "\"\\{}'".repeat(51),
        environment: "production".into(),
        labels,
        ..Default::default()
    };
    let request = admin(v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None });
    let created = admin_.client().create_agent(request).await.unwrap().into_inner();
    NewAgent {
        id: created.agent.unwrap().agent_id,
        key: created.api_key,
        key_id: created.key.unwrap().key_id,
    }
}

/// A policy of which every rule that may fails, and so is named in the record.
async fn failing(admin_: &mut Admin, agent: &NewAgent) {
    let rule = |number: usize| v1::Rule {
        id: format!("{number:r>64}"),
        action: "**".into(),
        reason: "\u{1f512}".repeat(125),
        conditions: Some(v1::Conditions {
            expression: Some("arguments.absent == 1".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let scope = Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(agent.id.clone())) });
    let policy = v1::Policy { scope, deny: (0..100).map(rule).collect(), ..Default::default() };
    let request = admin(v1::SetPolicyRequest { policy: Some(policy), validate_only: false });
    admin_.client().set_policy(request).await.unwrap();
}

/// What is accepted and hurts most: every bound at n, control characters, U+0000 where it may stand.
fn worst(number: usize) -> v1::EnforceRequest {
    let control = |bytes: usize| "\u{1}".repeat(bytes);
    let deep = (1..14).fold(text("a\0b"), |inner, _| Value {
        kind: Some(Kind::StructValue(object([("\0".to_owned(), inner)]))),
    });
    let many = list(vec![text("\0\u{10ffff}\u{1f512}"); 980]);
    v1::EnforceRequest {
        action: format!("a{}", "/".repeat(254)),
        resource: control(2_048),
        arguments: Some(object([("many".to_owned(), many), ("deep".to_owned(), deep)])),
        context: Some(object([("long".to_owned(), text(control(65_536)))])),
        idempotency_key: format!("{number:k>64}"),
        session_id: control(256),
        on_behalf_of: "\u{10ffff}".repeat(64),
        approval_id: control(256),
        ..Default::default()
    }
}

/// The longest of the other things that an agent may put on record.
async fn also(caller: &mut Caller, decision_id: String) -> Result<(), Status> {
    let metadata = Some(object([("m".to_owned(), text("\u{1}".repeat(680)))]));
    let outcome = Some(v1::Outcome { success: Some(false), error: "\u{1}".repeat(2_048), metadata });
    let request = caller.request(v1::ReportOutcomeRequest { decision_id, outcome: outcome.clone() });
    caller.client().report_outcome(request).await?;
    let v1::EnforceRequest { action, resource, arguments, context, session_id, on_behalf_of, .. } = worst(0);
    let report =
        v1::ReportRequest { action, resource, arguments, context, session_id, on_behalf_of, outcome };
    let request = caller.request(report);
    caller.client().report(request).await.map(drop)
}

/// One round: the worst among the honest, all at once. How many were answered in time, and the worst one's answer.
async fn round(nasty: &Caller, honest: &[Caller], number: usize) -> (usize, Result<v1::Decision, Status>) {
    let mut calls = JoinSet::new();
    for (at, caller) in honest.iter().cycle().take(HONEST).enumerate() {
        let mut caller = caller.clone();
        let check = v1::EnforceRequest {
            action: "read:file".into(),
            resource: format!("/{number}/{at}"),
            ..Default::default()
        };
        calls.spawn(async move { tokio::time::timeout(LATE, caller.enforce(check)).await });
    }
    let mut nasty = nasty.clone();
    let mut request = nasty.request(worst(number));
    request.metadata_mut().insert("x-request-id", "q".repeat(128).parse().unwrap());
    let worst = tokio::time::timeout(LATE, nasty.client().enforce(request)).await.expect("a stall");
    let worst = worst.map(|answer| answer.into_inner().decision.unwrap());
    let mut answered = usize::from(worst.is_ok());
    while let Some(call) = calls.join_next().await {
        answered += usize::from(matches!(call.unwrap(), Ok(Ok(_))));
    }
    (answered, worst)
}

async fn are_all_answered(guard: &Guard, url: &str) {
    assert!(worst(0).encoded_len() > 70_000);
    let mut admin = guard.admin().await;
    let agent = nasty(&mut admin).await;
    failing(&mut admin, &agent).await;
    let other = admin.agent("honest").await;
    admin.set_policy(&other.id, &["read:*"], &[]).await;
    let mut caller = guard.caller(&agent.key).await;
    let mut honest = Vec::new();
    for _ in 0..4 {
        honest.push(guard.caller(&other.key).await);
    }
    for number in 0..ROUNDS {
        let (answered, worst) = round(&caller, &honest, number).await;
        let decision = worst.unwrap();
        assert_eq!(answered, HONEST + 1, "round {number}\n{}", guard.log());
        assert!(!decision.allowed);
        also(&mut caller, decision.decision_id).await.unwrap();
    }
    let watch = Watch::on(url).await;
    let count = "select count(*) from audit_logs where kind = 'decision' and allowed";
    assert_eq!(watch.number(count).await, i64::try_from(HONEST * ROUNDS).unwrap());
    let longest = watch.number("select cast(max(length(error_rule_ids)) as bigint) from audit_logs").await;
    assert!(longest > 100 * 64, "the worst record does not name its failed rules: {longest}");
    // The control: as long as nothing can be written, the same count falls short.
    let hold = watch.hold().await;
    let (answered, worst) = round(&caller, &honest, ROUNDS).await;
    assert!(answered < HONEST + 1, "answered without a record");
    assert_eq!(worst.unwrap_err().code(), Code::Unavailable);
    hold.release().await;
    let verified = guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(!guard.log().contains("failed inside"), "{}", guard.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_call_leaves_63_others_their_answers_on_sqlite() {
    let guard = Guard::on_sqlite(&[]);
    let url = format!("sqlite://{}", guard.directory().join("agentguard.db").display());
    are_all_answered(&guard, &url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worst_call_leaves_63_others_their_answers_on_postgres() {
    let database = Database::create();
    let guard = Guard::on_postgres(&database.url(), &[]);
    are_all_answered(&guard, &database.url()).await;
}
