//! A small database in memory: heads, rows and the list of chains, as the statements of the store leave them.

use std::collections::BTreeMap;

use crate::audit::machine::{Batch, Builder, Cursor, Head, Listed, Outcome, closed_detail};
use crate::audit::record::{Entry, Hash, Kind, Record};
use crate::clock::Timestamp;
use crate::ids::{ChainId, Revision, Stamp};

/// An action that the database refuses, as PostgreSQL does a U+0000 in a text.
pub(super) const POISON: &str = "poison";

#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) no: i64,
    /// What the row of `audit_chains` says.
    pub(super) head: (i64, Hash),
    pub(super) closed: bool,
    pub(super) records: Vec<Record>,
}

impl Chain {
    /// The head that its records have.
    pub(super) fn last(&self) -> (i64, Hash) {
        self.records.last().map_or((0, [0; 32]), |last| (last.position.seq, last.hash))
    }

    /// Adds a batch's records and moves the head, whatever stood there.
    pub(super) fn add(&mut self, batch: &Batch) {
        self.records.extend(batch.records.iter().cloned());
        self.head = self.last();
        self.closed |= batch.closes;
    }
}

/// The database: heads, rows, the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Database {
    pub(super) chains: BTreeMap<String, Chain>,
    pub(super) last: Option<ChainId>,
    pub(super) commits: i64,
    /// How often an admin changed something.
    pub(super) revision: i64,
}

impl Database {
    pub(super) fn stamp(&self) -> Stamp {
        Stamp { revision: Revision::new("e", self.revision), token: [0; 16] }
    }

    pub(super) fn listed(&self) -> Listed {
        Listed {
            chain_no: i64::try_from(self.chains.len()).unwrap() + 1,
            previous: self.last.clone().map(|last| {
                let (seq, hash) = self.chains[last.as_str()].head;
                (last, seq, hash)
            }),
        }
    }

    pub(super) fn append(&mut self, batch: &Batch) -> Outcome {
        if batch.records.iter().any(|record| record.entry.action.as_deref() == Some(POISON)) {
            return Outcome::Refused;
        }
        let Some(chain) = self.chains.get_mut(batch.chain_id.as_str()) else { return Outcome::Moved };
        if chain.closed || chain.head != (batch.prev_seq, batch.prev_hash) {
            return Outcome::Moved;
        }
        chain.add(batch);
        self.commits += 1;
        Outcome::Committed(self.stamp())
    }

    pub(super) fn open(&mut self, listed: &Listed, batch: &Batch) -> Outcome {
        let id = batch.chain_id.as_str().to_owned();
        self.chains.insert(id.clone(), Chain { no: listed.chain_no, ..Chain::default() });
        let outcome = self.append(batch);
        if matches!(outcome, Outcome::Committed(_)) {
            self.last = Some(batch.chain_id.clone());
        } else {
            self.chains.remove(&id);
        }
        outcome
    }

    pub(super) fn head(&self, chain: &ChainId, seq: i64) -> Option<Head> {
        let chain = self.chains.get(chain.as_str())?;
        let (head_seq, hash) = chain.head;
        let asked = chain.records.iter().find(|record| record.position.seq == seq).map(|record| record.hash);
        Some(Head { seq: head_seq, hash, closed: chain.closed, asked, stamp: self.stamp() })
    }

    /// Somebody else appends one record to a chain, as a janitor closing it or a writer that stole it does.
    pub(super) fn intrude(&mut self, chain: &ChainId, closes: bool) {
        let stands = &self.chains[chain.as_str()];
        let (seq, hash) = stands.head;
        let cursor = Cursor {
            chain_id: chain.clone(),
            chain_no: stands.no,
            seq,
            hash,
            timestamp: stands.records.last().unwrap().position.timestamp,
        };
        let mut builder = Builder::new(cursor, Timestamp::from_micros(0));
        let mut entry = Entry::new(Kind::Chain);
        entry.detail = Some(closed_detail("janitor", "silent", "other"));
        builder.push(entry);
        assert!(matches!(self.append(&builder.finish(closes)), Outcome::Committed(_)));
    }

    /// The chains by number.
    pub(super) fn in_order(&self) -> Vec<&Chain> {
        let mut chains: Vec<_> = self.chains.values().collect();
        chains.sort_by_key(|chain| chain.no);
        chains
    }

    /// The actions written, in the order of chains and records.
    pub(super) fn actions(&self) -> Vec<String> {
        self.in_order()
            .into_iter()
            .flat_map(|chain| &chain.records)
            .filter_map(|record| record.entry.action.clone())
            .collect()
    }

    /// What is wrong with the chains, as a verifier would say.
    pub(super) fn fault(&self) -> Option<String> {
        for (chain, number) in self.in_order().into_iter().zip(1..) {
            if chain.no != number {
                return Some(format!("chain {number} is missing"));
            }
            let (mut hash, mut time) = ([0; 32], Timestamp::from_micros(0));
            for (record, seq) in chain.records.iter().zip(1..) {
                let position = &record.position;
                if position.seq != seq || position.prev_hash != hash || record.computed_hash() != record.hash
                {
                    return Some(format!("chain {number} breaks at {seq}"));
                }
                if position.timestamp < time {
                    return Some(format!("chain {number} goes back in time at {seq}"));
                }
                (hash, time) = (record.hash, position.timestamp);
            }
            if chain.head != chain.last() {
                return Some(format!("the head of chain {number} is not its last record"));
            }
        }
        None
    }
}
