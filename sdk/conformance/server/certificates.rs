//! Certificates of every kind, made anew at each start; clients find the roots in files.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::script::Listen;

pub struct Certificates {
    directory: TempDir,
    known: Authority,
    unknown: Authority,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Certificates {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("agentguard-test-server").tempdir().unwrap();
        let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
        let (certificate, key) =
            known.sign("client", ExtendedKeyUsagePurpose::ClientAuth, false, &["client".to_owned()]);
        for (name, text) in [("ca.pem", &known.pem), ("client.pem", &certificate), ("client.key", &key)] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        Self { directory, known, unknown }
    }

    /// The roots that a client of a TLS case is told to trust.
    pub fn roots(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// A client's certificate and its key.
    pub fn identity(&self) -> (PathBuf, PathBuf) {
        (self.directory.path().join("client.pem"), self.directory.path().join("client.key"))
    }

    /// What a listener of this kind shows; `None` where it speaks in plain text.
    pub fn acceptor(&self, listen: Listen) -> Option<TlsAcceptor> {
        let local = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        let (certificate, key) = match listen {
            Listen::Tls | Listen::Mutual => self.known.sign("server", server, false, &local),
            Listen::TlsExpired => self.known.sign("server", server, true, &local),
            Listen::TlsWrongHost => {
                self.known.sign("server", server, false, &["elsewhere.example".to_owned()])
            }
            Listen::TlsUnknown => self.unknown.sign("server", server, false, &local),
            Listen::Plain | Listen::Down | Listen::Silent | Listen::Slams | Listen::Web => return None,
        };
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if listen == Listen::Mutual {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.known.pem.as_bytes()).unwrap()).unwrap();
            let provider = Arc::new(ring::default_provider());
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap(),
            )
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Some(TlsAcceptor::from(Arc::new(config)))
    }
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn sign(
        &self,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
        expired: bool,
        hosts: &[String],
    ) -> (String, String) {
        let mut params = CertificateParams::new(hosts.to_vec()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}
