//! The `agentguard` program: parse, run, exit code.

fn main() {}
