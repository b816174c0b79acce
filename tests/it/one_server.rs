//! One SQLite file has one server: a second process is refused by whatever name it calls the file, and `kill -9` of
//! the first frees it.

use std::os::unix::fs::symlink;
use std::path::Path;

use agentguard::pb::v1;

use crate::cli::{self, Run};
use crate::harness::{ADMIN_KEY, Guard};

/// A second server on `url`, as a process of its own with another working directory.
fn second(url: &str, directory: &Path, command: &[&str]) -> Run {
    let env = [
        ("DATABASE_URL", url),
        ("ADMIN_API_KEY", ADMIN_KEY),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("LOG_FORMAT", "text"),
    ];
    let mut command = cli::program(command, &env);
    let output = command.current_dir(directory).output().unwrap();
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_is_refused_by_any_name_and_kill_frees_the_file() {
    let mut guard = Guard::on_sqlite(&[]);
    let agent = guard.admin().await.agent("worker").await;
    let check = || v1::EnforceRequest { action: "read:file".to_owned(), ..Default::default() };
    let directory = guard.directory().to_owned();
    symlink(directory.join("agentguard.db"), directory.join("link.db")).unwrap();
    symlink(&directory, directory.join("folder")).unwrap();
    let absolute = |name: &str| format!("sqlite://{}", directory.join(name).display());
    let names = [
        absolute("agentguard.db"),
        absolute("./folder/agentguard.db"),
        absolute("link.db"),
        absolute("folder/link.db"),
        "sqlite://agentguard.db".to_owned(),
    ];
    for url in &names {
        for command in [&["serve"][..], &["migrate", "up"]] {
            let refused = second(url, &directory, command);
            assert_eq!(refused.code, 1, "{url}: {refused:?}");
            assert!(refused.stderr.contains("in use by another agentguard process"), "{url}: {refused:?}");
        }
        // The first one goes on.
        guard.caller(&agent.key).await.enforce(check()).await.unwrap();
    }
    std::fs::hard_link(directory.join("agentguard.db"), directory.join("hard.db")).unwrap();
    let refused = second(&absolute("hard.db"), &directory, &["serve"]);
    assert!(refused.code == 1 && refused.stderr.contains("hard link"), "{refused:?}");
    std::fs::remove_file(directory.join("hard.db")).unwrap();

    guard.kill();
    // Nothing is left to clean up: the very next process has it.
    let migrated = second(&absolute("link.db"), &directory, &["migrate", "up"]);
    assert_eq!(migrated.code, 0, "{migrated:?}");
    guard.restart();
    guard.caller(&agent.key).await.enforce(check()).await.unwrap();
    let verified = guard.cli(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
}

/// The control: a file of its own is nobody else's business.
#[test]
fn two_servers_on_two_files_run_beside_each_other() {
    let (one, other) = (Guard::on_sqlite(&[]), Guard::on_sqlite(&[]));
    for guard in [&one, &other] {
        assert_eq!(guard.cli(&["health"]).code, 0);
    }
}
