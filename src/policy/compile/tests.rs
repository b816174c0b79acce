use serde_json::{Value, json};

use super::*;
use crate::policy::{document, testing};

fn compiled(lists: &Value) -> Result<(Compiled, Vec<Warning>), Vec<Fault>> {
    let mut json = lists.clone();
    if json.get("scope").is_none() {
        json["scope"] = json!({"everyone": {}});
    }
    compile(&document::from_json(&json).unwrap(), testing::policy_id(1), 3)
}

fn faults(lists: &Value) -> Vec<String> {
    compiled(lists).unwrap_err().into_iter().map(|fault| fault.field).collect()
}

fn warnings(lists: &Value) -> Vec<String> {
    compiled(lists).unwrap().1.into_iter().map(|warning| warning.field).collect()
}

fn message(action: &str) -> String {
    compiled(&json!({"allow": [{"action": action}]})).unwrap_err().remove(0).message
}

#[test]
fn every_fault_is_shown_with_its_path() {
    let lists = json!({
        "deny": [{"action": "a\\b", "resource": "C:\\x", "id": "A"}],
        "require_approval": [{"action": "a", "conditions": {}}, {"action": "a", "resource": ""}],
        "allow": [{"action": "delete*", "conditions": {"env": ["x"], "expression": "1"}, "reason": "r".repeat(501)}],
    });
    assert_eq!(
        faults(&lists),
        [
            "deny[0].id",
            "deny[0].action",
            "deny[0].resource",
            "require_approval[0].conditions",
            "require_approval[1].resource",
            "allow[0].action",
            "allow[0].conditions.env.values[0]",
            "allow[0].conditions.expression",
            "allow[0].reason",
        ]
    );
    assert_eq!(faults(&json!({"scope": {"team": ""}})), ["scope.team"]);
}

#[test]
fn one_segment_with_a_wildcard_is_refused_with_a_suggestion() {
    assert!(message("delete*").contains("`delete:*`"));
    assert!(message("*file").contains("`*:file`"));
    assert!(message("re?d").contains("`red:*`"));
    for accepted in ["*", "**", "***", "delete:*", "delete_*", "*_file", "read*File"] {
        assert!(compiled(&json!({"allow": [{"action": accepted}]})).is_ok(), "{accepted}");
    }
}

#[test]
fn ids_are_the_writers_or_made_and_stable() {
    let rule = json!({"action": "a"});
    let (policy, warned) =
        compiled(&json!({"deny": [rule], "allow": [{"id": "mine", "action": "a"}, rule, rule]})).unwrap();
    let ids: Vec<&str> = policy.document().allow.iter().filter_map(|rule| rule.id.as_deref()).collect();
    assert_eq!(ids[0], "mine");
    assert!(ids[1].starts_with("allow-") && ids[1] != ids[2] && ids[1].len() <= MAX_RULE_ID_CHARS);
    assert_ne!(policy.document().deny[0].id.as_deref(), Some(ids[1]), "the list is part of it");
    assert_eq!(warned.len(), 1);
    assert_eq!(warned[0].field, "allow[2]");
    let (other, _) = compiled(&json!({"allow": [{"action": "b"}, rule]})).unwrap();
    assert_eq!(other.document().allow[1].id.as_deref(), Some(ids[1]), "other rules do not change it");
    assert_eq!(policy.allow.rules[1].id.as_ref(), ids[1]);
    assert_eq!((policy.version(), policy.id()), (3, &testing::policy_id(1)));
    let taken = json!({"deny": [{"id": ids[1], "action": "x"}], "allow": [rule]});
    assert_ne!(compiled(&taken).unwrap().0.document().allow[0].id.as_deref(), Some(ids[1]));
}

#[test]
fn a_written_id_is_plain_and_unique() {
    for id in ["A", "a b", "é", &"a".repeat(65)] {
        assert_eq!(faults(&json!({"allow": [{"id": id, "action": "a"}]})), ["allow[0].id"], "{id}");
    }
    let twice = json!({"deny": [{"id": "x", "action": "a"}], "allow": [{"id": "x", "action": "b"}]});
    assert_eq!(faults(&twice), ["allow[0].id"]);
    assert!(
        compiled(&json!({"allow": [{"id": "a".repeat(64), "action": "a"}, {"id": "0.9_z-", "action": "a"}]}))
            .is_ok()
    );
}

