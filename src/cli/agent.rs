//! `agentguard agent`: create, show, list, change and delete agents.

mod limit;

use serde_json::{Value, json};

use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, input, json as form};
use crate::config::client::Role;
use crate::pb::v1;

/// Create, show, list, change and delete agents
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Create(Create),
    Get(Get),
    List(List),
    Update(Update),
    Limit(Limit),
    Delete(Delete),
}

/// Create an agent and its first key, which is shown once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard agent create reader --team data --environment production
  agentguard agent create bot --team ops --environment staging --label tier=gold --key-expires 90d
  agentguard agent create reader --team data --environment dev --json | jq -r .api_key

With --json: the answer of the RPC CreateAgent, {\"agent\", \"api_key\", \"key\", \"revision\"}.")]
pub struct Create {
    /// The agent's name
    name: String,
    /// Its team
    #[arg(long)]
    team: String,
    /// Where it runs: `development`, `staging` or `production`
    #[arg(long, short)]
    environment: String,
    /// A label for expressions to go by: `name=text`
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Create it inactive: every call of its is denied
    #[arg(long)]
    inactive: bool,
    /// When its first key expires: a time or a span (`90d`)
    #[arg(long, value_name = "TIME")]
    key_expires: Option<String>,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Show an agent, also a deleted one
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard agent get agt_01h455vb4pex5vsknk084sn02q

With --json: the answer of the RPC GetAgent, {\"agent\": …}.")]
pub struct Get {
    /// The agent
    #[arg(value_name = "AGENT_ID")]
    id: String,
    #[command(flatten)]
    remote: remote::Flags,
}

/// List agents, all pages
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard agent list
  agentguard agent list --team data --environment production --active true
  agentguard agent list --json | jq -r '.agents[].agent_id'

With --json: {\"agents\": […]}.")]
pub struct List {
    /// Only agents of this team
    #[arg(long, default_value = "", hide_default_value = true)]
    team: String,
    /// Only agents of this environment
    #[arg(long, short, default_value = "", hide_default_value = true)]
    environment: String,
    /// Only agents that are active (`true`), or that are not (`false`)
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
    /// Deleted agents too
    #[arg(long)]
    show_deleted: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Change an agent, in force at once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard agent update agt_01h455vb4pex5vsknk084sn02q --active false
  agentguard agent update agt_01h455vb4pex5vsknk084sn02q --team ops --label tier=gold --label region=eu

Labels that are given replace all labels. With --json: the answer of the RPC UpdateAgent, {\"agent\", \"revision\"}.")]
pub struct Update {
    /// The agent
    #[arg(value_name = "AGENT_ID")]
    id: String,
    /// A new name
    #[arg(long)]
    name: Option<String>,
    /// A new team
    #[arg(long)]
    team: Option<String>,
    /// A new environment
    #[arg(long, short)]
    environment: Option<String>,
    /// A label; those given replace all labels
    #[arg(long, value_name = "LABEL")]
    label: Vec<String>,
    /// Remove all labels
    #[arg(long, conflicts_with = "label")]
    no_labels: bool,
    /// Whether it may act at all
    #[arg(long, value_name = "BOOL")]
    active: Option<bool>,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Show how often an agent may call, or change it, in force at once
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard agent limit agt_01h455vb4pex5vsknk084sn02q
  agentguard agent limit agt_01h455vb4pex5vsknk084sn02q --set '100/second;5000/minute'
  agentguard agent limit agt_01h455vb4pex5vsknk084sn02q --set '600/minute burst 20'
  agentguard agent limit agt_01h455vb4pex5vsknk084sn02q --default

With --json: the answer of the RPC GetRateLimit, {\"rate_limit\": …}, or SetRateLimit, {\"rate_limit\", \"revision\"}.")]
pub struct Limit {
    /// The agent
    #[arg(value_name = "AGENT_ID")]
    id: String,
    /// A limit of its own, such as `1000/minute`, or `unlimited`
    #[arg(long, value_name = "LIMIT")]
    set: Option<String>,
    /// The server's default again
    #[arg(long, conflicts_with = "set")]
    default: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Delete an agent: its keys are dead at once, its audit stays
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard agent delete agt_01h455vb4pex5vsknk084sn02q --yes

Asks on a terminal. With --json: the answer of the RPC DeleteAgent, {\"agent\", \"revision\"}.")]
pub struct Delete {
    /// The agent
    #[arg(value_name = "AGENT_ID")]
    id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

pub fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Create(args) => create(args, session),
        Command::Get(args) => get(args, session),
        Command::List(args) => list(args, session),
        Command::Update(args) => update(args, session),
        Command::Limit(args) => limit::run(args, session),
        Command::Delete(args) => delete(args, session),
    }
}

