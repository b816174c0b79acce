//! What the whole server carries: calls a second, latencies, rows a commit and processor time a call, durable and
//! async, on SQLite and PostgreSQL, with 1, 64 and 256 calls in flight, beside an echo of the same messages; and how a
//! small server starts and rests. `bench/run` is the command.
//!
//! A closed loop: each caller asks again as soon as it is answered, so that calls in flight = rate × mean latency
//! (Little's law). A round that misses that by more than a twentieth was measured wrong, and ends the run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark fails by panicking, starts its own tasks and reads its own environment"
)]

#[path = "load/echo.rs"]
mod echo;
#[path = "load/process.rs"]
mod process;
#[path = "load/round.rs"]
mod round;
#[path = "load/server.rs"]
mod server;
#[path = "load/start.rs"]
mod start;
#[path = "load/table.rs"]
mod table;
#[path = "load/telemetry.rs"]
mod telemetry;

use std::time::Duration;

use round::Figures;
use server::Server;

/// Calls in flight.
const IN_FLIGHT: [usize; 3] = [1, 64, 256];

struct Plan {
    rounds: usize,
    span: Duration,
    /// Starts of the small server; none leaves that part out.
    starts: usize,
    /// Whether anything is asked under load.
    load: bool,
    /// Whether only the cost of telemetry is measured.
    telemetry: bool,
}

impl Plan {
    /// `cargo bench` adds `--bench`; what else is there is ours.
    fn from_arguments() -> Self {
        let mut plan =
            Self { rounds: 3, span: Duration::from_secs(2), starts: 5, load: true, telemetry: false };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next().and_then(|text| text.parse().ok()).expect("a number");
            match argument.as_str() {
                "--rounds" => plan.rounds = number(),
                "--seconds" => plan.span = Duration::from_secs(number() as u64),
                "--starts" => plan.starts = number(),
                "--starts-only" => plan.load = false,
                "--telemetry" => plan = Self { telemetry: true, load: false, starts: 0, ..plan },
                "--bench" => {}
                other => panic!(
                    "`{other}` is no option; there are --rounds N, --seconds N, --starts N, --starts-only and --telemetry"
                ),
            }
        }
        assert!(plan.rounds > 0 && !plan.span.is_zero(), "at least one round of one second");
        plan
    }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some(echo::ARGUMENT) {
        return echo::serve();
    }
    let plan = Plan::from_arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if plan.starts > 0 {
        table::print_start(&runtime.block_on(start::measure(plan.starts)));
        println!();
    }
    if plan.load {
        load(&plan, &runtime);
    }
    if plan.telemetry {
        runtime.block_on(telemetry::measure(plan.rounds, plan.span));
    }
}

fn load(plan: &Plan, runtime: &tokio::runtime::Runtime) {
    let postgres = std::env::var("AGENTGUARD_BENCH_POSTGRES_URL")
        .expect("AGENTGUARD_BENCH_POSTGRES_URL names no server; use bench/run, which starts one");
    let rows = runtime.block_on(async {
        let mut servers = vec![Server::echo().await];
        for mode in ["durable", "async"] {
            servers.push(Server::start(mode, "SQLite", None).await);
            servers.push(Server::start(mode, "PostgreSQL", Some(&postgres)).await);
        }
        measure(&mut servers, plan).await
    });
    table::print_load(&rows, plan.rounds, plan.span);
}

/// Interleaved, so that whatever else the machine does in the meantime falls on all alike.
async fn measure(servers: &mut [Server], plan: &Plan) -> Vec<table::Row> {
    for server in servers.iter_mut() {
        // Connections, caches and the first chain are made before anything is measured.
        round::run(server, 64, Duration::from_millis(500)).await;
    }
    let mut rows: Vec<table::Row> = Vec::new();
    for turn in 0..plan.rounds {
        for server in servers.iter_mut() {
            for in_flight in IN_FLIGHT {
                let figures: Figures = round::run(server, in_flight, plan.span).await;
                eprintln!(
                    "round {} of {}: {server}, {in_flight} in flight: {figures}",
                    turn + 1,
                    plan.rounds
                );
                let of = (server.mode, server.database, in_flight);
                match rows.iter_mut().find(|row| row.of == of) {
                    Some(row) => row.rounds.push(figures),
                    None => rows.push(table::Row { of, rounds: vec![figures] }),
                }
            }
        }
    }
    rows
}
