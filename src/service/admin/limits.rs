//! Limits of single agents.

use serde_json::json;

use super::agents::agent_id;
use super::{AdminService, Caller};
use crate::ids::AgentId;
use crate::pb::v1;
use crate::rate_limit::gcra::Override;
use crate::service::Error;
use crate::service::convert::Faults;
use crate::store;

impl AdminService {
    pub(super) async fn change_limit(
        &self,
        caller: &Caller,
        message: v1::SetRateLimitRequest,
    ) -> Result<v1::SetRateLimitResponse, Error> {
        let mut faults = Faults::default();
        let id: Option<AgentId> = faults.parse("agent_id", &message.agent_id);
        let limit: Option<Override> = faults.parse_optional("limit", &message.limit);
        let id = faults.or(id)?;
        let detail = json!({"limit": limit.as_ref().map(ToString::to_string)});
        let act = self.act(caller, "SetRateLimit", id.as_str(), &detail);
        let stamp = match self.store.set_limit(&act, &id, limit.as_ref()).await {
            Err(store::Error::Missing { .. }) => return Err(self.dead(&id).await?),
            done => done?,
        };
        let revision = self.settle(&act, &stamp).await?;
        Ok(v1::SetRateLimitResponse { rate_limit: Some(self.limit(&id, limit.as_ref())), revision })
    }

    pub(super) async fn show_limit(
        &self,
        message: v1::GetRateLimitRequest,
    ) -> Result<v1::GetRateLimitResponse, Error> {
        let agent = self.agent(&agent_id(&message.agent_id)?).await?;
        let limit = self.limit(&agent.subject.id, agent.limit.as_ref());
        Ok(v1::GetRateLimitResponse { rate_limit: Some(limit) })
    }

    fn limit(&self, id: &AgentId, own: Option<&Override>) -> v1::RateLimit {
        let limit = match (self.limiter.default_limit(), own) {
            // Switched off, limits are off for all.
            (None, _) => Override::Unlimited.to_string(),
            (Some(_), Some(own)) => own.to_string(),
            (Some(default), None) => default.to_string(),
        };
        v1::RateLimit { agent_id: id.to_string(), limit, is_default: own.is_none() }
    }
}
