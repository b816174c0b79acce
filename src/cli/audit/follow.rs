//! `agentguard audit follow`: records as they are committed, over lost connections too.

use std::time::Duration;

use super::{Filter, show};
use crate::cli::remote::{self, Remote};
use crate::cli::{Exit, Failure, Session, block_on, json as form, output};
use crate::config::client::Role;
use crate::pb::v1;

/// Print records as they are committed, until interrupted
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  agentguard audit follow
  agentguard audit follow --allowed false
  agentguard audit follow --json | jq -c '{action, verdict, resource}'

Begins with new records. A connection that is lost is made again and nothing is missed or shown twice; after \
--timeout without an answer it ends with exit code 69. With --json: one record a line.")]
pub struct Args {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    remote: remote::Flags,
}

/// The pause before the first try to connect again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

pub fn run(args: &Args, session: &mut Session<'_>) -> Result<Exit, Failure> {
    block_on(async {
        let mut position = String::new();
        let mut lost: Option<crate::clock::Instant> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let before = position.clone();
            let failure = follow(args, session, &mut position).await;
            if !is_passing(&failure) {
                return Err(failure);
            }
            if position != before {
                lost = None;
                pause = FIRST_PAUSE;
            }
            let now = session.clock.instant();
            let is_new = lost.is_none();
            let since = *lost.get_or_insert(now);
            // Without a position there is nothing to go on from: records could be missed in silence.
            if position.is_empty() || now.since(since) > args.remote.timeout() {
                return Err(failure);
            }
            if is_new {
                output::note("the stream ended; going on where it stopped");
            }
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    })
}

/// Follows one stream to its end, which is always a failure: the server never ends it well.
async fn follow(args: &Args, session: &mut Session<'_>, position: &mut String) -> Failure {
    let remote = match Remote::connect(&args.remote, Role::Admin, session).await {
        Ok(remote) => remote,
        Err(failure) => return failure,
    };
    let request = v1::FollowAuditRequest { filter: Some(args.filter.wire()), position: position.clone() };
    let mut records = match remote.admin().follow_audit(remote.stream(request)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return remote.failure(&status),
    };
    loop {
        let message = match records.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return remote.silent("the stream ended"),
            Err(status) => return remote.failure(&status),
        };
        for record in &message.records {
            let shown = if args.remote.json {
                form::of("AuditRecord", record).and_then(|record| session.out.json(&record))
            } else {
                show(record, session)
            };
            if let Err(failure) = shown {
                return failure;
            }
        }
        if let Err(failure) = session.out.flush() {
            return failure;
        }
        *position = message.position;
    }
}

/// Whether the same call may work a moment later.
fn is_passing(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. } => true,
        Failure::Refused(refusal) => refusal.code == tonic::Code::Unavailable,
        Failure::Configuration(_) | Failure::Usage(_) | Failure::Failed(_) | Failure::Output(_) => false,
    }
}
