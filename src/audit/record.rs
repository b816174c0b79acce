//! What a record is, and the canonical form over which it is hashed (form version 1).
//!
//! `hash = SHA-256("agentguard.record.v1\n" || field₁ || field₂ || …)` over [`Record::fields`] in their order,
//! where a field is `00` if absent, `01` and eight bytes big-endian for an integer (times in microseconds since
//! 1970), `02` and one byte for a boolean, `03`, four bytes of length and the bytes for text or bytes. The
//! previous record's hash is a field, `hash` itself, `salt` and `content` are not: the content enters as
//! `commitment = SHA-256("agentguard.content.v1\n" || salt || content)`, so that it can be erased and the chain
//! still verifies.
//!
//! **Invariant:** nothing here does I/O; equal values hash alike whatever database they came from.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::ids::{ChainId, Revision};

/// The number of the form described above.
pub const FORM_VERSION: i64 = 1;

const RECORD_DOMAIN: &[u8] = b"agentguard.record.v1\n";
const CONTENT_DOMAIN: &[u8] = b"agentguard.content.v1\n";

/// A SHA-256.
pub type Hash = [u8; 32];

/// What kind of thing a record tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A decision that AgentGuard made.
    Decision,
    /// What came of a decision, by the agent's own account.
    Outcome,
    /// An action that was never asked about, by the agent's own account.
    Report,
    /// A change made by an admin.
    Admin,
    /// A chain was opened or closed.
    Chain,
    /// Content was erased.
    Tombstone,
}

impl Kind {
    /// The name stored and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Outcome => "outcome",
            Self::Report => "report",
            Self::Admin => "admin",
            Self::Chain => "chain",
            Self::Tombstone => "tombstone",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Decision, Self::Outcome, Self::Report, Self::Admin, Self::Chain, Self::Tombstone]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// The erasable part of a record and what stands for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Canonical JSON.
    pub bytes: Vec<u8>,
    /// Random; keeps short contents from being guessed from their commitment.
    pub salt: Vec<u8>,
}

impl Content {
    /// What stands for this content in the record's hash.
    pub fn commitment(&self) -> Hash {
        Sha256::new()
            .chain_update(CONTENT_DOMAIN)
            .chain_update(&self.salt)
            .chain_update(&self.bytes)
            .finalize()
            .into()
    }
}

/// A record's say, before it has a place in a chain. Fields that do not fit its kind are absent; `docs/audit.md`
/// has the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What kind of thing it tells.
    pub kind: Kind,
    /// The decision made, or the one an outcome belongs to; a report's own id.
    pub decision_id: Option<String>,
    /// The agent.
    pub agent_id: Option<String>,
    /// The agent's name at that time.
    pub agent_name: Option<String>,
    /// The agent's team at that time.
    pub team: Option<String>,
    /// The agent's environment at that time.
    pub environment: Option<String>,
    /// The agent's labels at that time, canonical JSON.
    pub labels: Option<String>,
    /// Whether the agent was active.
    pub agent_active: Option<bool>,
    /// The key it came with.
    pub key_id: Option<String>,
    /// The canonical action.
    pub action: Option<String>,
    /// Whether the verdict was ALLOW.
    pub allowed: Option<bool>,
    /// ALLOW, DENY or REQUIRE_APPROVAL.
    pub verdict: Option<String>,
    /// Why, such as DENIED_BY_RULE.
    pub reason_code: Option<String>,
    /// The rule that decided.
    pub rule_id: Option<String>,
    /// The policies that applied, canonical JSON: `[{"policy_id","scope","version"}, …]`.
    pub policies: Option<String>,
    /// The rules of which a condition failed, canonical JSON.
    pub error_rule_ids: Option<String>,
    /// The revision decided at; for an admin act the one it made.
    pub revision: Option<Revision>,
    /// When it was decided: the `now` of the conditions.
    pub decided_at: Option<Timestamp>,
    /// The call's correlation id.
    pub request_id: Option<String>,
    /// The call's W3C trace id.
    pub trace_id: Option<String>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// The decision of which this is a stricter repeat.
    pub repeat_of: Option<String>,
    /// The decision that this one replaces before it was answered.
    pub supersedes: Option<String>,
    /// The approval that was presented.
    pub approval_id: Option<String>,
    /// `success` or `error`.
    pub outcome: Option<String>,
    /// Whether the content is whole: nothing cut, nothing redacted.
    pub replayable: Option<bool>,
    /// What a chain, admin or tombstone record says, canonical JSON.
    pub detail: Option<String>,
    /// The erasable part; `None` also once it is erased.
    pub content: Option<Content>,
    /// What stands for the content; absent only if there never was one.
    pub commitment: Option<Hash>,
}

