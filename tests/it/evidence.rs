//! Tables of figures: printed, and kept where evidence is kept.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};

/// The tables so far, by the names of their files: tests of one subject run at the same time and add their rows.
static TABLES: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());

/// Adds the row `name` to a table, and prints it whole.
pub fn row(file: &'static str, name: &str, figures: &[(&str, &dyn Display)]) {
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let table = tables.entry(file).or_default();
    if table.is_empty() {
        write!(table, "{:56}", "case").unwrap();
        for (head, _) in figures {
            write!(table, " {head:>13}").unwrap();
        }
        table.push('\n');
    }
    write!(table, "{name:56}").unwrap();
    for (_, figure) in figures {
        write!(table, " {:>13}", figure.to_string()).unwrap();
    }
    table.push('\n');
    println!("{table}");
    if let Some(directory) = std::env::var_os("AGENTGUARD_EVIDENCE_DIR") {
        std::fs::write(std::path::Path::new(&directory).join(file), table.as_str()).unwrap();
    }
}

/// Whether tests run at full size.
pub fn is_full() -> bool {
    std::env::var_os("AGENTGUARD_TEST_FULL").is_some()
}
