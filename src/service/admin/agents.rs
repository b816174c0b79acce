//! Agents and their keys.

use serde_json::json;

use super::{AdminService, Caller};
use crate::clock::Timestamp;
use crate::entropy;
use crate::ids::{AgentId, KeyId};
use crate::pb::v1;
use crate::service::convert::{self, Faults};
use crate::service::{Error, page};
use crate::store;
use crate::store::agents::{AgentEntry, AgentFilter};
use crate::store::keys::{KeyEntry, MAX_LIVE_KEYS, NewKey};

impl AdminService {
    pub(super) async fn new_agent(
        &self,
        caller: &Caller,
        message: v1::CreateAgentRequest,
    ) -> Result<v1::CreateAgentResponse, Error> {
        let mut faults = Faults::default();
        let id = AgentId::new(caller.at, entropy::id());
        if message.agent.is_none() {
            faults.add("agent", "is required");
        }
        let subject = message.agent.and_then(|agent| convert::subject("agent", agent, id, &mut faults));
        let expire = expiry("key_expire_time", message.key_expire_time, caller.at, &mut faults);
        let subject = faults.or(subject)?;
        let agent = AgentEntry {
            subject,
            limit: None,
            create_time: caller.at,
            update_time: caller.at,
            delete_time: None,
        };
        let (api_key, key) = self.mint(&agent.subject.id, caller.at, expire);
        let shown = convert::agent_message(&agent);
        let detail = json!({
            "environment": shown.environment, "is_active": shown.is_active, "key_id": key.id.as_str(),
            "labels": shown.labels, "name": shown.name, "team": shown.team,
        });
        let act = self.act(caller, "CreateAgent", agent.subject.id.as_str(), &detail);
        let stamp = self.store.create_agent(&act, &agent, &key).await?;
        let revision = self.settle(&act, &stamp).await?;
        let key = convert::key_message(&stored(&key), caller.at);
        Ok(v1::CreateAgentResponse { agent: Some(shown), api_key, key: Some(key), revision })
    }

    pub(super) async fn show_agent(
        &self,
        message: v1::GetAgentRequest,
    ) -> Result<v1::GetAgentResponse, Error> {
        let agent = self.agent(&agent_id(&message.agent_id)?).await?;
        Ok(v1::GetAgentResponse { agent: Some(convert::agent_message(&agent)) })
    }

    pub(super) async fn agents(
        &self,
        mut message: v1::ListAgentsRequest,
    ) -> Result<v1::ListAgentsResponse, Error> {
        let size = page::size(std::mem::take(&mut message.page_size))?;
        let token = std::mem::take(&mut message.page_token);
        let listing = page::Listing::new("ListAgents", &message);
        let mut faults = Faults::default();
        if message.team.contains('\0') {
            faults.add("team", "contains the character U+0000");
        }
        let filter = AgentFilter {
            environment: faults.parse_optional("environment", &message.environment),
            team: Some(message.team).filter(|team| !team.is_empty()),
            is_active: message.is_active,
            show_deleted: message.show_deleted,
        };
        let filter = faults.or(Some(filter))?;
        let after: Option<AgentId> = listing.parsed(&token)?;
        let rows = self.store.agents(&filter, after.as_ref(), page::rows(size)).await?;
        let position = |agent: &AgentEntry| agent.subject.id.to_string();
        let (agents, next_page_token) =
            listing.fill(rows, size, position, |agent| convert::agent_message(&agent));
        Ok(v1::ListAgentsResponse { agents, next_page_token })
    }

    pub(super) async fn change_agent(
        &self,
        caller: &Caller,
        message: v1::UpdateAgentRequest,
    ) -> Result<v1::UpdateAgentResponse, Error> {
        let (id, change) = convert::agent_change(message)?;
        let mut detail = serde_json::Map::new();
        let mut note = |name: &str, value: Option<serde_json::Value>| {
            detail.extend(value.map(|value| (name.to_owned(), value)));
        };
        note("environment", change.environment.map(|environment| environment.as_str().into()));
        note("is_active", change.is_active.map(Into::into));
        note("labels", change.labels.as_ref().map(|labels| json!(labels)));
        note("name", change.name.clone().map(Into::into));
        note("team", change.team.clone().map(Into::into));
        let act = self.act(caller, "UpdateAgent", id.as_str(), &detail.into());
        let (agent, stamp) = match self.store.update_agent(&act, &id, &change).await {
            Err(store::Error::Missing { .. }) => return Err(self.dead(&id).await?),
            done => done?,
        };
        let revision = self.settle(&act, &stamp).await?;
        Ok(v1::UpdateAgentResponse { agent: Some(convert::agent_message(&agent)), revision })
    }

