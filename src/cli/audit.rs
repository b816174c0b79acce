//! `agentguard audit`: read, follow and verify the audit.

mod follow;
mod verify;

use serde_json::{Value, json};

use super::output::{Style, printable};
use super::remote::{self, Remote};
use super::{Exit, Failure, Session, block_on, input, json as form};
use crate::clock::Timestamp;
use crate::config::client::Role;
use crate::pb::v1::{self, RecordKind, Verdict};

/// Read, follow and verify the audit
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    List(List),
    Follow(follow::Args),
    Verify(verify::Args),
}

/// List records, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard audit list
  agentguard audit list --agent agt_01h455vb4pex5vsknk084sn02q --allowed false --since 24h
  agentguard audit list --kind admin --limit 200
  agentguard audit list --decision dec_01h455vb4pex5vsknk084sn02q --json

With --json: {\"records\": […], \"next_page_token\": \"…\"}; the token is not empty where there is more, and goes on with \
--page-token.")]
pub struct List {
    #[command(flatten)]
    filter: Filter,
    /// Only records written at this time or later: a time, or a span ago (`2h`, `30d`)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records written before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many records
    #[arg(long, value_name = "N", default_value = "50")]
    limit: usize,
    /// The oldest first
    #[arg(long)]
    oldest_first: bool,
    /// Go on where an earlier list ended
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    page_token: String,
    #[command(flatten)]
    remote: remote::Flags,
}

/// Which records are meant.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only records about this agent
    #[arg(long, value_name = "AGENT_ID", default_value = "", hide_default_value = true)]
    agent: String,
    /// Only records with this action, in any spelling
    #[arg(long, default_value = "", hide_default_value = true)]
    action: String,
    /// Only decisions that were allowed (`true`), or that were not (`false`)
    #[arg(long, value_name = "BOOL")]
    allowed: Option<bool>,
    /// Only records of this kind
    #[arg(long, value_name = "KIND", value_parser = ["decision", "outcome", "report", "admin", "chain", "tombstone"])]
    kind: Option<String>,
    /// Only the record of this decision, and of its outcome
    #[arg(long, value_name = "DECISION_ID", default_value = "", hide_default_value = true)]
    decision: String,
}

impl Filter {
    fn wire(&self) -> v1::RecordFilter {
        let kind = self.kind.as_ref().and_then(|name| {
            RecordKind::from_str_name(&format!("RECORD_KIND_{}", name.to_ascii_uppercase()))
        });
        v1::RecordFilter {
            agent_id: self.agent.clone(),
            action: self.action.clone(),
            allowed: self.allowed,
            kind: kind.map_or(0, i32::from),
            decision_id: self.decision.clone(),
            start_time: None,
            end_time: None,
        }
    }
}

pub fn run(command: Command, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match command {
        Command::List(args) => list(args, session),
        Command::Follow(args) => follow::run(&args, session),
        Command::Verify(args) => verify::run(args, session),
    }
}

fn list(args: List, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let now = session.clock.now();
    let time = |flag: &str, text: &Option<String>, now: Timestamp| {
        text.as_ref().map(|text| input::time(flag, text, now, input::Shift::Back)).transpose()
    };
    let filter = v1::RecordFilter {
        start_time: time("--since", &args.since, now)?,
        end_time: time("--until", &args.until, now)?,
        ..args.filter.wire()
    };
    let (records, token) = block_on(async {
        let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
        let mut records = Vec::new();
        let mut token = args.page_token;
        loop {
            let missing = args.limit.saturating_sub(records.len());
            if missing == 0 {
                return Ok((records, token));
            }
            let request = v1::ListAuditRecordsRequest {
                filter: Some(filter.clone()),
                page_size: i32::try_from(missing.min(1_000)).unwrap_or(1_000),
                page_token: token,
                oldest_first: args.oldest_first,
            };
            let page = remote.answer(remote.admin().list_audit_records(remote.call(request)).await)?;
            records.extend(page.records);
            token = page.next_page_token;
            if token.is_empty() {
                return Ok((records, token));
            }
        }
    })?;
    if args.remote.json {
        let records: Result<Vec<Value>, Failure> =
            records.iter().map(|record| form::of("AuditRecord", record)).collect();
        session.out.json_pretty(&json!({"records": records?, "next_page_token": token}))?;
        return Ok(Exit::Done);
    }
    for record in &records {
        show(record, session)?;
    }
    session.out.flush()?;
    if !token.is_empty() {
        super::output::note(&format!("there is more: --limit, or --page-token {token}"));
    }
    Ok(Exit::Done)
}

/// A record on one line.
fn show(record: &v1::AuditRecord, session: &mut Session<'_>) -> Result<(), Failure> {
    let kind = short(RecordKind::as_str_name(&record.kind()), "RECORD_KIND_").to_ascii_lowercase();
    let verdict = match record.verdict() {
        Verdict::Unspecified => String::new(),
        verdict @ Verdict::Allow => session.out.paint(Style::Good, short(verdict.as_str_name(), "VERDICT_")),
        verdict @ Verdict::Deny => session.out.paint(Style::Bad, short(verdict.as_str_name(), "VERDICT_")),
        verdict @ Verdict::RequireApproval => {
            session.out.paint(Style::Notable, short(verdict.as_str_name(), "VERDICT_"))
        }
    };
    let outcome = match record.outcome.as_ref().map(v1::Outcome::success) {
        None => "",
        Some(true) => "success",
        Some(false) => "failure",
    };
    let code = if record.reason_code() == v1::ReasonCode::Unspecified {
        ""
    } else {
        short(v1::ReasonCode::as_str_name(&record.reason_code()), "REASON_CODE_")
    };
    let id = if record.decision_id.is_empty() { &record.report_id } else { &record.decision_id };
    let agent = record.agent.as_ref().map(|agent| agent.agent_id.as_str()).unwrap_or_default();
    let place = format!("{}:{}", record.chain_no, record.seq);
    let time = record.timestamp.as_ref().map(form::timestamp).unwrap_or_default();
    let detail = detail(record);
    let parts = [
        session.out.paint(Style::Faint, time),
        session.out.paint(Style::Faint, place),
        kind,
        verdict,
        outcome.to_owned(),
        printable(&record.action),
        printable(record.resource.as_deref().unwrap_or_default()),
        code.to_owned(),
        printable(&record.rule_id),
        printable(&detail),
        agent.to_owned(),
        id.clone(),
    ];
    let shown: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    session.out.line(shown.join("  "))
}

/// What an administrator did to what, or what became of a chain.
fn detail(record: &v1::AuditRecord) -> String {
    let member = |name: &str| {
        let value = record.detail.as_ref().and_then(|detail| detail.fields.get(name));
        match value.and_then(|value| value.kind.as_ref()) {
            Some(prost_types::value::Kind::StringValue(text)) => text.clone(),
            Some(_) | None => String::new(),
        }
    };
    let parts = [member("event"), member("act"), member("target")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn short<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}
