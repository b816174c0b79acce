//! `agentguard policy explain`: what would be decided, and what every rule has to say.

use std::path::PathBuf;

use super::file;
use crate::cli::output::{Style, printable};
use crate::cli::remote::{self, Remote};
use crate::cli::{Exit, Failure, Session, block_on, enforce, input, json as form};
use crate::config::client::Role;
use crate::pb::v1::{self, RuleOutcome, test_policy_request::Subject};
use crate::service::convert;

/// Explain what would be decided, without deciding: what every rule has to say
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy explain read:file -r notes.txt --agent agt_01h455vb4pex5vsknk084sn02q
  agentguard policy explain deploy --team ops --environment production --now 2026-01-05T23:00:00Z
  agentguard policy explain delete:file -r /etc/passwd --team ops --environment staging -f candidate.yaml --all

Nothing is recorded or changed. With --file, candidate policies take the place of the stored ones of the same scope. \
Exit code 0: explained, whatever the verdict. With --json: the answer of the RPC TestPolicy.")]
pub struct Args {
    #[command(flatten)]
    check: enforce::Check,
    /// The stored agent that asks
    #[arg(long, value_name = "AGENT_ID", required_unless_present = "team", conflicts_with = "team")]
    agent: Option<String>,
    /// The team of a described agent that asks
    #[arg(long, requires = "environment")]
    team: Option<String>,
    /// The environment of a described agent
    #[arg(long, short, requires = "team")]
    environment: Option<String>,
    /// The name of a described agent
    #[arg(long, default_value = "described", requires = "team", hide_default_value = true)]
    name: String,
    /// A label of a described agent: `name=text`
    #[arg(long, value_name = "LABEL", requires = "team")]
    label: Vec<String>,
    /// The time to decide at; without: now
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// Candidate policies: a file, a directory or `-`
    #[arg(long, short = 'f', value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Leave the stored policies out
    #[arg(long, requires = "file")]
    candidates_only: bool,
    /// Show rules whose action or resource does not match, too
    #[arg(long)]
    all: bool,
    /// Decide as if no kill switch were on
    #[arg(long)]
    ignore_kill_switches: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

pub fn run(args: Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let candidates = if args.file.is_empty() { Vec::new() } else { file::read(&args.file)? };
    let now = session.clock.now();
    let subject = match args.agent {
        Some(id) => Subject::AgentId(id),
        None => Subject::Agent(v1::Agent {
            name: args.name,
            team: args.team.unwrap_or_default(),
            environment: args.environment.unwrap_or_default(),
            labels: input::labels(&args.label)?,
            ..Default::default()
        }),
    };
    let time = args.now.map(|text| input::time("--now", &text, now, input::Shift::On)).transpose()?;
    let request = v1::TestPolicyRequest {
        subject: Some(subject),
        request: Some(args.check.request()?),
        candidates: candidates.iter().map(|candidate| convert::policy(&candidate.document)).collect(),
        candidates_only: args.candidates_only,
        now: time,
        show_unmatched: args.all,
        ignore_kill_switches: args.ignore_kill_switches,
    };
    let answer = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        remote.answer(remote.admin().test_policy(remote.call(request)).await)
    })?;
    if args.remote.json {
        session.out.json_pretty(&form::of("TestPolicyResponse", &answer)?)?;
        return Ok(Exit::Done);
    }
    let decision =
        answer.decision.as_ref().ok_or_else(|| Failure::failed("the server's answer holds no decision"))?;
    enforce::show(decision, session)?;
    for rule in &answer.rules {
        show(rule, session)?;
    }
    if answer.rules_omitted > 0 {
        session.out.line(format_args!("{} further rules are left out", answer.rules_omitted))?;
    }
    let (tested, steps) = (answer.rules_tested, answer.steps_used);
    session.out.styled(Style::Faint, format_args!("{tested} rules tested, {steps} steps used"))?;
    for warning in &answer.warnings {
        crate::cli::output::note(&format!("warning: {}: {}", warning.field, warning.message));
    }
    Ok(Exit::Done)
}

fn show(rule: &v1::RuleExplanation, session: &mut Session<'_>) -> Result<(), Failure> {
    let (style, word) = match rule.outcome() {
        RuleOutcome::Matched => (Style::Good, "matched"),
        RuleOutcome::ConditionFalse => (Style::Faint, "condition false"),
        RuleOutcome::Error => (Style::Bad, "error"),
        RuleOutcome::NotMatched => (Style::Faint, "not matched"),
        RuleOutcome::NotEvaluated => (Style::Notable, "not evaluated"),
        RuleOutcome::Unspecified => (Style::Notable, "unknown"),
    };
    let plain = |name: &str, prefix: &str| name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase();
    let scope = plain(rule.scope().as_str_name(), "SCOPE_KIND_");
    let list = plain(rule.list().as_str_name(), "RULE_LIST_");
    let mark = if rule.is_deciding { ">" } else { " " };
    let word = session.out.paint(style, format_args!("{word:15}"));
    let mut line = format!("{mark} {word}  {list}[{}]  {scope}  {}", rule.index, printable(&rule.rule_id));
    if !rule.error.is_empty() {
        line.push_str(&format!("  {}", printable(&rule.error)));
    }
    session.out.line(line)
}
