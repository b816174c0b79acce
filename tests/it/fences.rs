//! The house's fences: which room may name what. Reads the source as text, so that no import, macro or alias
//! hides from it; comments, strings and test modules do not count.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

/// The hard bound of a file; beyond it a reader would find two rooms in one.
const MAX_LINES: usize = 500;

/// Names that say nothing about what is inside.
const NAMELESS: [&str; 7] = ["utils", "util", "common", "helpers", "types", "manager", "misc"];

/// Rooms that decide and compute, and never touch the world.
const PURE: &[&str] = &["policy", "ids", "audit/content", "audit/machine", "audit/record", "rate_limit/gcra"];

enum Place {
    /// Forbidden everywhere but in these rooms.
    Outside(&'static [&'static str]),
    /// Forbidden in these rooms.
    Inside(&'static [&'static str]),
    /// Forbidden everywhere, tests included.
    Everywhere,
}

struct Fence {
    /// What may not be named, as a regular expression over code.
    forbidden: &'static str,
    place: Place,
    why: &'static str,
    /// The negative control: code that this fence must object to, at the path beside it.
    breach: (&'static str, &'static str),
}

const FENCES: &[Fence] = &[
    Fence {
        forbidden: r"\bsqlx\b",
        place: Place::Outside(&["store"]),
        why: "all SQL is in `store`; rows become domain values there",
        breach: ("src/audit/io.rs", "use sqlx::PgPool;"),
    },
    Fence {
        forbidden: r"\b(redis|bb8\w*)\b",
        // The room above has to name the one in which it is spoken.
        place: Place::Outside(&["rate_limit", "view/feed"]),
        why: "Redis is spoken in `rate_limit` and the change feed",
        breach: ("src/auth.rs", "fn f(c: redis::Client) {}"),
    },
    Fence {
        forbidden: r"\b(tokio_)?rustls\w*\b",
        place: Place::Outside(&["server/tls"]),
        why: "TLS is made in `server/tls`; the rest of the server is given an acceptor",
        breach: ("src/server/connection.rs", "use tokio_rustls::TlsAcceptor;"),
    },
    Fence {
        forbidden: r"\bopentelemetry\w*\b",
        place: Place::Outside(&["telemetry", "metrics"]),
        why: "measuring is wrapped in `telemetry` and `metrics`",
        breach: ("src/server.rs", "use opentelemetry::global;"),
    },
    Fence {
        forbidden: r"\bcrate::(\{[^;]*?\b)?pb\b",
        place: Place::Outside(&["pb", "service", "server", "cli"]),
        why: "generated types are parsed at the edge; inside are checked domain values",
        breach: ("src/policy/document.rs", "use crate::{ids, pb::v1::Policy};"),
    },
    Fence {
        forbidden: r"\b(tonic|prost)(_\w+)?\b",
        place: Place::Outside(&["pb", "service", "server", "cli"]),
        why: "a `tonic::Status` is made at the edge; a room below has its own error type",
        breach: ("src/view.rs", "fn f() -> Result<(), tonic::Status> { Ok(()) }"),
    },
    Fence {
        forbidden: r"\benv::(\{[^;]*?\b)?(vars?(_os)?|set_var|remove_var|home_dir|temp_dir|current_dir)\b",
        place: Place::Outside(&["config"]),
        why: "the environment is read in `config` only",
        breach: ("src/telemetry.rs", "fn f() { let _ = std::env::var_os(\"HOME\"); }"),
    },
    Fence {
        forbidden: r"\b(SystemTime|clock_gettime|std::time::Instant)\b|\b(Instant|Timestamp|Zoned(DateTime)?|Utc|Local)::now\b",
        place: Place::Outside(&["clock"]),
        why: "time is an argument; `clock` is the one room that asks for it",
        breach: ("src/audit/io.rs", "fn f() { let t = tokio::time::Instant::now(); }"),
    },
    Fence {
        forbidden: r"\b(getrandom|rand|OsRng)\b",
        place: Place::Outside(&["entropy"]),
        why: "randomness is an argument; `entropy` is the one room that asks for it",
        breach: ("src/auth/key.rs", "fn f(b: &mut [u8]) { getrandom::fill(b); }"),
    },
    Fence {
        forbidden: r"\b(tokio|sqlx|hyper|hyper_util|tonic|redis|rustix|getrandom|tracing|async|await|Clock)\b",
        place: Place::Inside(PURE),
        why: "this room is a function of its arguments: no I/O, no task, no clock, no log",
        breach: ("src/policy/evaluate.rs", "async fn decide() { tokio::task::yield_now().await }"),
    },
    Fence {
        forbidden: r"\bstd::(\{[^;]*?\b)?(fs|io|net|process|env|thread)\b",
        place: Place::Inside(PURE),
        why: "this room is a function of its arguments: no I/O",
        breach: ("src/audit/record.rs", "use std::{fmt, fs};"),
    },
    Fence {
        forbidden: r"\bcrate::(\{[^;]*?\b)?(auth|cli|config|metrics|pb|server|service|store|telemetry|view)\b",
        place: Place::Inside(PURE),
        why: "arrows go one way: the pure rooms depend on nothing that does I/O",
        breach: ("src/rate_limit/gcra.rs", "use crate::store::Store;"),
    },
    Fence {
        forbidden: r"\bcrate::(\{[^;]*?\b)?cli\b",
        place: Place::Outside(&["main", "cli"]),
        why: "arrows go one way: nothing below calls the command line",
        breach: ("src/server.rs", "use crate::cli::Command;"),
    },
    Fence {
        forbidden: r"\bcrate::(\{[^;]*?\b)?server\b",
        place: Place::Outside(&["main", "cli", "server"]),
        why: "arrows go one way: nothing below calls the server",
        breach: ("src/service/admin.rs", "fn f() { crate::server::build() }"),
    },
    Fence {
        forbidden: r"\bcrate::(\{[^;]*?\b)?service\b",
        place: Place::Outside(&["main", "cli", "server", "service"]),
        why: "arrows go one way: nothing below knows the wire",
        breach: ("src/store/agents.rs", "use crate::{\n    audit,\n    service::status,\n};"),
    },
    Fence {
        forbidden: r"\b([Dd]eviation|build_deviating|deviating|RevisionUnchecked|RepeatsUnconfirmed)\b",
        place: Place::Outside(&["server", "service/enforcement"]),
        why: "a check can be left out by a test's argument only; no setting, flag or message leads there",
        breach: ("src/cli/serve.rs", "use crate::server::build_deviating;"),
    },
    Fence {
        forbidden: r"\bunsafe\b",
        place: Place::Everywhere,
        why: "no `unsafe`",
        breach: ("src/ids.rs", "fn f() { unsafe { core::hint::unreachable_unchecked() } }"),
    },
    Fence {
        forbidden: r"\b(todo|unimplemented)!|#\[\s*(ignore|should_panic)\b",
        place: Place::Everywhere,
        why: "nothing is left for later, no test is skipped, a panic is never what is right",
        breach: ("tests/it/crash.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() { todo!() }"),
    },
];

