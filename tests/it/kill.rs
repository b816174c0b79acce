//! The kill switch: above every rule, everywhere at once, also where the database is not.

use std::time::{Duration, Instant};

use agentguard::pb::v1;
use sqlx::{Connection, PgConnection};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use crate::harness::{Admin, Caller, Guard, NewAgent, admin, eventually};
use crate::postgres::Database;

const ALLOWED: &str = "REASON_CODE_ALLOWED_BY_RULE";
const KILLED: &str = "REASON_CODE_KILL_SWITCH";

/// How soon a switch has to be acknowledged whatever another replica holds.
const BOUND: Duration = Duration::from_secs(2);

fn everyone() -> v1::scope::Kind {
    v1::scope::Kind::Everyone(v1::scope::Everyone {})
}

async fn switch(
    admin_: &mut Admin,
    scope: v1::scope::Kind,
    is_on: bool,
) -> Result<v1::SetKillSwitchResponse, tonic::Status> {
    let message = v1::SetKillSwitchRequest {
        scope: Some(v1::Scope { kind: Some(scope) }),
        is_on: Some(is_on),
        reason: if is_on { "drill 7".to_owned() } else { String::new() },
    };
    Ok(admin_.client().set_kill_switch(admin(message)).await?.into_inner())
}

async fn listed(admin_: &mut Admin) -> Vec<v1::KillSwitch> {
    let message = v1::ListKillSwitchesRequest::default();
    admin_.client().list_kill_switches(admin(message)).await.unwrap().into_inner().kill_switches
}

fn check() -> v1::EnforceRequest {
    v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() }
}

fn json(run: &crate::cli::Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap()
}

async fn code(caller: &mut Caller) -> String {
    caller.enforce(check()).await.unwrap().reason_code().as_str_name().to_owned()
}

/// An agent that may read.
async fn reader(guard: &Guard, name: &str) -> (Admin, NewAgent, Caller) {
    let mut admin = guard.admin().await;
    let agent = admin.agent(name).await;
    admin.set_policy(&agent.id, &["read:*"], &[]).await;
    let caller = guard.caller(&agent.key).await;
    (admin, agent, caller)
}

