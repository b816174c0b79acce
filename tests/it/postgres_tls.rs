//! TLS to PostgreSQL: with `sslmode=verify-full` a server is believed only under its own name and its own authority.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cli;
use crate::harness::{Guard, eventually};
use crate::postgres::{Cluster, give, sql};
use crate::tls::authority::{Authority, Pair};

/// The name that the certificate of another server is for.
const ELSEWHERE: &str = "db.example";

/// Certificates in a directory that PostgreSQL's user may read.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("pgtls").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        Self(directory)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A server's certificate and its key, as PostgreSQL wants to find them.
    fn pair(&self, name: &str, pair: &Pair) -> [PathBuf; 2] {
        let files = [
            self.write(&format!("{name}.crt"), &pair.certificate, 0o644),
            self.write(&format!("{name}.key"), &pair.key, 0o600),
        ];
        files.iter().for_each(|file| give(file));
        files
    }
}

/// Takes another certificate into use, and waits until it is shown.
async fn present(cluster: &Cluster, [certificate, key]: &[PathBuf; 2]) {
    for (name, file) in [("ssl_cert_file", certificate), ("ssl_key_file", key)] {
        sql(&cluster.url(), &format!("alter system set {name} = '{}'", file.display()));
    }
    sql(&cluster.url(), "select pg_reload_conf()");
    let wanted = certificate.to_str().unwrap();
    eventually("the setting is heard", async || {
        (sql(&cluster.url(), "show ssl_cert_file") == wanted).then_some(())
    })
    .await;
}

fn url(cluster: &Cluster, mode: &str, root: Option<&Path>) -> String {
    let url = cluster.url().replacen("postgres@", "postgres:never-to-be-shown@", 1);
    let root = root.map_or(String::new(), |root| format!("&sslrootcert={}", root.display()));
    format!("{url}?sslmode={mode}{root}")
}

/// What the program says of a database that it is to look at.
fn look(url: &str) -> cli::Run {
    let run = cli::run(&["migrate", "status"], &[("DATABASE_URL", url), ("DATABASE_POOL_TIMEOUT", "5")]);
    assert!(!format!("{run:?}").contains("never-to-be-shown"), "{run:?}");
    run
}

/// Whether it got as far as the (empty) database.
fn is_reached(run: &cli::Run) -> bool {
    run.stderr.contains("run `agentguard migrate up` first")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_under_its_own_name_and_authority_only() {
    let (authority, other) = (Authority::new("root"), Authority::new("other"));
    let files = Files::new();
    let (root, wrong_root) =
        (files.write("root.pem", &authority.pem, 0o644), files.write("other.pem", &other.pem, 0o644));
    let good = files.pair("good", &authority.server());
    let misnamed = files.pair("misnamed", &authority.server_named(ELSEWHERE));
    let foreign = files.pair("foreign", &other.server());
    let ssl = ["ssl=on".to_owned()].into_iter().chain([
        format!("ssl_cert_file={}", good[0].display()),
        format!("ssl_key_file={}", good[1].display()),
    ]);
    let ssl: Vec<_> = ssl.collect();
    // Settings of the command line cannot be changed later, so the files are set by `alter system`.
    let cluster = Cluster::start(&[]);
    for setting in &ssl {
        let (name, value) = setting.split_once('=').unwrap();
        sql(&cluster.url(), &format!("alter system set {name} = '{value}'"));
    }
    let plain = look(&url(&cluster, "verify-full", Some(&root)));
    assert!(!is_reached(&plain) && plain.stderr.contains("TLS"), "a server without TLS: {plain:?}");
    sql(&cluster.url(), "select pg_reload_conf()");
    eventually("TLS is on", async || (sql(&cluster.url(), "show ssl") == "on").then_some(())).await;

    for (what, shown, mode, trusted, passes) in [
        ("the right one", &good, "verify-full", Some(&root), true),
        ("the wrong authority asked for", &good, "verify-full", Some(&wrong_root), false),
        ("an authority of nobody's", &good, "verify-full", None, false),
        ("the wrong authority shown", &foreign, "verify-full", Some(&root), false),
        ("another host's", &misnamed, "verify-full", Some(&root), false),
        // The controls: what was refused above was refused for the certificate's sake.
        ("another host's, whose name is not asked for", &misnamed, "verify-ca", Some(&root), true),
        ("the wrong authority, not asked for", &foreign, "require", None, true),
    ] {
        present(&cluster, shown).await;
        let run = look(&url(&cluster, mode, trusted.map(PathBuf::as_path)));
        assert_eq!(is_reached(&run), passes, "{what}: {run:?}");
        let told = run.stderr.contains("certificate");
        assert!(passes || told, "{what}: the error does not say that it is the certificate: {run:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_of_a_server_is_encrypted() {
    let authority = Authority::new("root");
    let files = Files::new();
    let root = files.write("root.pem", &authority.pem, 0o644);
    let [certificate, key] = files.pair("good", &authority.server());
    let cluster = Cluster::start(&[
        "ssl=on",
        &format!("ssl_cert_file={}", certificate.display()),
        &format!("ssl_key_file={}", key.display()),
    ]);
    let verified = url(&cluster, "verify-full", Some(&root));
    for direct in [true, false] {
        let settings = [("DATABASE_DIRECT_URL", verified.as_str())];
        let guard = Guard::on_postgres(&verified, if direct { &settings } else { &[] });
        let mut admin = guard.admin().await;
        let agent = admin.agent("caller").await;
        admin.set_policy(&agent.id, &["read:*"], &[]).await;
        let check = agentguard::pb::v1::EnforceRequest {
            action: "read:file".to_owned(),
            ..agentguard::pb::v1::EnforceRequest::default()
        };
        assert!(guard.caller(&agent.key).await.enforce(check).await.unwrap().allowed);
        admin.stats().await;
        let sessions = "select count(*) filter (where s.ssl), count(*) filter (where not s.ssl) \
             from pg_stat_activity a join pg_stat_ssl s using (pid) where a.application_name = 'agentguard'";
        let seen = sql(&cluster.url(), sessions);
        let (encrypted, plain) = seen.split_once('|').unwrap();
        // The pool, the audit writer, the poll.
        assert!(encrypted.parse::<u32>().unwrap() >= 3, "{seen}");
        assert_eq!(plain, "0", "{seen}");
    }
}

/// Without the parameter it would be sent in plain text.
#[test]
fn a_misspelt_parameter_is_refused_before_anything_is_sent() {
    let run = look("postgresql://postgres:never-to-be-shown@127.0.0.1:1/x?ssl_mode=verify-full");
    assert_eq!(run.code, 64, "{run:?}");
    assert!(run.stderr.contains("DATABASE_URL") && run.stderr.contains("`ssl_mode`"), "{run:?}");
}
