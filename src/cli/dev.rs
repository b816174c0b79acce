//! `agentguard dev`: a whole AgentGuard for one machine, from one command.

mod directory;
mod first;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Exit, Failure, Session, serve};
use crate::config::{self, Config, Flags, Program, Secret};
use directory::{ADMIN_KEY, AGENT_KEY, Directory};

/// Serve on this machine, with database, keys, an agent and a policy of its own making
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard dev
  agentguard dev --data-dir /tmp/guard --port 0 --json

Keeps its SQLite file and its keys in the data directory (0700, keys 0600), the same at the next start; deleting the \
directory starts anew. Migrates by itself. Other settings come from the environment and from .env in the working \
directory (docs/configuration.md); DATABASE_URL is not read. With --json: one object on standard output once it \
serves, {\"address\", \"admin_key\", \"agent_id\", \"agent_key\"}. Logs go to standard error.")]
pub struct Args {
    /// Where the database and the keys are kept
    #[arg(long, value_name = "PATH", default_value = ".agentguard")]
    data_dir: PathBuf,
    /// The port on the loopback address; 0 takes a free one [env: PORT] [default: 8000]
    #[arg(long)]
    port: Option<u16>,
    /// Print one JSON object once it serves
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, program: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let directory = Directory::open(&args.data_dir)?;
    let program_kind = Program::Dev { database: directory.database(), admin_key: directory.admin_key()? };
    let env = config::with_dotenv(session.env, Path::new(".")).map_err(Failure::Configuration)?;
    let flags: Flags = args.port.iter().map(|port| ("PORT".to_owned(), port.to_string())).collect();
    let config = Config::load(&program_kind, env, &flags).map_err(Failure::Configuration)?;
    let admin_key = config.admin_keys.first().cloned().unwrap_or_else(|| Secret::new(""));
    let clock = session.clock.clone();
    serve::run_until_stopped(&config, clock, true, async |address| {
        let agent = first::agent(&address, &admin_key, &directory).await?;
        if args.json {
            session.out.json(&json!({
                "address": address,
                "admin_key": admin_key.expose(),
                "agent_id": agent.id,
                "agent_key": agent.key.expose(),
            }))?;
        } else {
            greet(&address, &agent, &admin_key, &directory, program, session)?;
        }
        session.out.flush()
    })
}

fn greet(
    address: &str,
    agent: &first::Agent,
    admin_key: &Secret,
    directory: &Directory,
    program: &str,
    session: &mut Session<'_>,
) -> Result<(), Failure> {
    let (admin_file, agent_file) = (directory.path(ADMIN_KEY), directory.path(AGENT_KEY));
    let authority = address.strip_prefix("http://").unwrap_or(address);
    let program = quoted(program);
    let body = r#"'{"action": "read:file", "resource": "test.txt"}'"#;
    session.out.line(format_args!("AgentGuard serves on {address}; Ctrl-C stops it.\n"))?;
    session.out.fields(&[
        ("  admin key", format!("{}  ({})", admin_key.expose(), admin_file.display())),
        ("  agent key", format!("{}  ({})", agent.key.expose(), agent_file.display())),
        ("  agent", agent.id.clone()),
    ])?;
    session.out.line(format_args!(
        "
Paste into another terminal:

  export AGENTGUARD_ENDPOINT={address}
  export AGENTGUARD_ADMIN_KEY={}
  export AGENTGUARD_API_KEY={}

  {program} enforce read:file --resource test.txt
  {program} enforce delete:file --resource test.txt
  curl -X POST {address}/enforce -H \"X-Agent-Key: $AGENTGUARD_API_KEY\" -H \"Content-Type: application/json\" -d {body}
  grpcurl -plaintext -H \"x-agent-key: $AGENTGUARD_API_KEY\" -d {body} {authority} agentguard.v1.EnforcementService/Enforce
  {program} policy get --everyone
  {program} audit list
",
        admin_key.expose(),
        agent.key.expose(),
    ))
}

/// `text` as a word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_is_one_word() {
        assert_eq!(quoted("target/debug/agentguard"), "target/debug/agentguard");
        assert_eq!(quoted("/my tools/it's"), r"'/my tools/it'\''s'");
    }
}