#[test]
fn traps_are_warned_of() {
    for (lists, expected) in [
        (json!({"deny": [{"action": "a", "resource": "/a/*"}]}), vec!["deny[0].resource"]),
        (
            json!({"require_approval": [{"action": "a", "resource": "/a/*"}]}),
            vec!["require_approval[0].resource"],
        ),
        (json!({"deny": [{"action": "a:*"}]}), vec!["deny[0].action"]),
        (json!({"allow": [{"action": "a:*", "resource": "/a/*"}]}), vec![]),
        (json!({"deny": [{"action": "a:**", "resource": "/a/**"}, {"action": "*"}]}), vec![]),
        (json!({"deny": [{"action": "a", "resource": "*"}]}), vec![]),
        (
            json!({"allow": [{"action": "{a,b}:c"}, {"action": "a", "resource": "/[ab]"}]}),
            vec!["allow[0].action", "allow[1].resource"],
        ),
        (
            json!({"allow": [{"action": "a", "resource": "https://*.example.com/**"}]}),
            vec!["allow[0].resource"],
        ),
        (json!({"allow": [{"action": "a", "resource": "https://example.com**"}]}), vec!["allow[0].resource"]),
        (json!({"allow": [{"action": "a", "resource": "https://example.com"}]}), vec!["allow[0].resource"]),
        (json!({"allow": [{"action": "a", "resource": "*://example.com*"}]}), vec!["allow[0].resource"]),
        (
            json!({"allow": [{"action": "a", "resource": "https://example.com/**"}, {"action": "b", "resource": "file:///a/**"}]}),
            vec![],
        ),
        (json!({"deny": [{"action": "*", "resource": "/a/**"}]}), vec!["deny[0].resource"]),
        (json!({"deny": [{"action": "*"}, {"action": "**", "resource": "**"}]}), vec![]),
        (json!({"allow": [{"action": "a", "resource": "/a/../b"}]}), vec!["allow[0].resource"]),
        (json!({"allow": [{"action": "a", "resource": "/a/./**"}]}), vec!["allow[0].resource"]),
        (json!({"allow": [{"action": "a", "resource": "a\u{202e}b*"}]}), vec!["allow[0].resource"]),
        (
            json!({"allow": [{"action": "a", "resource": "/a/.*"}, {"action": "a", "resource": "**/../**"}]}),
            vec![],
        ),
        (json!({"deny": [{"action": "a", "resource": "/a/../b"}]}), vec![]),
    ] {
        assert_eq!(warnings(&lists), expected, "{lists}");
    }
}

#[test]
fn a_policy_has_bounds() {
    let many =
        |count: usize, rule: fn(usize) -> Value| json!({"allow": (0..count).map(rule).collect::<Vec<_>>()});
    let plain = |n: usize| json!({"action": format!("a{n}")});
    assert!(compiled(&many(10_000, plain)).is_ok());
    assert_eq!(faults(&many(10_001, plain)), [""]);
    let unindexed = |n: usize| json!({"action": "*", "resource": format!("**{n}")});
    assert!(compiled(&many(200, unindexed)).is_ok());
    assert_eq!(faults(&many(201, unindexed)), ["allow[200]"]);
    let found_by_resource = |n: usize| json!({"action": "*", "resource": format!("/{n}/**")});
    assert!(compiled(&many(201, found_by_resource)).is_ok());
    let expression = |n: usize| json!({"action": format!("a{n}"), "conditions": {"expression": "true"}});
    assert!(compiled(&many(100, expression)).is_ok());
    assert_eq!(faults(&many(101, expression)), ["allow[100].conditions.expression"]);
    assert!(compiled(&json!({"allow": [{"action": "a", "reason": "r".repeat(500)}]})).is_ok());
    assert!(compiled(&json!({"allow": [{"action": "a", "resource": "a".repeat(2_048)}]})).is_ok());
    assert_eq!(
        faults(&json!({"allow": [{"action": "a", "resource": "a".repeat(2_049)}]})),
        ["allow[0].resource"]
    );
}
