//! Medians over rounds, as a table.

use std::time::Duration;

use super::round::Figures;

/// The rounds of one server with one number of calls in flight.
pub struct Row {
    /// Mode, database, calls in flight.
    pub of: (&'static str, &'static str, usize),
    pub rounds: Vec<Figures>,
}

impl Row {
    fn median(&self, figure: impl Fn(&Figures) -> f64) -> f64 {
        let mut all: Vec<f64> = self.rounds.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        let (low, high) = (all[(all.len() - 1) / 2], all[all.len() / 2]);
        f64::midpoint(low, high)
    }
}

/// Prints the table.
pub fn print(rows: &[Row], rounds: usize, span: Duration) {
    println!("Enforce over gRPC, medians of {rounds} interleaved rounds of {} s;", span.as_secs());
    println!("server, database and load generator share the machine.");
    println!(
        "refused: `UNAVAILABLE` in a round, because in async mode the database could not follow and the queue was full."
    );
    println!();
    println!(
        "{:8} {:10} {:>9} {:>9} {:>9} {:>9} {:>12} {:>14} {:>8}",
        "mode",
        "database",
        "in flight",
        "calls/s",
        "p50 ms",
        "p99 ms",
        "rows/commit",
        "rate x latency",
        "refused"
    );
    for row in rows {
        let (mode, database, in_flight) = row.of;
        println!(
            "{mode:8} {database:10} {in_flight:>9} {:>9.0} {:>9.2} {:>9.2} {:>12.1} {:>14.1} {:>8.0}",
            row.median(|one| one.rate),
            row.median(|one| one.p50),
            row.median(|one| one.p99),
            row.median(|one| one.rows),
            row.median(|one| one.in_flight),
            row.median(|one| one.refused),
        );
    }
}
