//! `agentguard policy apply` and `diff`: from files to policies, never blindly.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::change::{Change, changes};
use super::file::{self, Written};
use super::{Stored, read_scope, render, summaries, warn, write_failure};
use crate::cli::output::Style;
use crate::cli::remote::{self, Remote};
use crate::cli::{Exit, Failure, Session, block_on, input};
use crate::config::client::Role;
use crate::pb::v1;
use crate::policy::{self, Document, Scope, document};
use crate::service::convert;

/// Write policies from files: validate, show the difference, ask, write what changed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy apply -f policy.yaml
  agentguard policy apply -f policies/ --dry-run
  agentguard policy apply -f policies/ --prune --strict --yes
  generate-policies | agentguard policy apply -f - --yes --json

A file holds one or more policies (YAML documents, or JSON), each the whole policy of its scope: a rule that the file \
lacks is removed, as the difference shows. Policies of scopes that the files do not name stay, unless --prune is \
given. A policy that is the same already is not written. Asks on a terminal. Each write is refused if the policy \
was changed since its difference was shown, or is not the one of the file's `etag`. \
With --json: {\"dry_run\", \"policies\": [{\"scope\", \"origin\", \"change\": \"create|update|unchanged|delete\", \
\"version_before\", \"version\", \"etag\", \"revision\", \"changes\": [{\"list\", \"change\", \"before\", \"after\"}], \"warnings\"}]}.")]
pub struct Apply {
    /// A file, a directory of .yaml, .yml and .json files, or `-`; may be given again
    #[arg(long, short, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// Only show what would be written; the server checks it too
    #[arg(long)]
    dry_run: bool,
    /// Refuse policies with warnings
    #[arg(long)]
    strict: bool,
    /// Delete policies of scopes that the files do not name
    #[arg(long)]
    prune: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Show how policies in files differ from those in force
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy diff -f policy.yaml
  agentguard policy diff -f policies/ --prune --exit-code

Exit code 0; with --exit-code 1 where anything differs. With --json: as `policy apply --dry-run --json`.")]
pub struct Diff {
    /// A file, a directory of .yaml, .yml and .json files, or `-`; may be given again
    #[arg(long, short, value_name = "FILE", required = true)]
    file: Vec<PathBuf>,
    /// Show policies of scopes that the files do not name as deleted
    #[arg(long)]
    prune: bool,
    /// Exit with 1 where anything differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

/// What would become of the policy of one scope.
struct Step {
    scope: Scope,
    origin: String,
    /// The policy to write; `None`: delete the one there is.
    document: Option<Document>,
    /// Which state the write demands.
    etag: String,
    version_before: Option<i32>,
    changes: Vec<Change>,
    warnings: Vec<(String, String)>,
    done: Option<Done>,
}

/// What a write came to.
struct Done {
    version: Option<i32>,
    etag: String,
    revision: String,
}

impl Step {
    fn act(&self) -> &'static str {
        match (&self.document, self.version_before) {
            (None, _) => "delete",
            (Some(_), None) => "create",
            (Some(_), Some(_)) if self.changes.is_empty() => "unchanged",
            (Some(_), Some(_)) => "update",
        }
    }

    fn is_change(&self) -> bool {
        self.act() != "unchanged"
    }

