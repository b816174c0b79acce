//! Keeps a second server off a SQLite file. The lock is on `<file>.lock`, never on the database file itself:
//! closing any descriptor of a file drops the process's POSIX locks on it, SQLite's own included.
//!
//! One file has one lock, by whatever path it is named: symbolic links are followed first, and a file with a second
//! name of its own (a hard link) is refused, as SQLite's journals would not be shared either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::Error;

/// Held while the server lives; the system frees it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the lock beside `database`, or says who has it.
    pub(super) fn take(database: &Path, allow_network: bool) -> Result<Self, Error> {
        let cannot = |error: io::Error| Error::File(format!("cannot open `{}`: {error}", database.display()));
        let real = real(database, MAX_LINKS).map_err(cannot)?;
        let mut name = real.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(
                |error| Error::File(format!("cannot open the lock file `{}`: {error}", path.display())),
            )?;
        if !allow_network && let Some(kind) = network_file_system(&file) {
            return Err(Error::File(format!(
                "`{}` lies on a network file system ({kind}), where SQLite's locks cannot be trusted; use a local \
                 disk or PostgreSQL",
                database.display()
            )));
        }
        file.try_lock().map_err(|_| {
            Error::File(format!(
                "`{}` is in use by another agentguard process; only one may serve a SQLite file",
                database.display()
            ))
        })?;
        // SQLite gives its journals the permissions of the database, so it must not be the one to make that.
        private(&real).map_err(cannot)?;
        if fs::metadata(&real).map_err(cannot)?.nlink() > 1 {
            return Err(Error::File(format!(
                "`{}` has a second name (a hard link), under which another process could use it; remove one",
                database.display()
            )));
        }
        Ok(Self { _file: file })
    }
}

/// As many links as the system itself follows.
const MAX_LINKS: u32 = 40;

/// Where a file really is, or will be. Nothing is opened.
fn real(path: &Path, links: u32) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && links > 0 => {}
        found => return found,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::read_link(path), path.file_name()) {
        // A link to what is yet to be made.
        (Ok(target), _) => real(&folder.join(target), links - 1),
        (Err(_), Some(name)) => Ok(fs::canonicalize(folder)?.join(name)),
        (Err(error), None) => Err(error),
    }
}

/// Opens a file, made for its owner alone if it is absent.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)
}

/// The magic numbers of statfs(2) for file systems that live on another machine.
const NETWORK_FILE_SYSTEMS: [(u32, &str); 7] = [
    (0x6969, "nfs"),
    (0x517b, "smb"),
    (0xff53_4d42, "cifs"),
    (0xfe53_4d42, "smb2"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "ceph"),
    (0x5346_414f, "afs"),
];

fn network_file_system(file: &File) -> Option<&'static str> {
    let magic = rustix::fs::fstatfs(file).ok()?.f_type;
    // The kernel's type is signed on some machines; the magic is its low 32 bits.
    let magic = u32::try_from(i128::from(magic) & 0xffff_ffff).ok()?;
    NETWORK_FILE_SYSTEMS.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_refused_until_the_first_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("a.db");
        let first = FileLock::take(&database, false).unwrap();
        assert!(FileLock::take(&database, false).unwrap_err().to_string().contains("in use"));
        drop(first);
        assert!(FileLock::take(&database, false).is_ok());
    }

    #[test]
    fn another_name_of_the_file_is_no_way_around_the_lock() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("a.db");
        let at = |name: &str| dir.path().join(name);
        symlink("a.db", at("relative.db")).unwrap();
        symlink(at("relative.db"), at("twice.db")).unwrap();
        symlink(dir.path(), at("folder")).unwrap();
        // Also where the file is yet to be made, through a link to nothing.
        let first = FileLock::take(&at("twice.db"), false).unwrap();
        for name in ["a.db", "relative.db", "twice.db", "folder/a.db", "folder/twice.db"] {
            let refused = FileLock::take(&at(name), false).unwrap_err().to_string();
            assert!(refused.contains("in use"), "{name}: {refused}");
        }
        fs::hard_link(&database, at("hard.db")).unwrap();
        let refused = FileLock::take(&at("hard.db"), false).unwrap_err().to_string();
        assert!(refused.contains("hard link"), "{refused}");
        drop(first);
        fs::remove_file(at("hard.db")).unwrap();
        assert!(FileLock::take(&at("folder/a.db"), false).is_ok());
        symlink("around.db", at("around.db")).unwrap();
        assert!(FileLock::take(&at("around.db"), false).is_err());
        assert!(FileLock::take(&at("nowhere/a.db"), false).is_err());
    }
}
