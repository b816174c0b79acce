//! Generates the gRPC code from `proto/` with Cargo alone: `protox` stands in for `protoc`.
//!
//! Left in `OUT_DIR`: `agentguard.v1.rs` (messages and servers), `google.rpc.rs`, `client/agentguard.v1.rs`
//! (clients), and `descriptors.bin`, the whole contract with its comments and annotations.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const CONTRACT: &str = "proto";
const THIRD_PARTY: &str = "third_party/googleapis";

#[allow(
    clippy::disallowed_methods,
    reason = "Cargo tells a build script where to write by the environment alone"
)]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={CONTRACT}");
    println!("cargo:rerun-if-changed={THIRD_PARTY}");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new([CONTRACT, THIRD_PARTY])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(contract_files(&Path::new(CONTRACT).join("agentguard/v1"))?)?;
    // No file of the contract imports the details of errors: they travel as `Any`.
    compiler.open_file(Path::new(THIRD_PARTY).join("google/rpc/error_details.proto"))?;
    // Messages know their names, by which the codec knows what to count in them.
    let mut names = tonic_prost_build::Config::new();
    names.enable_type_names();
    // Encoded by protox, not by prost: prost drops the annotations, which it does not know.
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure()
        .build_client(false)
        // Garbage from a caller is the caller's error; tonic's own codec answers INTERNAL.
        .codec_path("crate::service::codec::Codec")
        // Maps in one order, so that equal messages encode alike.
        .btree_map(".")
        .out_dir(&out)
        .compile_fds_with_config(compiler.file_descriptor_set(), names)?;

    // Clients keep tonic's codec: to them garbage is the server's fault. A second run gives them their own file.
    let client = out.join("client");
    fs::create_dir_all(&client)?;
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".agentguard.v1", "crate::pb::v1")
        .extern_path(".google.rpc", "crate::pb::rpc")
        .out_dir(&client)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The contract's own files, in the order of their names, so that a build is the same everywhere.
fn contract_files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
