//! The test server of the client SDKs: plays the cases of `sdk/conformance/cases.yaml` on real ports, every one with
//! the faults that it asks for, and says afterwards what was wrong with what the client sent.
//!
//! It decides nothing: it has no policies, no database, no key of anybody's. It is an example of the package, so that
//! no build of the program contains it, it listens on 127.0.0.1 only, on ports of the kernel's choice, knows two keys
//! that no server would accept, and ends when its standard input is closed.
//!
//! `sdk/README.md` says how a runner talks to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    missing_docs,
    reason = "a tool of tests fails by panicking and starts its own tasks"
)]

mod certificates;
mod connection;
mod control;
mod judge;
mod play;
mod script;
mod stream;
mod wire;

use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const CASES: &str = include_str!("../cases.yaml");

#[tokio::main]
async fn main() {
    let script = Arc::new(script::Script::load(CASES).unwrap_or_else(|faults| {
        eprintln!("cases.yaml:\n{}", faults.join("\n"));
        std::process::exit(1);
    }));
    let certificates = Arc::new(certificates::Certificates::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!(
        "{}",
        serde_json::json!({
            "agentguard_test_server": env!("CARGO_PKG_VERSION"),
            "control": format!("http://{}", listener.local_addr().unwrap()),
            "cases": script.cases.len(),
        })
    );
    let control = control::serve(listener, script, certificates);
    tokio::select! {
        () = control => {}
        () = starter_is_gone() => {}
    }
}

/// Ends when standard input does: a runner that was killed leaves no server behind.
async fn starter_is_gone() {
    let mut input = tokio::io::stdin();
    let mut bytes = [0; 256];
    while matches!(input.read(&mut bytes).await, Ok(read) if read > 0) {}
}
