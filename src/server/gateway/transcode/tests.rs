use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::pb::v1;
use crate::server::gateway::annotations::bindings;
use crate::service::call::InFlight;

fn binding(rpc: &str, path: &str) -> Binding {
    let all = bindings(&json::contract().unwrap()).unwrap();
    all.into_iter().find(|found| found.rpc.name == rpc && found.template.text().contains(path)).unwrap()
}

fn call() -> Call {
    Call {
        request_id: "req".into(),
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        deadline: None,
        is_retry: false,
        in_flight: InFlight::new(1),
        held: None,
        closing: CancellationToken::new(),
    }
}

async fn read<M: Message + Default>(binding: &Binding, uri: &str, body: &str) -> Result<M, Error> {
    let path = uri.split('?').next().unwrap();
    let values = binding.template.values(path).unwrap().unwrap();
    let asked = Request::builder().uri(uri).body(Body::new(Full::from(body.to_owned()))).unwrap();
    let bounds = body::Bounds { limit: 10_000, small: 10_000 };
    let request = request(binding, &values, asked, bounds, &call()).await?;
    assert_eq!(request.uri(), &binding.rpc.path);
    let bytes = request.into_body().collect().await.unwrap().to_bytes();
    Ok(M::decode(&bytes[HEAD..]).unwrap())
}

async fn fields(binding: &Binding, uri: &str, body: &str) -> Vec<String> {
    let error = read::<v1::WhoAmIRequest>(binding, uri, body).await.unwrap_err();
    let Error::Invalid(faults) = error else { panic!("{error}") };
    faults.into_iter().map(|fault| fault.field).collect()
}

#[tokio::test]
async fn path_query_and_body_make_one_message() {
    let update = binding("UpdateAgent", "agent");
    let uri = "/v1/agents/agt_x?update_mask=name,isActive&agent.name=ignored&unknown=1";
    let message: v1::UpdateAgentRequest =
        read(&update, uri, r#"{"name": "n", "is_active": false}"#).await.unwrap();
    let agent = message.agent.unwrap();
    assert_eq!((agent.agent_id.as_str(), agent.name.as_str(), agent.is_active), ("agt_x", "n", Some(false)));
    assert_eq!(message.update_mask.unwrap().paths, ["name", "is_active"]);

    let list = binding("ListAuditRecords", "records");
    let uri = "/v1/audit/records?filter.allowed=false&filter.start_time=2026-01-05T12%3A00%3A00Z&page_size=3&pageToken=a+b";
    let message: v1::ListAuditRecordsRequest = read(&list, uri, "").await.unwrap();
    assert_eq!((message.page_size, message.page_token.as_str()), (3, "a b"));
    let filter = message.filter.unwrap();
    assert_eq!((filter.allowed, filter.start_time.unwrap().seconds), (Some(false), 1_767_614_400));

    let policy = binding("GetPolicy", "team");
    let message: v1::GetPolicyRequest = read(&policy, "/v1/policies/team/a%2Fb?version=2", "").await.unwrap();
    assert_eq!(message.version, 2);
    assert_eq!(message.scope.unwrap().kind, Some(v1::scope::Kind::Team("a/b".into())));
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let update = binding("UpdateAgent", "agent");
    assert_eq!(fields(&update, "/v1/agents/agt_x", r#"{"agent_id": "agt_y"}"#).await, ["agent.agent_id"]);
    let same: v1::UpdateAgentRequest =
        read(&update, "/v1/agents/agt_x", r#"{"agentId": "agt_x"}"#).await.unwrap();
    assert_eq!(same.agent.unwrap().agent_id, "agt_x");
    let list = binding("ListAgents", "agents");
    let uri = "/v1/agents?page_size=1&page_size=2&is_active=yes&show_deleted=";
    assert_eq!(fields(&list, uri, "").await, ["page_size", "is_active", "show_deleted"]);
    let agent = binding("GetAgent", "agents");
    assert_eq!(fields(&agent, "/v1/agents/agt_x?agent_id=agt_y", "").await, ["agent_id"]);
}

#[tokio::test]
async fn an_empty_body_is_an_empty_request() {
    let revoke = binding("RevokeAgentKey", "revoke");
    let message: v1::RevokeAgentKeyRequest = read(&revoke, "/v1/keys/key_x:revoke", "").await.unwrap();
    assert_eq!(message.key_id, "key_x");
    let set = binding("SetPolicy", "policies");
    let message: v1::SetPolicyRequest = read(&set, "/v1/policies?validate_only=true", "").await.unwrap();
    assert!(message.validate_only && message.policy.is_some());
}

#[tokio::test]
async fn what_is_no_json_or_no_text_is_garbage() {
    let enforce = binding("Enforce", "/v1/enforce");
    for body in ["{", "nul", r#"{"action": "a", "action": "b"}"#] {
        let error = read::<v1::EnforceRequest>(&enforce, "/v1/enforce", body).await.unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{error}");
    }
    let list = binding("ListAgents", "agents");
    let error = read::<v1::ListAgentsRequest>(&list, "/v1/agents?team=%ff", "").await.unwrap_err();
    assert!(matches!(error, Error::Malformed(_)), "{error}");
    assert_eq!(fields(&enforce, "/v1/enforce", "[]").await, ["body"]);
}

#[test]
fn a_message_is_taken_off_once_it_is_whole() {
    let whole = frame(&v1::GetAgentRequest { agent_id: "agt_x".into() });
    for end in 0..whole.len() {
        assert!(next(&mut BytesMut::from(&whole[..end])).is_none(), "{end}");
    }
    let mut two = BytesMut::from([&whole[..], &whole[..]].concat().as_slice());
    assert_eq!(next(&mut two).unwrap(), &whole[HEAD..]);
    assert_eq!(next(&mut two).unwrap(), &whole[HEAD..]);
    assert!(next(&mut two).is_none() && two.is_empty());
}
