//! `agentguard key`: make, list and revoke agents' keys.

use serde_json::{Value, json};

use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, input, json as form};
use crate::config::client::Role;
use crate::pb::v1;

/// Make, list and revoke agents' keys
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Create(Create),
    List(List),
    Revoke(Revoke),
}

/// Make another key for an agent; it is shown once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard key create agt_01h455vb4pex5vsknk084sn02q
  agentguard key create agt_01h455vb4pex5vsknk084sn02q --expires 90d --json | jq -r .api_key

An agent may have 10 live keys. With --json: the answer of the RPC CreateAgentKey, {\"key\", \"api_key\", \"revision\"}.")]
pub struct Create {
    /// The agent
    #[arg(value_name = "AGENT_ID")]
    agent_id: String,
    /// When it expires: a time or a span (`90d`)
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[command(flatten)]
    remote: remote::Flags,
}

/// List an agent's keys, without their secrets
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard key list agt_01h455vb4pex5vsknk084sn02q

With --json: {\"keys\": […]}.")]
pub struct List {
    /// The agent
    #[arg(value_name = "AGENT_ID")]
    agent_id: String,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Revoke a key, at once and for good
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard key revoke key_01h455vb4pex5vsknk084sn02q --yes

Asks on a terminal. With --json: the answer of the RPC RevokeAgentKey, {\"key\", \"revision\"}.")]
pub struct Revoke {
    /// The key's id (not the key)
    #[arg(value_name = "KEY_ID")]
    key_id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

pub fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(args, session),
        Command::List(args) => list(args, session),
        Command::Revoke(args) => revoke(args, session),
    }
}

fn create(args: Create, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let now = session.clock.now();
    let expiry = args.expires.map(|text| input::time("--expires", &text, now, input::Shift::On));
    let request = v1::CreateAgentKeyRequest { agent_id: args.agent_id, expire_time: expiry.transpose()? };
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        remote.answer(remote.admin().create_agent_key(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("CreateAgentKeyResponse", &answer)?)?;
        return Ok(Exit::Done);
    }
    show(answer.key.as_ref(), session)?;
    session.out.fields(&[("api key", answer.api_key)])?;
    super::output::note("the key is shown this once; keep it like a password (AGENTGUARD_API_KEY)");
    Ok(Exit::Done)
}

fn list(args: List, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let keys = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let mut request =
            v1::ListAgentKeysRequest { agent_id: args.agent_id, page_size: 1_000, page_token: String::new() };
        let mut keys = Vec::new();
        loop {
            let page = remote.answer(remote.admin().list_agent_keys(remote.call(request.clone())).await)?;
            keys.extend(page.keys);
            if page.next_page_token.is_empty() {
                return Ok(keys);
            }
            request.page_token = page.next_page_token;
        }
    })?;
    if args.remote.json {
        let keys: Result<Vec<Value>, Failure> = keys.iter().map(|key| form::of("AgentKey", key)).collect();
        session.out.json_pretty(&json!({"keys": keys?}))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let time = |time: &Option<prost_types::Timestamp>| {
                time.as_ref().map(form::timestamp).unwrap_or_default()
            };
            vec![
                key.key_id.clone(),
                state(key).to_owned(),
                time(&key.create_time),
                time(&key.expire_time),
                time(&key.last_use_time),
            ]
        })
        .collect();
    session.out.table(&["KEY", "STATE", "CREATED", "EXPIRES", "LAST USED"], &rows)?;
    Ok(Exit::Done)
}

fn revoke(args: Revoke, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if !input::confirm(&format!("Revoke {}? This cannot be undone.", args.key_id), args.yes)? {
        return Err(Failure::failed("nothing was revoked"));
    }
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let request = v1::RevokeAgentKeyRequest { key_id: args.key_id };
        remote.answer(remote.admin().revoke_agent_key(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("RevokeAgentKeyResponse", &answer)?)?;
    } else {
        show(answer.key.as_ref(), session)?;
    }
    Ok(Exit::Done)
}

fn state(key: &v1::AgentKey) -> &'static str {
    match (&key.revoke_time, key.is_live) {
        (Some(_), _) => "revoked",
        (None, true) => "live",
        (None, false) => "dead",
    }
}

fn show(key: Option<&v1::AgentKey>, session: &mut Session<'_>) -> Result<(), Failure> {
    let Some(key) = key else {
        return Err(Failure::failed("the server's answer holds no key"));
    };
    session.out.fields(&[
        ("key", key.key_id.clone()),
        ("agent", key.agent_id.clone()),
        ("state", state(key).to_owned()),
        ("created", key.create_time.as_ref().map(form::timestamp).unwrap_or_default()),
        ("expires", key.expire_time.as_ref().map(form::timestamp).unwrap_or_default()),
        ("revoked", key.revoke_time.as_ref().map(form::timestamp).unwrap_or_default()),
    ])
}
