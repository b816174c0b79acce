//! The command line: parse, run, exit code.
//!
//! Exit codes: 0 done or allowed, 1 failed, tampered or failing cases, 2 usage, 3 denied, 4 needs approval,
//! 64 configuration, 69 server unreachable.
//!
//! **Invariant:** only `enforce` that was answered with ALLOW, and commands that were done, exit with 0. Results go
//! to standard output, everything said about them to standard error; keys are never arguments.

mod action;
mod agent;
mod audit;
mod completions;
mod dev;
pub mod document;
mod enforce;
mod failure;
mod health;
mod input;
mod json;
mod key;
mod kill;
mod migrate;
mod output;
mod policy;
mod remote;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::{Exit, Failure};
pub use policy::policy_documents;

use crate::clock::Clock;
use output::Output;

/// An AI agent asks before it acts: AgentGuard decides, records the decision and answers.
#[derive(Debug, Parser)]
#[command(name = "agentguard", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Dev(dev::Args),
    Migrate(migrate::Args),
    Enforce(enforce::Args),
    Action(action::Args),
    #[command(subcommand)]
    Agent(agent::Command),
    #[command(subcommand)]
    Key(key::Command),
    #[command(subcommand)]
    Policy(policy::Command),
    #[command(subcommand)]
    Kill(kill::Command),
    #[command(subcommand)]
    Audit(audit::Command),
    Health(health::Args),
    Completions(completions::Args),
}

const EXIT_CODES: &str = "\
Exit codes:
  0   done, or allowed
  1   failed; the audit was tampered with; a case fails
  2   wrong usage
  3   denied
  4   needs approval
  64  wrong configuration
  69  the server does not answer

Environment: AGENTGUARD_ENDPOINT (default http://127.0.0.1:8000), AGENTGUARD_ADMIN_KEY for `agent`, `key`, `policy`, \
`kill` and `audit`, AGENTGUARD_API_KEY for `enforce`; each key also as a file in AGENTGUARD_ADMIN_KEY_FILE and \
AGENTGUARD_API_KEY_FILE. Keys are never arguments, because every user of the machine can see those.";

/// What every command is given besides its arguments.
pub(crate) struct Session<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    clock: Clock,
    out: Output,
}

/// Runs the program with `args` and the environment `env`.
pub fn main(args: impl IntoIterator<Item = OsString>, env: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let program = args.first().map_or("agentguard".into(), |program| program.to_string_lossy().into_owned());
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(message) => {
            // `--help` and `--version` come this way too; if nobody reads them there is nobody to tell.
            message.print().ok();
            return ExitCode::from(u8::try_from(message.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    let mut session = Session { env, clock: Clock::System, out: Output::standard(env) };
    let result = run(cli.command, &program, &mut session);
    let result = result.and_then(|exit| session.out.flush().map(|()| exit));
    let exit = result.unwrap_or_else(|failure| {
        failure.report();
        failure.exit()
    });
    ExitCode::from(exit as u8)
}

fn run(command: Command, program: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Serve(args) => serve::run(&args, session),
        Command::Dev(args) => dev::run(&args, program, session),
        Command::Migrate(args) => migrate::run(&args, session),
        Command::Enforce(args) => enforce::run(args, session),
        Command::Action(args) => action::run(&args, session),
        Command::Agent(command) => agent::run(command, session),
        Command::Key(command) => key::run(command, session),
        Command::Policy(command) => policy::run(command, session),
        Command::Kill(command) => kill::run(command, session),
        Command::Audit(command) => audit::run(command, session),
        Command::Health(args) => health::run(&args, session),
        Command::Completions(args) => completions::run(&args, session),
    }
}

/// Runs a client command's calls to their end.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("the runtime does not start: {error}")))?.block_on(work)
}
