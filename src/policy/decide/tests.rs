use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::policy::{compile, document, testing};

fn policy(byte: u8, lists: &Value) -> Compiled {
    let mut json = lists.clone();
    json["scope"] = json!({"everyone": {}});
    let document = document::from_json(&json).unwrap();
    compile(&document, testing::policy_id(byte), 1).unwrap().0
}

/// Decides with everyone's policy alone.
fn decided(lists: &Value, request: &Request) -> Decision {
    let everyone = policy(1, lists);
    let policies = Policies { everyone: Some(&everyone), ..Policies::default() };
    decide(&policies, &testing::subject(), request, testing::monday())
}

fn code(lists: &Value, action: &str, resource: Option<&str>) -> ReasonCode {
    decided(lists, &testing::request(action, resource)).code
}

fn rule_id(decision: &Decision) -> &str {
    decision.rule.as_ref().map_or("", |rule| &rule.rule_id)
}

const FAILS: &str = "context.nothing == 1";

#[test]
fn nothing_is_allowed_by_default() {
    let request = testing::request("read:file", Some("/a"));
    let none = decide(&Policies::default(), &testing::subject(), &request, testing::monday());
    assert_eq!((none.verdict, none.code), (Verdict::Deny, ReasonCode::DeniedNoPolicy));
    assert!(none.reason().starts_with("No policy defined"));
    for empty in [json!({}), json!({"allow": []}), json!({"deny": [{"action": "x"}]})] {
        let decision = decided(&empty, &request);
        assert_eq!((decision.verdict, decision.code), (Verdict::Deny, ReasonCode::DeniedDefault));
        assert!(decision.reason().contains("default deny"));
    }
}

#[test]
fn one_order_always() {
    let all = json!({"deny": [{"action": "read:*"}], "require_approval": [{"action": "read:*"}], "allow": [{"action": "read:*"}]});
    let mut left = all.clone();
    let request = testing::request("read:file", Some("/a/../b"));
    let inactive = Subject { is_active: false, ..testing::subject() };
    let everyone = policy(1, &all);
    let policies =
        Policies { everyone: Some(&everyone), kill_switch: Some(ScopeKind::Team), ..Policies::default() };
    let killed = decide(&policies, &inactive, &request, testing::monday());
    assert_eq!(killed.code, ReasonCode::KillSwitch);
    assert_eq!(killed.reason(), "Denied: the kill switch is on for the agent's team");
    let policies = Policies { kill_switch: None, ..policies };
    assert_eq!(decide(&policies, &inactive, &request, testing::monday()).code, ReasonCode::AgentInactive);
    assert_eq!(code(&left, "read:file", Some("/a/../b")), ReasonCode::DeniedByRule);
    left["deny"] = json!([]);
    let decision = decided(&left, &request);
    assert_eq!((decision.verdict, decision.code), (Verdict::Deny, ReasonCode::ResourceNotCanonical));
    assert!(decision.reason().contains("without `.` and `..`"), "{}", decision.reason());
    assert_eq!(code(&left, "read:file", Some("/a")), ReasonCode::ApprovalRequired);
    left["require_approval"] = json!([]);
    assert_eq!(code(&left, "read:file", Some("/a")), ReasonCode::AllowedByRule);
    assert_eq!(code(&left, "write:file", Some("/a")), ReasonCode::DeniedDefault);
}

#[test]
fn a_deny_wins_whichever_scope_it_comes_from() {
    let deny = policy(1, &json!({"deny": [{"action": "read:file", "id": "no"}]}));
    let allow = policy(2, &json!({"allow": [{"action": "**"}]}));
    let request = testing::request("read:file", None);
    for policies in [
        Policies { everyone: Some(&deny), team: Some(&allow), agent: Some(&allow), kill_switch: None },
        Policies { everyone: Some(&allow), team: Some(&deny), agent: Some(&allow), kill_switch: None },
        Policies { everyone: Some(&allow), team: Some(&allow), agent: Some(&deny), kill_switch: None },
    ] {
        let decision = decide(&policies, &testing::subject(), &request, testing::monday());
        assert_eq!((decision.code, rule_id(&decision)), (ReasonCode::DeniedByRule, "no"));
    }
}