fn create(args: Create, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let now = session.clock.now();
    let expiry = args.key_expires.map(|text| input::time("--key-expires", &text, now, input::Shift::On));
    let request = v1::CreateAgentRequest {
        agent: Some(v1::Agent {
            name: args.name,
            team: args.team,
            environment: args.environment,
            labels: input::labels(&args.label)?,
            is_active: Some(!args.inactive),
            ..Default::default()
        }),
        key_expire_time: expiry.transpose()?,
    };
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        remote.answer(remote.admin().create_agent(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("CreateAgentResponse", &answer)?)?;
        return Ok(Exit::Done);
    }
    show(answer.agent.as_ref(), session)?;
    session.out.fields(&[("api key", answer.api_key)])?;
    super::output::note("the key is shown this once; keep it like a password (AGENTGUARD_API_KEY)");
    Ok(Exit::Done)
}

fn get(args: Get, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let request = v1::GetAgentRequest { agent_id: args.id };
        remote.answer(remote.admin().get_agent(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("GetAgentResponse", &answer)?)?;
    } else {
        show(answer.agent.as_ref(), session)?;
    }
    Ok(Exit::Done)
}

fn list(args: List, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let agents = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let mut request = v1::ListAgentsRequest {
            page_size: 1_000,
            page_token: String::new(),
            team: args.team,
            environment: args.environment,
            is_active: args.active,
            show_deleted: args.show_deleted,
        };
        let mut agents = Vec::new();
        loop {
            let page = remote.answer(remote.admin().list_agents(remote.call(request.clone())).await)?;
            agents.extend(page.agents);
            if page.next_page_token.is_empty() {
                return Ok(agents);
            }
            request.page_token = page.next_page_token;
        }
    })?;
    if args.remote.json {
        let agents: Result<Vec<Value>, Failure> =
            agents.iter().map(|agent| form::of("Agent", agent)).collect();
        session.out.json_pretty(&json!({"agents": agents?}))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = agents
        .into_iter()
        .map(|agent| {
            let state = state(&agent).to_owned();
            vec![agent.agent_id, agent.name, agent.team, agent.environment, state]
        })
        .collect();
    session.out.table(&["AGENT", "NAME", "TEAM", "ENVIRONMENT", "STATE"], &rows)?;
    Ok(Exit::Done)
}

fn update(args: Update, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut paths = Vec::new();
    let mut changed = |name: &str, given: bool| {
        if given {
            paths.push(name.to_owned());
        }
    };
    changed("name", args.name.is_some());
    changed("team", args.team.is_some());
    changed("environment", args.environment.is_some());
    changed("labels", !args.label.is_empty() || args.no_labels);
    changed("is_active", args.active.is_some());
    if paths.is_empty() {
        return Err(Failure::Usage(
            "nothing to change: give --name, --team, --environment, --label or --active".into(),
        ));
    }
    let request = v1::UpdateAgentRequest {
        agent: Some(v1::Agent {
            agent_id: args.id,
            name: args.name.unwrap_or_default(),
            team: args.team.unwrap_or_default(),
            environment: args.environment.unwrap_or_default(),
            labels: input::labels(&args.label)?,
            is_active: args.active,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths }),
    };
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        remote.answer(remote.admin().update_agent(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("UpdateAgentResponse", &answer)?)?;
    } else {
        show(answer.agent.as_ref(), session)?;
    }
    Ok(Exit::Done)
}

fn delete(args: Delete, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let question = format!("Delete agent {}? Its keys are dead at once, its policy is deleted.", args.id);
    if !input::confirm(&question, args.yes)? {
        return Err(Failure::failed("nothing was deleted"));
    }
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let request = v1::DeleteAgentRequest { agent_id: args.id };
        remote.answer(remote.admin().delete_agent(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("DeleteAgentResponse", &answer)?)?;
    } else {
        show(answer.agent.as_ref(), session)?;
    }
    Ok(Exit::Done)
}

fn state(agent: &v1::Agent) -> &'static str {
    match (&agent.delete_time, agent.is_active()) {
        (Some(_), _) => "deleted",
        (None, true) => "active",
        (None, false) => "inactive",
    }
}

fn show(agent: Option<&v1::Agent>, session: &mut Session<'_>) -> Result<(), Failure> {
    let Some(agent) = agent else {
        return Err(Failure::failed("the server's answer holds no agent"));
    };
    let mut labels: Vec<String> =
        agent.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort();
    session.out.fields(&[
        ("agent", agent.agent_id.clone()),
        ("name", agent.name.clone()),
        ("team", agent.team.clone()),
        ("environment", agent.environment.clone()),
        ("labels", labels.join(" ")),
        ("state", state(agent).to_owned()),
        ("created", agent.create_time.as_ref().map(form::timestamp).unwrap_or_default()),
        ("changed", agent.update_time.as_ref().map(form::timestamp).unwrap_or_default()),
        ("deleted", agent.delete_time.as_ref().map(form::timestamp).unwrap_or_default()),
    ])
}
