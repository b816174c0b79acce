//! An admin of one replica who never rests: agents, keys and policies come and go.

use std::sync::Arc;
use std::time::Duration;

use agentguard::pb::v1;
use agentguard::pb::v1::admin_service_client::AdminServiceClient;
use agentguard::pb::v1::enforcement_service_client::EnforcementServiceClient;
use tonic::Request;
use tonic::transport::Channel;

use super::model::{ACTIONS, AgentNo, Effect, KeyNo, Rules, Scope};
use super::record::{Dice, Revised, Shared, Usable};
use crate::harness::ADMIN_KEY;

/// Agents of one admin, and living keys of one agent.
const AGENTS: usize = 2;
const KEYS: usize = 3;

/// How long a replica may take to know a key.
const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds between two writes, at most.
const PAUSE: usize = 60;

/// An admin with agents of its own; policies of the team and of everyone are shared with the others.
pub struct Clerk {
    shared: Arc<Shared>,
    dice: Dice,
    admin: AdminServiceClient<Channel>,
    replicas: Vec<Channel>,
    agents: Vec<Agent>,
}

struct Agent {
    number: AgentNo,
    id: String,
    /// Keys that were not asked to be revoked.
    keys: Vec<(KeyNo, String)>,
    is_killed: bool,
}

fn request<T>(message: T, request_id: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-admin-key", ADMIN_KEY.parse().unwrap());
    request.metadata_mut().insert("x-request-id", request_id.parse().unwrap());
    request
}

macro_rules! revised {
    ($($answer:ident),+) => {
        $(impl Revised for v1::$answer {
            fn revision(&self) -> &str {
                &self.revision
            }
        })+
    };
}

revised!(CreateAgentResponse, UpdateAgentResponse, DeleteAgentResponse, CreateAgentKeyResponse);
revised!(
    SetKillSwitchResponse,
    RevokeAgentKeyResponse,
    SetPolicyResponse,
    DeletePolicyResponse,
    RollbackPolicyResponse
);

/// Makes a write by the named RPC.
macro_rules! write {
    ($clerk:ident, $effect:expr, $rpc:ident, $message:expr) => {{
        let (shared, message, mut admin) = (Arc::clone(&$clerk.shared), $message, $clerk.admin.clone());
        shared.write($effect, |id| async move { admin.$rpc(request(message, &id)).await }).await
    }};
}

impl Clerk {
    pub fn new(shared: Arc<Shared>, number: u64, replica: Channel, replicas: Vec<Channel>) -> Self {
        let admin = AdminServiceClient::new(replica);
        Self { shared, dice: Dice::new(number), admin, replicas, agents: Vec::new() }
    }

    /// Makes the first agents and a policy for them.
    pub async fn found(&mut self) {
        while self.agents.len() < AGENTS {
            self.create_agent().await;
        }
        let rules = Rules { allow: 0b1111, ..Rules::default() };
        self.set_policy(Scope::Team, rules).await;
    }

    pub async fn run(mut self) {
        while !self.shared.is_over() {
            if self.agents.len() < AGENTS {
                self.create_agent().await;
            }
            if !self.agents.is_empty() {
                self.act().await;
            }
            self.dice.pause(PAUSE).await;
        }
    }

    async fn act(&mut self) {
        let place = self.dice.below(self.agents.len());
        let scope = match self.dice.below(5) {
            0 => Scope::Everyone,
            1 | 2 => Scope::Team,
            _ => Scope::Agent(self.agents[place].number),
        };
        match self.dice.below(20) {
            0 | 1 => self.new_key(place).await,
            2 | 3 => self.revoke(place).await,
            4 | 5 => self.set_active(place, false).await,
            6..=8 => self.set_active(place, true).await,
            9 => self.delete_agent(place).await,
            10 => {
                let message =
                    v1::DeletePolicyRequest { scope: Some(self.scope(scope)), ..Default::default() };
                write!(self, Effect::DeletePolicy(scope), delete_policy, message);
            }
            11 | 12 => self.roll_back(scope).await,
            13..=16 => self.kill(place).await,
            _ => {
                let mut bits = || u8::try_from(self.dice.below(16)).unwrap();
                // More is allowed than denied, so that there is something to lose.
                let rules = Rules {
                    allow: bits() | bits(),
                    approval: bits() & bits() & bits(),
                    deny: bits() & bits(),
                };
                self.set_policy(scope, rules).await;
            }
        }
    }

    async fn create_agent(&mut self) {
        let (number, key) = (self.shared.number(), self.shared.number());
        let agent = v1::Agent {
            name: format!("agent {number}"),
            team: "team".to_owned(),
            environment: "production".to_owned(),
            ..Default::default()
        };
        let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
        let effect = Effect::CreateAgent { agent: number, key };
        if let Some(made) = write!(self, effect, create_agent, message) {
            let keys = vec![(key, made.key.unwrap().key_id)];
            self.agents.push(Agent { number, id: made.agent.unwrap().agent_id, keys, is_killed: false });
            self.publish(key, made.api_key).await;
        }
    }

