//! A small disk: a tmpfs of a given size, filled by hand and emptied again. It needs root, directly or by sudo.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const REMEDY: &str = "a full disk is tested on a small tmpfs, and mounting one needs root: run as root, let sudo work \
                      without a password, or in a container give it CAP_SYS_ADMIN (docker run --cap-add SYS_ADMIN)";

/// A disk of its own; unmounted when it is dropped, and by `scripts/test` if the test was killed.
pub struct SmallDisk {
    directory: TempDir,
}

impl SmallDisk {
    pub fn mount(megabytes: usize) -> Self {
        let directory = tempfile::Builder::new().prefix("disk").tempdir().unwrap();
        let size = format!("size={megabytes}m,mode=0777");
        as_root(&["mount", "-t", "tmpfs", "-o", &size, "agentguard-test"], directory.path())
            .unwrap_or_else(|fault| panic!("{fault}: {REMEDY}"));
        // A server that runs as another user has to pass.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        Self { directory }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Gives the disk to the user that PostgreSQL runs as.
    pub fn give_to_postgres(&self) {
        crate::postgres::give(self.path());
    }

    /// Takes all the space that is left; again, where some came free meanwhile.
    pub fn fill(&self) {
        let mut file = std::fs::File::options().create(true).append(true).open(self.ballast()).unwrap();
        for size in [65_536, 4_096] {
            let block = vec![1; size];
            while file.write(&block).is_ok() {}
        }
    }

    /// Gives the space back.
    pub fn empty(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, since whoever still has a file open is about to end.
        if let Err(fault) = as_root(&["umount", "-l"], self.path()) {
            eprintln!("{fault}");
        }
    }
}

/// Runs a command on `path`, by sudo unless this is root.
fn as_root(command: &[&str], path: &Path) -> Result<(), String> {
    let id = Command::new("id").arg("-u").output().map_err(|error| error.to_string())?;
    let sudo: &[&str] = if id.stdout.trim_ascii() == b"0" { &[] } else { &["sudo", "-n"] };
    let all: Vec<&str> = sudo.iter().chain(command).copied().collect();
    let (program, arguments) = all.split_first().unwrap();
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .map_err(|error| format!("`{program}`: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{}` failed: {}", all.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}
