//! Every way into the server: who may take it, a message for it, and what the right caller is answered.

use agentguard::pb::v1;
use bytes::Bytes;
use prost::Message;
use tonic_health::pb::HealthCheckRequest;
use tonic_reflection::pb::{v1 as reflection, v1alpha as reflection_alpha};

use super::raw::frame;

/// Whom a door lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom {
    Everybody,
    Agent,
    Admin,
}

pub struct Door {
    pub method: &'static str,
    pub path: String,
    pub whom: Whom,
    pub body: Bytes,
    /// The gRPC code, or for the HTTP face the status.
    pub answer: i32,
    pub is_grpc: bool,
    pub is_endless: bool,
    /// Decisions that the message asks for.
    pub decisions: usize,
}

impl Door {
    fn grpc(path: &str, whom: Whom, message: &impl Message, answer: i32) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            whom,
            body: frame(message),
            answer,
            is_grpc: true,
            is_endless: false,
            decisions: 0,
        }
    }

    fn agent(method: &str, message: &impl Message, answer: i32, decisions: usize) -> Self {
        let path = format!("/agentguard.v1.EnforcementService/{method}");
        Self { decisions, ..Self::grpc(&path, Whom::Agent, message, answer) }
    }

    fn admin(method: &str, message: &impl Message, answer: i32) -> Self {
        Self::grpc(&format!("/agentguard.v1.AdminService/{method}"), Whom::Admin, message, answer)
    }

    fn http(method: &'static str, path: &str, whom: Whom, body: &str) -> Self {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Self { method, body, answer: 200, is_grpc: false, ..Self::grpc(path, whom, &(), 0) }
    }

    fn endless(self) -> Self {
        Self { is_endless: true, ..self }
    }
}

const OK: i32 = 0;
const INVALID: i32 = 3;
const NOT_FOUND: i32 = 5;

/// All of them. A message that would change something is one that only somebody who was let in hears refused.
pub fn all(agent_id: &str) -> Vec<Door> {
    let check = || v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
    let scope = || Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(agent_id.to_owned())) });
    let unknown = v1::ReportOutcomeRequest {
        decision_id: "dec_01h455vb4pex5vsknk084sn02q".to_owned(),
        outcome: Some(v1::Outcome { success: Some(true), ..Default::default() }),
    };
    let agent_id = || agent_id.to_owned();
    let list = reflection::ServerReflectionRequest {
        message_request: Some(reflection::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
        ..Default::default()
    };
    let list_alpha = reflection_alpha::ServerReflectionRequest {
        message_request: Some(reflection_alpha::server_reflection_request::MessageRequest::ListServices(
            String::new(),
        )),
        ..Default::default()
    };
    let health = HealthCheckRequest::default();
    vec![
        Door::agent("Enforce", &check(), OK, 1),
        Door::agent(
            "BatchEnforce",
            &v1::BatchEnforceRequest { checks: vec![check()], ..Default::default() },
            OK,
            1,
        ),
        Door::agent(
            "EnforceStream",
            &v1::EnforceStreamRequest { sequence: 1, request: Some(check()) },
            OK,
            1,
        ),
        Door::agent("ReportOutcome", &unknown, NOT_FOUND, 0),
        Door::agent(
            "Report",
            &v1::ReportRequest { action: "read:file".to_owned(), ..Default::default() },
            OK,
            0,
        ),
        Door::agent("ListOwnRecords", &v1::ListOwnRecordsRequest::default(), OK, 0),
        Door::agent("WhoAmI", &v1::WhoAmIRequest::default(), OK, 0),
        Door::admin("CreateAgent", &v1::CreateAgentRequest::default(), INVALID),
        Door::admin("GetAgent", &v1::GetAgentRequest { agent_id: agent_id() }, OK),
        Door::admin("GetRateLimit", &v1::GetRateLimitRequest { agent_id: agent_id() }, OK),
        Door::admin("ListKillSwitches", &v1::ListKillSwitchesRequest::default(), OK),
        Door::admin("SetKillSwitch", &v1::SetKillSwitchRequest::default(), INVALID),
        Door::admin("SetRateLimit", &v1::SetRateLimitRequest::default(), INVALID),
        Door::admin("ListAgents", &v1::ListAgentsRequest::default(), OK),
        Door::admin("UpdateAgent", &v1::UpdateAgentRequest::default(), INVALID),
        Door::admin("DeleteAgent", &v1::DeleteAgentRequest::default(), INVALID),
        Door::admin("CreateAgentKey", &v1::CreateAgentKeyRequest::default(), INVALID),
        Door::admin(
            "ListAgentKeys",
            &v1::ListAgentKeysRequest { agent_id: agent_id(), ..Default::default() },
            OK,
        ),
        Door::admin("RevokeAgentKey", &v1::RevokeAgentKeyRequest::default(), INVALID),
        Door::admin("SetPolicy", &v1::SetPolicyRequest::default(), INVALID),
        Door::admin("GetPolicy", &v1::GetPolicyRequest { scope: scope(), ..Default::default() }, OK),
        Door::admin("ListPolicies", &v1::ListPoliciesRequest::default(), OK),
        Door::admin("DeletePolicy", &v1::DeletePolicyRequest::default(), INVALID),
        Door::admin(
            "ListPolicyVersions",
            &v1::ListPolicyVersionsRequest { scope: scope(), ..Default::default() },
            OK,
        ),
        Door::admin("RollbackPolicy", &v1::RollbackPolicyRequest::default(), INVALID),
        Door::admin("TestPolicy", &v1::TestPolicyRequest::default(), INVALID),
        Door::admin("ListAuditRecords", &v1::ListAuditRecordsRequest::default(), OK),
        Door::admin("FollowAudit", &v1::FollowAuditRequest::default(), OK).endless(),
        Door::admin("VerifyAudit", &v1::VerifyAuditRequest::default(), OK),
        Door::admin("GetStats", &v1::GetStatsRequest::default(), OK),
        Door::grpc("/grpc.health.v1.Health/Check", Whom::Everybody, &health, OK),
        Door::grpc("/grpc.health.v1.Health/Watch", Whom::Everybody, &health, OK).endless(),
        Door::grpc("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Whom::Everybody, &list, OK),
        Door::grpc(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            Whom::Everybody,
            &list_alpha,
            OK,
        ),
        Door::http("GET", "/health", Whom::Everybody, ""),
        Door::http("GET", "/health/live", Whom::Everybody, ""),
        Door::http("GET", "/health/ready", Whom::Everybody, ""),
        Door { decisions: 1, ..Door::http("POST", "/enforce", Whom::Agent, r#"{"action":"read:file"}"#) },
    ]
}

/// The paths of our own services, as the contract has them.
pub fn of_the_contract() -> Vec<String> {
    let set = prost_types::FileDescriptorSet::decode(agentguard::pb::DESCRIPTOR_SET).unwrap();
    let files = set.file.into_iter().filter(|file| file.package().starts_with("agentguard."));
    let paths = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().flat_map(move |service| {
            let name = format!("/{package}.{}", service.name());
            let path = move |method: prost_types::MethodDescriptorProto| format!("{name}/{}", method.name());
            service.method.into_iter().map(path).collect::<Vec<_>>()
        })
    });
    paths.collect()
}