    async fn new_key(&mut self, place: usize) {
        if self.agents[place].keys.len() == KEYS {
            return self.revoke(place).await;
        }
        let key = self.shared.number();
        let (agent, agent_id) = (self.agents[place].number, self.agents[place].id.clone());
        let message = v1::CreateAgentKeyRequest { agent_id, expire_time: None };
        if let Some(made) = write!(self, Effect::CreateKey { agent, key }, create_agent_key, message) {
            self.agents[place].keys.push((key, made.key.unwrap().key_id));
            self.publish(key, made.api_key).await;
        }
    }

    async fn revoke(&mut self, place: usize) {
        let Some((key, key_id)) = self.agents[place].keys.pop() else { return };
        let message = v1::RevokeAgentKeyRequest { key_id };
        write!(self, Effect::RevokeKey(key), revoke_agent_key, message);
    }

    async fn set_active(&mut self, place: usize, is_active: bool) {
        let (number, agent_id) = (self.agents[place].number, self.agents[place].id.clone());
        let agent = v1::Agent { agent_id, is_active: Some(is_active), ..Default::default() };
        let update_mask = Some(prost_types::FieldMask { paths: vec!["is_active".to_owned()] });
        let message = v1::UpdateAgentRequest { agent: Some(agent), update_mask };
        write!(self, Effect::SetActive(number, is_active), update_agent, message);
    }

    /// Of its own agents only: switching off what somebody else has switched off already would be no write.
    async fn kill(&mut self, place: usize) {
        let agent = &mut self.agents[place];
        agent.is_killed = !agent.is_killed;
        let (scope, is_on) = (Scope::Agent(agent.number), agent.is_killed);
        let message = v1::SetKillSwitchRequest {
            scope: Some(self.scope(scope)),
            is_on: Some(is_on),
            reason: "drill".to_owned(),
        };
        write!(self, Effect::KillSwitch(scope, is_on), set_kill_switch, message);
    }

    async fn delete_agent(&mut self, place: usize) {
        let agent = self.agents.remove(place);
        let message = v1::DeleteAgentRequest { agent_id: agent.id };
        write!(self, Effect::DeleteAgent(agent.number), delete_agent, message);
    }

    async fn set_policy(&mut self, scope: Scope, rules: Rules) {
        let list = |bits: u8| {
            let named = (0..).zip(ACTIONS).filter(|(place, _)| bits >> *place & 1 == 1);
            named.map(|(_, action)| v1::Rule { action: action.to_owned(), ..Default::default() }).collect()
        };
        let policy = v1::Policy {
            scope: Some(self.scope(scope)),
            allow: list(rules.allow),
            require_approval: list(rules.approval),
            deny: list(rules.deny),
            ..Default::default()
        };
        let message = v1::SetPolicyRequest { policy: Some(policy), ..Default::default() };
        let written = write!(self, Effect::SetPolicy(scope, rules), set_policy, message);
        self.note(scope, written.and_then(|written| written.policy));
    }

    /// To a version that may be laxer or stricter.
    async fn roll_back(&mut self, scope: Scope) {
        let newest = self.shared.versions.lock().unwrap().get(&scope).copied().unwrap_or(0);
        if newest == 0 {
            return;
        }
        let version = newest - self.dice.below(newest.min(6));
        let message = v1::RollbackPolicyRequest {
            scope: Some(self.scope(scope)),
            version: i32::try_from(version).unwrap(),
            ..Default::default()
        };
        let written = write!(self, Effect::RollBack(scope, version), rollback_policy, message);
        self.note(scope, written.and_then(|written| written.policy));
    }

    fn note(&self, scope: Scope, policy: Option<v1::Policy>) {
        if let Some(policy) = policy {
            let version = usize::try_from(policy.version).unwrap();
            let mut versions = self.shared.versions.lock().unwrap();
            let newest = versions.entry(scope).or_default();
            *newest = version.max(*newest);
        }
    }

    fn scope(&self, scope: Scope) -> v1::Scope {
        let kind = match scope {
            Scope::Everyone => v1::scope::Kind::Everyone(v1::scope::Everyone {}),
            Scope::Team => v1::scope::Kind::Team("team".to_owned()),
            Scope::Agent(number) => {
                let own = self.agents.iter().find(|agent| agent.number == number).unwrap();
                v1::scope::Kind::AgentId(own.id.clone())
            }
        };
        v1::Scope { kind: Some(kind) }
    }

    /// Lets callers use a key once every replica knows it: how soon that is is another promise than that of a verdict.
    async fn publish(&self, number: KeyNo, text: String) {
        for replica in &self.replicas {
            let mut client = EnforcementServiceClient::new(replica.clone());
            let known = async {
                loop {
                    let mut request = Request::new(v1::WhoAmIRequest {});
                    request.metadata_mut().insert("x-agent-key", text.parse().unwrap());
                    if client.who_am_i(request).await.is_ok() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::time::timeout(PATIENCE, known).await.unwrap();
        }
        self.shared.publish(Usable { number, text });
    }
}