#[test]
fn a_failing_condition_matches_in_lists_that_forbid_only() {
    let rule = |id: &str| json!([{"id": id, "action": "read:*", "conditions": {"expression": FAILS}}]);
    let request = testing::request("read:file", None);
    let deny = decided(&json!({"deny": rule("d")}), &request);
    assert_eq!((deny.verdict, deny.code, rule_id(&deny)), (Verdict::Deny, ReasonCode::DeniedRuleError, "d"));
    assert!(deny.rule.as_ref().unwrap().errored && deny.reason().starts_with("Denied by rule"));
    let approval = decided(&json!({"require_approval": rule("r")}), &request);
    assert_eq!((approval.verdict, approval.code), (Verdict::RequireApproval, ReasonCode::ApprovalRequired));
    assert!(approval.rule.as_ref().unwrap().errored);
    let allow = decided(&json!({"allow": rule("a")}), &request);
    assert_eq!((allow.verdict, allow.code), (Verdict::Deny, ReasonCode::DeniedDefault));
    for (decision, id) in [(deny, "d"), (approval, "r"), (allow, "a")] {
        assert_eq!(decision.error_rule_ids, [Arc::from(id)]);
    }
}

#[test]
fn failed_rules_are_noted_down_to_the_deciding_level() {
    let failing =
        |id: &str, action: &str| json!({"id": id, "action": action, "conditions": {"expression": FAILS}});
    let lists = json!({
        "deny": [failing("d", "write:*")],
        "require_approval": [failing("r", "write:*")],
        "allow": [failing("a1", "**"), {"action": "read:*"}, failing("a2", "read:*")],
    });
    let ids = |action: &str| {
        let decision = decided(&lists, &testing::request(action, None));
        decision.error_rule_ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(ids("read:file"), ["a1", "a2"]);
    assert_eq!(ids("write:file"), ["d"], "levels below the deciding one are not tested");
    assert_eq!(ids("other"), ["a1"]);
}

#[test]
fn the_rule_reported_is_without_error_then_nearest_then_first() {
    let list = |ids: &[(&str, bool)]| {
        let rules: Vec<Value> = ids
            .iter()
            .map(|(id, fails)| {
                let expression = if *fails { FAILS } else { "true" };
                json!({"id": id, "action": "read:*", "conditions": {"expression": expression}})
            })
            .collect();
        json!({"deny": rules})
    };
    let reported = |agent: &[(&str, bool)], team: &[(&str, bool)], everyone: &[(&str, bool)]| {
        let (agent, team, everyone) =
            (policy(1, &list(agent)), policy(2, &list(team)), policy(3, &list(everyone)));
        let policies =
            Policies { agent: Some(&agent), team: Some(&team), everyone: Some(&everyone), kill_switch: None };
        let request = testing::request("read:file", None);
        let decision = decide(&policies, &testing::subject(), &request, testing::monday());
        let errors: Vec<String> = decision.error_rule_ids.iter().map(ToString::to_string).collect();
        (rule_id(&decision).to_owned(), errors.join(","))
    };
    assert_eq!(reported(&[("a1", false), ("a2", false)], &[("t", false)], &[("e", false)]).0, "a1");
    assert_eq!(
        reported(&[("a1", true), ("a2", false)], &[("t", true)], &[("e", false)]),
        ("a2".into(), "a1,t".into())
    );
    assert_eq!(reported(&[("a", true)], &[("t", false)], &[("e", false)]).0, "t");
    assert_eq!(reported(&[("a", true)], &[("t", true)], &[("e", false)]), ("e".into(), "a,t".into()));
    assert_eq!(reported(&[("a1", true), ("a2", true)], &[("t", true)], &[]), ("a1".into(), "a1,a2,t".into()));
}

#[test]
fn an_unknown_resource_matches_whatever_forbids() {
    let rules = json!([{"id": "x", "action": "read:*", "resource": "/secret/**", "reason": "secrets"}]);
    let request = testing::request("read:file", None);
    let deny = decided(&json!({"deny": rules}), &request);
    assert_eq!(deny.code, ReasonCode::DeniedByRule);
    assert!(
        deny.reason().contains("names no resource") && deny.reason().ends_with(": secrets"),
        "{}",
        deny.reason()
    );
    assert_eq!(decided(&json!({"require_approval": rules}), &request).code, ReasonCode::ApprovalRequired);
    let allow = decided(&json!({"allow": rules}), &request);
    assert_eq!(allow.code, ReasonCode::DeniedDefault);
    assert!(allow.reason().contains("names no resource"));
    for resource in [json!(null), json!("*"), json!("**")] {
        let lists = json!({"allow": [{"action": "read:*", "resource": resource}]});
        assert_eq!(decided(&lists, &request).code, ReasonCode::AllowedByRule);
    }
    // Six rules lie in a tree over their resources; an unknown one still meets them all.
    let many: Vec<Value> =
        (0..6).map(|n| json!({"action": "read:*", "resource": format!("/{n}/**")})).collect();
    assert_eq!(decided(&json!({"deny": many}), &request).rules_tested, 6);
    assert_eq!(decided(&json!({"allow": many}), &request).rules_tested, 0);
}

#[test]
fn a_final_star_segment_also_matches_the_bare_prefix() {
    for (pattern, action, matches) in [
        ("delete:*", "delete", true),
        ("delete:*", "delete:a", true),
        ("delete:*", "delete:a:b", false),
        ("delete:**", "delete", true),
        ("delete:**", "delete:a:b", true),
        ("delete:*", "deleted", false),
        ("delete:*", "deleted:a", false),
        ("*:*", "a", true),
        ("*:*", "a:b", true),
        ("*:*", "a:b:c", false),
        ("*", "a:b:c", true),
        ("*:delete", "user:delete", true),
        ("*:delete", "delete", false),
        ("read:fi?e", "read:file", true),
        ("ReadFile", "read_file", true),
    ] {
        let found = code(&json!({"allow": [{"action": pattern}]}), action, None) == ReasonCode::AllowedByRule;
        assert_eq!(found, matches, "{pattern} {action}");
    }
}

#[test]
fn an_approval_id_never_releases() {
    let lists = json!({"require_approval": [{"action": "pay:*"}], "allow": [{"action": "**"}]});
    let mut request = testing::request("pay:bill", None);
    request.approval_id = Some("apr_1".into());
    let decision = decided(&lists, &request);
    assert_eq!(
        (decision.verdict, decision.code),
        (Verdict::RequireApproval, ReasonCode::ApprovalUnavailable)
    );
    request.action = crate::policy::Action::parse("read").unwrap();
    assert_eq!(decided(&lists, &request).code, ReasonCode::AllowedByRule);
}

#[test]
fn beyond_the_budget_everything_is_denied() {
    let allow = json!({"action": "**"});
    let slow = json!({"action": "**", "resource": "**a*a*a*a*a*a*a*b**"});
    let lists = json!({"allow": [allow], "require_approval": vec![slow; 150]});
    let mut request = testing::request("read:file", Some(&"a".repeat(2_048)));
    let decision = decided(&lists, &request);
    assert_eq!((decision.verdict, decision.code), (Verdict::Deny, ReasonCode::DecisionBudget));
    assert_eq!(decision.steps, crate::policy::meter::DECISION_STEPS);
    request.resource = Some("a".into());
    assert_eq!(decided(&lists, &request).code, ReasonCode::AllowedByRule);
}

#[test]
fn the_index_spares_rules_that_cannot_match() {
    let rules: Vec<Value> = (0..5_000)
        .map(|n| json!({"action": format!("tool:do_{n}"), "resource": format!("/data/{n}/**")}))
        .collect();
    let decision = decided(&json!({"allow": rules}), &testing::request("tool:do_77", Some("/data/77/x")));
    assert_eq!((decision.code, decision.rules_tested), (ReasonCode::AllowedByRule, 1));
    assert!(decision.steps < 100, "{}", decision.steps);
    let rules: Vec<Value> =
        (0..5_000).map(|n| json!({"action": "read:file", "resource": format!("/data/{n}/**")})).collect();
    let decision = decided(&json!({"allow": rules}), &testing::request("read:file", Some("/data/77/x")));
    assert_eq!((decision.code, decision.rules_tested), (ReasonCode::AllowedByRule, 1));
}

#[test]
fn a_reason_never_quotes_the_request() {
    let lists = json!({"deny": [{"action": "read:*", "resource": "/x-secret-marker"}]});
    for resource in ["/x-secret-marker", "/x-secret-marker/../b", "/x-secret-marker/other"] {
        let decision = decided(&lists, &testing::request("read:file", Some(resource)));
        assert!(!decision.reason().contains("marker"), "{}", decision.reason());
    }
}

fn pattern() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["*", "**", "a:*", "a:**", "a", "b", "a:b", "*:b", "b:**", "a:?"])
        .prop_map(Into::into)
}

