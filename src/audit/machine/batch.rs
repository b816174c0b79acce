//! Cursors, batches and heads: what stands in a chain and what is to be appended to it.

use std::sync::Arc;

use crate::audit::content::hex;
use crate::audit::record::{Entry, Hash, Position, Record};
use crate::clock::Timestamp;
use crate::ids::{ChainId, Stamp};

use super::Settings;
use super::flight::Break;

/// Where a chain stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The chain.
    pub chain_id: ChainId,
    /// Its number.
    pub chain_no: i64,
    /// Its last record.
    pub seq: i64,
    /// That record's hash.
    pub hash: Hash,
    /// That record's time.
    pub timestamp: Timestamp,
}

/// Records to be appended in one statement under one head check.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The chain.
    pub chain_id: ChainId,
    /// Its number.
    pub chain_no: i64,
    /// The head that must be there: 0 and zeros for a chain that is to be opened.
    pub prev_seq: i64,
    /// That head's hash.
    pub prev_hash: Hash,
    /// The records, in order; never empty.
    pub records: Vec<Record>,
    /// Whether the last record closes the chain.
    pub closes: bool,
}

impl Batch {
    /// The head after this batch.
    pub fn head(&self) -> Option<(i64, Hash)> {
        self.records.last().map(|record| (record.position.seq, record.hash))
    }
}

/// The list of chains as it stands while its row is locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The number the next chain gets.
    pub chain_no: i64,
    /// The chain opened before, with its head at this moment.
    pub previous: Option<(ChainId, i64, Hash)>,
}

/// What the database says of a chain's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last record's number.
    pub seq: i64,
    /// Its hash.
    pub hash: Hash,
    /// Whether the chain is closed.
    pub closed: bool,
    /// The hash of the record asked about (the last of the batch in doubt), if it is there.
    pub asked: Option<Hash>,
    /// The revision read in the same statement.
    pub stamp: Stamp,
}

/// Places entries after a cursor.
pub(in crate::audit) struct Builder {
    base: Cursor,
    cursor: Cursor,
    at: Timestamp,
    records: Vec<Record>,
}

impl Builder {
    /// Starts after `base`; times are `at`, but never before the record before.
    pub(in crate::audit) fn new(base: Cursor, at: Timestamp) -> Self {
        Self { cursor: base.clone(), base, at, records: Vec::new() }
    }

    /// Places entries, one after the other.
    pub(super) fn push_all(&mut self, entries: impl Iterator<Item = Arc<Entry>>) {
        for entry in entries {
            self.push(entry);
        }
    }

    /// Places one entry.
    pub(in crate::audit) fn push(&mut self, entry: impl Into<Arc<Entry>>) {
        let position = Position {
            chain_id: self.cursor.chain_id.clone(),
            chain_no: self.cursor.chain_no,
            seq: self.cursor.seq.saturating_add(1),
            timestamp: self.at.max(self.cursor.timestamp),
            prev_hash: self.cursor.hash,
        };
        let record = Record::new(position, entry);
        self.cursor.seq = record.position.seq;
        self.cursor.hash = record.hash;
        self.cursor.timestamp = record.position.timestamp;
        self.records.push(record);
    }

    /// The batch.
    pub(in crate::audit) fn finish(self, closes: bool) -> Batch {
        Batch {
            chain_id: self.base.chain_id,
            chain_no: self.base.chain_no,
            prev_seq: self.base.seq,
            prev_hash: self.base.hash,
            records: self.records,
            closes,
        }
    }
}

/// What the record that opens a chain says.
pub(super) fn opened_detail(settings: &Settings, listed: &Listed, broken: Option<&Break>) -> String {
    let previous = listed.previous.as_ref().map(|(chain, seq, hash)| place(chain, *seq, hash));
    let broken = broken.map(|broken| {
        let mut place = place(&broken.cursor.chain_id, broken.cursor.seq, &broken.cursor.hash);
        if let Some(object) = place.as_object_mut() {
            object.insert("why".into(), broken.why.into());
        }
        place
    });
    serde_json::json!({
        "event": "opened",
        "instance": settings.instance,
        "mode": settings.mode.as_str(),
        "previous": previous,
        "reached": broken,
        "version": settings.version,
    })
    .to_string()
}

fn place(chain: &ChainId, seq: i64, hash: &Hash) -> serde_json::Value {
    serde_json::json!({ "chain_id": chain.as_str(), "hash": hex(hash), "seq": seq })
}

/// What the record that closes a chain says.
pub(in crate::audit) fn closed_detail(by: &str, why: &str, instance: &str) -> String {
    serde_json::json!({ "by": by, "event": "closed", "instance": instance, "why": why }).to_string()
}
