//! The page of settings is what the program prints.

use std::path::{Path, PathBuf};

/// Compares a file of the repository with what the program prints; `UPDATE_DOCS=1` writes it.
pub fn same_as_printed(path: &str, printed: &str, remedy: &str) {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, printed).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let line = written.lines().zip(printed.lines()).position(|(a, b)| a != b);
    assert!(
        written == printed,
        "{path} differs from the program's own text (line {line:?}); remedy: {remedy}"
    );
}

#[test]
fn the_documentation_of_settings_is_current() {
    same_as_printed(
        "docs/configuration.md",
        &agentguard::config::document::markdown(),
        "UPDATE_DOCS=1 cargo test --test it config",
    );
}
