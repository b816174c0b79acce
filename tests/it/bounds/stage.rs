//! The server that the bounds are tried on, and what is met there, as a text that a table can show.

use agentguard::pb::v1;
use prost::Message;
use tonic::Status;

use crate::harness::{Admin, Caller, Guard, NewAgent, admin, eventually};
use crate::watch::Watch;

pub struct Stage {
    pub guard: Guard,
    pub admin: Admin,
    pub agent: NewAgent,
    pub caller: Caller,
    pub watch: Watch,
    count: usize,
}

/// What is met where something is taken.
pub const ACCEPTED: &str = "accepted";

impl Stage {
    pub async fn start() -> Self {
        let guard = Guard::on_sqlite(&[]);
        let mut admin = guard.admin().await;
        let agent = admin.agent("bounds").await;
        admin.set_policy(&agent.id, &["**"], &[]).await;
        let mut caller = guard.caller(&agent.key).await;
        let watch =
            Watch::on(&format!("sqlite://{}", guard.directory().join("agentguard.db").display())).await;
        // More records than a page may have.
        for _ in 0..11 {
            let checks = vec![v1::EnforceRequest { action: "page:row".into(), ..Default::default() }; 100];
            let request = caller.request(v1::BatchEnforceRequest { checks, ..Default::default() });
            caller.client().batch_enforce(request).await.unwrap();
        }
        Self { guard, admin, agent, caller, watch, count: 0 }
    }

    /// A name that was not used before.
    pub fn fresh(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }

    /// A decision, however busy the machine is.
    pub async fn decide(&mut self, check: v1::EnforceRequest) -> v1::Decision {
        let caller = self.caller.clone();
        let ask = async || match caller.clone().enforce(check.clone()).await {
            Ok(decision) => Some(decision),
            Err(status) => {
                assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
                None
            }
        };
        eventually("a decision", ask).await
    }

    pub async fn enforce(&mut self, check: v1::EnforceRequest) -> String {
        met(self.caller.enforce(check).await)
    }

    pub async fn batch(&mut self, checks: Vec<v1::EnforceRequest>) -> String {
        let request = self.caller.request(v1::BatchEnforceRequest { checks, ..Default::default() });
        let answer = self.caller.client().batch_enforce(request).await;
        if let Ok(answer) = &answer {
            for result in &answer.get_ref().results {
                if let Some(v1::batch_enforce_result::Result::Error(error)) = &result.result {
                    let status = Status::with_details(
                        error.code.into(),
                        error.message.clone(),
                        error.encode_to_vec().into(),
                    );
                    return format!("one check: {}", refused(&status));
                }
            }
        }
        met(answer)
    }

    pub async fn outcome(&mut self, outcome: v1::Outcome) -> String {
        let check = v1::EnforceRequest { action: "a".into(), ..Default::default() };
        let decision_id = self.decide(check).await.decision_id;
        let request = self.caller.request(v1::ReportOutcomeRequest { decision_id, outcome: Some(outcome) });
        met(self.caller.client().report_outcome(request).await)
    }

    /// Writes the policy of a team of its own, so that what is accepted decides nothing here.
    pub async fn policy(&mut self, policy: v1::Policy) -> String {
        let kind = v1::scope::Kind::Team("bounded".into());
        let scope = policy.scope.or(Some(v1::Scope { kind: Some(kind) }));
        let policy = Some(v1::Policy { scope, ..policy });
        let request = admin(v1::SetPolicyRequest { policy, validate_only: false });
        met(self.admin.client().set_policy(request).await)
    }

    /// Stops a team that nobody is of.
    pub async fn kill(&mut self, reason: String) -> String {
        let scope = Some(v1::Scope { kind: Some(v1::scope::Kind::Team("nobody".to_owned())) });
        let message = v1::SetKillSwitchRequest { scope, is_on: Some(true), reason };
        met(self.admin.client().set_kill_switch(admin(message)).await)
    }

    pub async fn rule(&mut self, rule: v1::Rule) -> String {
        self.policy(v1::Policy { allow: vec![rule], ..Default::default() }).await
    }

    pub async fn new_agent(&mut self, agent: v1::Agent) -> String {
        let request = admin(v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None });
        met(self.admin.client().create_agent(request).await)
    }
}

pub fn met<T>(answer: Result<T, Status>) -> String {
    answer.map_or_else(|status| refused(&status), |_| ACCEPTED.to_owned())
}

/// The reason, and the field if there is one; a long path is cut at its first part.
fn refused(status: &Status) -> String {
    let details = agentguard::pb::rpc::Status::decode(status.details()).unwrap_or_default().details;
    let field = details
        .iter()
        .find(|detail| detail.type_url.ends_with("google.rpc.BadRequest"))
        .and_then(|detail| agentguard::pb::rpc::BadRequest::decode(detail.value.as_slice()).ok())
        .and_then(|bad| bad.field_violations.into_iter().next())
        .map(|violation| violation.field)
        .unwrap_or_default();
    let field = if field.len() > 55 { field.split('.').next().unwrap() } else { &field };
    format!("{} {field}", crate::harness::reason(status)).trim_end().to_owned()
}
