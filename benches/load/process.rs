//! What the system says of a server's process.

use std::path::PathBuf;

/// Ticks of `/proc/PID/stat` a second: 100 on Linux, whatever the kernel's own clock does.
const TICKS_A_SECOND: f64 = 100.0;

/// A process that is looked at from outside.
#[derive(Clone, Copy, Debug)]
pub struct Process(pub u32);

impl Process {
    /// Seconds of processor time, user and system, of all its threads since its start.
    pub fn cpu(self) -> f64 {
        let stat = self.read("stat");
        // The name stands in parentheses and may hold blanks; what follows it begins with the third field.
        let (_, rest) = stat.rsplit_once(')').unwrap();
        let ticks: f64 =
            rest.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().unwrap()).sum();
        ticks / TICKS_A_SECOND
    }

    /// Resident memory in MiB.
    pub fn resident(self) -> f64 {
        let status = self.read("status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib / 1_024.0
    }

    fn read(self, file: &str) -> String {
        let path: PathBuf = ["/proc", &self.0.to_string(), file].iter().collect();
        std::fs::read_to_string(path).unwrap()
    }
}
