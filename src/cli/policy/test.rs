//! `agentguard policy test`: decision cases from files, without a server.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::file;
use crate::cli::output::{Style, printable};
use crate::cli::{Exit, Failure, Session};
use crate::policy::Fault;
use crate::policy::cases::{self, Report};

/// Run decision cases from files, without a server
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard policy test cases.yaml
  agentguard policy test tests/policy --verbose
  agentguard policy test cases.yaml --json | jq '.files[].cases[] | select(.passed | not)'

docs/policies.md describes the form of the files. Exit code 0: all cases pass, 1: a case fails or a file cannot be \
read. With --json: {\"passed\", \"failed\", \"files\": [{\"file\", \"description\", \"faults\": [{\"field\", \"message\"}], \
\"cases\": [{\"name\", \"section\", \"passed\", \"failures\"}]}]}.")]
pub struct Args {
    /// Files, directories of .yaml, .yml and .json files, or `-`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Name the cases that pass, too
    #[arg(long, short)]
    verbose: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

struct File {
    name: String,
    /// What came of it, or why it could not be run.
    result: Result<Report, Vec<Fault>>,
}

impl File {
    fn cases(&self) -> impl Iterator<Item = &cases::CaseReport> {
        self.result.iter().flat_map(|report| &report.cases)
    }

    fn json(&self) -> Value {
        let case = |case: &cases::CaseReport| {
            json!({
                "name": case.name,
                "section": case.section,
                "passed": case.has_passed(),
                "failures": case.failures,
            })
        };
        let fault = |fault: &Fault| json!({"field": fault.field, "message": fault.message});
        json!({
            "file": self.name,
            "description": self.result.as_ref().ok().and_then(|report| report.description.as_ref()),
            "cases": self.cases().map(case).collect::<Vec<_>>(),
            "faults": self.result.as_ref().err().map(Vec::as_slice).unwrap_or_default().iter().map(fault).collect::<Vec<_>>(),
        })
    }
}

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    for path in file::expand(&args.files)? {
        let result = match file::text(&path) {
            Ok(text) => cases::run(&text),
            Err(line) => Err(vec![Fault::new("", line)]),
        };
        files.push(File { name: path.display().to_string(), result });
    }
    let passed = files.iter().flat_map(File::cases).filter(|case| case.has_passed()).count();
    let failed = files.iter().flat_map(File::cases).filter(|case| !case.has_passed()).count();
    let broken = files.iter().filter(|file| file.result.is_err()).count();
    if args.json {
        let files: Vec<Value> = files.iter().map(File::json).collect();
        session.out.json_pretty(&json!({"passed": passed, "failed": failed, "files": files}))?;
    } else {
        for file in &files {
            show(file, args.verbose, session)?;
        }
        let style = if failed + broken == 0 { Style::Good } else { Style::Bad };
        let unread = if broken == 0 { String::new() } else { format!(", {broken} files not run") };
        session.out.styled(style, format_args!("{passed} passed, {failed} failed{unread}"))?;
    }
    // No case at all is no proof of anything.
    Ok(if failed + broken == 0 && passed > 0 { Exit::Done } else { Exit::Failed })
}

fn show(file: &File, verbose: bool, session: &mut Session<'_>) -> Result<(), Failure> {
    match &file.result {
        Err(faults) => {
            session.out.styled(Style::Bad, format_args!("{}: not run", file.name))?;
            for fault in faults {
                let field = if fault.field.is_empty() { String::new() } else { format!("{}: ", fault.field) };
                for line in format!("{field}{}", fault.message).lines() {
                    session.out.line(format_args!("    {}", printable(line)))?;
                }
            }
        }
        Ok(report) => {
            for case in &report.cases {
                let name = printable(&case.name);
                if case.has_passed() {
                    if verbose {
                        session.out.styled(Style::Good, format_args!("ok    {}: {name}", file.name))?;
                    }
                    continue;
                }
                session.out.styled(Style::Bad, format_args!("FAIL  {}: {name}", file.name))?;
                for failure in &case.failures {
                    session.out.line(format_args!("    {}", printable(failure)))?;
                }
            }
        }
    }
    Ok(())
}
