//! The front door's settings: where TLS ends, which proxies are believed, listeners of their own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::network::Network;
use super::reader::{self, Reader};
use super::{Program, is_loopback};

/// How the front door stands open.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Door {
    /// Where TLS ends.
    pub https: Https,
    /// The proxies of which forwarded headers are believed; `None`: of nobody.
    pub proxies: Option<Vec<Network>>,
    /// A listener for the admin service alone.
    pub admin: Option<SocketAddr>,
    /// A listener for health alone, in plain text.
    pub health: Option<SocketAddr>,
    /// A listener for metrics and health alone, in plain text.
    pub metrics: Option<SocketAddr>,
}

/// Where TLS ends.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Https {
    /// Nowhere: calls come in plain text.
    #[default]
    Off,
    /// Here.
    Here(TlsFiles),
    /// At a proxy in front, which says so in `x-forwarded-proto`.
    AtProxy,
}

/// The files that TLS is made of, all PEM; read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, with those between it and its root.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who must have signed the certificate of a client; `None`: clients need none.
    pub client_ca: Option<PathBuf>,
}

/// The largest file of TLS, in bytes: a bundle of all public roots has a quarter of it.
const LARGEST_TLS_FILE: u64 = 1_048_576;

/// The bytes of a file of TLS.
///
/// # Errors
/// When it cannot be read or is larger than any such file.
pub fn tls_file(path: &Path) -> std::io::Result<Vec<u8>> {
    reader::bounded_file(path, LARGEST_TLS_FILE)
}

impl Door {
    /// Reads the door's settings and what must hold between them; `listen` is the main address.
    pub(super) fn read(program: &Program, listen: SocketAddr, read: &mut Reader<'_>) -> Self {
        match program {
            Program::Serve => {}
            Program::Dev { .. } => {
                if read.is_on("ENABLE_HTTPS") {
                    let wrong = "is on, but `dev` speaks plain text, on this machine only";
                    read.fault("ENABLE_HTTPS", wrong, "unset, or `agentguard serve`");
                }
                return Self::default();
            }
            Program::Migrate => return Self::default(),
        }
        let enabled = read.switch("ENABLE_HTTPS");
        let trusts = read.switch("TRUST_PROXY_HEADERS");
        let proxies = read.networks("TRUSTED_PROXIES");
        let files = tls_files(enabled, read);
        let https = match (enabled, files) {
            (true, Some(files)) => Https::Here(files),
            (true, None) if trusts => Https::AtProxy,
            (true, None) => {
                if !is_any_faulty(read, &TLS_FILES) && !read.is_faulty("ENABLE_HTTPS") {
                    let wrong = "is on, without files for TLS here and without a proxy that is believed";
                    let accepted = "TLS_CERT_FILE and TLS_KEY_FILE, or TRUST_PROXY_HEADERS=true behind a proxy that ends TLS";
                    read.fault("ENABLE_HTTPS", wrong, accepted);
                }
                Https::Off
            }
            (false, _) => Https::Off,
        };
        let door = Self {
            https,
            proxies: trusts.then(|| proxies.clone().unwrap_or_else(loopback)),
            admin: read.socket("ADMIN_ADDR"),
            health: read.socket("HEALTH_ADDR"),
            metrics: read.socket("METRICS_ADDR"),
        };
        if !trusts && read.is_given("TRUSTED_PROXIES") {
            read.warn(
                "TRUSTED_PROXIES is set without TRUST_PROXY_HEADERS=true: forwarded headers are ignored"
                    .to_owned(),
            );
        }
        if door.proxies.iter().flatten().any(Network::is_everything) {
            read.warn("TRUSTED_PROXIES covers every address: any caller can claim any address".to_owned());
        }
        let is_open =
            !is_loopback(listen.ip()) || door.admin.is_some_and(|address| !is_loopback(address.ip()));
        if is_open && door.https == Https::Off && !read.is_faulty("ENABLE_HTTPS") {
            read.warn(
                "the server listens beyond loopback and ENABLE_HTTPS is not set: keys travel in plain text unless a proxy in front ends TLS"
                    .to_owned(),
            );
        }
        door
    }

    /// What only production demands.
    pub(super) fn check_production(&self, read: &mut Reader<'_>) {
        if self.proxies.is_some() && !read.is_given("TRUSTED_PROXIES") {
            let wrong = "is not set, and TRUST_PROXY_HEADERS is on: anybody could claim any address";
            read.fault(
                "TRUSTED_PROXIES",
                wrong,
                "the addresses of the proxies in front, such as `10.0.0.0/8,192.0.2.7`",
            );
        }
    }
}

const TLS_FILES: [&str; 3] = ["TLS_CERT_FILE", "TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"];

/// Where nobody said which proxies there are, and none but this machine can reach the server.
fn loopback() -> Vec<Network> {
    ["127.0.0.0/8", "::1"].into_iter().filter_map(Network::parse).collect()
}

fn is_any_faulty(read: &Reader<'_>, names: &[&str]) -> bool {
    names.iter().any(|name| read.is_faulty(name))
}

/// The files, if TLS is to end here; each must be readable now, so that a wrong mount stops the start.
fn tls_files(enabled: bool, read: &mut Reader<'_>) -> Option<TlsFiles> {
    let [certificate, key, client_ca] = TLS_FILES.map(|name| read.path(name));
    if !enabled {
        let given: Vec<&str> = TLS_FILES.into_iter().filter(|name| read.is_given(name)).collect();
        if !given.is_empty() {
            read.warn(format!("set without ENABLE_HTTPS=true, and so without effect: {}", given.join(", ")));
        }
        return None;
    }
    for (name, path) in TLS_FILES.into_iter().zip([&certificate, &key, &client_ca]) {
        if let Some(fault) = path.as_deref().and_then(unreadable) {
            read.fault(name, &fault, "a PEM file that can be read");
        }
    }
    let missing = |read: &mut Reader<'_>, name: &str| {
        if !read.is_faulty(name) {
            read.fault(
                name,
                "is not set, but other files of TLS are",
                "TLS_CERT_FILE and TLS_KEY_FILE, both or neither",
            );
        }
    };
    match (certificate, key, client_ca) {
        (Some(certificate), Some(key), client_ca) => Some(TlsFiles { certificate, key, client_ca }),
        (None, None, None) => None,
        (certificate, key, _) => {
            if certificate.is_none() {
                missing(read, "TLS_CERT_FILE");
            }
            if key.is_none() {
                missing(read, "TLS_KEY_FILE");
            }
            None
        }
    }
}

fn unreadable(path: &Path) -> Option<String> {
    let error = tls_file(path).err()?;
    Some(format!("`{}` cannot be read: {error}", path.display()))
}

#[cfg(test)]
#[path = "door/tests.rs"]
mod tests;