impl Entry {
    /// An entry of `kind` of which everything else is absent.
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            decision_id: None,
            agent_id: None,
            agent_name: None,
            team: None,
            environment: None,
            labels: None,
            agent_active: None,
            key_id: None,
            action: None,
            allowed: None,
            verdict: None,
            reason_code: None,
            rule_id: None,
            policies: None,
            error_rule_ids: None,
            revision: None,
            decided_at: None,
            request_id: None,
            trace_id: None,
            idempotency_key: None,
            repeat_of: None,
            supersedes: None,
            approval_id: None,
            outcome: None,
            replayable: None,
            detail: None,
            content: None,
            commitment: None,
        }
    }

    /// This entry with `content`, committed to.
    pub fn with_content(mut self, content: Content) -> Self {
        self.commitment = Some(content.commitment());
        self.content = Some(content);
        self
    }
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The chain.
    pub chain_id: ChainId,
    /// The chain's number in the list of chains, from 1 on.
    pub chain_no: i64,
    /// The record's number in its chain, from 1 on.
    pub seq: i64,
    /// When it was written; never decreasing within a chain.
    pub timestamp: Timestamp,
    /// The hash of the record before it; of the first, zeros.
    pub prev_hash: Hash,
}

/// A record in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// The form its hash was made in.
    pub form_version: i64,
    /// Its hash.
    pub hash: Hash,
    /// What it says. Shared with the writer, which keeps it until it is settled.
    pub entry: Arc<Entry>,
}

