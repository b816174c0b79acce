//! Reads the chains back and names what does not fit.
//!
//! Heads are read first and records only up to them, so that a living writer raises no false alarm. Every record is
//! hashed anew; its place, its predecessor, its content's commitment and its time are checked; chains are followed
//! along their list; admin acts are matched with the history of changes one to one.
//!
//! What this cannot see: a chain's tail that was cut *and* its head row put back to match, or the last chains gone
//! with their rows and the list row put back. An exported head shows both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::clock::Timestamp;
use crate::ids::ChainId;
use crate::store::records::{Broken, ChainHead};
use crate::store::{self, Store};

use super::content::{hex, unhex};
use super::record::{FORM_VERSION, Hash, Kind, Record};

mod finding;

pub use finding::{Event, Finding, FindingKind, Progress, Summary};

/// Rows read at once: a transaction stays far below a second.
const PAGE: i64 = 500;

/// Findings reported at most; a wholly rewritten table would otherwise report every row.
pub const MAX_FINDINGS: u64 = 1_000;

/// An admin act may wait this long for its record before that is a finding.
const OUTBOX_PATIENCE: Duration = Duration::from_secs(600);

/// Checks everything, or with `only` that one chain by itself, and tells `events`; stops when nobody listens any
/// more.
///
/// # Errors
/// When the database is away.
pub async fn verify(
    store: &Store,
    now: Timestamp,
    only: Option<&ChainId>,
    events: mpsc::Sender<Event>,
) -> Result<Summary, store::Error> {
    let mut run = Run {
        store,
        events,
        progress: Progress::default(),
        summary: Summary::default(),
        admin: BTreeMap::new(),
        heard: true,
    };
    let mut heads = run.heads().await?;
    if let Some(only) = only {
        heads.retain(|head| head.chain_id == only.as_str());
    }
    run.progress.chains_total = u64::try_from(heads.len()).unwrap_or(0);
    run.progress.records_total = heads.iter().map(|head| u64::try_from(head.head_seq).unwrap_or(0)).sum();
    match only {
        None => run.list(&heads).await?,
        Some(only) if heads.is_empty() => {
            let message = format!("there is no chain `{only}`");
            run.find(FindingKind::ChainMissing, only.as_str(), 0, 0, message).await;
        }
        Some(_) => {}
    }
    for head in &heads {
        run.chain(head).await?;
        if !run.heard {
            return Ok(run.summary);
        }
    }
    if only.is_none() {
        run.strays().await?;
        run.acts(now).await?;
    }
    run.tell(Event::Progress(run.progress)).await;
    run.tell(Event::Summary(run.summary)).await;
    Ok(run.summary)
}

struct Run<'a> {
    store: &'a Store,
    events: mpsc::Sender<Event>,
    progress: Progress,
    summary: Summary,
    /// Admin records seen: revision to digest and place.
    admin: BTreeMap<(String, i64), (String, String, i64, i64)>,
    heard: bool,
}

/// A chain while it is read.
struct Walk<'a> {
    head: &'a ChainHead,
    seq: i64,
    hash: Hash,
    timestamp: Timestamp,
    mode_is_async: bool,
    closed_by: Option<String>,
}

