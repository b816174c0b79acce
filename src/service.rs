//! The only room that knows the wire: messages in, domain calls, messages out.
//!
//! **Invariant:** nothing here decides or stores; no SQL, no policy rule.

pub mod admin;
pub mod call;
pub mod codec;
pub mod convert;
pub mod enforcement;
pub mod json;
pub mod page;
pub mod status;
pub mod tally;
pub mod throttle;

pub use status::Error;
