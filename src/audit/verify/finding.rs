//! What verification tells: findings, progress, the summary.

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A record's columns do not have its hash.
    HashMismatch,
    /// The content is not what the record commits to.
    ContentMismatch,
    /// The content is gone and no tombstone says that it was erased.
    ContentMissing,
    /// A record does not follow the one before it.
    LinkMismatch,
    /// A number is missing in a chain.
    RecordMissing,
    /// A row stands where none can be.
    RecordInserted,
    /// The chain ends before its head.
    TailMissing,
    /// A chain is missing.
    ChainMissing,
    /// A record is older than the one before it.
    TimeReversed,
    /// A row is no record.
    RecordMalformed,
    /// An admin act and its record do not match.
    AdminMismatch,
    /// A chain written in `async` mode was not closed by its writer; no tampering.
    LossPossible,
    /// A writer found its chain taken back or taken over.
    DatabaseRolledBack,
}

impl FindingKind {
    /// Whether it shows that somebody changed the audit, rather than that something went wrong in its writing.
    pub const fn is_tampering(self) -> bool {
        match self {
            Self::LossPossible | Self::DatabaseRolledBack => false,
            Self::HashMismatch
            | Self::ContentMismatch
            | Self::ContentMissing
            | Self::LinkMismatch
            | Self::RecordMissing
            | Self::RecordInserted
            | Self::TailMissing
            | Self::ChainMissing
            | Self::TimeReversed
            | Self::RecordMalformed
            | Self::AdminMismatch => true,
        }
    }
}

/// One thing that does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// In which chain; empty if it is not known.
    pub chain_id: String,
    /// The chain's number; 0 if it is not known.
    pub chain_no: i64,
    /// At which record; 0 for the chain as a whole.
    pub seq: i64,
    /// For people.
    pub message: String,
}

/// How far verification is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Records checked.
    pub records: u64,
    /// Records there are to check.
    pub records_total: u64,
    /// Chains checked.
    pub chains: u64,
    /// Chains there are to check.
    pub chains_total: u64,
}

/// What the whole came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records checked.
    pub records: u64,
    /// Chains checked.
    pub chains: u64,
    /// Findings that show tampering.
    pub tampered: u64,
    /// Findings that do not.
    pub notices: u64,
}

impl Summary {
    /// Whether nothing shows tampering.
    pub const fn is_ok(&self) -> bool {
        self.tampered == 0
    }
}

/// What is told while verification goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something does not fit.
    Finding(Finding),
    /// How far it is.
    Progress(Progress),
    /// The end.
    Summary(Summary),
}
