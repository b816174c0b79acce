//! `agentguard migrate`: bring the database to the schema this program needs.

use serde_json::{Value, json};

use super::output::{Style, note};
use super::{Exit, Failure, Session, block_on, failure};
use crate::clock::Timestamp;
use crate::config::{Config, Database, Flags, Program};
use crate::store::migrate::{BINARY, MIGRATIONS, Migration, ROLES, Status};
use crate::store::{Error, Location, Options, Store};

/// Bring the database to the schema this program needs
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: Up,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Up(Up),
    #[command(name = "status")]
    Show(Show),
    Roles(Roles),
}

/// Run the pending migrations, each in one transaction
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard migrate up
  agentguard migrate up --dry-run > pending.sql
  agentguard migrate --dry-run    (`up` may be left out)
  DATABASE_MIGRATE_URL=postgresql://owner@db/agentguard agentguard migrate up

Uses DATABASE_MIGRATE_URL, else DATABASE_DIRECT_URL, else DATABASE_URL (docs/configuration.md). Servers of the version \
before go on serving meanwhile. On PostgreSQL it also makes the months of audit_logs ahead, and grants the roles of `agentguard migrate roles` their \
rights, where there are such roles. Running it again changes nothing. With --json: {\"version\", \"applied\": [{\"version\", \
\"name\"}]}; with --dry-run also {\"sql\"} in each, and nothing is applied.")]
struct Up {
    /// Only print the SQL that would be run
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show which schema the database has, and what is pending
#[derive(Debug, clap::Args)]
#[command(
    name = "status",
    after_help = "\
Examples:
  agentguard migrate status
  agentguard migrate status --json

Exit code 0: this program can serve the database, 1: it cannot. With --json: {\"database\", \"version\", \"min_binary\", \
\"binary\", \"fits\", \"pending\": [{\"version\", \"name\"}]}."
)]
struct Show {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print the SQL that makes the roles of a deployment on PostgreSQL
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard migrate roles | psql postgresql://postgres@db/agentguard
  agentguard migrate roles > roles.sql    (to be read first)

For psql, as a superuser, in AgentGuard's database; nothing is connected to here. It makes agentguard_migrate (the \
owner), agentguard_app (what a server may do), agentguard_read (what an auditor may do) and the login agentguard, and \
hands tables that are there to the owner. `agentguard migrate up` then grants each its rights (docs/postgresql.md).")]
struct Roles {}

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    if let Some(Command::Roles(_)) = &args.command {
        return roles(session);
    }
    let config =
        Config::load(&Program::Migrate, session.env, &Flags::new()).map_err(Failure::Configuration)?;
    let up_args = match &args.command {
        None | Some(Command::Roles(_)) => &args.up,
        Some(Command::Up(args)) => args,
        Some(Command::Show(args)) => return status(args, &config, session),
    };
    if up_args.dry_run { dry_run(up_args, &config, session) } else { up(up_args, &config, session) }
}

fn up(args: &Up, config: &Config, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let now = session.clock.now();
    let (applied, status) = block_on(up_to_date(config, now))?;
    if args.json {
        let applied: Vec<Value> = applied.iter().map(|migration| shown(migration, None)).collect();
        session.out.json_pretty(&json!({"version": status.version, "applied": applied}))?;
        return Ok(Exit::Done);
    }
    for migration in &applied {
        session.out.line(format_args!("applied {:04} {}", migration.version, migration.name))?;
    }
    session.out.styled(Style::Good, format_args!("the database has schema {}", status.version))?;
    Ok(Exit::Done)
}

fn roles(session: &mut Session<'_>) -> Result<Exit, Failure> {
    session.out.line(ROLES.trim_end())?;
    Ok(Exit::Done)
}

/// Runs every pending migration and makes the audit's months ahead; answers the migrations that were run.
pub async fn up_to_date(
    config: &Config,
    now: Timestamp,
) -> Result<(Vec<&'static Migration>, Status), Failure> {
    let store = open(config).await?;
    let done = async {
        let applied = store.migrate(now).await?;
        // The months of the audit are the owner's to make; run on a schedule, this keeps them ahead.
        store.make_months(now).await?;
        Ok((applied, store.schema().await?))
    };
    let done = done.await.map_err(|error| failed(&error));
    store.close().await;
    done
}

