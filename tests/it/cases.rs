//! The decision cases of `tests/policy`: every sentence of the design's section on decisions, as data.

use std::path::PathBuf;

use agentguard::policy::cases;

/// What the files must hold at least, so that a file that is lost is noticed.
const MINIMUM: usize = 450;

fn files() -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/policy");
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_decision_case_comes_out_as_expected() {
    let (mut count, mut failures) = (0, Vec::new());
    for file in files() {
        let yaml = std::fs::read_to_string(&file).unwrap();
        let report = cases::run(&yaml).unwrap_or_else(|faults| panic!("{}: {faults:#?}", file.display()));
        count += report.cases.len();
        for case in report.cases.iter().filter(|case| !case.has_passed()) {
            let file = file.file_name().unwrap().display();
            failures.push(format!("{file}: {}: {}", case.name, case.failures.join("; ")));
        }
    }
    assert!(failures.is_empty(), "{} of {count} cases:\n{}", failures.len(), failures.join("\n"));
    assert!(count >= MINIMUM, "only {count} cases are left");
}

#[test]
fn every_case_says_a_rule_of_its_own() {
    let mut seen = std::collections::BTreeSet::new();
    for file in files() {
        let report = cases::run(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_owned();
        for case in report.cases {
            assert!(case.section.is_some(), "`{}` in {name:?} names no section", case.name);
            assert!(
                seen.insert((name.clone(), case.section, case.name.clone())),
                "`{}` stands twice in {name:?}",
                case.name
            );
        }
    }
}

#[test]
fn a_wrong_expectation_is_reported() {
    let yaml = "cases: [{name: no policy, request: {action: x}, expect: {verdict: ALLOW}}]";
    let report = cases::run(yaml).unwrap();
    assert!(!report.has_passed());
    assert_eq!(report.cases[0].failures, [r#"verdict: expected "ALLOW", came "DENY""#]);
}
