//! `agentguard action`: the canonical form of an action's name.

use serde_json::json;

use super::{Exit, Failure, Session};
use crate::policy::Action;

/// Print the canonical form of action names, as rules see them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The names as tools have them
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  agentguard action readFile                      read:file
  agentguard action mcp__github__create_issue     mcp:github:create_issue
  agentguard action --json 'GET /users'           {\"action\":\"get:users\",\"name\":\"GET /users\"}

Needs no server. A name without a form is named on standard error, exit code 1.";

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut refused = Vec::new();
    for name in &args.names {
        match Action::parse(name) {
            Ok(action) if args.json => {
                session.out.json(&json!({"name": name, "action": action.as_str()}))?;
            }
            Ok(action) => session.out.line(action)?,
            Err(invalid) => refused.push(format!("`{name}` {invalid}")),
        }
    }
    if refused.is_empty() { Ok(Exit::Done) } else { Err(Failure::Failed(refused)) }
}