async fn each_scope_is_stopped_and_let_go(mut guard: Guard) {
    let (mut admin_, one, mut caller) = reader(&guard, "one").await;
    let other = admin_.agent("other").await;
    admin_.set_policy(&other.id, &["read:*"], &[]).await;
    let mut beside = guard.caller(&other.key).await;
    let team =
        admin_.client().get_agent(admin(v1::GetAgentRequest { agent_id: one.id.clone() })).await.unwrap();
    let team = team.into_inner().agent.unwrap().team;
    let scopes = [
        (v1::scope::Kind::AgentId(one.id.clone()), "for this agent", ALLOWED),
        (v1::scope::Kind::Team(team), "for the agent's team", KILLED),
        (everyone(), "for everyone", KILLED),
    ];
    for (scope, whose, others) in scopes {
        assert_eq!(code(&mut caller).await, ALLOWED);
        let on = switch(&mut admin_, scope.clone(), true).await.unwrap();
        let shown = on.kill_switch.unwrap();
        assert!(shown.is_on && !shown.this_replica_only && !on.revision.is_empty());
        assert_eq!((shown.reason.as_str(), shown.actor.as_str()), ("drill 7", "admin"));
        let decision = caller.enforce(check()).await.unwrap();
        assert_eq!(decision.reason_code().as_str_name(), KILLED);
        assert_eq!((decision.verdict(), decision.allowed), (v1::Verdict::Deny, false));
        assert!(
            decision.reason.ends_with(whose) && !decision.reason.contains("drill"),
            "{}",
            decision.reason
        );
        assert_eq!(code(&mut beside).await, others);
        assert_eq!(listed(&mut admin_).await, [shown]);
        // The record of the decision says so, too.
        let filter = v1::RecordFilter { decision_id: decision.decision_id, ..Default::default() };
        let message = v1::ListAuditRecordsRequest { filter: Some(filter), ..Default::default() };
        let records = admin_.client().list_audit_records(admin(message)).await.unwrap().into_inner().records;
        assert_eq!(records[0].reason_code().as_str_name(), KILLED);
        // So it does after a restart.
        guard.stop();
        guard.restart();
        (admin_, caller, beside) =
            (guard.admin().await, guard.caller(&one.key).await, guard.caller(&other.key).await);
        assert_eq!(code(&mut caller).await, KILLED);
        let off = switch(&mut admin_, scope.clone(), false).await.unwrap();
        assert!(!off.kill_switch.unwrap().is_on);
        assert_eq!((code(&mut caller).await.as_str(), code(&mut beside).await.as_str()), (ALLOWED, ALLOWED));
        assert_eq!(listed(&mut admin_).await, []);
        // Off again changes nothing, and says at which revision.
        assert_eq!(switch(&mut admin_, scope, false).await.unwrap().revision, off.revision);
    }
    let message = v1::ListAuditRecordsRequest {
        filter: Some(v1::RecordFilter { kind: v1::RecordKind::Admin.into(), ..Default::default() }),
        ..Default::default()
    };
    let acts = eventually("the acts are on record", async || {
        let records = admin_.client().list_audit_records(admin(message.clone())).await.unwrap().into_inner();
        let acts =
            records.records.iter().filter(|record| format!("{:?}", record.detail).contains("SetKillSwitch"));
        let acts = acts.count();
        (acts >= 6).then_some(acts)
    })
    .await;
    assert_eq!(acts, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_is_stopped_and_let_go_on_sqlite() {
    each_scope_is_stopped_and_let_go(Guard::on_sqlite(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_is_stopped_and_let_go_on_postgres() {
    let database = Database::create();
    each_scope_is_stopped_and_let_go(Guard::on_postgres(&database.url(), &[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_feels_it_at_its_next_message() {
    let guard = Guard::on_sqlite(&[]);
    let (mut admin_, _, mut caller) = reader(&guard, "streams").await;
    let (say, said) = tokio::sync::mpsc::channel(4);
    let request = caller.request(ReceiverStream::new(said));
    let mut answers = caller.client().enforce_stream(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    for sequence in 0..3 {
        if sequence > 0 {
            switch(&mut admin_, everyone(), sequence == 1).await.unwrap();
        }
        say.send(v1::EnforceStreamRequest { sequence, request: Some(check()) }).await.unwrap();
        match answers.next().await.unwrap().unwrap().result.unwrap() {
            v1::enforce_stream_response::Result::Decision(decision) => {
                seen.push(decision.reason_code().as_str_name().to_owned());
            }
            v1::enforce_stream_response::Result::Error(status) => panic!("{status:?}"),
        }
    }
    assert_eq!(seen, [ALLOWED, KILLED, ALLOWED]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_of_it_unless_it_is_to_be_ignored() {
    let guard = Guard::on_sqlite(&[]);
    let (mut admin_, agent, _) = reader(&guard, "dry").await;
    switch(&mut admin_, everyone(), true).await.unwrap();
    for (ignore, expected) in [(false, KILLED), (true, ALLOWED)] {
        let message = v1::TestPolicyRequest {
            subject: Some(v1::test_policy_request::Subject::AgentId(agent.id.clone())),
            request: Some(check()),
            ignore_kill_switches: ignore,
            ..Default::default()
        };
        let answer = admin_.client().test_policy(admin(message)).await.unwrap().into_inner();
        assert_eq!(answer.decision.unwrap().reason_code().as_str_name(), expected);
        assert!(!answer.rules.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_switch_is_refused_with_every_fault() {
    let guard = Guard::on_sqlite(&[]);
    let mut admin_ = guard.admin().await;
    let refused =
        admin_.client().set_kill_switch(admin(v1::SetKillSwitchRequest::default())).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().starts_with("scope: ") && refused.message().contains("(and 1 more)"));
    for (reason, fits) in
        [("", false), (" ", false), ("a\0b", false), (&*"x".repeat(500), true), (&*"x".repeat(501), false)]
    {
        let message = v1::SetKillSwitchRequest {
            scope: Some(v1::Scope { kind: Some(v1::scope::Kind::Team("nobody".into())) }),
            is_on: Some(true),
            reason: reason.to_owned(),
        };
        let done = admin_.client().set_kill_switch(admin(message)).await;
        assert_eq!(done.map_err(|status| status.code()).is_ok(), fits, "{reason:?}");
    }
    let unknown = v1::scope::Kind::AgentId("agt_01h455vb4pex5vsknk084sn02q".into());
    let refused = switch(&mut admin_, unknown, true).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_switches_and_lists() {
    let guard = Guard::on_sqlite(&[]);
    let (_, agent, mut caller) = reader(&guard, "cli").await;
    let none = guard.cli(&["kill", "status", "--json"]);
    assert_eq!((none.code, json(&none)["kill_switches"].as_array().unwrap().len()), (0, 0));
    let on = guard.cli(&["kill", "on", "--agent", &agent.id, "--reason", "looks hijacked"]);
    assert_eq!(on.code, 0, "{on:?}");
    assert_eq!(code(&mut caller).await, KILLED);
    let status = guard.cli(&["kill", "status"]);
    assert!(status.stdout.contains("looks hijacked") && status.stdout.contains(&agent.id), "{status:?}");
    let off = guard.cli(&["kill", "off", "--agent", &agent.id, "--json"]);
    assert_eq!((off.code, json(&off)["kill_switch"]["is_on"].as_bool()), (0, Some(false)), "{off:?}");
    assert_eq!(code(&mut caller).await, ALLOWED);
    for wrong in [&["kill", "on", "--everyone"][..], &["kill", "on", "--reason", "x"], &["kill", "off"]] {
        assert_eq!(guard.cli(wrong).code, 2, "{wrong:?}");
    }
}

/// A connection that is stopped inside an admin transaction, as a replica that is stopped there leaves it.
async fn stopped_inside(database: &Database, bounded: bool) -> PgConnection {
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let limits = "begin; set local idle_in_transaction_session_timeout = '1s'; set local lock_timeout = '1s'; \
         set local statement_timeout = '5s'; update revision set n = n + 1 where id = 1";
    let unlimited = "begin; update revision set n = n + 1 where id = 1";
    sqlx::raw_sql(if bounded { limits } else { unlimited }).execute(&mut connection).await.unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_stopped_inside_a_write_does_not_keep_the_switch_back() {
    let database = Database::create();
    let guard = Guard::on_postgres(&database.url(), &[]);
    let (mut admin_, _, mut caller) = reader(&guard, "held").await;
    let stopped = stopped_inside(&database, true).await;
    let began = Instant::now();
    let on = switch(&mut admin_, everyone(), true).await.unwrap();
    let took = began.elapsed();
    assert!(took <= BOUND, "{took:?}");
    assert!(!on.kill_switch.unwrap().this_replica_only);
    assert_eq!(code(&mut caller).await, KILLED);
    drop(stopped);
    switch(&mut admin_, everyone(), false).await.unwrap();

    // The control: what holds the row sets no limit to itself, so the switch cannot be written in time. It takes effect
    // here all the same, says so, and is written down once that is possible.
    let stopped = stopped_inside(&database, false).await;
    let began = Instant::now();
    let on = switch(&mut admin_, everyone(), true).await.unwrap();
    let took = began.elapsed();
    assert!(took <= BOUND + Duration::from_millis(200), "{took:?}");
    assert!(on.kill_switch.unwrap().this_replica_only && on.revision.is_empty());
    assert_eq!(code(&mut caller).await, KILLED);
    assert!(listed(&mut admin_).await[0].this_replica_only);
    stopped.close_hard().await.unwrap();
    eventually("the switch is written down", async || {
        let all = listed(&mut admin_).await;
        (all.len() == 1 && !all[0].this_replica_only).then_some(())
    })
    .await;
    assert_eq!(code(&mut caller).await, KILLED);
    assert_eq!(database.sql("select is_on, actor, reason from kill_switches"), "t|admin|drill 7");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_a_replica_still_stops_and_later_all_do() {
    let mut cluster = crate::postgres::Cluster::start(&[]);
    let database = cluster.database();
    let settings = [("AUDIT_MODE", "async")];
    let here = Guard::on_postgres(&database.url(), &settings);
    let there = Guard::on_postgres(&database.url(), &settings);
    let (mut admin_, agent, mut caller) = reader(&here, "alone").await;
    let mut elsewhere = there.caller(&agent.key).await;
    eventually("the other replica knows the agent", async || {
        (code(&mut elsewhere.clone()).await == ALLOWED).then_some(())
    })
    .await;
    cluster.kill();
    let on = switch(&mut admin_, v1::scope::Kind::AgentId(agent.id.clone()), true).await.unwrap();
    assert!(on.kill_switch.unwrap().this_replica_only);
    // Nothing is allowed here any more, whether the audit can still take records or not.
    let asked = caller.enforce(check()).await;
    assert!(!asked.is_ok_and(|decision| decision.allowed));
    // It can only tighten: to switch off needs the database.
    let off = switch(&mut admin_, v1::scope::Kind::AgentId(agent.id.clone()), false).await.unwrap_err();
    assert_eq!(off.code(), tonic::Code::Unavailable);
    assert!(listed(&mut admin_).await[0].this_replica_only);
    cluster.restart();
    eventually("all replicas have it", async || {
        let decided = elsewhere.enforce(check()).await.ok()?;
        (decided.reason_code().as_str_name() == KILLED).then_some(())
    })
    .await;
    eventually("this replica's own memory is not needed any more", async || {
        let all = listed(&mut admin_).await;
        (all.len() == 1 && !all[0].this_replica_only).then_some(())
    })
    .await;
    let decided = eventually("decisions are made again", async || caller.enforce(check()).await.ok()).await;
    assert_eq!(decided.reason_code().as_str_name(), KILLED);
}
