//! Medians over rounds, as tables.

use std::time::Duration;

use super::round::Figures;
use super::start::Started;

/// The rounds of one server with one number of calls in flight.
pub struct Row {
    /// Mode, database, calls in flight.
    pub of: (&'static str, &'static str, usize),
    pub rounds: Vec<Figures>,
}

impl Row {
    fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        median(self.rounds.iter().map(figure))
    }
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<f64> = figures.collect();
    all.sort_by(f64::total_cmp);
    f64::midpoint(all[(all.len() - 1) / 2], all[all.len() / 2])
}

/// Prints what was asked under load.
pub fn print_load(rows: &[Row], rounds: usize, span: Duration) {
    println!("Enforce over gRPC, medians of {rounds} interleaved rounds of {} s;", span.as_secs());
    println!("server, database and load generator share the machine.");
    println!(
        "refused: `UNAVAILABLE` in a round, because in async mode the database could not follow and the queue was full."
    );
    println!(
        "CPU us: processor time of the server's process a decided call, user and system; SQLite works in it."
    );
    println!("echo: tonic's generated service behind hyper's HTTP/2, the same messages, no layer, no work.");
    println!();
    println!(
        "{:8} {:10} {:>9} {:>9} {:>9} {:>9} {:>12} {:>14} {:>8} {:>8}",
        "mode",
        "database",
        "in flight",
        "calls/s",
        "p50 ms",
        "p99 ms",
        "rows/commit",
        "rate x latency",
        "refused",
        "CPU us"
    );
    for row in rows {
        let (mode, database, in_flight) = row.of;
        println!(
            "{mode:8} {database:10} {in_flight:>9} {:>9.0} {:>9.2} {:>9.2} {:>12.1} {:>14.1} {:>8.0} {:>8.1}",
            row.median(|one| one.rate),
            row.median(|one| one.p50),
            row.median(|one| one.p99),
            row.median(|one| one.rows),
            row.median(|one| one.in_flight),
            row.median(|one| one.refused),
            row.median(|one| one.cpu),
        );
    }
    println!();
    print_ratios(rows);
}

/// Ratios within a round, so that what else the machine did fell on both.
fn print_ratios(rows: &[Row]) {
    let of = |mode, database, in_flight| rows.iter().find(|row| row.of == (mode, database, in_flight));
    for (in_flight, bound) in [(64, 0.5), (256, 0.75)] {
        let (Some(durable), Some(quick)) =
            (of("durable", "PostgreSQL", in_flight), of("async", "PostgreSQL", in_flight))
        else {
            continue;
        };
        let ratio =
            median(durable.rounds.iter().zip(&quick.rounds).map(|(one, other)| one.rate / other.rate));
        verdict(
            &format!("durable / async on PostgreSQL, {in_flight} in flight"),
            format!("{ratio:.2}"),
            &format!(">= {bound:.2}"),
            ratio >= bound,
        );
    }
    for (mode, database) in
        [("async", "PostgreSQL"), ("durable", "PostgreSQL"), ("async", "SQLite"), ("durable", "SQLite")]
    {
        for in_flight in [64, 256] {
            let (Some(row), Some(echo)) = (of(mode, database, in_flight), of("echo", "-", in_flight)) else {
                continue;
            };
            let more = median(row.rounds.iter().zip(&echo.rounds).map(|(one, other)| one.cpu - other.cpu));
            let what = format!("CPU a call beyond the echo's, {mode} on {database}, {in_flight} in flight");
            if mode == "async" && database == "PostgreSQL" {
                verdict(&what, format!("{more:.1} us"), "<= 20 us", more <= 20.0);
            } else {
                println!("{what}: {more:.1} us");
            }
        }
    }
}

/// Prints how a small server starts and rests.
pub fn print_start(started: &[Started]) {
    let of = |figure: fn(&Started) -> f64| median(started.iter().map(figure));
    println!("A server on SQLite, durable, medians of {} starts:", started.len());
    let serving = of(|one| one.serving);
    println!("start of the process to its line `serving`: {:.0} ms", of(|one| one.line));
    verdict("start of the process to SERVING", format!("{serving:.0} ms"), "<= 100 ms", serving <= 100.0);
    println!("resident memory once SERVING: {:.1} MiB", of(|one| one.fresh));
    let idle = of(|one| one.idle);
    verdict(
        "resident memory at rest, after an agent, a policy and 100 calls",
        format!("{idle:.1} MiB"),
        "<= 25 MB",
        idle * 1.048_576 <= 25.0,
    );
}

fn verdict(what: &str, figure: String, bound: &str, holds: bool) {
    println!("{what}: {figure} ({bound}: {})", if holds { "kept" } else { "MISSED" });
}
