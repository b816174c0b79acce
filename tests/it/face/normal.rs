//! Answers of two servers made comparable: what each makes up by itself (ids, times, hashes) is replaced by a name that
//! says which of its kind it is.

use std::collections::HashMap;

use regex::{Captures, Regex};
use serde_json::{Map, Value};

/// The names given so far.
pub struct Names {
    known: HashMap<String, String>,
    counts: HashMap<String, usize>,
    made_up: Regex,
}

impl Names {
    pub fn new() -> Self {
        let made_up = r"(?x)
            (?P<id>\b(?:agt|key|pol|dec|rep|chn|req|agk)_[0-9A-Za-z_-]+)
            | (?P<time>\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)
            | (?P<hash>\b[0-9a-f]{32,64}\b)
            | (?P<revision>\b[0-9a-z]{6,}\.\d+\b)";
        Self { known: HashMap::new(), counts: HashMap::new(), made_up: Regex::new(made_up).unwrap() }
    }

    fn text(&mut self, text: &str) -> String {
        let made_up = self.made_up.clone();
        let named = made_up.replace_all(text, |found: &Captures| {
            let whole = &found[0];
            if found.name("time").is_some() {
                return "TIME".to_owned();
            }
            // The epoch is the database's own, the number is not.
            if found.name("revision").is_some() {
                return format!("EPOCH.{}", whole.rsplit('.').next().unwrap());
            }
            let kind = found.name("id").map_or("hash", |id| id.as_str().split('_').next().unwrap());
            self.known
                .entry(whole.to_owned())
                .or_insert_with(|| {
                    let count = self.counts.entry(kind.to_owned()).or_default();
                    *count += 1;
                    format!("{kind}-{count}")
                })
                .clone()
        });
        named.into_owned()
    }

    /// `value` with everything made up replaced, absent and `null` alike, every number a double.
    pub fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text).into(),
            Value::Number(number) => number.as_f64().into(),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                let mut shown = Map::new();
                for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
                    let member = match name.as_str() {
                        // Of these only the presence is the same.
                        "next_page_token" | "etag" | "instance" | "revision_age_ms" | "salt"
                        | "steps_used" | "position" => Value::Bool(member.as_str() != Some("")),
                        _ => self.value(member),
                    };
                    shown.insert(name.clone(), member);
                }
                Value::Object(shown)
            }
            Value::Null | Value::Bool(_) => value.clone(),
        }
    }
}

#[test]
fn what_is_made_up_is_told_apart_and_all_else_stays() {
    let mut names = Names::new();
    let first =
        serde_json::json!({"a": "agt_1x", "b": ["agt_2y", "agt_1x"], "n": 1, "gone": null, "r": "abcdef0.7"});
    let second = serde_json::json!({"a": "agt_9z", "b": ["agt_8w", "agt_9z"], "n": 1.0, "r": "fedcba9.7"});
    assert_eq!(names.value(&first), Names::new().value(&second));
    let other = serde_json::json!({"a": "agt_9z", "b": ["agt_8w", "agt_8w"], "n": 1.0, "r": "fedcba9.7"});
    assert_ne!(Names::new().value(&first), Names::new().value(&other));
    let later = serde_json::json!({"a": "agt_9z", "b": ["agt_8w", "agt_9z"], "n": 1.0, "r": "fedcba9.8"});
    assert_ne!(Names::new().value(&first), Names::new().value(&later));
}
