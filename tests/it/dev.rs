//! `agentguard dev`, the whole program in one process: started, asked, stopped, started again.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;

use crate::cli::{Run, program, run};

/// A running `agentguard dev` on a free port.
pub struct Dev {
    child: Child,
    pub greeting: Value,
    pub address: String,
}

impl Dev {
    pub fn start(data: &Path, env: &[(&str, &str)]) -> Self {
        Self::start_at(data, "0", env)
    }

    fn start_at(data: &Path, port: &str, env: &[(&str, &str)]) -> Self {
        let data = data.to_str().unwrap();
        let mut child = program(&["dev", "--json", "--port", port, "--data-dir", data], env)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let greeting: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no greeting: {line:?}"));
        let address = greeting["address"].as_str().unwrap().to_owned();
        Self { child, greeting, address }
    }

    /// Runs a client command with the keys of the greeting.
    pub fn run(&self, args: &[&str]) -> Run {
        let text = |name: &str| self.greeting[name].as_str().unwrap().to_owned();
        run(
            args,
            &[
                ("AGENTGUARD_ENDPOINT", &self.address),
                ("AGENTGUARD_ADMIN_KEY", &text("admin_key")),
                ("AGENTGUARD_API_KEY", &text("agent_key")),
            ],
        )
    }

    /// Asks it to stop, as an orchestrator does; answers its exit code.
    pub fn stop(mut self) -> Option<i32> {
        terminate(self.child.id());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// SIGTERM by the shell's own `kill`.
fn terminate(pid: u32) {
    let done = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_first_start_ends_in_decisions_of_each_kind() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let dev = Dev::start(&data, &[]);
    assert_eq!(
        dev.greeting.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["address", "admin_key", "agent_id", "agent_key"]
    );
    for (action, code, verdict) in [
        ("read_file", 0, "ALLOW"),
        ("delete:file", 3, "DENY"),
        ("deployApp", 4, "REQUIRE_APPROVAL"),
        ("write", 3, "DENY"),
    ] {
        let asked = dev.run(&["enforce", action, "--resource", "test.txt", "--json"]);
        assert_eq!(asked.code, code, "{action}: {asked:?}");
        let answer: Value = serde_json::from_str(&asked.stdout).unwrap();
        assert_eq!(answer["decision"]["verdict"], verdict, "{action}");
    }
    let shown = dev.run(&["enforce", "read:file"]);
    assert!(shown.stdout.starts_with("ALLOW  Allowed by rule"), "{shown:?}");

    for (path, mode) in [("", 0o700), ("admin-key", 0o600), ("agent-key", 0o600)] {
        let found = std::fs::metadata(data.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
    let first = dev.greeting.clone();
    assert_eq!(dev.stop(), Some(0));

    let again = Dev::start(&data, &[]);
    for name in ["admin_key", "agent_id", "agent_key"] {
        assert_eq!(again.greeting[name], first[name], "{name} is not the same at the next start");
    }
    let agents: Value = serde_json::from_str(&again.run(&["agent", "list", "--json"]).stdout).unwrap();
    assert_eq!(agents["agents"].as_array().unwrap().len(), 1);
    let verified = again.run(&["audit", "verify"]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert_eq!(again.stop(), Some(0));
}

#[test]
fn a_second_server_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]);
    let second = run(&["dev", "--port", "0", "--data-dir", dir.path().to_str().unwrap()], &[]);
    assert_eq!((second.code, second.stdout.as_str()), (1, ""), "{second:?}");
    assert_eq!(dev.run(&["health"]).code, 0);
}

#[test]
fn wrong_settings_are_told_all_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let refused = run(&["dev", "--data-dir", data], &[("LOG_LEVEL", "loud"), ("REQUEST_TIMEOUT", "soon")]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert_eq!(refused.stderr.lines().count(), 2, "{refused:?}");
    let refused = run(&["serve"], &[("ENABLE_HTTPS", "true")]);
    assert_eq!(refused.code, 64);
    assert!(
        refused.stderr.contains("ADMIN_API_KEY") && refused.stderr.contains("ENABLE_HTTPS"),
        "{refused:?}"
    );
}

#[test]
fn serve_refuses_a_database_that_is_not_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("a.db").display());
    let env = [("DATABASE_URL", url.as_str()), ("LOG_FORMAT", "text")];
    let refused = run(&["serve", "--host", "127.0.0.1", "--port", "0"], &env);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("agentguard migrate up"), "{refused:?}");
}

