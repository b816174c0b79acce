//! Generates the stubs, as the server's build does, with Cargo alone: `protox` stands in for `protoc`. Users of the crate
//! need neither: what is made here is kept in `src/gen`.

use std::fs;
use std::path::{Path, PathBuf};

/// Compares `src/gen` with what the contract gives; with `AGENTGUARD_GENERATE=FOLDER` writes it there, and compares
/// nothing.
#[test]
fn the_stubs_are_those_of_the_contract() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(folder) = std::env::var_os("AGENTGUARD_GENERATE") {
        generate(home, &PathBuf::from(folder));
        return;
    }
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gen");
    fs::remove_dir_all(&made).ok();
    fs::create_dir_all(&made).unwrap();
    generate(home, &made);
    assert_eq!(files(&made), files(&home.join("src/gen")), "remedy: sdk/generate rust");
}

fn generate(home: &Path, out: &Path) {
    let (contract, third_party) = (home.join("../../proto"), home.join("../../third_party/googleapis"));
    let mut compiler = protox::Compiler::new([&contract, &third_party]).unwrap();
    compiler.include_imports(true).include_source_info(true);
    let mut names: Vec<_> =
        fs::read_dir(contract.join("agentguard/v1")).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    compiler.open_files(names).unwrap();
    compiler.open_file(third_party.join("google/rpc/error_details.proto")).unwrap();
    tonic_prost_build::configure()
        .build_server(false)
        .btree_map(".")
        .out_dir(out)
        .compile_fds(compiler.file_descriptor_set())
        .unwrap();
    // What annotations are made of; no message of the contract holds it.
    fs::remove_file(out.join("google.api.rs")).unwrap();
}

/// Name and text of every file in `folder`.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    files.sort();
    files
}
