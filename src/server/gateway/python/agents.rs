//! `/agents`: what is `team` elsewhere is `owner_team` here.

use http::StatusCode;
use serde_json::{Value, json};

use super::inside::Inside;
use super::members::Members;
use super::query::{Gathered, MAX_LIMIT, Query};
use super::{Failed, Shown};
use crate::pb::v1;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::service::Error;
use crate::service::convert::Faults;
use crate::service::json::timestamp;

/// Makes an agent; the key is shown once.
pub(super) async fn make<E: EnforcementService>(inside: &Inside<'_, E>, body: &[u8]) -> Shown {
    let mut members = Members::parse(body)?;
    let agent = v1::Agent {
        name: members.text("name"),
        team: members.text("owner_team"),
        environment: members.text("environment"),
        is_active: members.flag("is_active"),
        ..Default::default()
    };
    let agent = members.or(agent)?;
    let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
    let made: v1::CreateAgentResponse = inside.admins("CreateAgent", &message).await?;
    let mut shown = described(&made.agent.unwrap_or_default());
    if let Some(members) = shown.as_object_mut() {
        members.insert("api_key".into(), made.api_key.into());
    }
    Ok((StatusCode::CREATED, shown))
}

/// Lists agents in the order of their creation.
pub(super) async fn list<E: EnforcementService>(inside: &Inside<'_, E>, query: &Query) -> Shown {
    let mut faults = Faults::default();
    let part = query.part("skip", &mut faults);
    let mut message = v1::ListAgentsRequest {
        page_size: i32::try_from(MAX_LIMIT).unwrap_or(i32::MAX),
        team: query.text("owner_team", &mut faults),
        environment: query.text("environment", &mut faults),
        ..Default::default()
    };
    faults.or(Some(()))?;
    let mut gathered = Gathered::new(part);
    loop {
        let page: v1::ListAgentsResponse = inside.admins("ListAgents", &message).await?;
        let has_room = page.agents.iter().map(|agent| gathered.take(described(agent))).last().unwrap_or(true);
        if !has_room || page.next_page_token.is_empty() {
            return Ok((StatusCode::OK, gathered.into_items().into()));
        }
        message.page_token = page.next_page_token;
    }
}

/// Shows an agent; one that is deleted is not there.
pub(super) async fn show<E: EnforcementService>(inside: &Inside<'_, E>, id: &str) -> Shown {
    let message = v1::GetAgentRequest { agent_id: id.to_owned() };
    let found: v1::GetAgentResponse = inside.admins("GetAgent", &message).await?;
    match found.agent {
        Some(agent) if agent.delete_time.is_none() => Ok((StatusCode::OK, described(&agent))),
        Some(_) | None => Err(Failed::Here(Error::NotFound { what: "agent", id: id.to_owned() })),
    }
}

/// Deletes an agent.
pub(super) async fn end<E: EnforcementService>(inside: &Inside<'_, E>, id: &str) -> Shown {
    let message = v1::DeleteAgentRequest { agent_id: id.to_owned() };
    let _ended: v1::DeleteAgentResponse = inside.admins("DeleteAgent", &message).await?;
    Ok((StatusCode::NO_CONTENT, Value::Null))
}

fn described(agent: &v1::Agent) -> Value {
    json!({
        "agent_id": agent.agent_id,
        "name": agent.name,
        "owner_team": agent.team,
        "environment": agent.environment,
        "is_active": agent.is_active(),
        "created_at": agent.create_time.as_ref().map(timestamp),
    })
}
