//! Expressions made of choices.

use super::source::Source;

const TRUTHS: [&str; 6] = ["true", "false", "has(arguments.x)", "x", "arguments.y", "null"];
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "150",
    "-9223372036854775808",
    "9223372036854775807",
    "1.5",
    "1e308",
    "arguments.amount",
    "x",
    "size(arguments.list)",
    "arguments.x",
    "0x7f",
];
const TEXTS: [&str; 13] = [
    "''",
    "'ab'",
    "'é'",
    "resource",
    "action",
    "session_id",
    "on_behalf_of",
    "agent.name",
    "agent.labels.tier",
    "arguments.text",
    "context.y",
    "x",
    "agent.environment",
];
const LISTS: [&str; 8] =
    ["arguments.list", "[1, 2, 3]", "['a', 1, null]", "agent.labels", "arguments", "context.list", "[]", "x"];
const REGEXES: [&str; 10] = [
    "^a+$",
    "(a|b)*a(a|b){8}c",
    "(?i)é",
    "\\\\w{3}",
    "[",
    "(a*)*b",
    "^(ab)+$",
    ".{0,99}x",
    "\\\\pL+",
    "a{999}",
];
const TIMES: [&str; 4] =
    ["now", "timestamp('2026-01-05T12:00:00Z')", "timestamp(arguments.text)", "timestamp(now)"];
const PARTS: [&str; 4] =
    ["getHours()", "getDayOfYear('America/New_York')", "getMonth('Nowhere')", "getFullYear()"];

/// Deep enough for every kind of node within every other.
const DEPTH: usize = 4;

/// An expression that is boolean, or nearly so.
pub fn truth(source: &mut Source<'_>) -> String {
    boolean(source, DEPTH)
}

fn boolean(source: &mut Source<'_>, depth: usize) -> String {
    if depth == 0 || source.is_empty() {
        return source.pick(&TRUTHS).to_owned();
    }
    let deep = depth - 1;
    match source.below(16) {
        0 => source.pick(&TRUTHS).to_owned(),
        1 => format!("!({})", boolean(source, deep)),
        2 => format!("({} && {})", boolean(source, deep), boolean(source, deep)),
        3 => format!("({} || {})", boolean(source, deep), boolean(source, deep)),
        4 => format!("({} ? {} : {})", boolean(source, deep), boolean(source, deep), boolean(source, deep)),
        5 | 6 => {
            let operator = source.pick(&["==", "!=", "<", "<=", ">", ">="]);
            format!("{} {operator} {}", number(source, deep), number(source, deep))
        }
        7 => {
            let operator = source.pick(&["==", "!=", "<", "<="]);
            format!("{} {operator} {}", text(source, deep), text(source, deep))
        }
        8 => format!("{} in {}", any(source, deep), list(source, deep)),
        9 => {
            let function = source.pick(&["startsWith", "endsWith", "contains"]);
            format!("{}.{function}({})", text(source, deep), text(source, deep))
        }
        10 => format!("{}.matches('{}')", text(source, deep), source.pick(&REGEXES)),
        11 | 12 => {
            let each = source.pick(&["all", "exists", "exists_one"]);
            format!("{}.{each}(x, {})", list(source, deep), boolean(source, deep))
        }
        13 => format!("{} == {}", any(source, deep), any(source, deep)),
        14 => format!("{} {} {}", source.pick(&TIMES), source.pick(&["<", "==", ">="]), source.pick(&TIMES)),
        _ => source.text(),
    }
}

fn number(source: &mut Source<'_>, depth: usize) -> String {
    if depth == 0 || source.is_empty() {
        return source.pick(&NUMBERS).to_owned();
    }
    let deep = depth - 1;
    match source.below(8) {
        0 | 1 => source.pick(&NUMBERS).to_owned(),
        2 | 3 => {
            let operator = source.pick(&["+", "-", "*", "/", "%"]);
            format!("({} {operator} {})", number(source, deep), number(source, deep))
        }
        4 => format!("-({})", number(source, deep)),
        5 => format!("{}({})", source.pick(&["int", "double"]), any(source, deep)),
        6 => format!("size({})", any(source, deep)),
        _ => format!("{}.{}", source.pick(&TIMES), source.pick(&PARTS)),
    }
}

fn text(source: &mut Source<'_>, depth: usize) -> String {
    if depth == 0 || source.is_empty() {
        return source.pick(&TEXTS).to_owned();
    }
    let deep = depth - 1;
    match source.below(6) {
        0..=2 => source.pick(&TEXTS).to_owned(),
        3 => format!("({} + {})", text(source, deep), text(source, deep)),
        4 => format!("{}.{}()", text(source, deep), source.pick(&["lowerAscii", "upperAscii"])),
        _ => format!("string({})", any(source, deep)),
    }
}

fn list(source: &mut Source<'_>, depth: usize) -> String {
    if depth == 0 || source.is_empty() {
        return source.pick(&LISTS).to_owned();
    }
    let deep = depth - 1;
    match source.below(6) {
        0..=2 => source.pick(&LISTS).to_owned(),
        3 => format!("{}.filter(x, {})", list(source, deep), boolean(source, deep)),
        4 => format!("{}.map(x, {})", list(source, deep), any(source, deep)),
        _ => format!("[{}, {}]", any(source, deep), any(source, deep)),
    }
}

fn any(source: &mut Source<'_>, depth: usize) -> String {
    match source.below(6) {
        0 => boolean(source, depth),
        1 | 2 => number(source, depth),
        3 | 4 => text(source, depth),
        _ => {
            let of = list(source, depth);
            if source.once_in(2) { format!("{of}[{}]", source.pick(&NUMBERS)) } else { of }
        }
    }
}