impl Run<'_> {
    async fn tell(&mut self, event: Event) {
        if self.events.send(event).await.is_err() {
            self.heard = false;
        }
    }

    async fn find(&mut self, kind: FindingKind, chain: &str, chain_no: i64, seq: i64, message: String) {
        let count = if kind.is_tampering() { &mut self.summary.tampered } else { &mut self.summary.notices };
        *count += 1;
        if self.summary.tampered + self.summary.notices <= MAX_FINDINGS {
            self.tell(Event::Finding(Finding { kind, chain_id: chain.to_owned(), chain_no, seq, message }))
                .await;
        }
    }

    async fn heads(&self) -> Result<Vec<ChainHead>, store::Error> {
        let mut heads: Vec<ChainHead> = Vec::new();
        loop {
            let page = self.store.chains(heads.last().map_or(i64::MIN, |head| head.chain_no), PAGE).await?;
            let more = !page.is_empty();
            heads.extend(page);
            if !more {
                return Ok(heads);
            }
        }
    }

    /// The list of chains: numbered from 1 without a gap, the last one where the list says.
    async fn list(&mut self, heads: &[ChainHead]) -> Result<(), store::Error> {
        for (head, number) in heads.iter().zip(1..) {
            if head.chain_no != number {
                let message = format!("chain number {number} is missing");
                self.find(FindingKind::ChainMissing, "", number, 0, message).await;
                break;
            }
        }
        let (next, last) = self.store.chain_list().await?;
        let known: BTreeSet<&str> = heads.iter().map(|head| head.chain_id.as_str()).collect();
        let newest = heads.last().map_or(0, |head| head.chain_no);
        // Chains opened since the heads were read are beyond `newest`; fewer than the list says are not there.
        if next <= newest {
            let message = format!(
                "the list of chains says that the next number is {next}, but chain {newest} is there"
            );
            self.find(FindingKind::ChainMissing, "", newest, 0, message).await;
        } else if let Some(last) = last
            && !known.contains(last.as_str())
            && self.store.chains(newest, 1).await?.is_empty()
        {
            let message = "the chain that the list says was opened last is missing".to_owned();
            self.find(FindingKind::ChainMissing, &last, next - 1, 0, message).await;
        }
        Ok(())
    }

    async fn chain(&mut self, head: &ChainHead) -> Result<(), store::Error> {
        let mut walk = Walk {
            head,
            seq: 0,
            hash: [0; 32],
            timestamp: Timestamp::from_micros(0),
            mode_is_async: false,
            closed_by: None,
        };
        let mut after = 0;
        loop {
            let page = self.store.chain_records(&head.chain_id, after, head.head_seq, PAGE).await?;
            let Some(last) = page.last().map(|row| row.as_ref().map_or_else(|b| b.seq, |r| r.position.seq))
            else {
                break;
            };
            for row in page {
                match row {
                    Ok(record) => self.record(&mut walk, record).await,
                    Err(broken) => self.broken(&mut walk, broken).await,
                }
            }
            self.tell(Event::Progress(self.progress)).await;
            if !self.heard {
                return Ok(());
            }
            after = last;
        }
        self.end(&walk).await?;
        self.progress.chains += 1;
        self.summary.chains += 1;
        Ok(())
    }

    async fn record(&mut self, walk: &mut Walk<'_>, record: Record) {
        self.progress.records += 1;
        self.summary.records += 1;
        let (chain, no, seq) = (walk.head.chain_id.as_str(), walk.head.chain_no, record.position.seq);
        if !self.in_place(walk, seq).await {
            return;
        }
        if record.form_version != FORM_VERSION {
            let message = format!("record {seq} is of form {}, which is not known", record.form_version);
            self.find(FindingKind::RecordMalformed, chain, no, seq, message).await;
        } else if record.computed_hash() != record.hash || record.position.chain_no != no {
            let message = format!("record {seq} was changed: its columns do not have its hash");
            self.find(FindingKind::HashMismatch, chain, no, seq, message).await;
        } else if walk.seq + 1 == seq && record.position.prev_hash != walk.hash {
            let message =
                format!("record {seq} does not follow record {}: another record stood before it", walk.seq);
            self.find(FindingKind::LinkMismatch, chain, no, seq, message).await;
        } else if record.position.timestamp < walk.timestamp {
            let message = format!("record {seq} is older than the one before it");
            self.find(FindingKind::TimeReversed, chain, no, seq, message).await;
        }
        match (&record.entry.content, &record.entry.commitment) {
            (Some(content), Some(commitment)) if content.commitment() != *commitment => {
                let message = format!("the content of record {seq} was changed");
                self.find(FindingKind::ContentMismatch, chain, no, seq, message).await;
            }
            (Some(_), None) => {
                let message = format!("record {seq} has content that it does not commit to");
                self.find(FindingKind::ContentMismatch, chain, no, seq, message).await;
            }
            (None, Some(_)) => {
                let message =
                    format!("the content of record {seq} is gone and nothing says that it was erased");
                self.find(FindingKind::ContentMissing, chain, no, seq, message).await;
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        walk.seq = seq;
        walk.hash = record.hash;
        walk.timestamp = walk.timestamp.max(record.position.timestamp);
        match record.entry.kind {
            Kind::Chain => self.marker(walk, &record).await,
            Kind::Admin => self.act(&record),
            Kind::Decision | Kind::Outcome | Kind::Report | Kind::Tombstone => {}
        }
    }

    /// Whether `seq` is the next number; a gap or a second row of one number is told.
    async fn in_place(&mut self, walk: &mut Walk<'_>, seq: i64) -> bool {
        let (chain, no) = (walk.head.chain_id.as_str(), walk.head.chain_no);
        if seq <= walk.seq {
            let message = format!("record {seq} stands there twice");
            self.find(FindingKind::RecordInserted, chain, no, seq, message).await;
            return false;
        }
        if seq > walk.seq + 1 {
            let first = walk.seq + 1;
            let message = if first == seq - 1 {
                format!("record {first} is missing")
            } else {
                format!("records {first} to {} are missing", seq - 1)
            };
            self.find(FindingKind::RecordMissing, chain, no, first, message).await;
        }
        true
    }

    async fn broken(&mut self, walk: &mut Walk<'_>, broken: Broken) {
        self.progress.records += 1;
        self.summary.records += 1;
        if !self.in_place(walk, broken.seq).await {
            return;
        }
        let (chain, no) = (walk.head.chain_id.as_str(), walk.head.chain_no);
        let message = format!("record {} was changed: {}", broken.seq, broken.fault);
        self.find(FindingKind::RecordMalformed, chain, no, broken.seq, message).await;
        // What the next one follows is not known, so its link is not held against it.
        walk.seq = broken.seq;
        walk.hash = self.next_prev(walk.head, broken.seq).await.unwrap_or([0; 32]);
    }

    async fn next_prev(&self, head: &ChainHead, seq: i64) -> Option<Hash> {
        let page = self.store.chain_records(&head.chain_id, seq, head.head_seq, 1).await.ok()?;
        Some(page.into_iter().next()?.ok()?.position.prev_hash)
    }

    /// A record that opens or closes its chain.
    async fn marker(&mut self, walk: &mut Walk<'_>, record: &Record) {
        let (chain, no, seq) = (walk.head.chain_id.as_str(), walk.head.chain_no, record.position.seq);
        let detail: serde_json::Value = record
            .entry
            .detail
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        if text(&detail, "event") == Some("closed") {
            walk.closed_by = text(&detail, "by").map(str::to_owned);
            return;
        }
        walk.mode_is_async = text(&detail, "mode") == Some("async");
        if let Some((named, at, hash)) = detail.get("previous").and_then(place)
            && let Some(there) = self.there(&named, at).await
            && there != hash
        {
            let message =
                format!("chain {no} says that chain {named} stood at record {at} with another hash");
            self.find(FindingKind::LinkMismatch, chain, no, seq, message).await;
        }
        if let Some((named, at, hash)) = detail.get("reached").and_then(place)
            && self.there(&named, at).await != Some(hash)
        {
            let message = format!(
                "the writer of chain {named} had reached record {at}, which is not there any more: the database was \
                 rolled back or the record removed"
            );
            self.find(FindingKind::DatabaseRolledBack, chain, no, seq, message).await;
        }
    }

    /// The hash of a record of another chain.
    async fn there(&self, chain: &str, seq: i64) -> Option<Hash> {
        let page = self.store.chain_records(chain, seq - 1, seq, 1).await.ok()?;
        Some(page.into_iter().next()?.ok()?.hash)
    }

    fn act(&mut self, record: &Record) {
        let Some(revision) = &record.entry.revision else { return };
        let detail: serde_json::Value = record
            .entry
            .detail
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let digest = text(&detail, "digest").unwrap_or_default().to_owned();
        let position = &record.position;
        self.admin.insert(
            (revision.epoch().to_owned(), revision.number()),
            (digest, position.chain_id.to_string(), position.chain_no, position.seq),
        );
    }

    async fn end(&mut self, walk: &Walk<'_>) -> Result<(), store::Error> {
        let head = walk.head;
        let (chain, no) = (head.chain_id.as_str(), head.chain_no);
        if walk.seq < head.head_seq {
            let message = format!(
                "records {} to {} are missing at the end: the chain's head says that they were written",
                walk.seq + 1,
                head.head_seq
            );
            self.find(FindingKind::TailMissing, chain, no, walk.seq + 1, message).await;
        } else if walk.hash.as_slice() != head.head_hash.as_slice() {
            let message = format!("record {} is not the one that the chain's head names", walk.seq);
            self.find(FindingKind::TailMissing, chain, no, walk.seq, message).await;
        } else if head.closed != walk.closed_by.is_some() {
            let message =
                "the chain's row and its last record do not agree on whether it is closed".to_owned();
            self.find(FindingKind::LinkMismatch, chain, no, walk.seq, message).await;
        } else if walk.mode_is_async && walk.closed_by.as_deref() != Some("writer") {
            let message = format!(
                "loss possible after seq {}: written in async mode and not closed by its writer",
                walk.seq
            );
            self.find(FindingKind::LossPossible, chain, no, walk.seq, message).await;
        }
        let beyond = self.store.records_beyond(chain).await?;
        if beyond > 0 {
            let message = format!("{beyond} rows stand beyond the chain's head");
            self.find(FindingKind::RecordInserted, chain, no, head.head_seq + 1, message).await;
        }
        Ok(())
    }

    async fn strays(&mut self) -> Result<(), store::Error> {
        for chain in self.store.stray_chains().await? {
            let message = "there are records of this chain, but no chain".to_owned();
            self.find(FindingKind::ChainMissing, &chain, 0, 0, message).await;
        }
        Ok(())
    }

    /// Every change has its record and every admin record its change.
    async fn acts(&mut self, now: Timestamp) -> Result<(), store::Error> {
        let mut after = 0;
        loop {
            let page = self.store.history(after, PAGE).await?;
            let Some(last) = page.last().map(|change| change.revision.number()) else { break };
            for change in page {
                let key = (change.revision.epoch().to_owned(), change.revision.number());
                let old = change.at < now.minus(OUTBOX_PATIENCE);
                match self.admin.remove(&key) {
                    Some((digest, ..)) if digest == hex(&change.digest) => {}
                    Some((_, chain, no, seq)) => {
                        let message =
                            format!("record {seq} tells of another change than revision {}", change.revision);
                        self.find(FindingKind::AdminMismatch, &chain, no, seq, message).await;
                    }
                    None if old => {
                        let message =
                            format!("no record tells of the change at revision {}", change.revision);
                        self.find(FindingKind::AdminMismatch, "", 0, 0, message).await;
                    }
                    None => {}
                }
            }
            after = last;
        }
        for ((epoch, n), (_, chain, no, seq)) in std::mem::take(&mut self.admin) {
            let message =
                format!("record {seq} tells of a change at revision {epoch}.{n} that is not in the history");
            self.find(FindingKind::AdminMismatch, &chain, no, seq, message).await;
        }
        Ok(())
    }
}

fn text<'a>(detail: &'a serde_json::Value, name: &str) -> Option<&'a str> {
    detail.get(name)?.as_str()
}

/// A place in a chain as opening records name it.
fn place(value: &serde_json::Value) -> Option<(String, i64, Hash)> {
    let hash = Hash::try_from(unhex(text(value, "hash")?)?).ok()?;
    Some((text(value, "chain_id")?.to_owned(), value.get("seq")?.as_i64()?, hash))
}
