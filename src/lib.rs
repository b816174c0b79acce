//! AgentGuard: an AI agent asks before it acts; AgentGuard decides, records the decision durably and
//! tamper-evidently, and answers.
//!
//! This library is the program's inside. Its public face is the gRPC contract in `proto/`; nothing here is
//! a stable API. `ARCHITECTURE.md` is the map.

pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod entropy;
pub mod ids;
pub mod metrics;
pub mod pb;
pub mod policy;
pub mod rate_limit;
pub mod server;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod view;
