//! Reading one value after another: where it comes from, what is wrong with it. Faults are gathered, never
//! thrown, so that one start shows them all.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::network::Network;
use super::setting::{self, Kind, Setting};
use super::{Database, Fault, Flags, Secret, value};
use crate::rate_limit::gcra::Limit;
use crate::rate_limit::storage::Storage;

/// The largest file that a `*_FILE` variable or `.env` may name, in bytes: keys and URLs are far shorter, and a
/// path such as `/dev/zero` must not eat the memory.
const LARGEST_FILE: u64 = 65_536;

/// Reads settings by name and gathers faults in the order of the table.
pub struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    flags: &'a Flags,
    dev: bool,
    faults: Vec<Fault>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    /// A reader of `flags` over `env` over the defaults of `serve` or `dev`.
    pub fn new(env: &'a dyn Fn(&str) -> Option<String>, flags: &'a Flags, dev: bool) -> Self {
        Self { env, flags, dev, faults: Vec::new(), warnings: Vec::new() }
    }

    /// Notes that `name` is wrong.
    pub fn fault(&mut self, name: &str, wrong: &str, accepted: &str) {
        self.faults.push(Fault {
            setting: name.to_owned(),
            wrong: wrong.to_owned(),
            accepted: accepted.to_owned(),
        });
    }

    /// Notes a line to warn with.
    pub fn warn(&mut self, line: String) {
        self.warnings.push(line);
    }

    /// Whether `name` already has a fault.
    pub fn is_faulty(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.setting == name)
    }

    /// Whether `name` is set to anything but nothing.
    pub fn is_given(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// Whether a variable outside the table is on; what is no switch counts as on, to be safe.
    pub fn is_on(&self, name: &str) -> bool {
        self.given(name).is_some_and(|text| value::switch(&text) != Some(false))
    }

    /// The warnings.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The faults, in the order of the table.
    pub fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults;
        let place = |fault: &Fault| {
            let name = fault.setting.strip_suffix("_FILE").unwrap_or(&fault.setting);
            setting::all().position(|setting| setting.name == name).unwrap_or(usize::MAX)
        };
        faults.sort_by_key(place);
        faults
    }

    fn given(&self, name: &str) -> Option<String> {
        let text = self.flags.get(name).cloned().or_else(|| (self.env)(name))?;
        Some(text).filter(|text| !text.trim().is_empty())
    }

    /// The setting, and its text from flag, environment, file or default; `None` if it has none.
    fn text(&mut self, name: &str) -> Option<(&'static Setting, String)> {
        let Some(setting) = setting::find(name) else {
            self.fault(name, "is in no table of settings", "a report to the authors");
            return None;
        };
        let given = match setting.file_variable() {
            None => self.given(name),
            Some(file) => self.secret(name, &file),
        };
        let default = if self.dev { setting.dev.or(setting.default) } else { setting.default };
        given.or_else(|| default.map(str::to_owned)).map(|text| (setting, text))
    }

    fn secret(&mut self, name: &str, file_variable: &str) -> Option<String> {
        // A flag wins over both variables, as everywhere; secrets have flags for their files only.
        if let Some(path) = self.flags.get(file_variable).cloned() {
            return self.file(file_variable, &path);
        }
        match ((self.env)(name).filter(|text| !text.trim().is_empty()), self.given(file_variable)) {
            (Some(_), Some(_)) => {
                let wrong = format!("is set, and {name} too");
                self.fault(file_variable, &wrong, "one of the two");
                None
            }
            (Some(text), None) => Some(text.trim().to_owned()),
            (None, Some(path)) => self.file(file_variable, &path),
            (None, None) => None,
        }
    }

    fn file(&mut self, variable: &str, path: &str) -> Option<String> {
        match small_file(Path::new(path)) {
            Ok(text) if text.trim().is_empty() => {
                self.fault(
                    variable,
                    &format!("names an empty file, `{path}`"),
                    "a file that holds the value",
                );
                None
            }
            Ok(text) => Some(text.trim().to_owned()),
            Err(error) => {
                let wrong = format!("`{path}` cannot be read: {error}");
                self.fault(variable, &wrong, "a file of at most 64 KiB that holds the value");
                None
            }
        }
    }

    /// Notes that `text` is not what `setting` takes; shows it unless it is a secret.
    fn refuse(&mut self, setting: &Setting, text: &str) {
        let shown: String = text.chars().take(80).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let wrong = if setting.kind.is_secret() {
            "is malformed".to_owned()
        } else {
            format!("`{shown}` is not accepted")
        };
        self.fault(setting.name, &wrong, &setting.kind.accepted());
    }

    fn parsed<T>(&mut self, name: &str, parse: impl Fn(Kind, &str) -> Option<T>) -> Option<T> {
        let (setting, text) = self.text(name)?;
        let parsed = parse(setting.kind, &text);
        if parsed.is_none() {
            self.refuse(setting, &text);
        }
        parsed
    }

    /// A whole number or a number of bytes, within its bounds.
    pub fn number<T: TryFrom<u64> + Default>(&mut self, name: &str) -> T {
        let number = self.parsed(name, |kind, text| {
            let (number, min, max) = match kind {
                Kind::Count { min, max } => (value::count(text)?, min, max),
                Kind::Bytes { min, max } => (value::bytes(text)?, min, max),
                Kind::Switch
                | Kind::Span { .. }
                | Kind::Choice(_)
                | Kind::Address
                | Kind::Words
                | Kind::Path
                | Kind::Socket
                | Kind::Networks
                | Kind::HttpPath
                | Kind::Limit
                | Kind::Key
                | Kind::Url { .. } => return None,
            };
            (min..=max).contains(&number).then(|| T::try_from(number).ok()).flatten()
        });
        number.unwrap_or_default()
    }

    /// A duration within its bounds.
    pub fn span(&mut self, name: &str) -> Duration {
        let span = self.parsed(name, |kind, text| {
            let Kind::Span { min, max } = kind else { return None };
            value::duration(text).filter(|span| (min..=max).contains(span))
        });
        span.unwrap_or_default()
    }

    /// A switch.
    pub fn switch(&mut self, name: &str) -> bool {
        self.parsed(name, |_, text| value::switch(text)).unwrap_or_default()
    }

    /// An address to listen on.
    pub fn address(&mut self, name: &str) -> IpAddr {
        self.parsed(name, |_, text| value::address(text)).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// An address and a port to listen on.
    pub fn socket(&mut self, name: &str) -> Option<SocketAddr> {
        self.parsed(name, |_, text| value::socket(text))
    }

    /// The path of a file.
    pub fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.parsed(name, |_, text| {
            let text = text.trim();
            // What was no UTF-8 in the environment arrives with this letter, and is no path that anybody meant.
            let is_path = !text.contains(|letter: char| letter.is_control() || letter == '\u{fffd}');
            is_path.then(|| PathBuf::from(text))
        })
    }

    /// The path of a page.
    pub fn http_path(&mut self, name: &str) -> String {
        let path = self.parsed(name, |_, text| {
            let text = text.trim();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-".contains(&byte);
            let is_path = text.starts_with('/') && text.len() <= LONGEST_PATH && text.bytes().all(plain);
            // A page that hid one of the service's own would be noticed by whoever needs that one.
            let is_free = !TAKEN.iter().any(|taken| {
                text.strip_prefix(taken).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '.']))
            });
            (is_path && is_free && text.len() > 1).then(|| text.to_owned())
        });
        path.unwrap_or_else(|| "/metrics".to_owned())
    }

    /// Comma-separated networks.
    pub fn networks(&mut self, name: &str) -> Option<Vec<Network>> {
        self.parsed(name, |_, text| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let networks: Option<Vec<Network>> = parts.map(Network::parse).collect();
            networks.filter(|networks| !networks.is_empty())
        })
    }

    /// One word of the setting's list, as the list spells it.
    pub fn choice(&mut self, name: &str) -> &'static str {
        let choice = self.parsed(name, |kind, text| {
            let Kind::Choice(words) = kind else { return None };
            let text = text.trim();
            let text = if text.eq_ignore_ascii_case("warn") { "warning" } else { text };
            words.iter().copied().find(|word| word.eq_ignore_ascii_case(text))
        });
        choice.unwrap_or_default()
    }

    /// Comma-separated names, in lower case without `_` and `-`.
    pub fn words(&mut self, name: &str) -> Vec<String> {
        let words = self.parsed(name, |_, text| {
            if text.trim().eq_ignore_ascii_case("none") {
                return Some(Vec::new());
            }
            let word = |word: &str| {
                let word = word.trim();
                let plain = word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
                let bare = word.to_ascii_lowercase().replace(['_', '-'], "");
                (plain && !bare.is_empty()).then_some(bare)
            };
            let words: Option<BTreeSet<String>> =
                text.split(',').filter(|part| !part.trim().is_empty()).map(word).collect();
            words.map(|words| words.into_iter().collect()).filter(|words: &Vec<String>| !words.is_empty())
        });
        words.unwrap_or_default()
    }

    /// How often something may be done; `None` if that cannot be read.
    pub fn limit(&mut self, name: &str) -> Option<Limit> {
        let (setting, text) = self.text(name)?;
        match text.parse() {
            Ok(limit) => Some(limit),
            Err(wrong) => {
                self.fault(name, &format!("{wrong}"), &setting.kind.accepted());
                None
            }
        }
    }

    /// Where calls are counted.
    pub fn storage(&mut self, name: &str) -> Storage {
        self.parsed(name, |_, text| Storage::parse(text)).unwrap_or(Storage::Memory)
    }

    /// One key or pepper.
    pub fn key(&mut self, name: &str) -> Option<Secret> {
        self.parsed(name, |_, text| is_key(text).then(|| Secret::new(text)))
    }

    /// One key, or two separated by a comma.
    pub fn keys(&mut self, name: &str) -> Vec<Secret> {
        let Some((setting, text)) = self.text(name) else { return Vec::new() };
        let keys: Vec<&str> = text.split(',').map(str::trim).collect();
        if !keys.iter().copied().all(is_key) {
            self.refuse(setting, &text);
            return Vec::new();
        }
        let two_alike = matches!(keys.as_slice(), [first, second] if first == second);
        if keys.len() > 2 || two_alike {
            let wrong = if two_alike { "holds the same key twice" } else { "holds more than two keys" };
            self.fault(name, wrong, "one key, or two different ones separated by a comma while rotating");
            return Vec::new();
        }
        keys.into_iter().map(Secret::new).collect()
    }

    /// The URL of a PostgreSQL database.
    pub fn postgres(&mut self, name: &str) -> Option<Secret> {
        self.parsed(name, |_, text| is_postgres(text).then(|| Secret::new(text)))
    }

    /// The URL of a collector.
    pub fn collector(&mut self, name: &str) -> Option<Secret> {
        self.parsed(name, |_, text| {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
            let is_url = !rest.is_empty()
                && !rest.contains(|letter: char| letter.is_whitespace() || letter.is_control());
            is_url.then(|| Secret::new(text))
        })
    }

    /// The database's URL. Only its outer form is checked here; the store reads the rest.
    pub fn database(&mut self, name: &str) -> Database {
        let database = self.parsed(name, |_, text| {
            if is_postgres(text) {
                return Some(Database::Postgres(Secret::new(text)));
            }
            let path = text.strip_prefix("sqlite://")?;
            // An audit in memory would be lost with the process; `?` begins options that are not taken.
            let usable = !path.is_empty() && !path.contains(['?', '\0']) && !path.contains(":memory:");
            usable.then(|| Database::Sqlite(path.into()))
        });
        database.unwrap_or_else(|| Database::Sqlite("agentguard.db".into()))
    }
}

/// Bytes of a page's path.
const LONGEST_PATH: usize = 128;

/// What the service answers itself; a path below one of these is no other page's.
const TAKEN: [&str; 10] =
    ["/health", "/enforce", "/agents", "/logs", "/docs", "/openapi", "/v1", "/agentguard", "/grpc", "/kill"];

fn is_key(text: &str) -> bool {
    // 1,024 is more than any header of a sane proxy lets through.
    (1..=1_024).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

fn is_postgres(text: &str) -> bool {
    let rest = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// The text of a file of at most [`LARGEST_FILE`] bytes.
pub fn small_file(path: &Path) -> std::io::Result<String> {
    let bytes = bounded_file(path, LARGEST_FILE)?;
    String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is no UTF-8"))
}

/// The bytes of a file of at most `largest` bytes.
pub fn bounded_file(path: &Path, largest: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)?.take(largest + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > largest {
        return Err(std::io::Error::other(format!("it is larger than {}", value::show_bytes(largest))));
    }
    Ok(bytes)
}
