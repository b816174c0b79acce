use std::collections::BTreeMap;

use super::*;
use crate::config::{Config, Fault, Flags, Secret};

const STRONG: &str = "q7Vw2LkXz9RbT4mNc8YdF3hJs6GpA1eU";

fn load(program: &Program, pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    let pairs: BTreeMap<_, _> = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Config::load(program, |name| pairs.get(name).cloned(), &Flags::new())
}

/// A server on all addresses.
fn beyond(pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    load(&Program::Serve, &[&[("ADMIN_API_KEY", STRONG)], pairs].concat())
}

fn local(pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    load(&Program::Serve, &[&[("HOST", "127.0.0.1")], pairs].concat())
}

fn names(loaded: Result<Config, Vec<Fault>>) -> Vec<String> {
    loaded.unwrap_err().into_iter().map(|fault| fault.setting).collect()
}

/// A file that can be read; whether it holds a certificate is asked when the server is made.
fn file() -> tempfile::NamedTempFile {
    tempfile::NamedTempFile::new().unwrap()
}

#[test]
fn https_with_files_is_tls_here() {
    let (certificate, key, ca) = (file(), file(), file());
    let [certificate, key, ca] = [&certificate, &key, &ca].map(|file| file.path().to_str().unwrap());
    let pairs = [("ENABLE_HTTPS", "true"), ("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)];
    let config = beyond(&pairs).unwrap();
    let files = TlsFiles { certificate: certificate.into(), key: key.into(), client_ca: None };
    assert_eq!(config.door.https, Https::Here(files.clone()));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let config = beyond(&[&pairs[..], &[("TLS_CLIENT_CA_FILE", ca)]].concat()).unwrap();
    assert_eq!(config.door.https, Https::Here(TlsFiles { client_ca: Some(ca.into()), ..files }));

    for (missing, rest) in [("TLS_KEY_FILE", [pairs[0], pairs[1]]), ("TLS_CERT_FILE", [pairs[0], pairs[2]])] {
        assert_eq!(names(beyond(&rest)), [missing]);
    }
    assert_eq!(names(beyond(&[pairs[0], ("TLS_CLIENT_CA_FILE", ca)])), ["TLS_CERT_FILE", "TLS_KEY_FILE"]);
    let nowhere = [pairs[0], pairs[1], ("TLS_KEY_FILE", "/nonexistent/tls.key")];
    assert_eq!(names(beyond(&nowhere)), ["TLS_KEY_FILE"]);
    let off = local(&pairs[1..]).unwrap();
    assert_eq!(
        (off.door.https, off.warnings.len()),
        (Https::Off, 1),
        "files without the switch are warned of"
    );
}

#[test]
fn https_without_files_needs_a_proxy_that_is_believed() {
    assert_eq!(names(beyond(&[("ENABLE_HTTPS", "true")])), ["ENABLE_HTTPS"]);
    assert_eq!(names(beyond(&[("ENABLE_HTTPS", "definitely")])), ["ENABLE_HTTPS"]);
    let proxy =
        [("ENABLE_HTTPS", "true"), ("TRUST_PROXY_HEADERS", "true"), ("TRUSTED_PROXIES", "10.0.0.0/8")];
    let config = beyond(&proxy).unwrap();
    assert_eq!((config.door.https, config.warnings), (Https::AtProxy, Vec::new()));
}

#[test]
fn plain_text_beyond_loopback_is_warned_of() {
    assert!(beyond(&[]).unwrap().warnings[0].contains("plain text"));
    assert!(local(&[]).unwrap().warnings.is_empty());
    let admin = [("ADMIN_ADDR", "0.0.0.0:8001"), ("ADMIN_API_KEY", STRONG)];
    assert!(local(&admin).unwrap().warnings[0].contains("plain text"));
    assert!(local(&[("HEALTH_ADDR", "0.0.0.0:8002")]).unwrap().warnings.is_empty());
    assert_eq!(names(local(&admin[..1])), ["ADMIN_API_KEY"], "an open admin listener is production");
}

#[test]
fn production_must_say_which_proxies_it_believes() {
    let trusting = [("TRUST_PROXY_HEADERS", "true")];
    assert_eq!(names(beyond(&trusting)), ["TRUSTED_PROXIES"]);
    let on_loopback = local(&trusting).unwrap().door.proxies.unwrap();
    assert!(on_loopback.iter().any(|network| network.contains("127.0.0.9".parse().unwrap())));
    assert!(!on_loopback.iter().any(|network| network.contains("10.0.0.1".parse().unwrap())));
    let given = local(&[("TRUSTED_PROXIES", "10.0.0.0/8")]).unwrap();
    assert_eq!((given.door.proxies, given.warnings.len()), (None, 1));
    let everybody = beyond(&[trusting[0], ("TRUSTED_PROXIES", "10.0.0.0/8, 0.0.0.0/0")]).unwrap();
    assert!(everybody.warnings.iter().any(|line| line.contains("every address")));
    assert_eq!(names(local(&[("TRUSTED_PROXIES", "10.0.0.1/8")])), ["TRUSTED_PROXIES"]);
}

#[test]
fn dev_speaks_plain_text_and_has_one_listener() {
    let dev = Program::Dev { database: "d/agentguard.db".into(), admin_key: Secret::new(STRONG) };
    assert_eq!(names(load(&dev, &[("ENABLE_HTTPS", "true")])), ["ENABLE_HTTPS"]);
    let config = load(&dev, &[("ADMIN_ADDR", "127.0.0.1:9"), ("TRUST_PROXY_HEADERS", "true")]).unwrap();
    assert_eq!(config.door, Door::default());
    assert_eq!(load(&Program::Migrate, &[("ENABLE_HTTPS", "true")]).unwrap().door, Door::default());
}