/// A column's value as it enters the hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// Text.
    Text(Option<&'a str>),
    /// Text that had to be made.
    Made(Option<String>),
    /// Bytes.
    Bytes(Option<&'a [u8]>),
    /// An integer, or a time in microseconds.
    Integer(Option<i64>),
    /// A boolean.
    Flag(Option<bool>),
}

impl Record {
    /// `entry` at `position`, hashed.
    pub fn new(position: Position, entry: impl Into<Arc<Entry>>) -> Self {
        let entry = entry.into();
        let mut record = Self { position, form_version: FORM_VERSION, hash: [0; 32], entry };
        record.hash = record.computed_hash();
        record
    }

    /// The hash that this record's columns have.
    pub fn computed_hash(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(RECORD_DOMAIN);
        for (_, field) in self.fields() {
            field.hash_into(&mut hasher);
        }
        hasher.finalize().into()
    }

    /// Every hashed column, by name, in the order of the form.
    pub fn fields(&self) -> [(&'static str, Field<'_>); 34] {
        let position = &self.position;
        let entry = &self.entry;
        [
            ("form_version", Field::Integer(Some(self.form_version))),
            ("chain_id", Field::Text(Some(position.chain_id.as_str()))),
            ("chain_no", Field::Integer(Some(position.chain_no))),
            ("seq", Field::Integer(Some(position.seq))),
            ("timestamp", Field::Integer(Some(position.timestamp.as_micros()))),
            ("prev_hash", Field::Bytes(Some(&position.prev_hash))),
            ("kind", Field::Text(Some(entry.kind.as_str()))),
            ("decision_id", Field::Text(entry.decision_id.as_deref())),
            ("agent_id", Field::Text(entry.agent_id.as_deref())),
            ("agent_name", Field::Text(entry.agent_name.as_deref())),
            ("team", Field::Text(entry.team.as_deref())),
            ("environment", Field::Text(entry.environment.as_deref())),
            ("labels", Field::Text(entry.labels.as_deref())),
            ("agent_active", Field::Flag(entry.agent_active)),
            ("key_id", Field::Text(entry.key_id.as_deref())),
            ("action", Field::Text(entry.action.as_deref())),
            ("allowed", Field::Flag(entry.allowed)),
            ("verdict", Field::Text(entry.verdict.as_deref())),
            ("reason_code", Field::Text(entry.reason_code.as_deref())),
            ("rule_id", Field::Text(entry.rule_id.as_deref())),
            ("policies", Field::Text(entry.policies.as_deref())),
            ("error_rule_ids", Field::Text(entry.error_rule_ids.as_deref())),
            ("revision", Field::Made(entry.revision.as_ref().map(Revision::to_string))),
            ("decided_at", Field::Integer(entry.decided_at.map(Timestamp::as_micros))),
            ("request_id", Field::Text(entry.request_id.as_deref())),
            ("trace_id", Field::Text(entry.trace_id.as_deref())),
            ("idempotency_key", Field::Text(entry.idempotency_key.as_deref())),
            ("repeat_of", Field::Text(entry.repeat_of.as_deref())),
            ("supersedes", Field::Text(entry.supersedes.as_deref())),
            ("approval_id", Field::Text(entry.approval_id.as_deref())),
            ("outcome", Field::Text(entry.outcome.as_deref())),
            ("replayable", Field::Flag(entry.replayable)),
            ("detail", Field::Text(entry.detail.as_deref())),
            ("commitment", Field::Bytes(entry.commitment.as_ref().map(Hash::as_slice))),
        ]
    }
}

impl Field<'_> {
    fn hash_into(&self, hasher: &mut Sha256) {
        let mut bytes = |value: &[u8]| {
            hasher.update([3]);
            hasher.update(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
            hasher.update(value);
        };
        match self {
            Self::Text(Some(text)) => bytes(text.as_bytes()),
            Self::Made(Some(text)) => bytes(text.as_bytes()),
            Self::Bytes(Some(value)) => bytes(value),
            Self::Integer(Some(value)) => {
                hasher.update([1]);
                hasher.update(value.to_be_bytes());
            }
            Self::Flag(Some(value)) => hasher.update([2, u8::from(*value)]),
            Self::Text(None)
            | Self::Made(None)
            | Self::Bytes(None)
            | Self::Integer(None)
            | Self::Flag(None) => {
                hasher.update([0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let position = Position {
            chain_id: ChainId::new(Timestamp::from_micros(0), [1; 16]),
            chain_no: 1,
            seq: 2,
            timestamp: Timestamp::from_micros(9),
            prev_hash: [7; 32],
        };
        let mut entry = Entry::new(Kind::Decision).with_content(Content {
            bytes: b"{\"resource\":\"\xf0\x9f\x94\x92\"}".to_vec(),
            salt: vec![4; 16],
        });
        entry.agent_name = Some("reader".into());
        entry.allowed = Some(false);
        Record::new(position, entry)
    }

    #[test]
    fn an_absent_text_and_an_empty_one_hash_differently() {
        let mut other = record();
        Arc::make_mut(&mut other.entry).team = Some(String::new());
        assert_ne!(other.computed_hash(), record().hash);
    }

    #[test]
    fn text_cannot_move_from_one_column_to_the_next() {
        let (mut left, mut right) = (record(), record());
        Arc::make_mut(&mut left.entry).team = Some("ab".into());
        Arc::make_mut(&mut left.entry).environment = Some("c".into());
        Arc::make_mut(&mut right.entry).team = Some("a".into());
        Arc::make_mut(&mut right.entry).environment = Some("bc".into());
        assert_ne!(left.computed_hash(), right.computed_hash());
    }

    #[test]
    fn the_content_can_be_erased_and_the_hash_stays() {
        let mut erased = record();
        Arc::make_mut(&mut erased.entry).content = None;
        assert_eq!(erased.computed_hash(), record().hash);
    }

    #[test]
    fn the_form_is_final() {
        // A change of this value is a new form version, never an edit.
        let hex: String = record().hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex.len(), 64);
        assert_eq!(record().fields().len(), 34);
    }
}
