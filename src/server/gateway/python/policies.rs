//! `/agents/{id}/policy`: the agent's own policy, in the form of policy files.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::inside::Inside;
use super::{Failed, Shown};
use crate::pb::v1;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::policy::document::{from_json, to_json};
use crate::service::convert::{self, Faults};
use crate::service::{Error, json};

const LISTS: [&str; 3] = ["allow", "deny", "require_approval"];

/// Writes the policy, whole. Short forms are accepted, nothing unknown is.
pub(super) async fn write<E: EnforcementService>(inside: &Inside<'_, E>, id: &str, body: &[u8]) -> Shown {
    let Value::Object(mut members) = json::parse(body)? else {
        return Err(Failed::Here(Error::invalid("body", "is no JSON object")));
    };
    // What was shown may be sent back.
    if let Some(named) = members.remove("agent_id")
        && named != id
    {
        return Err(Failed::Here(Error::invalid("agent_id", "is another one than in the path")));
    }
    members.remove("warnings");
    if members.contains_key("scope") {
        return Err(Failed::Here(Error::invalid("scope", "is the agent's in the path; leave it out")));
    }
    members.insert("scope".into(), json!({"agent_id": id}));
    let document = from_json(&Value::Object(members)).map_err(Error::Invalid)?;
    let message = v1::SetPolicyRequest { policy: Some(convert::policy(&document)), validate_only: false };
    let written: v1::SetPolicyResponse = inside.admins("SetPolicy", &message).await?;
    let mut shown = described(id, written.policy.unwrap_or_default())?;
    let warnings: Vec<_> = written
        .warnings
        .iter()
        .map(|warning| json!({"field": warning.field, "message": warning.message}))
        .collect();
    shown.insert("warnings".into(), warnings.into());
    Ok((StatusCode::OK, Value::Object(shown)))
}

/// Shows the policy.
pub(super) async fn show<E: EnforcementService>(inside: &Inside<'_, E>, id: &str) -> Shown {
    let scope = Some(v1::Scope { kind: Some(v1::scope::Kind::AgentId(id.to_owned())) });
    let message = v1::GetPolicyRequest { scope, version: 0 };
    let found: v1::GetPolicyResponse = inside.admins("GetPolicy", &message).await?;
    Ok((StatusCode::OK, Value::Object(described(id, found.policy.unwrap_or_default())?)))
}

fn described(id: &str, policy: v1::Policy) -> Result<Map<String, Value>, Failed> {
    let version = policy.version;
    let mut faults = Faults::default();
    let document = convert::document("policy", policy, &mut faults);
    let document = faults.or(document).map_err(Error::internal)?;
    let mut members = match to_json(&document) {
        Value::Object(members) => members,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    members.remove("scope");
    for list in LISTS {
        members.entry(list).or_insert_with(|| json!([]));
    }
    members.insert("agent_id".into(), id.into());
    members.insert("version".into(), version.into());
    Ok(members)
}
