//! What the fuzzer runs: one function of bytes for each edge at which somebody else's bytes come in.
//!
//! Each reads its input, and asserts what must hold of whatever was read. The fuzzer's binaries
//! (`fuzz_targets/`) call these, and so does `tests/it/fuzz.rs`, which replays the corpus and mutations of it
//! in the default tier, so that the two can never mean different things.

pub mod action;
pub mod condition;
pub mod decide;
pub mod enforce_json;
mod expression;
pub mod key;
pub mod page_token;
pub mod pattern;
pub mod policy_yaml;
mod source;
mod world;

/// The form of actions, read from the design by the test suite's oracle.
#[path = "../../tests/it/oracle/action.rs"]
#[allow(
    dead_code,
    clippy::duplicate_mod,
    reason = "only its patterns are wanted; the test suite has it, too"
)]
mod oracle_action;

/// One target: its name, which is also that of its corpus, and what it runs.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const ALL: [Target; 8] = [
    ("action", action::run),
    ("condition", condition::run),
    ("decide", decide::run),
    ("enforce_json", enforce_json::run),
    ("key", key::run),
    ("page_token", page_token::run),
    ("pattern", pattern::run),
    ("policy_yaml", policy_yaml::run),
];