/// The agent's and the admin's ways through every command, against one server.
#[test]
fn an_administrators_day() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]);
    let json = |args: &[&str]| -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        let done = dev.run(&args);
        assert_eq!(done.code, 0, "{args:?}: {done:?}");
        serde_json::from_str(&done.stdout).unwrap()
    };

    let created =
        json(&["agent", "create", "reader", "--team", "data", "-e", "prod", "--label", "tier=gold"]);
    let id = created["agent"]["agent_id"].as_str().unwrap();
    assert_eq!(created["agent"]["environment"], "production");
    assert_eq!(json(&["agent", "get", id])["agent"]["labels"]["tier"], "gold");
    assert_eq!(json(&["agent", "list", "--team", "data"])["agents"].as_array().unwrap().len(), 1);
    let key = json(&["key", "create", id, "--expires", "30d"]);
    let key_id = key["key"]["key_id"].as_str().unwrap();
    assert_eq!(json(&["key", "list", id])["keys"].as_array().unwrap().len(), 2);
    assert!(json(&["key", "revoke", key_id])["key"]["revoke_time"].is_string());
    let agent = |args: &[&str]| {
        let key = created["api_key"].as_str().unwrap();
        run(args, &[("AGENTGUARD_ENDPOINT", &dev.address), ("AGENTGUARD_API_KEY", key)])
    };
    assert_eq!(agent(&["enforce", "read:x"]).code, 0);
    assert_eq!(json(&["agent", "update", id, "--active", "false"])["agent"]["is_active"], false);
    let inactive = agent(&["enforce", "read:x"]);
    assert_eq!(inactive.code, 3);
    assert!(inactive.stdout.contains("AGENT_INACTIVE"), "{inactive:?}");
    json(&["agent", "delete", id]);
    let dead = agent(&["enforce", "read:x"]);
    assert_eq!(dead.code, 1);
    assert!(dead.stderr.contains("UNAUTHENTICATED") && dead.stderr.contains("request id"), "{dead:?}");
    let wrong = dev.run(&["agent", "get", "nonsense"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.stderr.contains("INVALID_ARGUMENT") && wrong.stderr.contains("agent_id"), "{wrong:?}");

    assert_eq!(json(&["health"])["status"], "SERVING");
    let denied = json(&["audit", "list", "--allowed", "false", "--agent", id]);
    assert_eq!(denied["records"][0]["reason_code"], "AGENT_INACTIVE");
    let lines = dev.run(&["audit", "list", "--kind", "admin"]);
    assert!(lines.stdout.contains("CreateAgent") && lines.stdout.contains("DeleteAgent"), "{lines:?}");
    assert_eq!(json(&["audit", "verify"])["summary"]["ok"], true);
}

