use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use super::*;

struct Folder(tempfile::TempDir);

/// A certificate that signs itself, and its key, in PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let (certificate, key) = pair();
        folder.write("tls.crt", &certificate);
        folder.write("tls.key", &key);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn files(&self, client_ca: Option<&str>) -> TlsFiles {
        TlsFiles {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
            client_ca: client_ca.map(|name| self.path(name)),
        }
    }

    async fn watch(&self, client_ca: Option<&str>) -> Watch {
        let files = self.files(client_ca);
        let contents = Contents::read(&files).await.unwrap();
        let made = make(&files, &contents).unwrap();
        let in_force = InForce { config: ArcSwap::from_pointee(made.config), until: AtomicI64::new(0) };
        let tls = Tls(Arc::new(in_force));
        Watch { tls, files, clock: Clock::System, contents, validity: made.validity, trouble: None }
    }

    async fn fault(&self, client_ca: Option<&str>) -> String {
        match Tls::load(self.files(client_ca), Clock::System).await {
            Ok(_) => panic!("the files were taken"),
            Err(error) => causes(&error),
        }
    }
}

#[tokio::test]
async fn a_new_pair_is_in_force_and_a_broken_one_is_not() {
    let folder = Folder::new();
    let mut watch = folder.watch(None).await;
    let first = watch.tls.0.config.load_full();
    assert!(!watch.look().await, "nothing has changed");

    // One file after the other: between them they do not fit, which is no reason to complain yet.
    let (certificate, key) = pair();
    folder.write("tls.crt", &certificate);
    assert!(!watch.look().await);
    assert_eq!(watch.trouble.as_ref().unwrap().1, 1);
    assert!(Arc::ptr_eq(&first, &watch.tls.0.config.load_full()));
    folder.write("tls.key", &key);
    assert!(watch.look().await);
    let second = watch.tls.0.config.load_full();
    assert!(!Arc::ptr_eq(&first, &second) && watch.trouble.is_none());
    assert!(watch.tls.until().is_some());
    assert_eq!(watch.tls.until(), watch.validity.map(|validity| validity.until), "metrics say when it ends");

    for broken in ["", "-----BEGIN CERTIFICATE-----\n", "nonsense"] {
        folder.write("tls.crt", broken);
        assert!(!watch.look().await && !watch.look().await, "{broken}");
        assert!(watch.trouble.as_ref().unwrap().1 >= 2);
        assert!(Arc::ptr_eq(&second, &watch.tls.0.config.load_full()), "{broken}");
    }
    std::fs::remove_file(folder.path("tls.crt")).unwrap();
    assert!(!watch.look().await);
    folder.write("tls.crt", &certificate);
    assert!(!watch.look().await && watch.trouble.is_none(), "what was in force is back");
}

#[tokio::test]
async fn a_link_turned_over_is_a_change_and_a_touched_file_is_none() {
    let folder = Folder::new();
    let (certificate, key) = pair();
    // As Kubernetes mounts a secret: the files are links through `..data`, which is turned over.
    for (version, certificate, key) in [
        (
            "..v1",
            std::fs::read_to_string(folder.path("tls.crt")).unwrap(),
            std::fs::read_to_string(folder.path("tls.key")).unwrap(),
        ),
        ("..v2", certificate, key),
    ] {
        std::fs::create_dir(folder.path(version)).unwrap();
        folder.write(&format!("{version}/tls.crt"), &certificate);
        folder.write(&format!("{version}/tls.key"), &key);
    }
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, folder.path(name)).unwrap();
    link("..v1", "..data");
    for name in ["tls.crt", "tls.key"] {
        std::fs::remove_file(folder.path(name)).unwrap();
        link(&format!("..data/{name}"), name);
    }
    let mut watch = folder.watch(None).await;
    let touched = std::fs::read_to_string(folder.path("..v1/tls.crt")).unwrap();
    folder.write("..v1/tls.crt", &touched);
    assert!(!watch.look().await);
    link("..v2", "..data_tmp");
    std::fs::rename(folder.path("..data_tmp"), folder.path("..data")).unwrap();
    assert!(watch.look().await);
}

#[tokio::test]
async fn every_fault_names_its_file() {
    let folder = Folder::new();
    folder.write("empty.crt", "");
    folder.write("key-in-place.crt", &pair().1);
    for (client_ca, words) in [
        ("empty.crt", "empty.crt` holds no certificate in PEM"),
        ("key-in-place.crt", "key-in-place.crt` holds no certificate in PEM"),
        ("missing.crt", "missing.crt` cannot be read: "),
    ] {
        let fault = folder.fault(Some(client_ca)).await;
        assert!(fault.contains(words), "{fault}");
    }
    let (other, _) = pair();
    folder.write("tls.crt", &other);
    assert!(folder.fault(None).await.starts_with("certificate and key cannot be used: "));
    folder.write("tls.key", &other);
    assert!(folder.fault(None).await.contains("tls.key` holds no private key in PEM"));
    std::fs::write(folder.path("tls.key"), vec![b'x'; 1_048_577]).unwrap();
    assert!(folder.fault(None).await.contains("it is larger than 1MiB"));
}
