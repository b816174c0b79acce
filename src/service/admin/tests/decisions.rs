use super::*;
use crate::audit::Keeper;
use crate::policy::ReasonCode;
use crate::service::Error;
use crate::service::convert;
use crate::service::enforcement::{Answered, Way};

/// Decides for an agent that was verified some time before.
async fn decide(guard: &Guard, agent: &crate::auth::Agent) -> Result<Answered, Error> {
    let behind = &guard.service;
    let way = Way::new(
        Arc::clone(&behind.views),
        behind.writer.clone(),
        behind.store.clone(),
        Keeper::new([1; 32], Vec::new()),
        behind.clock.clone(),
        Mode::Durable,
    );
    let check = v1::EnforceRequest { action: "read_file".into(), ..Default::default() };
    let call = guard.ask(()).await.extensions_mut().remove::<Call>().unwrap();
    way.one(agent, convert::check(check)?, &call).await
}

/// A view may grow newer between the verification of a key and the decision; the decision's record would then say
/// the newest revision and the commit would see no other, whatever the agent of the older view may do.
#[tokio::test]
async fn an_agent_verified_before_a_write_is_decided_with_it() {
    let guard = Guard::start().await;
    let (agent_id, key) = guard.agent("reader").await;
    let policy = Policy {
        scope: Some(Scope { kind: Some(scope::Kind::AgentId(agent_id.clone())) }),
        allow: vec![Rule { action: "read:*".into(), ..Default::default() }],
        ..Default::default()
    };
    let set = v1::SetPolicyRequest { policy: Some(policy), validate_only: false };
    call!(guard, set_policy, set).unwrap();
    let Principal::Agent(agent) = guard.principal(&key).await.unwrap() else { panic!("no agent") };
    assert_eq!(decide(&guard, &agent).await.unwrap().decision.code, ReasonCode::AllowedByRule);

    let inactive = Agent { agent_id: agent_id.clone(), is_active: Some(false), ..Default::default() };
    let change = v1::UpdateAgentRequest { agent: Some(inactive), update_mask: None };
    call!(guard, update_agent, change).unwrap();
    assert_eq!(decide(&guard, &agent).await.unwrap().decision.code, ReasonCode::AgentInactive);

    call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id }).unwrap();
    assert!(matches!(decide(&guard, &agent).await.unwrap_err(), Error::Unauthenticated));
}
