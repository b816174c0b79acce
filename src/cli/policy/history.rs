//! `agentguard policy versions | rollback | delete`.

use serde_json::{Value, json};

use super::{Stored, change, render, write_failure};
use crate::cli::output::Style;
use crate::cli::remote::{self, Remote};
use crate::cli::{Exit, Failure, Session, block_on, input, json as form};
use crate::config::client::Role;
use crate::pb::v1;
use crate::service::convert;

/// List the versions of a scope's policy, also after a deletion
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy versions --everyone

With --json: {\"versions\": […]}, the newest first.")]
pub struct Versions {
    #[command(flatten)]
    scope: input::ScopeFlags,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Write the rules of an earlier version again, as the next version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy rollback --everyone --to 3 --dry-run
  agentguard policy rollback --team data --to 3 --yes

Shows the difference and asks on a terminal. With --json: the answer of the RPC RollbackPolicy, {\"policy\", \"warnings\", \
\"revision\"}; with --dry-run: {\"changes\": […]}.")]
pub struct Rollback {
    #[command(flatten)]
    scope: input::ScopeFlags,
    /// The version to go back to
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    to: i32,
    /// Only show the difference
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Delete the policy of a scope; its versions stay
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy delete --agent agt_01h455vb4pex5vsknk084sn02q
  agentguard policy delete --team data --yes

Asks on a terminal. What no other policy allows is denied from then on. With --json: the answer of the RPC \
DeletePolicy, {\"revision\"}.")]
pub struct Delete {
    #[command(flatten)]
    scope: input::ScopeFlags,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

pub fn versions(args: &Versions, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let scope = args.scope.scope()?;
    let versions = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let mut request = v1::ListPolicyVersionsRequest {
            scope: Some(convert::scope_message(&scope)),
            page_size: 1_000,
            page_token: String::new(),
        };
        let mut versions = Vec::new();
        loop {
            let page =
                remote.answer(remote.admin().list_policy_versions(remote.call(request.clone())).await)?;
            versions.extend(page.versions);
            if page.next_page_token.is_empty() {
                return Ok(versions);
            }
            request.page_token = page.next_page_token;
        }
    })?;
    if args.remote.json {
        let versions: Result<Vec<Value>, Failure> =
            versions.iter().map(|version| form::of("PolicyVersion", version)).collect();
        session.out.json_pretty(&json!({"versions": versions?}))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = versions
        .into_iter()
        .map(|version| {
            let state = match (version.is_current, version.is_deletion) {
                (true, true) => "deleted",
                (true, false) => "in force",
                (false, true) => "deletion",
                (false, false) => "",
            };
            vec![
                version.version.to_string(),
                version.create_time.as_ref().map(form::timestamp).unwrap_or_default(),
                state.to_owned(),
                version.actor,
            ]
        })
        .collect();
    session.out.table(&["VERSION", "WRITTEN", "STATE", "BY"], &rows)?;
    Ok(Exit::Done)
}

pub fn rollback(args: &Rollback, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let scope = args.scope.scope()?;
    input::decided(args.remote.json, args.yes || args.dry_run)?;
    let (current, target) = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let current = Stored::current(&remote, &scope).await?;
        let target = Stored::fetch(&remote, &scope, args.to).await?;
        Ok((current, target))
    })?;
    let Some(target) = target else {
        return Err(Failure::failed(format!(
            "{scope} has no version {} (see `agentguard policy versions`)",
            args.to
        )));
    };
    let changes = change::changes(current.as_ref().map(|stored| &stored.document), Some(&target.document));
    if args.dry_run && args.remote.json {
        let changes: Vec<Value> = changes.iter().map(change::Change::json).collect();
        session.out.json_pretty(&json!({"changes": changes}))?;
        return Ok(Exit::Done);
    }
    if !args.remote.json {
        let from =
            current.as_ref().map_or("no policy".to_owned(), |stored| format!("version {}", stored.version));
        session.out.line(format_args!("{scope}: {from} to the rules of version {}", args.to))?;
        render::changes(&changes, &mut session.out)?;
        session.out.flush()?;
    }
    if args.dry_run {
        return Ok(Exit::Done);
    }
    if !input::confirm("Roll back?", args.yes)? {
        return Err(Failure::failed("nothing was written"));
    }
    let etag = current.map_or("absent".to_owned(), |stored| stored.etag);
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let request =
            v1::RollbackPolicyRequest { scope: Some(convert::scope_message(&scope)), version: args.to, etag };
        remote.answer(remote.admin().rollback_policy(remote.call(request)).await)
    })
    .map_err(|failure| write_failure(failure, &scope))?;
    if args.remote.json {
        session.out.json_pretty(&form::of("RollbackPolicyResponse", &answer)?)?;
    } else {
        let version = answer.policy.map(|policy| policy.version).unwrap_or_default();
        let line = format!("{scope}: version {version} written, revision {}", answer.revision);
        session.out.styled(Style::Good, line)?;
    }
    Ok(Exit::Done)
}

pub fn delete(args: &Delete, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let scope = args.scope.scope()?;
    input::decided(args.remote.json, args.yes)?;
    let current = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        Stored::current(&remote, &scope).await
    })?;
    let Some(current) = current else {
        return Err(Failure::failed(format!("{scope} has no policy")));
    };
    let question = format!("Delete the policy of {scope} (version {})?", current.version);
    if !input::confirm(&question, args.yes)? {
        return Err(Failure::failed("nothing was deleted"));
    }
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let request =
            v1::DeletePolicyRequest { scope: Some(convert::scope_message(&scope)), etag: current.etag };
        remote.answer(remote.admin().delete_policy(remote.call(request)).await)
    })
    .map_err(|failure| write_failure(failure, &scope))?;
    if args.remote.json {
        session.out.json_pretty(&form::of("DeletePolicyResponse", &answer)?)?;
    } else {
        session.out.line(format_args!("{scope}: policy deleted, revision {}", answer.revision))?;
    }
    Ok(Exit::Done)
}
