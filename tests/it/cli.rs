//! The real program, run as users run it: output, error texts, exit codes.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program in an environment that holds nothing of the caller's, with no terminal.
pub fn program(args: &[&str], env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_agentguard"));
    command.args(args).env_clear().envs(env.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str], env: &[(&str, &str)]) -> Run {
    finish(program(args, env).output().unwrap())
}

/// Runs the program with a text on standard input.
pub fn run_with(args: &[&str], env: &[(&str, &str)], input: &str) -> Run {
    let mut command = program(args, env);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    finish(child.wait_with_output().unwrap())
}

fn finish(output: std::process::Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The names of the commands below `path`, as its help lists them.
fn subcommands(path: &[&str]) -> Vec<String> {
    let mut args = path.to_vec();
    args.push("--help");
    let help = run(&args, &[]);
    assert_eq!(help.code, 0, "{help:?}");
    let mut lines = help.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .by_ref()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn every_command_explains_itself_with_examples() {
    let mut leaves = 0;
    for command in subcommands(&[]) {
        let below = subcommands(&[&command]);
        let paths: Vec<Vec<&str>> = if below.is_empty() {
            vec![vec![&command]]
        } else {
            below.iter().map(|leaf| vec![command.as_str(), leaf]).collect()
        };
        for path in paths {
            let mut args = path.clone();
            args.push("--help");
            let help = run(&args, &[]);
            assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{path:?}");
            let example = format!("agentguard {}", path.join(" "));
            assert!(
                help.stdout.contains("Examples:") && help.stdout.contains(&example),
                "{path:?}: {}",
                help.stdout
            );
            leaves += 1;
        }
    }
    assert!(leaves >= 15, "only {leaves} commands were found");
}

#[test]
fn action_prints_the_canonical_form() {
    let done = run(&["action", "readFile", "mcp__github__create_issue", " READ  FILE "], &[]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "read:file\nmcp:github:create_issue\nread:file\n"));
    let json = run(&["action", "--json", "GET /users"], &[]);
    assert_eq!(json.stdout, "{\"action\":\"get:users\",\"name\":\"GET /users\"}\n");
    let refused = run(&["action", "search", "--", "--"], &[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, "search\n"));
    assert!(refused.stderr.contains("`--`"), "{}", refused.stderr);
}

#[test]
fn wrong_usage_exits_with_2() {
    for args in [
        &["enforce"][..],
        &["nonsense"],
        &["policy", "get"],
        &["policy", "get", "--everyone", "--team", "x"],
        &["policy", "apply"],
        &["action"],
    ] {
        let refused = run(args, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains("Usage:"), "{args:?}: {}", refused.stderr);
    }
    let bad = run(&["enforce", "read", "--context", "nope"], &[("AGENTGUARD_API_KEY", "k")]);
    assert_eq!(bad.code, 2, "{bad:?}");
}

#[test]
fn a_missing_key_exits_with_64_and_says_where_it_goes() {
    let refused = run(&["enforce", "read"], &[]);
    assert_eq!(refused.code, 64);
    assert!(
        refused.stderr.contains("AGENTGUARD_API_KEY") && refused.stderr.contains("--key-file"),
        "{refused:?}"
    );
    let refused =
        run(&["agent", "list", "--endpoint", "http://guard.example.com"], &[("AGENTGUARD_ADMIN_KEY", "k")]);
    assert_eq!(refused.code, 64, "a key in plain text to another machine: {refused:?}");
}

#[test]
fn a_server_that_is_not_there_exits_with_69() {
    // Bound and never accepted from: nobody else can take the port meanwhile.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", taken.local_addr().unwrap());
    let key = [("AGENTGUARD_API_KEY", "k"), ("AGENTGUARD_ADMIN_KEY", "k")];
    let refused = run(&["enforce", "read", "--endpoint", &silent, "--timeout", "300ms"], &key);
    assert_eq!(refused.code, 69, "{refused:?}");
    drop(taken);
    for args in [
        &["enforce", "read"][..],
        &["agent", "list"],
        &["health"],
        &["audit", "verify"],
        &["audit", "follow"],
    ] {
        let mut args = args.to_vec();
        args.extend(["--endpoint", &silent]);
        let refused = run(&args, &key);
        assert_eq!((refused.code, refused.stdout.as_str()), (69, ""), "{args:?}: {refused:?}");
        assert!(
            refused.stderr.contains(&silent) && refused.stderr.contains("AGENTGUARD_ENDPOINT"),
            "{refused:?}"
        );
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&["completions", shell], &[]);
        assert_eq!(script.code, 0);
        for command in ["enforce", "rollback", "completions"] {
            assert!(script.stdout.contains(command), "{shell} lacks {command}");
        }
    }
}

