//! The one integration binary: every subject is a module beside this file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests fail by panicking, start their own tasks and read their own environment"
)]

mod adr;
mod attacks;
mod batch;
mod bounds;
mod cases;
mod cli;
mod coherence;
mod config;
mod crash;
mod dev;
mod deviant;
mod evidence;
mod faults;
mod feed;
mod fences;
mod fuzz;
mod guarantees;
mod harness;
mod history;
mod idempotency;
mod keys;
mod kill;
mod ledger;
mod limits;
mod logs;
mod loss;
mod metrics;
mod monitoring;
mod one_server;
mod oracle;
mod outcomes;
mod pgbouncer;
mod pooler;
mod postgres;
mod postgres_tls;
mod prober;
mod rate_limits;
mod redis;
mod roles;
mod schema;
mod store;
mod tls;
mod traces;
mod watch;
mod worst;
mod worst_call;
