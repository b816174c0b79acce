//! The audit: every decision stands in a chain of records, durably, before its answer leaves.
//!
//! [`record`] says what a record is and how it is hashed, [`content`] what of a request is kept and how,
//! [`machine`] is the writer as a pure state machine, [`writer`] the thin shell that does its I/O, [`verify`]
//! reads the chains back and names what does not fit.
//!
//! **Invariant:** no record is written but by appending to a chain's head under a check of that head.

pub mod content;
pub mod janitor;
pub mod machine;
pub mod outbox;
pub mod record;
pub mod verify;

pub mod writer;

pub use content::Keeper;
pub use machine::Failure;
pub use record::{Entry, Kind, Position, Record};
pub use writer::{Receipt, Writer};

/// When the answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// After the record is committed.
    Durable,
    /// Once the record is queued; a crash may lose the tail.
    Async,
}

impl Mode {
    /// The name in settings and in the records that open a chain.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Async => "async",
        }
    }
}
