//! The data directory of `agentguard dev`: its database file and its keys, for the owner's eyes only.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::Failure;
use crate::config::Secret;
use crate::entropy;

/// The name of the file that holds the admin key.
pub const ADMIN_KEY: &str = "admin-key";
/// The name of the file that holds the agent's key.
pub const AGENT_KEY: &str = "agent-key";
const DATABASE: &str = "agentguard.db";

/// A directory that only its owner may enter.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes the directory, or takes the one there is and closes it to others.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::failed(format!("{}: {error}", path.display()));
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(failed)?;
        let directory = Self(path);
        // The keys must not be committed by accident where the directory lies in a repository.
        directory.keep(".gitignore", "*\n")?;
        Ok(directory)
    }

    /// The path of the database file.
    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The admin key, made at the first start.
    pub fn admin_key(&self) -> Result<Secret, Failure> {
        if let Some(key) = self.read(ADMIN_KEY)? {
            return Ok(key);
        }
        let key: String = entropy::bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect();
        self.keep(ADMIN_KEY, &format!("{key}\n"))?;
        Ok(Secret::new(key))
    }

    /// The agent's key, if one was kept.
    pub fn agent_key(&self) -> Result<Option<Secret>, Failure> {
        self.read(AGENT_KEY)
    }

    /// Keeps the agent's key for the next start.
    pub fn keep_agent_key(&self, key: &Secret) -> Result<(), Failure> {
        self.keep(AGENT_KEY, &format!("{}\n", key.expose()))
    }

    fn read(&self, name: &str) -> Result<Option<Secret>, Failure> {
        let path = self.path(name);
        let failed = |error: io::Error| Failure::failed(format!("{}: {error}", path.display()));
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        let key = text.trim();
        Ok((!key.is_empty()).then(|| Secret::new(key)))
    }

    /// Writes a file whole or not at all, readable by the owner only from its first byte on.
    fn keep(&self, name: &str, text: &str) -> Result<(), Failure> {
        let (path, draft) = (self.path(name), self.path(&format!("{name}.new")));
        let written = || {
            let mut file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)
        };
        written().map_err(|error: io::Error| Failure::failed(format!("{}: {error}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_the_owners_and_stay_the_same() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/data");
        let directory = Directory::open(&path).unwrap();
        let key = directory.admin_key().unwrap();
        assert_eq!(key.expose().len(), 64);
        assert_eq!(directory.agent_key().unwrap(), None);
        directory.keep_agent_key(&Secret::new("agk_x")).unwrap();
        assert_eq!(
            (mode(&path), mode(&path.join(ADMIN_KEY)), mode(&path.join(AGENT_KEY))),
            (0o700, 0o600, 0o600)
        );

        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(path.join(ADMIN_KEY), Permissions::from_mode(0o644)).unwrap();
        let again = Directory::open(&path).unwrap();
        assert_eq!(again.admin_key().unwrap(), key);
        assert_eq!(again.agent_key().unwrap(), Some(Secret::new("agk_x")));
        assert_eq!(
            (mode(&path), mode(&path.join(ADMIN_KEY))),
            (0o700, 0o600),
            "what was open is closed again"
        );
    }
}
