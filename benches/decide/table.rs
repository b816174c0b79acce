//! The medians that were measured, beside what is promised of them.

use std::path::Path;

/// Where the measurements are kept.
pub const DIRECTORY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/decide");

/// Measurements and their bounds, in nanoseconds.
const BOUNDS: [(&str, f64); 7] = [
    ("10 rules, allowed", 500.0),
    ("10 rules, default", 500.0),
    ("1,000 rules, allowed", 600.0),
    ("1,000 rules, default", 600.0),
    ("30,000 in 3 scopes rules, allowed", 1_000.0),
    ("30,000 in 3 scopes rules, default", 1_000.0),
    ("one CEL comparison", 2_000.0),
];

/// The bound of each of the worst decisions, in nanoseconds.
const WORST: f64 = 5e6;

/// Forgets earlier runs, so that the table shows nothing of them.
pub fn clear() {
    std::fs::remove_dir_all(DIRECTORY).ok();
    std::fs::create_dir_all(DIRECTORY).unwrap();
}

/// Prints what was measured in this run.
pub fn print() {
    let all = medians(Path::new(DIRECTORY));
    println!("\n{:45} {:>12} {:>12}", "decision", "median us", "bound us");
    for (name, median) in all {
        let worst = name.strip_prefix("worst/");
        let bound = BOUNDS.iter().find(|(known, _)| *known == name).map_or(WORST, |(_, bound)| *bound);
        let said = if median <= bound { "kept" } else { "MISSED" };
        let name = worst.map_or(name.clone(), |name| format!("worst: {name}"));
        println!("{name:45} {:>12.3} {:>12.1}   {said}", median / 1e3, bound / 1e3);
    }
}

/// Names and medians, in nanoseconds, of the measurements below a directory.
fn medians(directory: &Path) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let read = |file: &str| -> Option<serde_json::Value> {
            serde_json::from_slice(&std::fs::read(path.join("new").join(file)).ok()?).ok()
        };
        match (read("benchmark.json"), read("estimates.json")) {
            (Some(of), Some(estimates)) => {
                let name = of["full_id"].as_str().unwrap().to_owned();
                found.push((name, estimates["median"]["point_estimate"].as_f64().unwrap()));
            }
            _ => found.extend(medians(&path)),
        }
    }
    let place = |name: &str| BOUNDS.iter().position(|(known, _)| *known == name).unwrap_or(BOUNDS.len());
    found.sort_by(|(one, _), (other, _)| place(one).cmp(&place(other)).then_with(|| one.cmp(other)));
    found
}
