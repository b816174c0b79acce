//! The committed counts, and where they were counted.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

/// How far a count may be from the baseline's in its own surroundings.
pub const NARROW: f64 = 0.03;

/// And in others.
const WIDE: f64 = 0.30;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/count/baseline.txt");

/// What a count depends on beside the code.
#[derive(Debug, PartialEq, Eq)]
pub struct Surroundings {
    rustc: String,
    host: String,
    libc: String,
    valgrind: String,
}

pub struct Tolerance {
    pub share: f64,
    pub is_wide: bool,
}

impl Surroundings {
    /// Those of this machine.
    pub fn here() -> Self {
        let compiler = said("rustc", &["--version", "--verbose"]);
        let of = |name: &str| compiler.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
        Self {
            rustc: of("release: "),
            host: of("host: "),
            libc: said("getconf", &["GNU_LIBC_VERSION"]),
            valgrind: said("valgrind", &["--version"]),
        }
    }

    /// How far counts may be apart that were made there and here.
    pub fn tolerance(&self, here: &Self) -> Tolerance {
        let is_wide = self != here;
        Tolerance { share: if is_wide { WIDE } else { NARROW }, is_wide }
    }
}

impl fmt::Display for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rustc, host, libc, valgrind } = self;
        write!(f, "rustc {rustc}, {host}, {libc}, {valgrind}")
    }
}

/// Counts by case.
pub struct Baseline {
    pub surroundings: Surroundings,
    pub counts: BTreeMap<String, u64>,
}

impl Baseline {
    /// The committed one.
    pub fn read() -> Self {
        let text = std::fs::read_to_string(PATH).unwrap();
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let mut named =
            |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).unwrap().to_owned();
        let surroundings = Surroundings {
            rustc: named("rustc: "),
            host: named("host: "),
            libc: named("libc: "),
            valgrind: named("valgrind: "),
        };
        let counts = lines
            .map(|line| {
                let (count, case) = line.trim_start().split_once(' ').unwrap();
                (case.trim().to_owned(), count.parse().unwrap())
            })
            .collect();
        Self { surroundings, counts }
    }

    /// Writes it to be committed.
    pub fn write(&self) {
        let Surroundings { rustc, host, libc, valgrind } = &self.surroundings;
        let mut text = format!(
            "# Instructions a turn. Written by `cargo bench --profile count --bench count -- --update`.\n\
             rustc: {rustc}\nhost: {host}\nlibc: {libc}\nvalgrind: {valgrind}\n\n"
        );
        for (case, count) in &self.counts {
            text.push_str(&format!("{count:>10}  {case}\n"));
        }
        std::fs::write(PATH, &text).unwrap();
        print!("{text}");
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
