//! What differs between two versions of a policy, rule by rule.

use serde_json::{Value, json};

use crate::policy::document::{List, to_json};
use crate::policy::{Document, Rule, Scope};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The list it is in.
    pub list: List,
    /// What happened.
    pub kind: Kind,
}

/// What happened to a rule, or to a list's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new rule.
    Added(Rule),
    /// A rule that is no longer there.
    Removed(Rule),
    /// The rule of this id says something else.
    Changed {
        /// What it said.
        before: Box<Rule>,
        /// What it says.
        after: Box<Rule>,
    },
    /// The same rules in another order, which decides which one is reported.
    Reordered,
}

/// What leads from `before` to `after`; rules are told apart by their ids, which compiling fills in.
pub fn changes(before: Option<&Document>, after: Option<&Document>) -> Vec<Change> {
    let mut changes = Vec::new();
    for list in List::ALL {
        let old = before.map(|document| document.rules(list)).unwrap_or_default();
        let new = after.map(|document| document.rules(list)).unwrap_or_default();
        let twin = |rules: &[Rule], rule: &Rule| rules.iter().find(|other| is_same(other, rule)).cloned();
        let mut add = |kind| changes.push(Change { list, kind });
        for rule in old {
            match twin(new, rule) {
                None => add(Kind::Removed(rule.clone())),
                Some(after) if after != *rule => {
                    add(Kind::Changed { before: Box::new(rule.clone()), after: Box::new(after) });
                }
                Some(_) => {}
            }
        }
        for rule in new {
            if twin(old, rule).is_none() {
                add(Kind::Added(rule.clone()));
            }
        }
        let kept_old = old.iter().filter(|rule| twin(new, rule).is_some());
        let kept_new = new.iter().filter(|rule| twin(old, rule).is_some());
        if kept_old.zip(kept_new).any(|(a, b)| !is_same(a, b)) {
            add(Kind::Reordered);
        }
    }
    changes
}

fn is_same(a: &Rule, b: &Rule) -> bool {
    if a.id.is_some() || b.id.is_some() { a.id == b.id } else { a == b }
}

impl Change {
    /// Its JSON form.
    pub fn json(&self) -> Value {
        let list = self.list.as_str();
        let (change, before, after) = match &self.kind {
            Kind::Added(rule) => ("added", None, Some(rule)),
            Kind::Removed(rule) => ("removed", Some(rule), None),
            Kind::Changed { before, after } => ("changed", Some(&**before), Some(&**after)),
            Kind::Reordered => ("reordered", None, None),
        };
        let rule = |rule: Option<&Rule>| rule.map_or(Value::Null, |rule| rule_json(self.list, rule));
        json!({"list": list, "change": change, "before": rule(before), "after": rule(after)})
    }
}

/// A rule's JSON form, as it stands in a policy file.
fn rule_json(list: List, rule: &Rule) -> Value {
    let mut document = Document::empty(Scope::Everyone);
    let rules = match list {
        List::Deny => &mut document.deny,
        List::RequireApproval => &mut document.require_approval,
        List::Allow => &mut document.allow,
    };
    rules.push(rule.clone());
    let policy = to_json(&document);
    policy.get(list.as_str()).and_then(|rules| rules.get(0)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(id: &str, action: &str) -> Rule {
        Rule { id: Some(id.to_owned()), action: action.to_owned(), ..Rule::default() }
    }

    fn allow(rules: &[Rule]) -> Document {
        Document { allow: rules.to_vec(), ..Document::empty(Scope::Everyone) }
    }

    fn sign(change: &Change) -> char {
        match change.kind {
            Kind::Added(_) => '+',
            Kind::Removed(_) => '-',
            Kind::Changed { .. } | Kind::Reordered => '~',
        }
    }

    fn signs(before: &[Rule], after: &[Rule]) -> String {
        changes(Some(&allow(before)), Some(&allow(after))).iter().map(sign).collect()
    }

    #[test]
    fn each_kind_of_change_is_told_once() {
        let (a, b, c) = (rule("a", "x"), rule("b", "y"), rule("c", "z"));
        let other = rule("a", "w");
        assert_eq!(signs(&[a.clone(), b.clone()], &[a.clone(), b.clone()]), "");
        let only = std::slice::from_ref;
        assert_eq!(signs(only(&a), &[a.clone(), c.clone()]), "+");
        assert_eq!(signs(&[a.clone(), b.clone()], only(&b)), "-");
        assert_eq!(signs(only(&a), &[other]), "~");
        assert_eq!(signs(&[a.clone(), b.clone()], &[b.clone(), a.clone()]), "~");
        assert_eq!(signs(&[a.clone(), b.clone()], &[b, c, a]), "+~");
    }

    #[test]
    fn a_policy_that_is_not_there_has_no_rules() {
        let policy = allow(&[rule("a", "x")]);
        assert_eq!(changes(None, Some(&policy)).len(), 1);
        assert_eq!(sign(&changes(Some(&policy), None)[0]), '-');
        assert_eq!(changes(Some(&policy), None)[0].json()["before"]["action"], "x");
    }
}
