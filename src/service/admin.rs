//! `AdminService`: agents, keys, policies and the audit, for administrators.
//!
//! A write is one transaction of the store; its record reaches the audit through the outbox, and it is acknowledged
//! when this replica's own view has reached its revision.
//!
//! **Invariant:** every method begins by taking the [`Admin`] that only a verified key can have put there.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::Stream;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use super::Error;
use super::call::{self, Call};
use super::tally::Tally;
use crate::audit::outbox::Outbox;
use crate::audit::{Mode, Writer};
use crate::auth::{Admin, Authenticator};
use crate::clock::{Clock, Timestamp};
use crate::entropy;
use crate::ids::{AgentId, KeyId};
use crate::pb::v1;
use crate::pb::v1::admin_service_server::AdminService as Api;
use crate::rate_limit::Limiter;
use crate::store::Store;
use crate::store::keys::NewKey;
use crate::store::revision::{Act, Stamp};
use crate::view::Views;
use crate::view::feed::Feed;

mod agents;
mod dry_run;
mod follow;
mod kill;
mod limits;
mod policies;
mod records;
mod stats;
mod verify;

/// Followers of one replica: each is a task that polls.
pub const MAX_FOLLOWERS: usize = 64;

/// What the service is built from.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// What decisions are made from; a write waits for it.
    pub views: Arc<Views>,
    /// Mints keys.
    pub authenticator: Arc<Authenticator>,
    /// Takes the record of every write.
    pub outbox: Outbox,
    /// The audit writer, for its figures.
    pub writer: Writer,
    /// What was decided so far, for the figures.
    pub tally: Arc<Tally>,
    /// How often agents may call, for the figures.
    pub limiter: Arc<Limiter>,
    /// Tells other replicas of every write.
    pub feed: Feed,
    /// When answers leave, for the figures.
    pub audit_mode: Mode,
    /// The time.
    pub clock: Clock,
}

/// The service.
pub struct AdminService {
    store: Store,
    views: Arc<Views>,
    authenticator: Arc<Authenticator>,
    outbox: Outbox,
    writer: Writer,
    tally: Arc<Tally>,
    limiter: Arc<Limiter>,
    feed: Feed,
    audit_mode: Mode,
    switchboard: kill::Switchboard,
    clock: Clock,
    started: Timestamp,
    followers: Arc<Semaphore>,
}

impl fmt::Debug for AdminService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdminService").field("started", &self.started).finish_non_exhaustive()
    }
}

/// Who makes a call, how, and when it began.
struct Caller {
    admin: Admin,
    call: Call,
    at: Timestamp,
}

impl Caller {
    fn finish<T>(&self, result: Result<T, Error>) -> Result<Response<T>, Status> {
        result.map(Response::new).map_err(|error| self.call.refuse(&error))
    }
}

/// Answers that come as they come.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl AdminService {
    /// The service on `parts`; its uptime counts from now.
    pub fn new(parts: Parts) -> Self {
        let (store, views) = (parts.store, parts.views);
        Self {
            switchboard: kill::Switchboard::new(
                store.clone(),
                Arc::clone(&views),
                parts.outbox.clone(),
                parts.feed.clone(),
            ),
            store,
            views,
            authenticator: parts.authenticator,
            outbox: parts.outbox,
            writer: parts.writer,
            tally: parts.tally,
            limiter: parts.limiter,
            feed: parts.feed,
            audit_mode: parts.audit_mode,
            started: parts.clock.now(),
            clock: parts.clock,
            followers: Arc::new(Semaphore::new(MAX_FOLLOWERS)),
        }
    }

    /// Takes the verified admin off the request.
    fn take<M>(&self, request: Request<M>) -> Result<(Caller, M), Status> {
        let taken = call::from_admin(request)?;
        Ok((Caller { admin: taken.caller, call: taken.call, at: self.clock.now() }, taken.message))
    }

    /// One write, as history and audit name it.
    fn act(&self, caller: &Caller, act: &'static str, target: &str, detail: &serde_json::Value) -> Act {
        Act {
            actor: caller.admin.actor().to_owned(),
            act,
            target: target.to_owned(),
            request_id: caller.call.request_id.to_string(),
            detail: detail.to_string().into_bytes(),
            at: caller.at,
            token: entropy::bytes(),
        }
    }

    /// Hands a committed write to the audit and waits until this replica decides with it; answers its revision.
    async fn settle(&self, act: &Act, stamp: &Stamp) -> Result<String, Error> {
        self.feed.tell(stamp);
        self.outbox.tell(act, stamp);
        self.views.reach(stamp).await.map_err(|error| {
            tracing::warn!(%error, revision = %stamp.revision, "a write was committed but not seen in time");
            Error::DatabaseUnavailable
        })?;
        Ok(stamp.revision.to_string())
    }

    /// A new key: the text to show once, and what is stored of it.
    fn mint(&self, agent: &AgentId, at: Timestamp, expire_time: Option<Timestamp>) -> (String, NewKey) {
        let minted = self.authenticator.mint(KeyId::new(at, entropy::id()));
        let key = NewKey {
            id: minted.id,
            agent_id: agent.clone(),
            hash: minted.hash,
            pepper_id: minted.pepper_id,
            create_time: at,
            expire_time,
        };
        (minted.text.expose().to_owned(), key)
    }
}

