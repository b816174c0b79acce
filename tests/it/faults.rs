//! The world fails under a server: connections, clocks, disks, processes. Each promise with a control that shows
//! that its check would have seen it broken.

mod away;
mod clock;
mod commit;
mod follow;
mod full;
mod lagging;
mod naive;
mod network;
mod paused;
mod plan;
mod proxy;
mod restored;
mod retry;
mod round_trips;
mod silence;
mod small;
mod standby;
mod stopped;
mod wire;
mod world;

/// Prints a table, and keeps it where evidence is kept.
fn evidence(file: &str, text: &str) {
    println!("{text}");
    if let Some(directory) = std::env::var_os("AGENTGUARD_EVIDENCE_DIR") {
        std::fs::write(std::path::Path::new(&directory).join(file), text).unwrap();
    }
}
