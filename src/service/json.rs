//! The contract's messages as JSON: the proto's own JSON form with the proto's field names.
//!
//! Made from the contract's descriptors, so that no message needs code of its own and no field can be forgotten.
//! `text` reads JSON strictly, `read` makes messages of it with every fault at once, `write` shows messages.
//!
//! **Invariant:** nothing here knows a message by name, but for the policies, in which nothing unknown may stand.

mod read;
mod text;
mod write;

use std::sync::LazyLock;

use prost_reflect::{DescriptorError, DescriptorPool};

pub use read::{from_text, message};
pub use text::{MAX_DEPTH, MAX_VALUES, parse};
pub use write::{Enums, structure, timestamp, to_struct, write};

use crate::pb::DESCRIPTOR_SET;

static CONTRACT: LazyLock<Result<DescriptorPool, DescriptorError>> =
    LazyLock::new(|| DescriptorPool::decode(DESCRIPTOR_SET));

/// The contract's descriptors, comments and annotations included; read once, and shared.
///
/// # Errors
/// If this build's own descriptors cannot be read.
pub fn contract() -> Result<DescriptorPool, &'static DescriptorError> {
    CONTRACT.as_ref().map(DescriptorPool::clone)
}
