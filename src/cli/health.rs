//! `agentguard health`: whether the server serves.

use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::output::Style;
use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, json as form};
use crate::config::client::Role;
use crate::pb::v1;

/// Ask whether the server serves; with an admin key also what it is and does
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// One service, such as `agentguard.v1.EnforcementService`; without: the server as a whole
    #[arg(long, default_value = "")]
    service: String,
    #[command(flatten)]
    remote: remote::Flags,
}

const EXAMPLES: &str = "\
Examples:
  agentguard health
  agentguard health --service agentguard.v1.EnforcementService --timeout 1s
  agentguard health --json        {\"stats\":null,\"status\":\"SERVING\"}

Needs no key. Where AGENTGUARD_ADMIN_KEY is set, version, revision and counts are shown too (`stats`: the answer of \
the RPC GetStats). Exit code 0: serving, 1: not serving, 69: no answer.";

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let (status, stats) = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Nobody, session).await?;
        let request = HealthCheckRequest { service: args.service.clone() };
        let answer = HealthClient::new(remote.channel()).check(remote.call(request)).await;
        let status = match answer {
            Ok(answer) => answer.into_inner().status(),
            Err(status) if status.code() == tonic::Code::NotFound => {
                return Err(Failure::failed(format!("the server knows no service `{}`", args.service)));
            }
            Err(status) => return Err(remote.failure(&status)),
        };
        if !remote::has_admin_key(&args.remote, session) {
            return Ok((status, None));
        }
        let admin = Remote::connect(&args.remote, Role::Admin, session).await?;
        let stats = admin.answer(admin.admin().get_stats(admin.call(v1::GetStatsRequest {})).await)?;
        Ok((status, Some(stats)))
    })?;
    let serves = status == ServingStatus::Serving;
    if args.remote.json {
        let stats = stats.map_or(Ok(Value::Null), |stats| form::of("GetStatsResponse", &stats))?;
        session.out.json(&json!({"status": status.as_str_name(), "stats": stats}))?;
    } else {
        let style = if serves { Style::Good } else { Style::Bad };
        session.out.styled(style, status.as_str_name())?;
        if let Some(stats) = stats {
            session.out.fields(&[
                ("version", stats.version),
                ("database", format!("{} (schema {})", stats.database, stats.schema_version)),
                ("revision", format!("{} (confirmed {} ms ago)", stats.revision, stats.revision_age_ms)),
                ("agents", format!("{} ({} active)", stats.agents, stats.active_agents)),
                ("keys", stats.agent_keys.to_string()),
                ("policies", stats.policies.to_string()),
            ])?;
        }
    }
    Ok(if serves { Exit::Done } else { Exit::Failed })
}
