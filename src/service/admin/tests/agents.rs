use super::*;

#[tokio::test]
async fn a_new_agents_key_opens_at_once_and_a_deleted_agents_never() {
    let guard = Guard::start().await;
    let (id, key) = guard.agent("reader").await;
    let Principal::Agent(agent) = guard.principal(&key).await.unwrap() else { panic!("no agent") };
    assert_eq!(agent.entry().subject.id.as_str(), id);

    let deleted = call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id: id.clone() }).unwrap();
    assert!(guard.principal(&key).await.is_err());
    let agent = deleted.agent.unwrap();
    assert_eq!((agent.is_active, agent.delete_time.is_some()), (Some(false), true));

    let shown = call!(guard, get_agent, v1::GetAgentRequest { agent_id: id.clone() }).unwrap();
    assert_eq!(shown.agent.as_ref(), Some(&agent));
    let again = call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id: id }).unwrap();
    assert_eq!((again.agent, again.revision), (Some(agent), deleted.revision));
}

#[tokio::test]
async fn what_is_unknown_is_not_found_and_what_is_deleted_cannot_be_changed() {
    let guard = Guard::start().await;
    let unknown = "agt_01h455vb4pex5vsknk084sn02q".to_owned();
    let (deleted, _) = guard.agent("gone").await;
    call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id: deleted.clone() }).unwrap();
    for (agent_id, expected) in [(unknown, "NOT_FOUND"), (deleted, "AGENT_DELETED")] {
        let agent = Agent { agent_id: agent_id.clone(), name: "new".into(), ..Default::default() };
        let update = v1::UpdateAgentRequest { agent: Some(agent), update_mask: None };
        assert_eq!(reason(&call!(guard, update_agent, update).unwrap_err()), expected);
        let key = v1::CreateAgentKeyRequest { agent_id: agent_id.clone(), expire_time: None };
        assert_eq!(reason(&call!(guard, create_agent_key, key).unwrap_err()), expected);
        let kind = Some(scope::Kind::AgentId(agent_id));
        let policy = Policy { scope: Some(Scope { kind }), ..Default::default() };
        let set = v1::SetPolicyRequest { policy: Some(policy), validate_only: false };
        assert_eq!(reason(&call!(guard, set_policy, set).unwrap_err()), expected);
    }
    let unknown_key = v1::RevokeAgentKeyRequest { key_id: "key_01h455vb4pex5vsknk084sn02q".into() };
    assert_eq!(reason(&call!(guard, revoke_agent_key, unknown_key).unwrap_err()), "NOT_FOUND");
    let garbage = v1::GetAgentRequest { agent_id: "x".into() };
    assert_eq!(reason(&call!(guard, get_agent, garbage).unwrap_err()), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn an_update_is_in_force_when_it_is_answered() {
    let guard = Guard::start().await;
    let (agent_id, key) = guard.agent("reader").await;
    let agent = Agent { agent_id, is_active: Some(false), team: "ops".into(), ..Default::default() };
    let update = v1::UpdateAgentRequest { agent: Some(agent), update_mask: None };
    let changed = call!(guard, update_agent, update).unwrap().agent.unwrap();
    assert_eq!((changed.team.as_str(), changed.is_active), ("ops", Some(false)));
    let Principal::Agent(agent) = guard.principal(&key).await.unwrap() else { panic!("no agent") };
    assert_eq!((agent.entry().subject.team.as_str(), agent.entry().subject.is_active), ("ops", false));
}

#[tokio::test]
async fn an_agent_has_ten_live_keys_at_most() {
    let guard = Guard::start().await;
    let (agent_id, first) = guard.agent("reader").await;
    let more = || v1::CreateAgentKeyRequest { agent_id: agent_id.clone(), expire_time: None };
    for _ in 1..10 {
        call!(guard, create_agent_key, more()).unwrap();
    }
    let eleventh = call!(guard, create_agent_key, more()).unwrap_err();
    assert_eq!(
        (eleventh.code(), reason(&eleventh).as_str()),
        (Code::FailedPrecondition, "KEY_LIMIT_REACHED")
    );

    let list = || v1::ListAgentKeysRequest { agent_id: agent_id.clone(), ..Default::default() };
    let keys = call!(guard, list_agent_keys, list()).unwrap().keys;
    assert_eq!(keys.iter().filter(|key| key.is_live).count(), 10);
    let key_id = keys[0].key_id.clone();
    let revoked = call!(guard, revoke_agent_key, v1::RevokeAgentKeyRequest { key_id }).unwrap().key.unwrap();
    assert!(!revoked.is_live && revoked.revoke_time.is_some());
    assert!(guard.principal(&first).await.is_err());
    let fresh = call!(guard, create_agent_key, more()).unwrap();
    assert!(guard.principal(&fresh.api_key).await.is_ok());
    assert_eq!(call!(guard, list_agent_keys, list()).unwrap().keys.len(), 11);
}

#[tokio::test]
async fn a_key_cannot_expire_in_the_past() {
    let guard = Guard::start().await;
    let (agent_id, _) = guard.agent("reader").await;
    let expire_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let past = v1::CreateAgentKeyRequest { agent_id, expire_time };
    assert_eq!(reason(&call!(guard, create_agent_key, past).unwrap_err()), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn agents_come_in_pages_that_belong_to_their_filter() {
    let guard = Guard::start().await;
    let mut made = Vec::new();
    for at in 0..5 {
        made.push(guard.agent(&format!("agent {at}")).await.0);
    }
    call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id: made.remove(4) }).unwrap();
    made.sort();
    let list = |page_token: String| v1::ListAgentsRequest {
        page_size: 3,
        page_token,
        team: "data".into(),
        is_active: Some(true),
        ..Default::default()
    };
    let first = call!(guard, list_agents, list(String::new())).unwrap();
    let second = call!(guard, list_agents, list(first.next_page_token.clone())).unwrap();
    let seen: Vec<_> = first.agents.into_iter().chain(second.agents).map(|agent| agent.agent_id).collect();
    assert_eq!((seen, second.next_page_token.as_str()), (made, ""));

    let other = v1::ListAgentsRequest { team: "ops".into(), ..list(first.next_page_token) };
    assert_eq!(reason(&call!(guard, list_agents, other).unwrap_err()), "PAGE_TOKEN_INVALID");
    let inactive = v1::ListAgentsRequest { is_active: Some(false), show_deleted: true, ..Default::default() };
    assert_eq!(call!(guard, list_agents, inactive).unwrap().agents.len(), 1);
}