static FORBIDDEN: LazyLock<Vec<Regex>> =
    LazyLock::new(|| FENCES.iter().map(|fence| Regex::new(fence.forbidden).unwrap()).collect());

#[test]
fn the_source_keeps_its_fences() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        read(Path::new(env!("CARGO_MANIFEST_DIR")), folder, &mut files);
    }
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    for known in ["src/lib.rs", "src/policy/decide.rs", "src/audit/machine.rs", "tests/it/fences.rs"] {
        assert!(paths.contains(&known), "the reader of the source does not find {known}: {paths:?}");
    }
    let found: Vec<String> = files.iter().flat_map(|(path, source)| breaches(path, source)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_fence_objects_to_its_breach() {
    for fence in FENCES {
        let (path, code) = fence.breach;
        let found = breaches(path, code);
        assert!(found.iter().any(|breach| breach.contains(fence.why)), "{path}: `{code}` passed: {found:?}");
    }
}

#[test]
fn a_fence_leaves_its_own_room_alone() {
    for fence in FENCES {
        let home = match fence.place {
            Place::Outside(rooms) => format!("src/{}.rs", rooms[0]),
            Place::Inside(_) => "src/store/feed.rs".to_owned(),
            Place::Everywhere => continue,
        };
        let found = breaches(&home, fence.breach.1);
        assert!(!found.iter().any(|breach| breach.contains(fence.why)), "{home}: {found:?}");
    }
}

#[test]
fn comments_strings_and_test_modules_do_not_count() {
    for code in [
        "// use sqlx::PgPool;\nfn f() {}",
        "/* outer /* sqlx */ sqlx */ fn f() {}",
        "const A: &str = \"sqlx \\\" sqlx\";",
        "const A: &str = r#\"sqlx \" sqlx\"#;",
        "fn f<'a>(x: &'a str) -> char { '\"' } // sqlx \" sqlx",
        "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn g() { let _ = \"}\"; sqlx::query(\"\"); }\n}\n",
        "#[cfg(test)]\nuse sqlx::Row;\nfn f() {}",
    ] {
        assert_eq!(breaches("src/auth.rs", code), Vec::<String>::new(), "{code}");
    }
    for code in [
        "fn f() { let _ = \"text\"; sqlx::query() }",
        "#[cfg(test)]\nmod tests { fn g() {} }\nfn f() { sqlx::query() }",
        "fn f<'a>(x: &'a str) { sqlx::query() }",
        "fn f() { let quote = b'\"'; sqlx::query(); let other = '\"'; }",
    ] {
        assert_eq!(breaches("src/auth.rs", code).len(), 1, "{code}");
    }
}

#[test]
fn a_breach_names_its_line() {
    let found = breaches("src/auth.rs", "//! Doc.\n\nuse std::fmt;\nuse sqlx::Row;\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("src/auth.rs:4: `sqlx`"), "{found:?}");
}

#[test]
fn a_file_over_500_lines_is_too_long() {
    assert_eq!(breaches("src/auth.rs", &"\n".repeat(MAX_LINES)), Vec::<String>::new());
    assert_eq!(breaches("src/auth.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
    assert_eq!(breaches("tests/it/crash.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
}

#[test]
fn a_file_is_named_after_what_is_in_it() {
    assert_eq!(breaches("src/policy/utils.rs", "").len(), 1);
    assert_eq!(breaches("src/common/text.rs", "").len(), 1);
    assert_eq!(breaches("src/policy/pattern.rs", ""), Vec::<String>::new());
}

/// Every breach in the file at `path`, each with its line and the fence's reason.
fn breaches(path: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = source.lines().count();
    if lines > MAX_LINES {
        found.push(format!("{path}: {lines} lines are more than {MAX_LINES}: split the room in two"));
    }
    let stem = path.trim_end_matches(".rs");
    if let Some(part) = stem.split('/').find(|part| NAMELESS.contains(part)) {
        found.push(format!("{path}: `{part}` does not say what is inside: name it after its domain"));
    }
    let code = blank_comments_and_strings(source);
    let program = path.starts_with("src/") && !stem.split('/').any(|part| part == "tests");
    let product = if program { blank_test_items(&code) } else { String::new() };
    for (fence, forbidden) in FENCES.iter().zip(FORBIDDEN.iter()) {
        let (text, applies) = match fence.place {
            Place::Everywhere => (&code, true),
            Place::Outside(rooms) => (&product, !is_in(stem, rooms)),
            Place::Inside(rooms) => (&product, is_in(stem, rooms)),
        };
        if !applies {
            continue;
        }
        for hit in forbidden.find_iter(text) {
            // A group such as `crate::{a, b}` may begin lines above the word that breaks the fence.
            let line = text[..hit.end()].matches('\n').count() + 1;
            let word = hit.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
            found.push(format!("{path}:{line}: `{word}`: {}", fence.why));
        }
    }
    found
}

/// Whether the file `stem` (`src/store/agents`) is one of `rooms` or inside it.
fn is_in(stem: &str, rooms: &[&str]) -> bool {
    let place = stem.trim_start_matches("src/");
    rooms
        .iter()
        .any(|room| place.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn read(root: &Path, folder: &str, files: &mut Vec<(String, String)>) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    let mut entries: Vec<_> = entries.map(Result::unwrap).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            read(root, &path, files);
        } else if path.ends_with(".rs") {
            files.push((path, std::fs::read_to_string(entry.path()).unwrap()));
        }
    }
}

/// `source` with the inside of comments and literals blanked; lines stay where they are.
fn blank_comments_and_strings(source: &str) -> String {
    // Lifetimes are left alone: a quote counts as a character only where one more quote closes it.
    let literal = Regex::new(
        r#"(?sx) //[^\n]* | /\* | \b[bc]?r(?<hashes>\#*)" | [bc]?"(?:[^"\\]|\\.)*" | b?'(?:[^'\\\n]|\\[^u]|\\x[0-9a-fA-F]{2}|\\u\{[^}]*\})'"#,
    )
    .unwrap();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while let Some(found) = literal.captures_at(source, at) {
        let whole = found.get(0).unwrap();
        let end = if whole.as_str() == "/*" {
            end_of_comment(source, whole.start())
        } else if let Some(hashes) = found.name("hashes") {
            let close = format!("\"{}", hashes.as_str());
            source[whole.end()..]
                .find(&close)
                .map_or(source.len(), |offset| whole.end() + offset + close.len())
        } else {
            whole.end()
        };
        code.push_str(&source[at..whole.start()]);
        blank(&source[whole.start()..end], &mut code);
        at = end;
    }
    code.push_str(&source[at..]);
    code
}

/// Block comments nest.
fn end_of_comment(source: &str, start: usize) -> usize {
    let mut depth = 0;
    for mark in Regex::new(r"/\*|\*/").unwrap().find_iter(&source[start..]) {
        depth += if mark.as_str() == "/*" { 1 } else { -1 };
        if depth == 0 {
            return start + mark.end();
        }
    }
    source.len()
}

/// `code` without the items under `#[cfg(test)]`; lines stay where they are.
fn blank_test_items(code: &str) -> String {
    let mark = Regex::new(r"#\[\s*cfg\(\s*test\s*\)\s*\]").unwrap();
    let mut product = String::with_capacity(code.len());
    let mut at = 0;
    while let Some(found) = mark.find_at(code, at) {
        let end = end_of_item(code, found.end());
        product.push_str(&code[at..found.start()]);
        blank(&code[found.start()..end], &mut product);
        at = end;
    }
    product.push_str(&code[at..]);
    product
}

/// An item ends at its first `;` outside all brackets, or where its outermost braces close.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (offset, letter) in code[start..].char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(letter, ';' | '}') {
            return start + offset + 1;
        }
    }
    code.len()
}

fn blank(text: &str, into: &mut String) {
    into.extend(text.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
}
