//! What the client commands run with: where the server is, which key to show it.

use std::path::PathBuf;
use std::time::Duration;

use super::{Fault, Secret, reader};

/// The variable that names the server.
pub const ENDPOINT: &str = "AGENTGUARD_ENDPOINT";
/// The variable that holds an admin's key.
pub const ADMIN_KEY: &str = "AGENTGUARD_ADMIN_KEY";
/// The variable that holds an agent's key.
pub const AGENT_KEY: &str = "AGENTGUARD_API_KEY";
/// The variable that names the roots to trust in place of the system's.
pub const CA_FILE: &str = "AGENTGUARD_CA_FILE";
/// The variable that names the certificate to show a server that wants one.
pub const CERT_FILE: &str = "AGENTGUARD_CLIENT_CERT_FILE";
/// The variable that names its key.
pub const CERT_KEY_FILE: &str = "AGENTGUARD_CLIENT_KEY_FILE";
/// Where the server is unless said otherwise.
pub const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8000";
/// How long a command waits for its answer unless said otherwise, in the form of the flag.
pub const DEFAULT_TIMEOUT: &str = "10s";

/// Variables of the client commands with their meanings, for the documentation.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    (
        ENDPOINT,
        DEFAULT_ENDPOINT,
        "Where the server is: `http://…`, or `https://…` (by the roots of the system, or of `AGENTGUARD_CA_FILE`).",
    ),
    (
        ADMIN_KEY,
        "",
        "The admin key, for `agent`, `key`, `policy`, `kill` and `audit`; also `AGENTGUARD_ADMIN_KEY_FILE`.",
    ),
    (AGENT_KEY, "", "The agent's key, for `enforce`; also `AGENTGUARD_API_KEY_FILE`."),
    (CA_FILE, "", "Roots in PEM that are trusted with `https://…`, in place of the system's."),
    (
        CERT_FILE,
        "",
        "A certificate in PEM to show with `https://…`, for a server with `TLS_CLIENT_CA_FILE`; with `AGENTGUARD_CLIENT_KEY_FILE`.",
    ),
    (CERT_KEY_FILE, "", "The key of that certificate, in PEM."),
];

/// Which of the two keys a command shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The admin's.
    Admin,
    /// The agent's.
    Agent,
    /// None: health asks for none.
    Nobody,
}

/// Flags of the client commands.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--endpoint`.
    pub endpoint: Option<String>,
    /// `--key-file`.
    pub key_file: Option<PathBuf>,
    /// `--timeout`.
    pub timeout: Duration,
    /// `--insecure`: a key may travel in plain text.
    pub insecure: bool,
}

/// A client's settings, whole.
#[derive(Clone, Debug)]
pub struct Client {
    /// The server's URL.
    pub endpoint: String,
    /// The key to show, if the role has one.
    pub key: Option<Secret>,
    /// How long to wait for an answer.
    pub timeout: Duration,
    /// With `https`: whom to trust, and what to show.
    pub tls: Tls,
}

/// What a client brings to TLS, in PEM.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The roots to trust; `None`: the system's.
    pub roots: Option<Vec<u8>>,
    /// A certificate and its key, for a server that wants one.
    pub identity: Option<(Vec<u8>, Secret)>,
}

impl Client {
    /// Loads the settings for a command that acts as `role`: flags first, then `env`.
    ///
    /// # Errors
    ///
    /// Every fault at once: an endpoint that is no URL of a server, a key that is missing or unreadable.
    pub fn load(role: Role, env: impl Fn(&str) -> Option<String>, flags: &Flags) -> Result<Self, Vec<Fault>> {
        let given = |name: &str| env(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let mut faults = Vec::new();
        let endpoint = flags.endpoint.clone().or_else(|| given(ENDPOINT));
        let endpoint = endpoint.unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        if !is_endpoint(&endpoint) {
            faults.push(Fault {
                setting: ENDPOINT.to_owned(),
                wrong: "is no address of a server".to_owned(),
                accepted: "`http://host:port` or `https://host:port`, nothing after it".to_owned(),
            });
        }
        let plain = endpoint.starts_with("http:") && !is_loopback(&endpoint);
        if plain && role != Role::Nobody && !flags.insecure {
            faults.push(Fault {
                setting: ENDPOINT.to_owned(),
                wrong: "would send the key in plain text to another machine".to_owned(),
                accepted: "`https://…`, a loopback address, or --insecure where the network is trusted"
                    .to_owned(),
            });
        }
        let variable = match role {
            Role::Admin => Some(ADMIN_KEY),
            Role::Agent => Some(AGENT_KEY),
            Role::Nobody => None,
        };
        let key = variable.and_then(|variable| match key(variable, given, flags) {
            Ok(key) => Some(key),
            Err(fault) => {
                faults.push(fault);
                None
            }
        });
        let tls = Tls::load(given, &mut faults);
        if faults.is_empty() { Ok(Self { endpoint, key, timeout: flags.timeout, tls }) } else { Err(faults) }
    }
}

impl Tls {
    fn load(given: impl Fn(&str) -> Option<String>, faults: &mut Vec<Fault>) -> Self {
        let [roots, certificate, key] = [CA_FILE, CERT_FILE, CERT_KEY_FILE].map(|name| {
            let path = given(name)?;
            super::tls_file(path.as_ref())
                .map_err(|error| {
                    faults.push(Fault {
                        setting: name.to_owned(),
                        wrong: format!("`{path}` cannot be read: {error}"),
                        accepted: "a PEM file".to_owned(),
                    });
                })
                .ok()
        });
        let half = [(CERT_FILE, CERT_KEY_FILE), (CERT_KEY_FILE, CERT_FILE)];
        for (set, unset) in
            half.into_iter().filter(|(set, unset)| given(set).is_some() && given(unset).is_none())
        {
            faults.push(Fault {
                setting: unset.to_owned(),
                wrong: format!("is not set, but {set} is"),
                accepted: "both or neither".to_owned(),
            });
        }
        let key = key.map(|key| Secret::new(String::from_utf8_lossy(&key)));
        Self { roots, identity: certificate.zip(key) }
    }
}

fn key(variable: &str, given: impl Fn(&str) -> Option<String>, flags: &Flags) -> Result<Secret, Fault> {
    let fault = |wrong: String| Fault {
        setting: variable.to_owned(),
        wrong,
        accepted: format!("the key in {variable}, or a file that holds it in {variable}_FILE or --key-file"),
    };
    let file_variable = format!("{variable}_FILE");
    let from_file = flags
        .key_file
        .clone()
        .or_else(|| given(variable).is_none().then(|| given(&file_variable).map(PathBuf::from)).flatten());
    let text = match from_file {
        Some(path) => reader::small_file(&path)
            .map_err(|error| fault(format!("`{}` cannot be read: {error}", path.display())))?
            .trim()
            .to_owned(),
        None => given(variable).ok_or_else(|| fault("is not set".to_owned()))?,
    };
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(fault("holds no key".to_owned()));
    }
    Ok(Secret::new(text))
}

