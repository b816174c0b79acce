//! What every decision is made from, as one immutable value; follows with the compiled policies.

pub use crate::store::agents::AgentEntry;
pub use crate::store::keys::KeyEntry;
