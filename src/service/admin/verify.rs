//! `VerifyAudit`: the audit's own verification, told as it goes.

use futures_util::future::BoxFuture;
use futures_util::stream;
use tokio::sync::mpsc;

use super::{AdminService, Answers, Caller};
use crate::audit::verify::{self, Event, Finding, FindingKind, Summary};
use crate::ids::ChainId;
use crate::pb::v1;
use crate::pb::v1::verify_audit_response::Event as Told;
use crate::service::Error;
use crate::service::call::Call;
use crate::service::convert::Faults;
use crate::store;

/// Events that may wait for a slow reader; then the verification waits too.
const WAITING: usize = 16;

impl AdminService {
    pub(super) fn verify(
        &self,
        caller: &Caller,
        message: v1::VerifyAuditRequest,
    ) -> Result<Answers<v1::VerifyAuditResponse>, Error> {
        let mut faults = Faults::default();
        let only: Option<ChainId> = faults.parse_optional("chain_id", &message.chain_id);
        faults.or(Some(()))?;
        let (events, heard) = mpsc::channel(WAITING);
        let (store, at) = (self.store.clone(), caller.at);
        let run = async move { verify::verify(&store, at, only.as_ref(), events).await };
        let told = Verification { run: Some(Box::pin(run)), heard, call: caller.call.clone() };
        Ok(Box::pin(stream::unfold(Some(told), async |told| {
            let mut told = told?;
            match told.next().await? {
                Ok(event) => Some((Ok(v1::VerifyAuditResponse { event: Some(event) }), Some(told))),
                Err(error) => Some((Err(told.call.refuse(&error)), None)),
            }
        })))
    }
}

/// A verification under way: it runs only while its reader asks for more, and ends with them.
struct Verification {
    run: Option<BoxFuture<'static, Result<Summary, store::Error>>>,
    heard: mpsc::Receiver<Event>,
    call: Call,
}

impl Verification {
    async fn next(&mut self) -> Option<Result<Told, Error>> {
        loop {
            let Some(run) = &mut self.run else {
                return self.heard.recv().await.map(|event| Ok(told(event)));
            };
            tokio::select! {
                event = self.heard.recv() => return event.map(|event| Ok(told(event))),
                ended = run => match ended {
                    // What it told last may still wait.
                    Ok(_) => self.run = None,
                    Err(error) => return Some(Err(error.into())),
                },
                () = self.call.closing.cancelled() => return Some(Err(Error::ShuttingDown)),
            }
        }
    }
}

fn told(event: Event) -> Told {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match event {
        Event::Progress(progress) => Told::Progress(v1::VerifyProgress {
            records: number(progress.records),
            records_total: number(progress.records_total),
            chains: number(progress.chains),
            chains_total: number(progress.chains_total),
        }),
        Event::Finding(finding) => Told::Finding(shown(finding)),
        Event::Summary(summary) => Told::Summary(v1::VerifySummary {
            ok: summary.is_ok(),
            records: number(summary.records),
            chains: number(summary.chains),
            tampered_count: number(summary.tampered),
            notice_count: number(summary.notices),
        }),
    }
}

fn shown(finding: Finding) -> v1::VerifyFinding {
    use v1::FindingKind as Shown;
    let kind = match finding.kind {
        FindingKind::HashMismatch => Shown::HashMismatch,
        FindingKind::ContentMismatch => Shown::ContentMismatch,
        FindingKind::ContentMissing => Shown::ContentMissing,
        FindingKind::LinkMismatch => Shown::LinkMismatch,
        FindingKind::RecordMissing => Shown::RecordMissing,
        FindingKind::RecordInserted => Shown::RecordInserted,
        FindingKind::TailMissing => Shown::TailMissing,
        FindingKind::ChainMissing => Shown::ChainMissing,
        FindingKind::TimeReversed => Shown::TimeReversed,
        FindingKind::RecordMalformed => Shown::RecordMalformed,
        FindingKind::AdminMismatch => Shown::AdminMismatch,
        FindingKind::LossPossible => Shown::LossPossible,
        FindingKind::DatabaseRolledBack => Shown::DatabaseRolledBack,
    };
    v1::VerifyFinding {
        kind: kind.into(),
        tampered: finding.kind.is_tampering(),
        chain_id: finding.chain_id,
        chain_no: finding.chain_no,
        seq: finding.seq,
        message: finding.message,
    }
}