fn dry_run(args: &Up, config: &Config, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let (status, pending) = block_on(async {
        if is_absent(config) {
            return Ok((EMPTY, MIGRATIONS.iter().map(|migration| (*migration, String::new())).collect()));
        }
        let store = open(config).await?;
        let status = store.schema().await.map_err(|error| failed(&error));
        let sql = |status: &Status| {
            let pending = status.pending().map(|migration| (*migration, migration.sql(&store).to_owned()));
            pending.collect::<Vec<(Migration, String)>>()
        };
        let found = status.map(|status| (status, sql(&status)));
        store.close().await;
        found
    })?;
    if args.json {
        let pending: Vec<Value> =
            pending.iter().map(|(migration, sql)| shown(migration, Some(sql))).collect();
        session.out.json_pretty(&json!({"version": status.version, "applied": [], "pending": pending}))?;
        return Ok(Exit::Done);
    }
    for (migration, sql) in &pending {
        session.out.line(format_args!(
            "-- {:04} {}\n{}",
            migration.version,
            migration.name,
            sql.trim_end()
        ))?;
    }
    session.out.flush()?;
    note(&format!("dry run: the database has schema {}, {} pending", status.version, pending.len()));
    Ok(Exit::Done)
}

fn status(args: &Show, config: &Config, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let status = block_on(async {
        if is_absent(config) {
            return Ok(EMPTY);
        }
        let store = open(config).await?;
        let status = store.schema().await.map_err(|error| failed(&error));
        store.close().await;
        status
    })?;
    let fits = status.fits();
    let database = config.database.to_string();
    if args.json {
        let pending: Vec<Value> = status.pending().map(|migration| shown(migration, None)).collect();
        session.out.json_pretty(&json!({
            "database": database,
            "version": status.version,
            "min_binary": status.min_binary,
            "binary": BINARY,
            "fits": fits.is_ok(),
            "pending": pending,
        }))?;
    } else {
        session.out.fields(&[
            ("database", database),
            ("schema", status.version.to_string()),
            ("this program", BINARY.to_string()),
        ])?;
        for migration in status.pending() {
            let line = format!("pending  {:04} {}", migration.version, migration.name);
            session.out.styled(Style::Notable, line)?;
        }
    }
    match fits {
        Ok(()) => Ok(Exit::Done),
        Err(error) => {
            session.out.flush()?;
            note(&error.to_string());
            Ok(Exit::Failed)
        }
    }
}

/// An empty database.
const EMPTY: Status = Status { version: 0, min_binary: 0 };

/// Whether the database is a file that is not there yet. Looking must not make it.
fn is_absent(config: &Config) -> bool {
    match &config.database {
        Database::Sqlite(path) => !path.exists(),
        Database::Postgres(_) => false,
    }
}

async fn open(config: &Config) -> Result<Store, Failure> {
    let location = match &config.database {
        Database::Sqlite(path) => Location::Sqlite(path.clone()),
        Database::Postgres(url) => {
            // The owner's role; a pooler would do, but migrations are long and hold locks.
            let owner = config.database_migrate.as_ref().or(config.database_direct.as_ref());
            Location::Postgres {
                url: owner.unwrap_or(url).expose().to_owned(),
                direct_url: owner.map(|owner| owner.expose().to_owned()),
            }
        }
    };
    let options =
        Options { max_connections: 2, acquire_timeout: config.pool.timeout, ..Options::at(location) };
    Store::open(&options).await.map_err(|error| failed(&error))
}

fn failed(error: &Error) -> Failure {
    Failure::failed(format!("database: {}", failure::causes(error)))
}

fn shown(migration: &Migration, sql: Option<&String>) -> Value {
    let mut value = json!({"version": migration.version, "name": migration.name});
    if let (Some(sql), Some(members)) = (sql, value.as_object_mut()) {
        members.insert("sql".to_owned(), sql.as_str().into());
    }
    value
}