    fn json(&self) -> Value {
        let scope = document::to_json(&Document::empty(self.scope.clone()));
        let warning = |(field, message): &(String, String)| json!({"field": field, "message": message});
        json!({
            "scope": scope.get("scope"),
            "origin": self.origin,
            "change": self.act(),
            "version_before": self.version_before,
            "version": self.done.as_ref().and_then(|done| done.version),
            "etag": self.done.as_ref().map(|done| &done.etag),
            "revision": self.done.as_ref().map(|done| &done.revision),
            "changes": self.changes.iter().map(Change::json).collect::<Vec<_>>(),
            "warnings": self.warnings.iter().map(warning).collect::<Vec<_>>(),
        })
    }
}

pub fn apply(args: &Apply, session: &mut Session<'_>) -> Result<Exit, Failure> {
    input::decided(args.remote.json, args.yes || args.dry_run)?;
    let policies = checked(&args.file, args.strict)?;
    let mut steps = block_on(plan(policies, args.prune, &args.remote, session))?;
    if !args.remote.json {
        show(&steps, session)?;
    }
    let count = steps.iter().filter(|step| step.is_change()).count();
    if !args.dry_run && count > 0 {
        session.out.flush()?;
        if !input::confirm(&format!("Write {count} of {} policies?", steps.len()), args.yes)? {
            return Err(Failure::failed("nothing was written"));
        }
    }
    let result = block_on(write(&mut steps, args, session));
    if args.remote.json {
        let policies: Vec<Value> = steps.iter().map(Step::json).collect();
        session.out.json_pretty(&json!({"dry_run": args.dry_run, "policies": policies}))?;
    } else if args.dry_run {
        session.out.line("dry run: nothing was written")?;
    } else {
        for step in &steps {
            let Some(done) = &step.done else { continue };
            let what = match done.version {
                Some(version) => format!("version {version} written"),
                None => "deleted".to_owned(),
            };
            let line = format!("{}: {what}, revision {}", step.scope, done.revision);
            session.out.styled(Style::Good, line)?;
        }
    }
    // What was written is told above, also where a later write failed.
    session.out.flush()?;
    result.map(|()| Exit::Done)
}

pub fn diff(args: &Diff, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let policies = checked(&args.file, false)?;
    let steps = block_on(plan(policies, args.prune, &args.remote, session))?;
    if args.remote.json {
        let policies: Vec<Value> = steps.iter().map(Step::json).collect();
        session.out.json_pretty(&json!({"dry_run": true, "policies": policies}))?;
    } else {
        show(&steps, session)?;
    }
    let differs = args.exit_code && steps.iter().any(Step::is_change);
    Ok(if differs { Exit::Failed } else { Exit::Done })
}

/// A policy of a file that compiles, with its warnings.
struct Checked {
    written: Written,
    /// As compiled: every rule has its id.
    document: Document,
    warnings: Vec<(String, String)>,
}

/// Reads and compiles every policy; all faults at once.
fn checked(paths: &[PathBuf], strict: bool) -> Result<Vec<Checked>, Failure> {
    let mut checked = Vec::new();
    let mut faults = Vec::new();
    for written in file::read(paths)? {
        match policy::compile(&written.document, render::nobody(), 0) {
            Ok((compiled, warnings)) => {
                let warnings: Vec<(String, String)> =
                    warnings.into_iter().map(|warning| (warning.field, warning.message)).collect();
                warn(&written.origin, &warnings);
                if strict && !warnings.is_empty() {
                    faults.push(format!("{}: has warnings, which --strict refuses", written.origin));
                }
                let document = compiled.document().clone();
                checked.push(Checked { written, document, warnings });
            }
            Err(found) => faults.extend(file::lines(&written.origin, &found)),
        }
    }
    if faults.is_empty() { Ok(checked) } else { Err(Failure::Failed(faults)) }
}

/// Compares every policy with the one in force.
async fn plan(
    policies: Vec<Checked>,
    prune: bool,
    flags: &remote::Flags,
    session: &Session<'_>,
) -> Result<Vec<Step>, Failure> {
    let remote = Remote::connect(flags, Role::Admin, session).await?;
    let mut steps = Vec::new();
    for Checked { written, document, warnings } in policies {
        let scope = written.document.scope.clone();
        let current = Stored::current(&remote, &scope).await?;
        let changes = changes(current.as_ref().map(|stored| &stored.document), Some(&document));
        let etag = current.as_ref().map_or("absent".to_owned(), |stored| stored.etag.clone());
        steps.push(Step {
            scope,
            origin: written.origin,
            // As written: ids that were made up must go on being made up.
            document: Some(written.document),
            etag: written.etag.unwrap_or(etag),
            version_before: current.map(|stored| stored.version),
            changes,
            warnings,
            done: None,
        });
    }
    if prune {
        for summary in summaries(&remote).await? {
            let scope = read_scope(summary.scope)?;
            if steps.iter().any(|step| step.scope == scope) {
                continue;
            }
            // Gone meanwhile: nothing is left to delete.
            let Some(stored) = Stored::current(&remote, &scope).await? else { continue };
            steps.push(Step {
                changes: changes(Some(&stored.document), None),
                scope,
                origin: "--prune".to_owned(),
                document: None,
                etag: stored.etag,
                version_before: Some(stored.version),
                warnings: Vec::new(),
                done: None,
            });
        }
    }
    Ok(steps)
}

fn show(steps: &[Step], session: &mut Session<'_>) -> Result<(), Failure> {
    for step in steps {
        let scope = &step.scope;
        match (step.act(), step.version_before) {
            ("unchanged", Some(version)) => {
                session.out.styled(Style::Faint, format_args!("{scope}: unchanged, version {version}"))?;
            }
            ("delete", Some(version)) => {
                session.out.styled(Style::Bad, format_args!("{scope}: delete version {version}"))?;
            }
            (_, Some(version)) => session.out.line(format_args!("{scope}: change version {version}"))?,
            (_, None) => session.out.line(format_args!("{scope}: new policy"))?,
        }
        render::changes(&step.changes, &mut session.out)?;
    }
    Ok(())
}

/// Writes every step that is a change, in order, and stops at the first that fails. A dry run lets the server check.
async fn write(steps: &mut [Step], args: &Apply, session: &Session<'_>) -> Result<(), Failure> {
    if !steps.iter().any(Step::is_change) {
        return Ok(());
    }
    let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
    for step in steps.iter_mut().filter(|step| step.is_change()) {
        let done = match &step.document {
            Some(document) => {
                let policy = v1::Policy { etag: step.etag.clone(), ..convert::policy(document) };
                let request = v1::SetPolicyRequest { policy: Some(policy), validate_only: args.dry_run };
                let answer = remote.answer(remote.admin().set_policy(remote.call(request)).await);
                answer.map(|answer| {
                    let policy = answer.policy.unwrap_or_default();
                    Done { version: Some(policy.version), etag: policy.etag, revision: answer.revision }
                })
            }
            None if args.dry_run => continue,
            None => {
                let request = v1::DeletePolicyRequest {
                    scope: Some(convert::scope_message(&step.scope)),
                    etag: step.etag.clone(),
                };
                let answer = remote.answer(remote.admin().delete_policy(remote.call(request)).await);
                answer.map(|answer| Done { version: None, etag: String::new(), revision: answer.revision })
            }
        };
        let done = done.map_err(|failure| write_failure(failure, &step.scope))?;
        if !args.dry_run {
            step.done = Some(done);
        }
    }
    Ok(())
}
