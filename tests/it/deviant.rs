//! A server that leaves one check out, as a process of its own: this test binary, started again.
//!
//! `agentguard` cannot be told to leave anything out, so these servers are built by the library's function that takes
//! the deviation as an argument. In all else they are `agentguard serve` with the same settings.

use std::process::Command;

use agentguard::clock::Clock;
use agentguard::config::{Config, Flags, Program, process_environment};
use agentguard::pb::v1;
use agentguard::server;
use agentguard::service::enforcement::Deviation;
use agentguard::telemetry;

use crate::harness::Guard;

/// Read by the test below and by nothing else.
const MARK: &str = "AGENTGUARD_TEST_DEVIATION";

const ALL: [(&str, Deviation); 2] = [
    ("revision-unchecked", Deviation::RevisionUnchecked),
    ("repeats-unconfirmed", Deviation::RepeatsUnconfirmed),
];

/// The command that serves with `deviation` and the settings of `env`.
pub fn program(deviation: Deviation, env: &[(&str, &str)]) -> Command {
    let (name, _) = ALL.iter().find(|(_, known)| *known == deviation).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "deviant::a_deviant_serves_like_the_program", "--nocapture"])
        .env_clear()
        .envs(env.iter().copied())
        .env(MARK, name);
    command
}

/// In the process that [`program`] starts this is the server; in the suite it starts one and asks it something.
#[test]
fn a_deviant_serves_like_the_program() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if let Ok(name) = std::env::var(MARK) {
        let (_, deviation) = ALL.iter().find(|(known, _)| *known == name).unwrap();
        runtime.block_on(serve(*deviation));
        return;
    }
    runtime.block_on(async {
        for (_, deviation) in ALL {
            let guard = Guard::deviating_on_sqlite(deviation, &[]);
            let mut admin = guard.admin().await;
            let agent = admin.agent("asker").await;
            admin.set_policy(&agent.id, &["read:*"], &[]).await;
            let check =
                v1::EnforceRequest { action: "read_file".to_owned(), ..v1::EnforceRequest::default() };
            let decision = guard.caller(&agent.key).await.enforce(check).await.unwrap();
            assert!(decision.allowed, "{deviation:?}: {decision:?}");
        }
    });
}

async fn serve(deviation: Deviation) {
    let config = Config::load(&Program::Serve, process_environment, &Flags::new()).unwrap();
    telemetry::start(config.log, None, Clock::System).unwrap();
    let built = server::build_deviating(&config, Clock::System, deviation).await.unwrap();
    let (_stopper, stop) = server::stop();
    built.run(stop).await.unwrap();
}
