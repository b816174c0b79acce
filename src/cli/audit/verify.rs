//! `agentguard audit verify`: every hash, link and commitment; names the first bad record.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::output::{Style, note};
use crate::cli::remote::{self, Remote};
use crate::cli::{Exit, Failure, Session, block_on, json as form};
use crate::config::client::Role;
use crate::pb::v1::{self, verify_audit_response::Event};

/// Check that no record was changed, removed, reordered or inserted
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard audit verify
  agentguard audit verify --chain chn_01h455vb4pex5vsknk084sn02q
  agentguard audit verify --json | jq .first_bad

Progress goes to standard error. Exit code 0: nothing was found that shows tampering (notices, such as a loss that an \
asynchronous writer's crash made possible, may have been found), 1: tampered, or no result. \
With --json: {\"summary\": …, \"findings\": […], \"first_bad\": finding or null}.")]
pub struct Args {
    /// Only this chain
    #[arg(long, value_name = "CHAIN_ID", default_value = "", hide_default_value = true)]
    chain: String,
    /// No progress
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    remote: remote::Flags,
}

/// How long the server may be silent in between; it reports progress every few seconds.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// The most findings that are kept to be printed: a file full of holes must not fill the memory too.
const MOST_FINDINGS: usize = 10_000;

struct Verification {
    summary: v1::VerifySummary,
    findings: Vec<v1::VerifyFinding>,
    first_bad: Option<v1::VerifyFinding>,
}

pub fn run(args: Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let result = block_on(verify(&args, session))?;
    let ok = result.summary.ok && result.summary.tampered_count == 0 && result.first_bad.is_none();
    if args.remote.json {
        let findings: Result<Vec<Value>, Failure> =
            result.findings.iter().map(|finding| form::of("VerifyFinding", finding)).collect();
        let first =
            result.first_bad.as_ref().map(|finding| form::of("VerifyFinding", finding)).transpose()?;
        session.out.json_pretty(&json!({
            "summary": form::of("VerifySummary", &result.summary)?,
            "findings": findings?,
            "first_bad": first,
        }))?;
    } else {
        for finding in &result.findings {
            show(finding, session)?;
        }
        let records = result.summary.records;
        let chains = result.summary.chains;
        if ok {
            let notices = match result.summary.notice_count {
                0 => String::new(),
                count => format!(", {count} notices"),
            };
            let line = format!("verified: {records} records in {chains} chains{notices}");
            session.out.styled(Style::Good, line)?;
        } else {
            let line = format!("TAMPERED: {} findings in {records} records", result.summary.tampered_count);
            session.out.styled(Style::Bad, line)?;
            if let Some(first) = &result.first_bad {
                session.out.line(format_args!("first bad record: {}", place(first)))?;
            }
        }
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

async fn verify(args: &Args, session: &mut Session<'_>) -> Result<Verification, Failure> {
    let remote = Remote::connect(&args.remote, Role::Admin, session).await?;
    let request = v1::VerifyAuditRequest { chain_id: args.chain.clone() };
    let mut events = remote.answer(remote.admin().verify_audit(remote.stream(request)).await)?;
    let mut progress = Progress::new(args.quiet);
    let mut findings: Vec<v1::VerifyFinding> = Vec::new();
    let mut first_bad: Option<v1::VerifyFinding> = None;
    let mut left_out: u64 = 0;
    loop {
        let message = tokio::time::timeout(LONGEST_SILENCE, events.message())
            .await
            .map_err(|_| remote.silent("the verification fell silent"))?
            .map_err(|status| remote.failure(&status))?;
        match message.map(|message| message.event) {
            Some(Some(Event::Progress(step))) => progress.show(&step),
            Some(Some(Event::Finding(finding))) => {
                if finding.tampered && first_bad.as_ref().is_none_or(|first| order(&finding) < order(first)) {
                    first_bad = Some(finding.clone());
                }
                if findings.len() < MOST_FINDINGS {
                    findings.push(finding);
                } else {
                    left_out = left_out.saturating_add(1);
                }
            }
            Some(Some(Event::Summary(summary))) => {
                progress.end();
                if left_out > 0 {
                    note(&format!("{left_out} further findings are not shown"));
                }
                return Ok(Verification { summary, findings, first_bad });
            }
            Some(None) => {}
            None => {
                progress.end();
                return Err(Failure::failed(
                    "the verification ended without a summary, so there is no result",
                ));
            }
        }
    }
}

/// The order of readers; a finding about a chain as a whole stands before its records.
fn order(finding: &v1::VerifyFinding) -> (i64, i64) {
    (finding.chain_no, finding.seq)
}

fn place(finding: &v1::VerifyFinding) -> String {
    let kind = finding.kind().as_str_name();
    let kind = kind.strip_prefix("FINDING_KIND_").unwrap_or(kind);
    let record = match finding.seq {
        0 => format!("chain {} ({})", finding.chain_no, finding.chain_id),
        seq => format!("chain {} ({}) record {seq}", finding.chain_no, finding.chain_id),
    };
    format!("{record}: {kind}: {}", crate::cli::output::printable(&finding.message))
}

fn show(finding: &v1::VerifyFinding, session: &mut Session<'_>) -> Result<(), Failure> {
    let (style, word) = if finding.tampered { (Style::Bad, "bad") } else { (Style::Notable, "notice") };
    let word = session.out.paint(style, word);
    session.out.line(format_args!("{word}  {}", place(finding)))
}

/// Progress on standard error: one line that moves on a terminal, single lines elsewhere.
struct Progress {
    quiet: bool,
    moving: bool,
    shown: bool,
}

impl Progress {
    fn new(quiet: bool) -> Self {
        Self { quiet, moving: io::stderr().is_terminal(), shown: false }
    }

    fn show(&mut self, step: &v1::VerifyProgress) {
        if self.quiet {
            return;
        }
        self.shown = true;
        let line = format!("verified {} of {} records", step.records, step.records_total);
        if self.moving {
            write!(io::stderr(), "\r{line} ").ok();
        } else {
            note(&line);
        }
    }

    fn end(&self) {
        if self.moving && self.shown {
            writeln!(io::stderr()).ok();
        }
    }
}
