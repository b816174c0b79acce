//! `agentguard policy`: write, show, test and explain policies.

mod apply;
mod change;
mod explain;
mod file;
mod history;
mod render;
mod test;

pub use file::documents as policy_documents;

use serde_json::{Value, json};
use tonic::Code;

use super::output::note;
use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, input, json as form};
use crate::config::client::Role;
use crate::pb::v1;
use crate::policy::{Document, Scope};
use crate::service::convert;

/// Write, show, test and explain policies
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Apply(apply::Apply),
    Diff(apply::Diff),
    Get(Get),
    List(List),
    Test(test::Args),
    Explain(Box<explain::Args>),
    Versions(history::Versions),
    Rollback(history::Rollback),
    Delete(history::Delete),
}

/// Show the policy of a scope, or an earlier version of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy get --everyone
  agentguard policy get --team data --version 3
  agentguard policy get --agent agt_01h455vb4pex5vsknk084sn02q > policy.yaml

Prints the policy as a file that `agentguard policy apply` takes, with its `etag`. With --json: the answer of the RPC \
GetPolicy, {\"policy\": …}.")]
pub struct Get {
    #[command(flatten)]
    scope: input::ScopeFlags,
    /// An earlier version
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    version: i32,
    #[command(flatten)]
    remote: remote::Flags,
}

/// List the policies there are, without their rules
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy list

With --json: {\"policies\": […]}.")]
pub struct List {
    #[command(flatten)]
    remote: remote::Flags,
}

pub fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Apply(args) => apply::apply(&args, session),
        Command::Diff(args) => apply::diff(&args, session),
        Command::Get(args) => get(&args, session),
        Command::List(args) => list(&args, session),
        Command::Test(args) => test::run(&args, session),
        Command::Explain(args) => explain::run(*args, session),
        Command::Versions(args) => history::versions(&args, session),
        Command::Rollback(args) => history::rollback(&args, session),
        Command::Delete(args) => history::delete(&args, session),
    }
}

fn get(args: &Get, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let scope = args.scope.scope()?;
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let request =
            v1::GetPolicyRequest { scope: Some(convert::scope_message(&scope)), version: args.version };
        remote.answer(remote.admin().get_policy(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("GetPolicyResponse", &answer)?)?;
        return Ok(Exit::Done);
    }
    let stored = Stored::read(answer.policy)?;
    let etag = (!stored.etag.is_empty()).then_some(stored.etag.as_str());
    session.out.raw(render::yaml(&stored.document, etag)?.as_bytes())?;
    Ok(Exit::Done)
}

fn list(args: &List, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let policies = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        summaries(&remote).await
    })?;
    if args.remote.json {
        let policies: Result<Vec<Value>, Failure> =
            policies.iter().map(|policy| form::of("PolicySummary", policy)).collect();
        session.out.json_pretty(&json!({"policies": policies?}))?;
        return Ok(Exit::Done);
    }
    let mut rows = Vec::new();
    for policy in policies {
        rows.push(vec![
            read_scope(policy.scope)?.to_string(),
            policy.policy_id,
            policy.version.to_string(),
            policy.deny_count.to_string(),
            policy.require_approval_count.to_string(),
            policy.allow_count.to_string(),
            policy.update_time.as_ref().map(form::timestamp).unwrap_or_default(),
        ]);
    }
    let headings = ["SCOPE", "POLICY", "VERSION", "DENY", "APPROVAL", "ALLOW", "WRITTEN"];
    session.out.table(&headings, &rows)?;
    Ok(Exit::Done)
}

/// Every policy there is, without rules.
async fn summaries(remote: &Remote) -> Result<Vec<v1::PolicySummary>, Failure> {
    let mut request = v1::ListPoliciesRequest { page_size: 1_000, page_token: String::new() };
    let mut policies = Vec::new();
    loop {
        let page = remote.answer(remote.admin().list_policies(remote.call(request.clone())).await)?;
        policies.extend(page.policies);
        if page.next_page_token.is_empty() {
            return Ok(policies);
        }
        request.page_token = page.next_page_token;
    }
}

/// A policy as the server has it.
#[derive(Debug)]
struct Stored {
    document: Document,
    version: i32,
    etag: String,
}

impl Stored {
    fn read(policy: Option<v1::Policy>) -> Result<Self, Failure> {
        let mut faults = convert::Faults::default();
        let policy = policy.ok_or_else(|| Failure::failed("the server's answer holds no policy"))?;
        let (version, etag) = (policy.version, policy.etag.clone());
        let document = convert::document("policy", policy, &mut faults);
        let document = faults
            .or(document)
            .map_err(|error| Failure::failed(format!("the server's policy cannot be read: {error}")))?;
        Ok(Self { document, version, etag })
    }

    /// The policy of `scope` that is in force; `None` if there is none.
    async fn current(remote: &Remote, scope: &Scope) -> Result<Option<Self>, Failure> {
        Self::fetch(remote, scope, 0).await
    }

    /// A version of the policy of `scope`, 0 for the one in force; `None` if there is none.
    async fn fetch(remote: &Remote, scope: &Scope, version: i32) -> Result<Option<Self>, Failure> {
        let request = v1::GetPolicyRequest { scope: Some(convert::scope_message(scope)), version };
        match remote.answer(remote.admin().get_policy(remote.call(request)).await) {
            Ok(answer) => Self::read(answer.policy).map(Some),
            Err(Failure::Refused(refusal)) if refusal.code == Code::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

pub(super) fn read_scope(scope: Option<v1::Scope>) -> Result<Scope, Failure> {
    let mut faults = convert::Faults::default();
    let scope = convert::scope("scope", scope, &mut faults);
    faults.or(scope).map_err(|error| Failure::failed(format!("the server's answer cannot be read: {error}")))
}

/// Says what a write was refused for; where the policy moved on meanwhile, what to do.
fn write_failure(failure: Failure, scope: &Scope) -> Failure {
    let Failure::Refused(refusal) = &failure else { return failure };
    if refusal.code != Code::Aborted {
        return failure;
    }
    Failure::Failed(vec![
        format!("the policy of {scope} was changed since the difference was shown; it was not written"),
        "run the command again and look at the new difference".to_owned(),
        format!("  request id: {}", refusal.request_id),
    ])
}

fn warn(origin: &str, warnings: &[(String, String)]) {
    for (field, message) in warnings {
        note(&format!("warning: {origin}: {field}: {message}"));
    }
}
