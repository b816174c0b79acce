//! The paths that callers of the Python AgentGuard know, as thin clothes over the calls of the contract.
//!
//! **Invariant:** a page asks the services as everybody does, by messages of the contract through the same layers, and
//! nowhere else.

mod agents;
mod enforce;
mod inside;
mod logs;
mod members;
mod policies;
mod query;

use http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tonic::body::Body;

pub use enforce::message as enforce_request;
pub(in crate::server) use inside::Inside;

use super::super::route::Wants;
use super::template::Values;
use super::{json_answer, refusal};
use crate::pb::rpc;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::service::Error;

/// A page, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Page {
    /// Decides.
    Enforce,
    /// Makes an agent.
    NewAgent,
    /// Lists agents.
    Agents,
    /// Shows an agent.
    Agent,
    /// Deletes an agent.
    EndAgent,
    /// Writes an agent's policy.
    SetPolicy,
    /// Shows an agent's policy.
    Policy,
    /// Takes what came of an act.
    Log,
    /// Lists decisions and what came of them.
    Logs,
    /// Verifies the audit.
    VerifyLogs,
}

impl Page {
    /// All of them.
    pub(in crate::server) const ALL: [Self; 10] = [
        Self::Enforce,
        Self::NewAgent,
        Self::Agents,
        Self::Agent,
        Self::EndAgent,
        Self::SetPolicy,
        Self::Policy,
        Self::Log,
        Self::Logs,
        Self::VerifyLogs,
    ];

    /// Its method and path.
    pub(in crate::server) const fn place(self) -> (Method, &'static str) {
        match self {
            Self::Enforce => (Method::POST, "/enforce"),
            Self::NewAgent => (Method::POST, "/agents"),
            Self::Agents => (Method::GET, "/agents"),
            Self::Agent => (Method::GET, "/agents/{agent_id}"),
            Self::EndAgent => (Method::DELETE, "/agents/{agent_id}"),
            Self::SetPolicy => (Method::PUT, "/agents/{agent_id}/policy"),
            Self::Policy => (Method::GET, "/agents/{agent_id}/policy"),
            Self::Log => (Method::POST, "/logs"),
            Self::Logs => (Method::GET, "/logs"),
            Self::VerifyLogs => (Method::GET, "/logs/verify"),
        }
    }

    /// Whom it wants.
    pub(in crate::server) const fn wants(self) -> Wants {
        match self {
            Self::Enforce | Self::Log => Wants::Agent,
            Self::Logs => Wants::Either,
            Self::NewAgent
            | Self::Agents
            | Self::Agent
            | Self::EndAgent
            | Self::SetPolicy
            | Self::Policy
            | Self::VerifyLogs => Wants::Admin,
        }
    }

    /// What it is asked with and what it answers, for the documentation.
    pub(in crate::server) const fn says(self) -> (&'static str, &'static str) {
        match self {
            Self::Enforce => (
                "`action`, `resource`, `arguments`, `context`, `session_id`, `on_behalf_of`, `idempotency_key`, `approval_id`, `min_revision`",
                "`allowed`, `status` (`allowed`, `denied`, `pending`), `reason`, `reason_code`, `decision_id`, `action`, `rule_id`, `policy_revision`, `request_id`",
            ),
            Self::NewAgent => {
                ("`name`, `owner_team`, `environment`, `is_active`", "201, the agent and once its `api_key`")
            }
            Self::Agents => (
                "`skip`, `limit`, `environment`, `owner_team`",
                "a list of `agent_id`, `name`, `owner_team`, `environment`, `is_active`, `created_at`",
            ),
            Self::Agent => ("", "the agent; 404 once it is deleted"),
            Self::EndAgent => ("", "204"),
            Self::SetPolicy => (
                "`allow`, `deny`, `require_approval`: lists of rules; nothing unknown",
                "the policy as written, with `agent_id`, `version` and `warnings`",
            ),
            Self::Policy => ("", "the policy with `agent_id` and `version`; 404 without one"),
            Self::Log => (
                "`decision_id` or `action`; `result` or `success`, `error`, `metadata`, `resource`, `arguments`, `context`, `session_id`, `on_behalf_of`",
                "201, `log_id` and what was sent",
            ),
            Self::Logs => (
                "`agent_id`, `action`, `allowed`, `start_time`, `end_time`, `limit`, `offset`",
                "a list of decisions, outcomes and reports, the newest first",
            ),
            Self::VerifyLogs => {
                ("", "`valid`, `records`, `chains`, `tampered_count`, `notice_count`, `findings`")
            }
        }
    }

    /// Whether it takes a body.
    pub(in crate::server) const fn takes_body(self) -> bool {
        match self {
            Self::Enforce | Self::NewAgent | Self::SetPolicy | Self::Log => true,
            Self::Agents | Self::Agent | Self::EndAgent | Self::Policy | Self::Logs | Self::VerifyLogs => {
                false
            }
        }
    }
}

/// Why a page has nothing to show.
enum Failed {
    /// A service refused.
    Refused(rpc::Status),
    /// The page itself did.
    Here(Error),
}

impl From<rpc::Status> for Failed {
    fn from(status: rpc::Status) -> Self {
        Self::Refused(status)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// What a page shows, with its status; `null` is nothing.
type Shown = Result<(StatusCode, Value), Failed>;

/// Answers a page.
pub(in crate::server) async fn answer<E: EnforcementService>(
    inside: Inside<'_, E>,
    page: Page,
    values: &Values,
    request: Request<Body>,
) -> Result<Response<Body>, Error> {
    let id = values.first().map_or("", String::as_str);
    let (parts, body) = request.into_parts();
    let query = query::Query::parse(parts.uri.query().unwrap_or_default())?;
    let body = if page.takes_body() { inside.read(body).await? } else { bytes::Bytes::new() };
    let shown = match page {
        Page::Enforce => enforce::answer(&inside, &body).await,
        Page::NewAgent => agents::make(&inside, &body).await,
        Page::Agents => agents::list(&inside, &query).await,
        Page::Agent => agents::show(&inside, id).await,
        Page::EndAgent => agents::end(&inside, id).await,
        Page::SetPolicy => policies::write(&inside, id, &body).await,
        Page::Policy => policies::show(&inside, id).await,
        Page::Log => logs::take(&inside, &body).await,
        Page::Logs => logs::list(&inside, &query).await,
        Page::VerifyLogs => logs::verify(&inside).await,
    };
    match shown {
        Ok((StatusCode::NO_CONTENT, _)) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        Ok((status, value)) => Ok(json_answer(status, &value)),
        Err(Failed::Refused(status)) => Ok(refusal(&status, None)),
        Err(Failed::Here(error)) => Err(error),
    }
}
