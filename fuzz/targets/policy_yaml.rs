//! Policy files, and files of decision cases.

use agentguard::cli::policy_documents;
use agentguard::clock::Timestamp;
use agentguard::ids::PolicyId;
use agentguard::policy::{cases, compile, document};

/// `data` is a file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(values) = policy_documents(text) {
        for value in &values {
            one(value);
        }
    }
    if text.contains("cases") {
        // Whatever comes of it: a report or faults.
        let (first, second) = (cases::run(text), cases::run(text));
        assert_eq!(first, second, "a file of cases is read in two ways");
    }
}

fn one(value: &serde_json::Value) {
    let written = match document::from_json(value) {
        Ok(written) => written,
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a fault");
            return;
        }
    };
    let id = || PolicyId::new(Timestamp::default(), [0; 16]);
    let shown = document::to_json(&written);
    let again = policy_documents(&shown.to_string()).expect("a shown policy is a policy file");
    let [again] = again.as_slice() else { panic!("a shown policy is one document") };
    assert_eq!(document::from_json(again).as_ref(), Ok(&written), "shown as {shown}");

    let Ok((compiled, _)) = compile(&written, id(), 1) else { return };
    let stored = compiled.document();
    let (read, _) = compile(stored, id(), 1).expect("what is stored was accepted");
    assert_eq!(read.document(), stored, "rules get other ids when they are read back");
}
