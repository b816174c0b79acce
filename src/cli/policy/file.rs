//! Policy files: YAML or JSON, one or more documents each, a file, a directory or standard input.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_saphyr::options::DuplicateKeyPolicy;

use super::super::Failure;
use crate::policy::{Document, Fault, document};

/// The largest file: a policy is at most 2 MiB of protobuf, and YAML is wordier.
const LARGEST_FILE: u64 = 16 * 1024 * 1024;

/// The most documents in all files of one command.
const MOST_DOCUMENTS: usize = 10_000;

/// A policy as a file has it.
#[derive(Debug)]
pub struct Written {
    /// Where it stands: the file, and the document in it if there are several.
    pub origin: String,
    /// What it says.
    pub document: Document,
    /// The `etag` it demands, if any.
    pub etag: Option<String>,
}

/// Reads every policy of `paths`, in their order. A directory stands for its `.yaml`, `.yml` and `.json` files by
/// name, `-` for standard input.
///
/// # Errors
///
/// Every fault of every file at once.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Written>, Failure> {
    let mut written: Vec<Written> = Vec::new();
    let mut faults = Vec::new();
    for path in expand(paths)? {
        match policies(&path) {
            Ok(policies) => written.extend(policies),
            Err(lines) => faults.extend(lines),
        }
        if written.len() > MOST_DOCUMENTS {
            return Err(Failure::failed(format!("more than {MOST_DOCUMENTS} policies at once")));
        }
    }
    if written.is_empty() && faults.is_empty() {
        faults.push("the files hold no policy".to_owned());
    }
    for (index, policy) in written.iter().enumerate() {
        let earlier = written.iter().take(index).find(|other| other.document.scope == policy.document.scope);
        if let Some(earlier) = earlier {
            let (scope, first) = (&policy.document.scope, &earlier.origin);
            faults.push(format!("{}: {scope} already has a policy in {first}", policy.origin));
        }
    }
    if faults.is_empty() { Ok(written) } else { Err(Failure::Failed(faults)) }
}

/// The files that `paths` name: a directory stands for its `.yaml`, `.yml` and `.json` files, by name.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let unreadable = |error: io::Error| Failure::failed(format!("{}: {error}", path.display()));
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            let known = file.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json");
            if known && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(Failure::failed(format!("{}: no .yaml, .yml or .json file in it", path.display())));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// A text file of bounded size, or standard input for `-`.
pub fn text(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("{}: {error}", path.display());
    let mut text = String::new();
    let size = if path == Path::new("-") {
        io::stdin().take(LARGEST_FILE + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(LARGEST_FILE + 1).read_to_string(&mut text))
    };
    let size = size.map_err(unreadable)?;
    if u64::try_from(size).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(format!("{}: larger than 16 MiB", path.display()));
    }
    Ok(text)
}

fn policies(path: &Path) -> Result<Vec<Written>, Vec<String>> {
    let name = path.display().to_string();
    let documents = documents(&text(path).map_err(|line| vec![line])?)
        .map_err(|error| vec![format!("{name}: {error}")])?;
    let many = documents.len() > 1;
    let mut written = Vec::new();
    let mut faults = Vec::new();
    for (number, value) in (1..).zip(&documents) {
        let origin = if many { format!("{name} (document {number})") } else { name.clone() };
        let etag = match value.get("etag") {
            None | Some(Value::Null) => None,
            Some(Value::String(etag)) => Some(etag.clone()).filter(|etag| !etag.is_empty()),
            Some(_) => {
                faults.push(format!("{origin}: etag: is no text"));
                None
            }
        };
        match document::from_json(value) {
            Ok(document) => written.push(Written { origin, document, etag }),
            Err(found) => faults.extend(lines(&origin, &found)),
        }
    }
    if faults.is_empty() { Ok(written) } else { Err(faults) }
}

/// Faults of a policy, one a line.
pub fn lines(origin: &str, faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|fault| format!("{origin}: {fault}")).collect()
}

/// The documents of a YAML text; JSON is read as the YAML it is, so that a key given twice is refused there too.
/// Empty documents are left out.
///
/// # Errors
///
/// If it is no YAML, names a key twice, or is larger than it looks.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    // Bounds on what a few bytes may expand to: aliases and merge keys make copies.
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 16,
        },
        budget: serde_saphyr::budget! {
            max_events: 4_000_000,
            max_nodes: 2_000_000,
            max_depth: 32,
            max_aliases: 10_000,
            max_documents: MOST_DOCUMENTS,
        },
    };
    let values: Vec<Value> =
        serde_saphyr::from_multiple_with_options(text, options).map_err(|error| error.to_string())?;
    Ok(values.into_iter().filter(|value| !value.is_null()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_and_json_are_read_alike() {
        let yaml =
            documents("scope: {everyone: {}}\nallow:\n  - action: 'read:*'\n---\n---\nscope: {team: on}\n");
        assert_eq!(
            yaml.unwrap(),
            [
                json!({"scope": {"everyone": {}}, "allow": [{"action": "read:*"}]}),
                json!({"scope": {"team": "on"}})
            ]
        );
        let json =
            documents("{\"scope\": {\"everyone\": {}},\n\t\"deny\": [{\"action\": \"a\\u00e9\\/\\n\"}]}");
        assert_eq!(json.unwrap()[0]["deny"][0]["action"], "aé/\n");
    }

    #[test]
    fn times_stay_text() {
        let values = documents("time_range: {start: 22:00, end: 06:30}\n").unwrap();
        assert_eq!(values[0]["time_range"], json!({"start": "22:00", "end": "06:30"}));
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        assert!(documents("allow: []\ndeny: []\nallow: []\n").is_err());
        assert!(documents("{\"allow\": [], \"allow\": [{\"action\": \"*\"}]}").is_err());
    }

    #[test]
    fn aliases_cannot_grow_without_bound() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let item = format!("*a{}", level - 1);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", vec![item; 10].join(", ")));
        }
        assert!(documents(&text).is_err());
        assert!(documents(&"[".repeat(10_000)).is_err());
    }

    #[test]
    fn every_fault_of_every_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.yaml"), "scope: {everyone: {}}\nalow: []\n---\nscope: {}\n").unwrap();
        fs::write(dir.path().join("b.json"), "{").unwrap();
        fs::write(dir.path().join("c.txt"), "ignored").unwrap();
        let failure = read(&[dir.path().to_owned()]).unwrap_err();
        let lines = failure.lines();
        assert!(
            lines.iter().any(|line| line.contains("a.yaml (document 1)") && line.contains("alow")),
            "{lines:?}"
        );
        assert!(lines.iter().any(|line| line.contains("a.yaml (document 2)")), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("b.json")), "{lines:?}");
    }

    #[test]
    fn two_policies_for_one_scope_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.yaml");
        fs::write(&file, "scope: {team: x}\n---\nscope: {team: x}\n").unwrap();
        assert!(read(std::slice::from_ref(&file)).unwrap_err().lines()[0].contains("already has a policy"));
        fs::write(&file, "").unwrap();
        assert!(read(&[file]).unwrap_err().lines()[0].contains("no policy"));
    }
}
