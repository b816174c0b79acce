//! The one form of actions' names.

use agentguard::ids::PolicyId;
use agentguard::policy::action::{Action, Invalid};
use agentguard::policy::{Document, Rule, Scope, compile};

/// What brings a name to its form.
pub type Engine = fn(&str) -> Result<String, Invalid>;

pub fn run(data: &[u8]) {
    check(data, |name| Action::parse(name).map(|action| action.as_str().to_owned()));
}

/// `data` is a name.
pub fn check(data: &[u8], engine: Engine) {
    let Ok(name) = std::str::from_utf8(data) else { return };
    let form = engine(name);
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
    };
    match &form {
        Ok(form) => {
            assert_eq!(letters(form), letters(name), "a word of {name:?} is lost in {form:?}");
            assert_eq!(engine(form).as_ref(), Ok(form), "the form of {name:?} has another form");
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            let is_segment = |segment: &str| {
                !segment.is_empty()
                    && segment.bytes().all(plain)
                    && segment.split('_').all(|word| !word.is_empty())
            };
            assert!(form.split(':').all(is_segment), "{form:?} is no form");
            assert!(form.len() <= 255 && name.len() <= 255 && name.is_ascii(), "{name:?} is accepted");
        }
        Err(Invalid::Empty) => assert!(letters(name).is_empty(), "{name:?} is called empty"),
        Err(Invalid::NotAscii) => assert!(!name.is_ascii(), "{name:?} is called other than ASCII"),
        // The first word of a single segment is parted by a `:` where nothing stood before.
        Err(Invalid::TooLong) => assert!(name.len() > 127, "{name:?} is called too long"),
    }
    if !name.contains(['*', '?', '\\']) {
        let rule = Rule { action: name.to_owned(), ..Rule::default() };
        let document = Document { allow: vec![rule], ..Document::empty(Scope::Everyone) };
        let compiled = compile(&document, PolicyId::new(Default::default(), [0; 16]), 1);
        assert_eq!(compiled.is_ok(), form.is_ok(), "rules and requests read {name:?} differently");
    }
}