    pub(super) async fn remove_agent(
        &self,
        caller: &Caller,
        message: v1::DeleteAgentRequest,
    ) -> Result<v1::DeleteAgentResponse, Error> {
        let id = agent_id(&message.agent_id)?;
        let act = self.act(caller, "DeleteAgent", id.as_str(), &json!({}));
        let stamp = match self.store.delete_agent(&act, &id).await {
            Ok(stamp) => {
                self.settle(&act, &stamp).await?;
                stamp
            }
            // Unknown, or deleted before: then it is read below, and nothing was changed.
            Err(store::Error::Missing { .. }) => self.store.stamp().await?,
            Err(error) => return Err(error.into()),
        };
        let agent = self.agent(&id).await?;
        let revision = stamp.revision.to_string();
        Ok(v1::DeleteAgentResponse { agent: Some(convert::agent_message(&agent)), revision })
    }

    pub(super) async fn new_key(
        &self,
        caller: &Caller,
        message: v1::CreateAgentKeyRequest,
    ) -> Result<v1::CreateAgentKeyResponse, Error> {
        let mut faults = Faults::default();
        let id: Option<AgentId> = faults.parse("agent_id", &message.agent_id);
        let expire = expiry("expire_time", message.expire_time, caller.at, &mut faults);
        let id = faults.or(id)?;
        let (api_key, key) = self.mint(&id, caller.at, expire);
        let detail = json!({"expire_time": expire.map(|at| at.to_string()), "key_id": key.id.as_str()});
        let act = self.act(caller, "CreateAgentKey", id.as_str(), &detail);
        let stamp = match self.store.create_key(&act, &key).await {
            Err(store::Error::Missing { .. }) => return Err(self.dead(&id).await?),
            Err(store::Error::Bound(_)) => return Err(Error::KeyLimitReached(MAX_LIVE_KEYS)),
            done => done?,
        };
        let revision = self.settle(&act, &stamp).await?;
        let key = convert::key_message(&stored(&key), caller.at);
        Ok(v1::CreateAgentKeyResponse { key: Some(key), api_key, revision })
    }

    pub(super) async fn keys(
        &self,
        caller: &Caller,
        mut message: v1::ListAgentKeysRequest,
    ) -> Result<v1::ListAgentKeysResponse, Error> {
        let size = page::size(std::mem::take(&mut message.page_size))?;
        let token = std::mem::take(&mut message.page_token);
        let listing = page::Listing::new("ListAgentKeys", &message);
        let id = agent_id(&message.agent_id)?;
        let after: Option<KeyId> = listing.parsed(&token)?;
        let rows = self.store.keys(&id, after.as_ref(), page::rows(size)).await?;
        if rows.is_empty() {
            // Every agent was made with a key, so this is either an unknown agent or the end of the list.
            self.agent(&id).await?;
        }
        let position = |key: &KeyEntry| key.id.to_string();
        let (keys, next_page_token) =
            listing.fill(rows, size, position, |key| convert::key_message(&key, caller.at));
        Ok(v1::ListAgentKeysResponse { keys, next_page_token })
    }

    pub(super) async fn revoke(
        &self,
        caller: &Caller,
        message: v1::RevokeAgentKeyRequest,
    ) -> Result<v1::RevokeAgentKeyResponse, Error> {
        let mut faults = Faults::default();
        let id: Option<KeyId> = faults.parse("key_id", &message.key_id);
        let id = faults.or(id)?;
        let act = self.act(caller, "RevokeAgentKey", id.as_str(), &json!({}));
        let (key, stamp) = self.store.revoke_key(&act, &id).await?;
        let revision = self.settle(&act, &stamp).await?;
        Ok(v1::RevokeAgentKeyResponse { key: Some(convert::key_message(&key, caller.at)), revision })
    }

    /// The agent `id`, also a deleted one.
    pub(super) async fn agent(&self, id: &AgentId) -> Result<AgentEntry, Error> {
        self.store.agent(id).await?.ok_or_else(|| Error::NotFound { what: "agent", id: id.to_string() })
    }

    /// Why `id` cannot be changed: it is deleted, or was never there.
    pub(super) async fn dead(&self, id: &AgentId) -> Result<Error, Error> {
        self.agent(id).await.map(|agent| Error::AgentDeleted(agent.subject.id.to_string()))
    }
}

pub(super) fn agent_id(text: &str) -> Result<AgentId, Error> {
    let mut faults = Faults::default();
    let id = faults.parse("agent_id", text);
    faults.or(id)
}

/// A key's expiry; one that lies in the past would make a key that never opens anything.
fn expiry(
    field: &str,
    message: Option<prost_types::Timestamp>,
    now: Timestamp,
    faults: &mut Faults,
) -> Option<Timestamp> {
    let expire = convert::timestamp(field, &message?, faults)?;
    if expire <= now {
        faults.add(field, "is not in the future");
    }
    Some(expire)
}

/// A key as it is once stored.
fn stored(key: &NewKey) -> KeyEntry {
    KeyEntry {
        id: key.id.clone(),
        agent_id: key.agent_id.clone(),
        hash: key.hash,
        pepper_id: key.pepper_id.clone(),
        create_time: key.create_time,
        expire_time: key.expire_time,
        revoke_time: None,
        last_used_time: None,
    }
}