/// A unary method: take the admin, do it, answer or refuse.
macro_rules! unary {
    ($($name:ident($request:ident) -> $response:ident => |$service:ident, $caller:ident, $message:ident| $body:expr;)+) => {
        #[tonic::async_trait]
        impl Api for AdminService {
            type FollowAuditStream = Answers<v1::FollowAuditResponse>;
            type VerifyAuditStream = Answers<v1::VerifyAuditResponse>;

            async fn follow_audit(
                &self,
                request: Request<v1::FollowAuditRequest>,
            ) -> Result<Response<Self::FollowAuditStream>, Status> {
                let (caller, message) = self.take(request)?;
                let stream = self.follow(&caller, message).await;
                caller.finish(stream)
            }

            async fn verify_audit(
                &self,
                request: Request<v1::VerifyAuditRequest>,
            ) -> Result<Response<Self::VerifyAuditStream>, Status> {
                let (caller, message) = self.take(request)?;
                let stream = self.verify(&caller, message);
                caller.finish(stream)
            }

            $(async fn $name(&self, request: Request<v1::$request>) -> Result<Response<v1::$response>, Status> {
                let $service = self;
                let ($caller, $message) = self.take(request)?;
                let answer: Result<v1::$response, Error> = $body.await;
                $caller.finish(answer)
            })+
        }
    };
}

unary! {
    create_agent(CreateAgentRequest) -> CreateAgentResponse => |api, caller, message| api.new_agent(&caller, message);
    get_agent(GetAgentRequest) -> GetAgentResponse => |api, caller, message| api.show_agent(message);
    list_agents(ListAgentsRequest) -> ListAgentsResponse => |api, caller, message| api.agents(message);
    update_agent(UpdateAgentRequest) -> UpdateAgentResponse => |api, caller, message| api.change_agent(&caller, message);
    delete_agent(DeleteAgentRequest) -> DeleteAgentResponse => |api, caller, message| api.remove_agent(&caller, message);
    set_rate_limit(SetRateLimitRequest) -> SetRateLimitResponse => |api, caller, message| api.change_limit(&caller, message);
    get_rate_limit(GetRateLimitRequest) -> GetRateLimitResponse => |api, caller, message| api.show_limit(message);
    set_kill_switch(SetKillSwitchRequest) -> SetKillSwitchResponse => |api, caller, message| api.switch(&caller, message);
    list_kill_switches(ListKillSwitchesRequest) -> ListKillSwitchesResponse => |api, caller, message| api.switches(message);
    create_agent_key(CreateAgentKeyRequest) -> CreateAgentKeyResponse => |api, caller, message| api.new_key(&caller, message);
    list_agent_keys(ListAgentKeysRequest) -> ListAgentKeysResponse => |api, caller, message| api.keys(&caller, message);
    revoke_agent_key(RevokeAgentKeyRequest) -> RevokeAgentKeyResponse => |api, caller, message| api.revoke(&caller, message);
    set_policy(SetPolicyRequest) -> SetPolicyResponse => |api, caller, message| api.write_policy(&caller, message);
    get_policy(GetPolicyRequest) -> GetPolicyResponse => |api, caller, message| api.show_policy(message);
    list_policies(ListPoliciesRequest) -> ListPoliciesResponse => |api, caller, message| api.policies(message);
    delete_policy(DeletePolicyRequest) -> DeletePolicyResponse => |api, caller, message| api.remove_policy(&caller, message);
    list_policy_versions(ListPolicyVersionsRequest) -> ListPolicyVersionsResponse => |api, caller, message| api.versions(message);
    rollback_policy(RollbackPolicyRequest) -> RollbackPolicyResponse => |api, caller, message| api.roll_back(&caller, message);
    test_policy(TestPolicyRequest) -> TestPolicyResponse => |api, caller, message| api.dry_run(&caller, message);
    list_audit_records(ListAuditRecordsRequest) -> ListAuditRecordsResponse => |api, caller, message| api.records(message);
    get_stats(GetStatsRequest) -> GetStatsResponse => |api, caller, _message| api.stats();
}

#[cfg(test)]
mod tests;
