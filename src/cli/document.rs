//! `docs/cli.md`, printed from the commands' own help.

use clap::{Command, CommandFactory};

use super::Cli;

const HEAD: &str = "# The command line

<!-- Printed by the program from src/cli; do not edit. Remedy: UPDATE_DOCS=1 cargo test --test it cli -->

Results go to standard output, everything said about them to standard error. With `--json` a command prints the answer
of the RPC it calls, in the proto's JSON form: the proto's field names, defaults written out, 64-bit numbers as text,
times in RFC 3339, enum values without their prefix (`ALLOW`, not `VERDICT_ALLOW`). Members may be added, none is
renamed or removed within a major version. If the output is closed early the exit code is 141, and nothing is printed.
";

/// The width that help texts are wrapped at in the page, whatever the terminal.
const WIDTH: usize = 100;

/// The whole page. A test compares it with the file in `docs/`.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    let mut root = Cli::command().term_width(WIDTH);
    root.build();
    section(&mut root, &mut page);
    page
}

fn section(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    for below in command.get_subcommands_mut() {
        if below.get_name() != "help" {
            section(below, page);
        }
    }
}
