//! `agentguard serve`: the server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use clap::{Arg, ArgMatches, Command};

use super::{Exit, Failure, Session, failure, migrate};
use crate::clock::Clock;
use crate::config::setting::{SETTINGS, Setting};
use crate::config::{Config, Flags, Program};
use crate::server::{build, stop_on_signals};
use crate::telemetry;

/// Serve: settings are environment variables, and all but secrets are flags too
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  ADMIN_API_KEY_FILE=/run/secrets/admin-key agentguard serve --port 8000
  DATABASE_URL=postgresql://agentguard@db/agentguard ADMIN_API_KEY=… agentguard serve
  agentguard serve --host 127.0.0.1 --log-format text

The database must be migrated (`agentguard migrate up`). SIGTERM or SIGINT drains and stops; a second one cuts. \
docs/configuration.md says what each setting means. Exit code 64: wrong configuration, every fault on its line.")]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
}

/// One flag for each setting, made from the table of settings.
#[derive(Debug)]
struct Settings(Flags);

impl clap::Args for Settings {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().fold(command, |command, (heading, settings)| {
            settings
                .iter()
                .fold(command.next_help_heading(*heading), |command, setting| command.arg(flag(setting)))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS.iter().flat_map(|(_, settings)| settings.iter()).filter_map(|setting| {
            let value = matches.get_one::<String>(&setting.flag())?;
            Some((variable(setting), value.clone()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = <Self as clap::FromArgMatches>::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The variable that a setting's flag stands for.
fn variable(setting: &Setting) -> String {
    setting.file_variable().unwrap_or_else(|| setting.name.to_owned())
}

fn flag(setting: &Setting) -> Arg {
    let is_file = setting.kind.is_secret();
    let what = match (is_file, setting.default) {
        (true, _) => format!("A file that holds it [env: {}, {}]", setting.name, variable(setting)),
        (false, Some(default)) => format!("[env: {}] [default: {default}]", setting.name),
        (false, None) => format!("[env: {}]", setting.name),
    };
    Arg::new(setting.flag())
        .long(setting.flag())
        .value_name(if is_file { "PATH" } else { "VALUE" })
        .help(what)
}

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let config =
        Config::load(&Program::Serve, session.env, &args.settings.0).map_err(Failure::Configuration)?;
    run_until_stopped(&config, session.clock.clone(), false, async |_| Ok(()))
}

/// Serves until a signal asks for the end; `once_serving` is told the address. `migrate` brings the schema up first.
pub fn run_until_stopped(
    config: &Config,
    clock: Clock,
    migrate: bool,
    once_serving: impl AsyncFnOnce(String) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::failed(failure::causes(error));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(&error))?;
    {
        let _around = runtime.enter();
        telemetry::start(config.log, config.collector.as_ref(), clock.clone())
            .map_err(|error| failed(&error))?;
    }
    let ended = serve(config, &runtime, clock, migrate, once_serving);
    // What follows is written to standard error, too.
    telemetry::flush();
    ended
}

fn serve(
    config: &Config,
    runtime: &tokio::runtime::Runtime,
    clock: Clock,
    migrate: bool,
    once_serving: impl AsyncFnOnce(String) -> Result<(), Failure>,
) -> Result<Exit, Failure> {
    let failed = |error: &(dyn std::error::Error + 'static)| Failure::failed(failure::causes(error));
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    runtime.block_on(async {
        // Heard from the beginning, so that a stop during the start is not the system's kill.
        let (stop, signals) = stop_on_signals().map_err(|error| failed(&error))?;
        let whole_life = async {
            if migrate {
                migrate::up_to_date(config, clock.now()).await?;
            }
            let server = build(config, clock).await.map_err(|error| failed(&error))?;
            let address = server.address().map_err(|error| failed(&error))?;
            let scheme = if server.is_tls() { "https" } else { "http" };
            let serving = server.run(stop);
            tokio::pin!(serving);
            // The server must run while it is spoken to.
            tokio::select! {
                ended = &mut serving => return ended.map_err(|error| failed(&error)),
                told = once_serving(local(scheme, address)) => told?,
            }
            serving.await.map_err(|error| failed(&error))
        };
        tokio::select! {
            ended = whole_life => ended.map(|()| Exit::Done),
            () = signals => Err(Failure::failed("the process can hear no more signals")),
        }
    })
}

/// How this machine reaches a server that listens on `address`.
fn local(scheme: &str, address: SocketAddr) -> String {
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(host, address.port()))
}
