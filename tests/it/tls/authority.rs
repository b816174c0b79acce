//! Certificates of every kind, and the folder in which a server finds its own.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

/// Who signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
}

/// What a client's certificate may be like.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    Valid,
    Expired,
    NotYetValid,
    /// A server's certificate.
    ForServers,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For the server at 127.0.0.1.
    pub fn server(&self) -> Pair {
        self.sign(params("server", ExtendedKeyUsagePurpose::ServerAuth))
    }

    /// For a server of another name.
    pub fn server_named(&self, name: &str) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    pub fn client(&self, like: Client) -> Pair {
        let usage = match like {
            Client::ForServers => ExtendedKeyUsagePurpose::ServerAuth,
            Client::Valid | Client::Expired | Client::NotYetValid => ExtendedKeyUsagePurpose::ClientAuth,
        };
        let mut params = params("client", usage);
        match like {
            Client::Valid | Client::ForServers => {}
            Client::Expired => {
                (params.not_before, params.not_after) =
                    (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
            }
            Client::NotYetValid => {
                (params.not_before, params.not_after) =
                    (date_time_ymd(2990, 1, 1), date_time_ymd(2991, 1, 1));
            }
        }
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        Pair::of(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

impl Pair {
    /// A client's that nobody signed but itself.
    pub fn self_signed() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = params("client", ExtendedKeyUsagePurpose::ClientAuth);
        Self::of(&params.self_signed(&key).unwrap(), &key)
    }

    fn of(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let der = certificate.der().to_vec();
        Self { certificate: certificate.pem(), key: key.serialize_pem(), der }
    }
}

fn params(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    params
}

/// How a new pair comes into the place of the old one.
#[derive(Clone, Copy, Debug)]
pub enum Swap {
    /// As cert-manager's secrets are mounted by Kubernetes: one link is turned over for all files.
    Link,
    /// One file after the other, each by rename.
    Rename,
    /// One file after the other, written over.
    InPlace,
}

/// A folder as Kubernetes mounts a secret: `tls.crt` is a link to `..data/tls.crt`, `..data` one to a version.
pub struct Folder {
    directory: TempDir,
    version: u32,
}

impl Folder {
    pub fn with(pair: &Pair) -> Self {
        let directory = tempfile::Builder::new().prefix("tls").tempdir().unwrap();
        let mut folder = Self { directory, version: 0 };
        folder.swap(pair, Swap::Link);
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), folder.path(name)).unwrap();
        }
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The path of a file as a setting names it.
    pub fn setting(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn swap(&mut self, pair: &Pair, how: Swap) {
        match how {
            Swap::Link => {
                self.version += 1;
                let version = format!("..v{}", self.version);
                std::fs::create_dir(self.path(&version)).unwrap();
                self.write(&format!("{version}/tls.crt"), &pair.certificate);
                self.write(&format!("{version}/tls.key"), &pair.key);
                std::os::unix::fs::symlink(&version, self.path("..data_tmp")).unwrap();
                std::fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
            }
            Swap::Rename => {
                for (name, text) in [("tls.crt", &pair.certificate), ("tls.key", &pair.key)] {
                    self.write("..data/new", text);
                    std::fs::rename(self.path("..data/new"), self.path(&format!("..data/{name}"))).unwrap();
                }
            }
            Swap::InPlace => {
                self.write("tls.crt", &pair.certificate);
                self.write("tls.key", &pair.key);
            }
        }
    }
}
