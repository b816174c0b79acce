//! `docs/configuration.md`, printed from the tables.

use std::fmt::Write;

use super::client;
use super::setting::{Kind, SETTINGS, Setting};

/// The whole page. A test compares it with the file in `docs/`.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    for (heading, settings) in SETTINGS {
        page.push_str(&section(heading, settings));
    }
    page.push_str("\n## Client commands\n\nRead by `agentguard enforce`, `agent`, `key`, `policy`, `kill`, `audit` and `health`.\n\n");
    page.push_str("| Variable | Default | Meaning |\n|---|---|---|\n");
    for (name, default, meaning) in client::VARIABLES {
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        page.push_str(&row(&[&format!("`{name}`"), &default, meaning]));
    }
    page.push_str(DOTENV);
    page
}

fn section(heading: &str, settings: &[Setting]) -> String {
    let mut text =
        format!("\n## {heading}\n\n| Variable | Flag | Takes | Default | Meaning |\n|---|---|---|---|---|\n");
    for setting in settings {
        let name = match setting.file_variable() {
            Some(file) => format!("`{}`, `{file}`", setting.name),
            None => format!("`{}`", setting.name),
        };
        let default = match (setting.default, setting.dev) {
            (None, _) => "none".to_owned(),
            (Some(default), None) => shown_default(default),
            (Some(default), Some(dev)) => format!("{} (`dev`: `{dev}`)", shown_default(default)),
        };
        let flag = format!("`--{}`", setting.flag());
        text.push_str(&row(&[&name, &flag, &takes(setting.kind), &default, setting.meaning]));
    }
    text
}

fn shown_default(default: &str) -> String {
    // A list of words without blanks would make the table as wide as itself.
    format!("`{}`", default.replace(',', ", "))
}

fn takes(kind: Kind) -> String {
    let accepted = kind.accepted();
    match kind {
        Kind::Key => format!("secret: {accepted}"),
        Kind::Url { .. } => format!("secret: {accepted}"),
        Kind::Switch
        | Kind::Count { .. }
        | Kind::Bytes { .. }
        | Kind::Span { .. }
        | Kind::Choice(_)
        | Kind::Address
        | Kind::Words
        | Kind::Path
        | Kind::Socket
        | Kind::Networks
        | Kind::HttpPath
        | Kind::Origins
        | Kind::Limit => accepted,
    }
}

fn row(cells: &[&str]) -> String {
    let mut line = String::from("|");
    for cell in cells {
        // Writing to a string cannot fail.
        if write!(line, " {} |", cell.replace('|', "\\|")).is_err() {
            break;
        }
    }
    line.push('\n');
    line
}

const HEAD: &str = "# Configuration

<!-- Printed by the program from src/config/setting.rs; do not edit. Remedy: UPDATE_DOCS=1 cargo test --test it config -->

Settings are environment variables. Every one but the secrets is also a flag of `agentguard serve`; a flag wins over the variable.
A secret has a `NAME_FILE` variable (and flag) in place of a flag of its own, which names a file holding the value; white space around
the value is dropped. A variable that is set but empty counts as unset. Durations: a bare number is seconds; `100ms`, `5s`, `2m`, `1h` and
decimals are accepted.

A bad value stops the start: one line for each fault, all at once, exit code 64. **Production**, that is a `HOST` beyond loopback or a
PostgreSQL database, is refused without an `ADMIN_API_KEY`, with one shorter than 32 characters, or with a known placeholder.
";

const DOTENV: &str = "
## `.env`

`agentguard dev` reads `.env` in the directory it is started in; nothing else does. What is set in the environment wins. A line is empty, a
`# comment`, or `NAME=value` (with or without `export`). A value in single quotes is taken as it stands; in double quotes `\\\"`, `\\\\`, `\\n`
and `\\t` are known; a bare value ends at ` #`. Nothing is expanded, and a name given twice is a fault.
";
