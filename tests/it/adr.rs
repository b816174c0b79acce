//! The decision records: each has the template's parts, and the list names every one of them.

use std::collections::BTreeMap;
use std::path::Path;

const PARTS: [&str; 4] = ["## Situation", "## Choice", "## Instead of", "## Consequences"];

#[test]
fn every_decision_record_is_whole_and_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/adr");
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, std::fs::read_to_string(entry.path()).unwrap());
    }
    let list = files.remove("README.md").unwrap();
    assert!(files.contains_key("0000-template.md"));
    let found = faults(&list, &files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_record_that_is_unlisted_or_lacks_a_part_is_found() {
    let parts = PARTS.join("\n\ntext\n\n");
    let good = format!("# 0007: Be kind\n\nStatus: accepted · Date: 2026-01-01\n\n{parts}\n");
    let line = "- [0007: Be kind](0007-be-kind.md)\n";
    let check = |list: &str, name: &str, text: &str| {
        faults(list, &BTreeMap::from([(name.to_owned(), text.to_owned())])).len()
    };
    assert_eq!(check(line, "0007-be-kind.md", &good), 0);
    assert_eq!(check("", "0007-be-kind.md", &good), 1);
    assert_eq!(check(line, "0007-be-kind.md", &good.replace("## Instead of", "## Or")), 1);
    assert_eq!(check(line, "0007-be-kind.md", &good.replace("Status", "State")), 1);
    assert_eq!(check("- [0008: Be kind](0008-be-kind.md)\n", "0008-be-kind.md", &good), 1);
    assert_eq!(check(&format!("{line}- [0009: Gone](0009-gone.md)\n"), "0007-be-kind.md", &good), 1);
}

#[test]
fn two_records_of_one_number_are_found() {
    let text = |title: &str| format!("# 0007: {title}\n\nStatus: accepted\n\n{}\n", PARTS.join("\n\n"));
    let files = BTreeMap::from([("0007-a.md".to_owned(), text("A")), ("0007-b.md".to_owned(), text("B"))]);
    assert_eq!(faults("- [0007: A](0007-a.md)\n- [0007: B](0007-b.md)\n", &files).len(), 1);
}

/// What is wrong with the records `files` and their `list`, each with its remedy.
fn faults(list: &str, files: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut numbers = BTreeMap::new();
    for (name, text) in files {
        let number = name.split('-').next().unwrap_or_default();
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        if !title.starts_with(&format!("{number}: ")) {
            found.push(format!("docs/adr/{name}: the first line must be `# {number}: TITLE`, not `{title}`"));
            continue;
        }
        if let Some(other) = numbers.insert(number.to_owned(), name) {
            found.push(format!("docs/adr/{name}: the number is taken by {other}"));
        }
        for part in ["Status: "].iter().chain(&PARTS) {
            if !text.lines().any(|line| line.starts_with(part)) {
                found.push(format!("docs/adr/{name}: a line `{part}` is missing (see 0000-template.md)"));
            }
        }
        if number != "0000" && !list.contains(&format!("- [{title}]({name})\n")) {
            found.push(format!("docs/adr/README.md: add the line `- [{title}]({name})`"));
        }
    }
    for line in list.lines().filter(|line| line.starts_with("- [")) {
        if !files.keys().any(|name| line.ends_with(&format!("]({name})"))) {
            found.push(format!("docs/adr/README.md: there is no file for `{line}`"));
        }
    }
    found
}
