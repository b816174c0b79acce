//! `agentguard kill`: the switch above every rule.

use serde_json::{Value, json};

use super::input::ScopeFlags;
use super::policy::read_scope;
use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, json as form, output};
use crate::config::client::Role;
use crate::pb::v1;
use crate::service::convert;

/// Stop everything, a team or an agent at once, whatever policies say
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    On(On),
    Off(Off),
    Status(Status),
}

/// Switch on: everything that is asked is denied, from the next call on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard kill on --everyone --reason 'incident 42: agents mail customers'
  agentguard kill on --team data --reason 'key leaked'
  agentguard kill on --agent agt_01h455vb4pex5vsknk084sn02q --reason 'looks hijacked'

Does not ask. Agents are told that the kill switch is on, not why. Exits with 1 if it is on in one replica only, \
because the database is away. With --json: the answer of the RPC SetKillSwitch, {\"kill_switch\", \"revision\"}.")]
pub struct On {
    #[command(flatten)]
    scope: ScopeFlags,
    /// Why, for other administrators and the audit
    #[arg(long, short, value_name = "TEXT")]
    reason: String,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Switch off: policies decide again
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard kill off --everyone
  agentguard kill off --team data --reason 'key revoked'

With --json: the answer of the RPC SetKillSwitch, {\"kill_switch\", \"revision\"}.")]
pub struct Off {
    #[command(flatten)]
    scope: ScopeFlags,
    /// Why, for other administrators and the audit
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Show what is switched on
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard kill status
  agentguard kill status --json | jq '.kill_switches | length'

Exits with 0 whether anything is on or not. With --json: {\"kill_switches\": […]}.")]
pub struct Status {
    #[command(flatten)]
    remote: remote::Flags,
}

pub fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::On(args) => switch(&args.scope, true, args.reason, &args.remote, session),
        Command::Off(args) => switch(&args.scope, false, args.reason, &args.remote, session),
        Command::Status(args) => status(&args, session),
    }
}

fn switch(
    scope: &ScopeFlags,
    is_on: bool,
    reason: String,
    flags: &remote::Flags,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let scope = Some(convert::scope_message(&scope.scope()?));
    let answer = block_on(async {
        let remote = Remote::connect(flags, Role::Admin, session).await?;
        let request = v1::SetKillSwitchRequest { scope, is_on: Some(is_on), reason };
        remote.answer(remote.admin().set_kill_switch(remote.call(request)).await)
    })?;
    let json = form::of("SetKillSwitchResponse", &answer)?;
    let Some(switch) = answer.kill_switch else {
        return Err(Failure::failed("the server's answer holds no kill switch"));
    };
    if flags.json {
        session.out.json_pretty(&json)?;
    } else {
        session.out.fields(&[
            ("scope", read_scope(switch.scope)?.to_string()),
            ("kill switch", if switch.is_on { "on" } else { "off" }.to_owned()),
            ("reason", switch.reason),
            ("by", switch.actor),
            ("at", switch.update_time.as_ref().map(form::timestamp).unwrap_or_default()),
            ("revision", answer.revision),
        ])?;
    }
    if switch.this_replica_only {
        output::note(
            "the database is away: the switch is on in the replica that answered, and in no other, until the database \
             is back",
        );
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

fn status(args: &Status, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let switches = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let mut request = v1::ListKillSwitchesRequest { page_size: 1_000, page_token: String::new() };
        let mut switches = Vec::new();
        loop {
            let page =
                remote.answer(remote.admin().list_kill_switches(remote.call(request.clone())).await)?;
            switches.extend(page.kill_switches);
            if page.next_page_token.is_empty() {
                return Ok(switches);
            }
            request.page_token = page.next_page_token;
        }
    })?;
    if args.remote.json {
        let switches: Result<Vec<Value>, Failure> =
            switches.iter().map(|switch| form::of("KillSwitch", switch)).collect();
        session.out.json_pretty(&json!({"kill_switches": switches?}))?;
        return Ok(Exit::Done);
    }
    if switches.is_empty() {
        output::note("no kill switch is on");
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for switch in switches {
        rows.push(vec![
            read_scope(switch.scope)?.to_string(),
            if switch.this_replica_only { "this replica" } else { "everywhere" }.to_owned(),
            switch.update_time.as_ref().map(form::timestamp).unwrap_or_default(),
            switch.actor,
            switch.reason,
        ]);
    }
    session.out.table(&["STOPPED", "WHERE", "SINCE", "BY", "REASON"], &rows)?;
    Ok(Exit::Done)
}
