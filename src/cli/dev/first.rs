//! The first start: one agent and one policy, made through the front door like any others.

use tonic::Code;

use super::directory::Directory;
use crate::cli::remote::Remote;
use crate::cli::{Failure, output};
use crate::config::Secret;
use crate::pb::v1;
use crate::policy::document::{List, Rule};
use crate::policy::{Document, Scope};
use crate::service::convert;

/// The agent of a data directory.
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its key.
    pub key: Secret,
}

/// The agent whose key is kept; at the first start a new one, with a policy to play with.
pub async fn agent(address: &str, admin_key: &Secret, directory: &Directory) -> Result<Agent, Failure> {
    if let Some(key) = directory.agent_key()? {
        let remote = Remote::local(address, ("x-agent-key", &key)).await?;
        match remote.answer(remote.enforcement().who_am_i(remote.call(v1::WhoAmIRequest {})).await) {
            Ok(answer) => return Ok(Agent { id: answer.agent.unwrap_or_default().agent_id, key }),
            // The database was thrown away, or the key was revoked: a new agent is what is wanted.
            Err(Failure::Refused(refusal)) if refusal.code == Code::Unauthenticated => {
                output::note("the kept agent key opens nothing any more; making a new agent");
            }
            Err(failure) => return Err(failure),
        }
    }
    let remote = Remote::local(address, ("x-admin-key", admin_key)).await?;
    let agent = v1::Agent {
        name: "dev".to_owned(),
        team: "dev".to_owned(),
        environment: "development".to_owned(),
        ..Default::default()
    };
    let request = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
    let created = remote.answer(remote.admin().create_agent(remote.call(request)).await)?;
    let key = Secret::new(created.api_key);
    directory.keep_agent_key(&key)?;
    let policy = v1::Policy { etag: "absent".to_owned(), ..convert::policy(&policy()) };
    let request = v1::SetPolicyRequest { policy: Some(policy), validate_only: false };
    match remote.answer(remote.admin().set_policy(remote.call(request)).await) {
        Ok(_) => {}
        // There is one already: it is the user's.
        Err(Failure::Refused(refusal)) if refusal.code == Code::Aborted => {}
        Err(failure) => return Err(failure),
    }
    Ok(Agent { id: created.agent.unwrap_or_default().agent_id, key })
}

/// One rule of each kind.
fn policy() -> Document {
    let rule = |id: &str, action: &str, reason: &str| Rule {
        id: Some(id.to_owned()),
        action: action.to_owned(),
        reason: Some(reason.to_owned()),
        ..Rule::default()
    };
    let mut document = Document::empty(Scope::Everyone);
    for list in List::ALL {
        match list {
            List::Deny => document.deny.push(rule("no-deletes", "delete:**", "agents delete nothing")),
            List::RequireApproval => {
                document.require_approval.push(rule(
                    "deploys",
                    "deploy:**",
                    "a person decides about deployments",
                ));
            }
            List::Allow => document.allow.push(rule("reads", "read:**", "reading is fine")),
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ids::PolicyId;

    #[test]
    fn the_first_policy_compiles_without_a_warning() {
        let (_, warnings) =
            crate::policy::compile(&policy(), PolicyId::new(Timestamp::default(), [0; 16]), 1).unwrap();
        assert_eq!(warnings, []);
    }
}