#[test]
fn a_policys_life() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(&dir.path().join("data"), &[]);
    let file = dir.path().join("policy.yaml");
    let path = file.to_str().unwrap();
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let ops =
        "scope: {team: ops}\nallow:\n  - {id: deploy, action: 'deploy:*', conditions: {env: [staging]}}\n";

    write(ops);
    let dry = dev.run(&["policy", "apply", "-f", path, "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(
        dry.stdout.contains("new policy") && dry.stdout.contains("+ allow  deploy:* if env is staging"),
        "{dry:?}"
    );
    assert_eq!(dev.run(&["policy", "get", "--team", "ops"]).code, 1, "a dry run wrote");
    let applied = dev.run(&["policy", "apply", "-f", path]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert!(applied.stdout.contains("version 1 written"), "{applied:?}");
    let again = dev.run(&["policy", "apply", "-f", path]);
    assert!(again.code == 0 && again.stdout.contains("unchanged, version 1"), "{again:?}");
    assert_eq!(dev.run(&["policy", "diff", "-f", path, "--exit-code"]).code, 0);

    // What `get` prints is a file that `apply` takes, and its etag is heeded.
    let got = dev.run(&["policy", "get", "--team", "ops"]);
    write(&got.stdout.replace("staging", "production"));
    let differs = dev.run(&["policy", "diff", "-f", path, "--exit-code"]);
    assert_eq!(differs.code, 1, "{differs:?}");
    assert!(differs.stdout.contains("- allow") && differs.stdout.contains("+ allow"), "{differs:?}");
    let changed = dev.run(&["policy", "apply", "-f", path, "--json"]);
    let report: Value = serde_json::from_str(&changed.stdout).unwrap();
    assert_eq!(
        (&report["policies"][0]["change"], &report["policies"][0]["version"]),
        (&"update".into(), &2.into())
    );
    let got = got.stdout.replace("deploy:*", "deploy:app");
    write(&got);
    let late = dev.run(&["policy", "apply", "-f", path]);
    assert_eq!(late.code, 1, "an old etag was accepted: {late:?}");
    assert!(late.stderr.contains("was changed since"), "{late:?}");

    let versions = dev.run(&["policy", "versions", "--team", "ops"]);
    assert!(versions.stdout.contains("in force"), "{versions:?}");
    let back = dev.run(&["policy", "rollback", "--team", "ops", "--to", "1"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert!(back.stdout.contains("version 3 written"), "{back:?}");

    let explained =
        dev.run(&["policy", "explain", "deployApp", "--team", "ops", "-e", "production", "--all"]);
    assert_eq!(explained.code, 0, "{explained:?}");
    assert!(
        explained.stdout.contains("condition false") && explained.stdout.contains("REQUIRE_APPROVAL"),
        "{explained:?}"
    );
    write("scope: {team: ops}\ndeny: [{id: never, action: 'deploy:*'}]\n");
    let candidate =
        dev.run(&["policy", "explain", "deploy:app", "--team", "ops", "-e", "staging", "-f", path, "--json"]);
    let candidate: Value = serde_json::from_str(&candidate.stdout).unwrap();
    assert_eq!(candidate["decision"]["rule_id"], "never");

    // A warning does not stop, but --strict does; nothing is pruned unless said.
    write(
        "scope: {everyone: {}}\ndeny: [{action: 'delete:*', resource: '/tmp/*'}]\nallow: [{action: 'read:**'}]\n",
    );
    let strict = dev.run(&["policy", "apply", "-f", path, "--strict"]);
    assert_eq!(strict.code, 1, "{strict:?}");
    assert!(strict.stderr.contains("warning") && strict.stderr.contains("deny[0].resource"), "{strict:?}");
    assert_eq!(dev.run(&["policy", "apply", "-f", path]).code, 0);
    assert_eq!(dev.run(&["policy", "get", "--team", "ops"]).code, 0, "apply deleted what the file lacks");
    let pruned = dev.run(&["policy", "apply", "-f", path, "--prune"]);
    assert!(pruned.code == 0 && pruned.stdout.contains("team `ops`: deleted"), "{pruned:?}");
    assert_eq!(dev.run(&["policy", "get", "--team", "ops"]).code, 1);
    assert_eq!(dev.run(&["policy", "delete", "--everyone"]).code, 0);
    let none = dev.run(&["enforce", "read:x"]);
    assert!(none.code == 3 && none.stdout.contains("No policy defined"), "{none:?}");
}

#[test]
fn follow_shows_records_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let dev = Dev::start(dir.path(), &[]);
    let key = dev.greeting["admin_key"].as_str().unwrap();
    let env = [("AGENTGUARD_ENDPOINT", dev.address.as_str()), ("AGENTGUARD_ADMIN_KEY", key)];
    let mut follower = program(&["audit", "follow", "--json", "--kind", "decision"], &env)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    let stdout = follower.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            sender.send(line).ok();
        }
    });
    // It begins with what is new once it is connected, so decisions are made until the first is shown.
    let deadline = std::time::Duration::from_secs(20);
    let first = (0..200).find_map(|_| {
        assert_eq!(dev.run(&["enforce", "read:followed"]).code, 0);
        lines.recv_timeout(std::time::Duration::from_millis(100)).ok()
    });
    let record: Value = serde_json::from_str(&first.unwrap()).unwrap();
    assert_eq!((&record["kind"], &record["action"]), (&"DECISION".into(), &"read:followed".into()));
    assert_eq!(dev.run(&["enforce", "delete:last"]).code, 3);
    let last =
        std::iter::from_fn(|| lines.recv_timeout(deadline).ok()).find(|line| line.contains("delete:last"));
    assert!(last.is_some(), "a decision was not shown");

    // The server goes and comes back: nothing is missed, nothing is shown twice.
    let port = dev.address.rsplit(':').next().unwrap().to_owned();
    assert_eq!(dev.stop(), Some(0));
    let dev = Dev::start_at(dir.path(), &port, &[]);
    for action in ["delete:after", "delete:end"] {
        assert_eq!(dev.run(&["enforce", action]).code, 3);
    }
    let mut rest = Vec::new();
    while !rest.last().is_some_and(|line: &String| line.contains("delete:end")) {
        rest.push(lines.recv_timeout(deadline).unwrap());
    }
    assert_eq!(rest.len(), 2, "{rest:?}");
    assert!(rest[0].contains("delete:after"), "{rest:?}");
    follower.kill().unwrap();
    follower.wait().unwrap();
    reader.join().unwrap();
}