/// Whether what is sent to `endpoint` stays on this machine.
fn is_loopback(endpoint: &str) -> bool {
    let uri = endpoint.parse::<http::Uri>().ok();
    uri.as_ref().and_then(|uri| uri.host()).is_some_and(|host| {
        host == "localhost"
            || super::value::address(host).is_some_and(|address| address.to_canonical().is_loopback())
    })
}

/// Whether `text` is `http` or `https`, a host, perhaps a port, and nothing more. A password in it is refused too.
fn is_endpoint(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let host = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    scheme && host && matches!(uri.path(), "" | "/") && uri.query().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_scheme_host_and_port() {
        for good in ["http://127.0.0.1:8000", "https://guard.example.com", "http://[::1]:8000/"] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in ["127.0.0.1:8000", "ftp://x", "http://u:p@x", "http://x/path", "http://x?q", "http://", ""]
        {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }

    #[test]
    fn every_fault_comes_at_once_and_shows_no_key() {
        let env = |name: &str| (name == ENDPOINT).then(|| "nowhere/at all".to_owned());
        let faults = Client::load(Role::Admin, env, &Flags::default()).unwrap_err();
        let names: Vec<_> = faults.iter().map(|fault| fault.setting.as_str()).collect();
        assert_eq!(names, [ENDPOINT, ADMIN_KEY]);
        let env = |name: &str| (name == AGENT_KEY).then(|| "agk_with a blank".to_owned());
        let faults = Client::load(Role::Agent, env, &Flags::default()).unwrap_err();
        assert!(!format!("{faults:?}").contains("blank"));
    }

    #[test]
    fn a_key_goes_to_another_machine_in_plain_text_only_if_said() {
        let env = |name: &str| (name == ADMIN_KEY).then(|| "k".to_owned());
        let load = |endpoint: &str, insecure: bool| {
            let flags = Flags { endpoint: Some(endpoint.to_owned()), insecure, ..Flags::default() };
            Client::load(Role::Admin, env, &flags).is_ok()
        };
        for near in
            ["http://localhost:1", "http://127.0.0.9:1", "http://[::1]:1", "https://guard.example.com"]
        {
            assert!(load(near, false), "{near}");
        }
        for far in ["http://guard:8000", "http://10.0.0.1:8000", "http://localhost.example.com"] {
            assert!(!load(far, false) && load(far, true), "{far}");
        }
    }

    #[test]
    fn a_certificate_comes_with_its_key_and_both_can_be_read() {
        let names = |pairs: &[(&str, &str)]| {
            let env =
                |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
            match Client::load(Role::Nobody, env, &Flags::default()) {
                Ok(_) => Vec::new(),
                Err(faults) => faults.into_iter().map(|fault| fault.setting).collect(),
            }
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        let file = file.path().to_str().unwrap();
        assert_eq!(names(&[(CERT_FILE, file)]), [CERT_KEY_FILE]);
        assert_eq!(names(&[(CERT_KEY_FILE, file)]), [CERT_FILE]);
        assert_eq!(names(&[(CA_FILE, "/nonexistent")]), [CA_FILE]);
        assert!(names(&[(CA_FILE, file), (CERT_FILE, file), (CERT_KEY_FILE, file)]).is_empty());
    }

    #[test]
    fn health_needs_no_key() {
        let client = Client::load(Role::Nobody, |_| None, &Flags::default()).unwrap();
        assert_eq!((client.endpoint.as_str(), client.key), (DEFAULT_ENDPOINT, None));
    }
}
