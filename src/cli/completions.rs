//! `agentguard completions`: completion scripts for shells.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::{Cli, Exit, Failure, Session};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: Shell,
}

const EXAMPLES: &str = "\
Examples:
  agentguard completions bash > /etc/bash_completion.d/agentguard
  agentguard completions zsh > \"${fpath[1]}/_agentguard\"
  agentguard completions fish > ~/.config/fish/completions/agentguard.fish";

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    // Written to memory first: the generator panics where its writer fails, and a pipe may close.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "agentguard", &mut script);
    session.out.raw(&script)?;
    Ok(Exit::Done)
}
