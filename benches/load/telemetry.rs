//! What telemetry costs: the same server with nothing, with metrics, and with metrics and traces, round after round, by
//! processor time a call. Logs are at their default level in all three.

use std::net::TcpListener;
use std::time::Duration;

use super::round;
use super::server::Server;

/// Calls in flight: a server that has something to do, and is not yet queueing.
const IN_FLIGHT: usize = 64;

/// The part of a call's processor time that telemetry may take.
const PROMISED: f64 = 0.10;

const NAMES: [&str; 4] = ["nothing", "metrics", "metrics, one trace in a hundred", "metrics, every trace"];

/// Measures and prints.
pub async fn measure(rounds: usize, span: Duration) {
    // A collector that is away: sending is the library's work, made and counted all the same.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let collector = format!("http://{away}");
    let traces = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str());
    let sampler = ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio");
    let settings: [&[(&str, &str)]; NAMES.len()] = [
        &[("METRICS_ENABLED", "false")],
        &[],
        &[traces, sampler, ("OTEL_TRACES_SAMPLER_ARG", "0.01")],
        &[traces],
    ];
    let mut servers = Vec::new();
    for settings in settings {
        let mut server = Server::start_with("durable", "SQLite", None, settings).await;
        round::run(&mut server, IN_FLIGHT, Duration::from_millis(500)).await;
        servers.push((server, Vec::new()));
    }
    for turn in 0..rounds {
        // Each goes first as often as the others.
        for place in 0..NAMES.len() {
            let place = (place + turn) % NAMES.len();
            let (server, costs) = &mut servers[place];
            let figures = round::run(server, IN_FLIGHT, span).await;
            eprintln!("round {} of {rounds}: {}: {figures}", turn + 1, NAMES[place]);
            costs.push(figures.cpu);
        }
    }
    println!("processor time a call, median of {rounds} rounds, {IN_FLIGHT} in flight, durable on SQLite");
    let medians: Vec<f64> = servers
        .iter_mut()
        .map(|(_, costs)| {
            costs.sort_by(f64::total_cmp);
            costs[costs.len() / 2]
        })
        .collect();
    for (name, median) in NAMES.iter().zip(&medians) {
        let part = (median - medians[0]) / median;
        println!("  {name:32} {median:8.2} us   of it telemetry's {:6.2} %", part * 100.0);
    }
    let part = (medians[1] - medians[0]) / medians[1];
    let kept = if part <= PROMISED { "kept" } else { "NOT KEPT" };
    println!("metrics may take {:.0} %: {kept}", PROMISED * 100.0);
}