fn rule() -> impl Strategy<Value = Value> {
    let resource = prop::sample::select(vec!["", "*", "/a", "/a/*", "/a/**", "/b/?", "**/b", "/*/b"]);
    let expression = prop::sample::select(vec!["", "true", "false", FAILS]);
    (pattern(), resource, expression).prop_map(|(action, resource, expression)| {
        let mut rule = json!({"action": action});
        if !resource.is_empty() {
            rule["resource"] = json!(resource);
        }
        if !expression.is_empty() {
            rule["conditions"] = json!({"expression": expression});
        }
        rule
    })
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(rule(), 0..8)
}

fn asked() -> impl Strategy<Value = Request> {
    let action = prop::sample::select(vec!["a", "b", "a:b", "a:b:c", "b:a"]);
    let resource = prop::sample::select(vec!["", "/a", "/a/", "/a/b", "/a/b/c", "/b/x", "/a/../b"]);
    (action, resource).prop_map(|(action, resource)| testing::request(action, Some(resource)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn adding_a_deny_never_allows(
        deny in rules(), approval in rules(), allow in rules(), more in rule(), request in asked(),
    ) {
        let mut lists = json!({"deny": deny, "require_approval": approval, "allow": allow});
        let before = decided(&lists, &request).verdict;
        lists["deny"].as_array_mut().unwrap().push(more);
        let after = decided(&lists, &request).verdict;
        prop_assert!(!before.is_stricter_than(after));
    }

    #[test]
    fn the_order_of_rules_does_not_change_the_verdict(
        deny in rules(), approval in rules(), allow in rules(), request in asked(),
    ) {
        let reversed = |rules: &[Value]| rules.iter().rev().cloned().collect::<Vec<_>>();
        let one = json!({"deny": deny, "require_approval": approval, "allow": allow});
        let other = json!({"deny": reversed(&deny), "require_approval": reversed(&approval), "allow": reversed(&allow)});
        let (one, other) = (decided(&one, &request), decided(&other, &request));
        prop_assert_eq!((one.verdict, one.code), (other.verdict, other.code));
    }

    #[test]
    fn the_index_finds_what_testing_every_rule_finds(
        deny in rules(), approval in rules(), allow in rules(), request in asked(),
    ) {
        let lists = json!({"deny": deny, "require_approval": approval, "allow": allow});
        let everyone = policy(1, &lists);
        let policies = Policies { everyone: Some(&everyone), ..Policies::default() };
        let explained = crate::policy::explain(&policies, &testing::subject(), &request, testing::monday());
        let first = |list: List, wanted: fn(&RuleOutcome) -> bool| {
            explained.rules.iter().find(|rule| rule.list == list && wanted(&rule.outcome)).map(|rule| rule.rule_id.clone())
        };
        let matched: fn(&RuleOutcome) -> bool = |outcome| *outcome == RuleOutcome::Matched;
        let errored: fn(&RuleOutcome) -> bool = |outcome| matches!(outcome, RuleOutcome::Error(_));
        let forbids = |list| first(list, matched).or(first(list, errored));
        let is_canonical = request.resource.as_deref().is_none_or(|text| resource::remedy(text).is_none());
        let expected = forbids(List::Deny).or_else(|| {
            if !is_canonical { return None }
            forbids(List::RequireApproval).or(first(List::Allow, matched))
        });
        prop_assert_eq!(explained.decision.rule.map(|rule| rule.rule_id), expected);
    }
}