#[test]
fn a_closed_pipe_is_no_panic_and_no_success() {
    let names: Vec<String> = (0..20_000).map(|number| format!("tool:name{number}")).collect();
    let mut args = vec!["action"];
    args.extend(names.iter().map(String::as_str));
    let mut child = program(&args, &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(141), ""));
}

#[test]
fn a_policy_with_faults_is_refused_before_any_server_is_asked() {
    let policy = "scope: {everyone: {}}\nallow:\n  - action: 'a\\b'\n  - action: 'delete*'\n  - acton: x\n";
    let key = [("AGENTGUARD_ADMIN_KEY", "k")];
    let refused = run_with(&["policy", "apply", "-f", "-"], &key, policy);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("allow[2]"), "{refused:?}");
    let policy = policy.replace("acton", "action");
    let refused = run_with(&["policy", "diff", "-f", "-"], &key, &policy);
    assert_eq!(refused.code, 1);
    for field in ["allow[0].action", "allow[1].action"] {
        assert!(refused.stderr.contains(field), "{refused:?}");
    }
}

#[test]
fn policy_test_runs_cases_and_says_what_came() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cases.yaml");
    let cases = "policies:\n  - scope: {everyone: {}}\n    allow: [{action: 'read:*'}]\ncases:\n  - name: reading is allowed\n    request: {action: read_file}\n    expect: {verdict: ALLOW}\n  - name: writing is denied\n    request: {action: write_file}\n    expect: {verdict: DENY, reason_code: DENIED_DEFAULT}\n";
    std::fs::write(&file, cases).unwrap();
    let path = file.to_str().unwrap();
    let done = run(&["policy", "test", path], &[]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "2 passed, 0 failed\n"), "{done:?}");

    std::fs::write(&file, cases.replace("verdict: DENY", "verdict: ALLOW")).unwrap();
    let failing = run(&["policy", "test", path], &[]);
    assert_eq!(failing.code, 1);
    assert!(failing.stdout.contains("writing is denied") && failing.stdout.contains("DENY"), "{failing:?}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&["policy", "test", path, "--json"], &[]).stdout).unwrap();
    assert_eq!((&json["passed"], &json["failed"]), (&1.into(), &1.into()));
    assert_eq!(json["files"][0]["cases"][1]["passed"], false);

    std::fs::write(&file, "cases: [{nome: x}]\n").unwrap();
    assert_eq!(run(&["policy", "test", path], &[]).code, 1);
    std::fs::write(&file, "cases: []\n").unwrap();
    assert_eq!(run(&["policy", "test", path], &[]).code, 1, "no case is no proof");
    assert_eq!(run(&["policy", "test", "/nonexistent.yaml"], &[]).code, 1);
}

#[test]
fn the_documentation_of_commands_is_current() {
    crate::config::same_as_printed(
        "docs/cli.md",
        &agentguard::cli::document::markdown(),
        "UPDATE_DOCS=1 cargo test --test it cli",
    );
}

#[test]
fn migrate_brings_an_empty_database_to_the_newest_schema() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("guard.db");
    let url = format!("sqlite://{}", file.display());
    let env = [("DATABASE_URL", url.as_str())];
    let before = run(&["migrate", "status"], &env);
    assert_eq!(before.code, 1, "{before:?}");
    assert!(
        before.stdout.contains("pending  0001") && before.stderr.contains("agentguard migrate up"),
        "{before:?}"
    );
    let dry = run(&["migrate", "up", "--dry-run"], &env);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(!file.exists(), "looking made the file");

    let up = run(&["migrate", "up", "--json"], &env);
    assert_eq!(up.code, 0, "{up:?}");
    let up: serde_json::Value = serde_json::from_str(&up.stdout).unwrap();
    assert_eq!((&up["version"], &up["applied"][0]["version"]), (&3.into(), &1.into()));
    let again = run(&["migrate", "up"], &env);
    assert_eq!((again.code, again.stdout.as_str()), (0, "the database has schema 3\n"), "{again:?}");
    let after = run(&["migrate", "status", "--json"], &env);
    let status: serde_json::Value = serde_json::from_str(&after.stdout).unwrap();
    assert_eq!((after.code, &status["fits"], &status["pending"]), (0, &true.into(), &serde_json::json!([])));

    let refused = run(&["migrate", "up"], &[("DATABASE_URL", "mysql://root:hunter2@db/x")]);
    assert_eq!(refused.code, 64);
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    let away = run(
        &["migrate", "up"],
        &[("DATABASE_URL", "postgresql://u:hunter2@127.0.0.1:1/x"), ("DATABASE_POOL_TIMEOUT", "500ms")],
    );
    assert_eq!(away.code, 1, "{away:?}");
    assert!(!away.stderr.contains("hunter2"), "{away:?}");
}
