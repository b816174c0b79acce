//! Generates the gRPC code with Cargo alone.
fn main() {}
