use super::*;

const GOOD: &str = r#"
description: the form of a file
policies:
  - scope: {everyone: {}}
    deny: [{id: no-tmp, action: "read:*", resource: "/tmp/**"}]
    allow: [{action: "read:*"}]
  - scope: {agent: writer}
    allow: [{id: w, action: "write:*", conditions: {env: [dev], expression: "agent.labels.tier == 'gold'"}}]
agents:
  reader: {team: data, environment: production}
  writer: {environment: dev, labels: {tier: gold}}
  sleeper: {is_active: false}
cases:
  - name: a matching deny wins over an allow
    section: "2: order"
    request: {action: read_file, resource: /tmp/a}
    expect: {verdict: DENY, reason_code: DENIED_BY_RULE, rule_id: no-tmp, scope: everyone, error_rule_ids: [], reason_contains: Denied by rule}
  - name: an agent's own policy
    agent: writer
    request: {action: write_file, arguments: {n: 1}}
    expect: {verdict: ALLOW, scope: agent}
  - name: not another's
    request: {action: write_file}
    expect: {verdict: DENY, reason_code: DENIED_DEFAULT, rule_id: null}
  - name: inactive
    agent: sleeper
    request: {action: read_file}
    expect: {verdict: DENY, reason_code: AGENT_INACTIVE}
  - name: switched off
    kill_switch: drill
    request: {action: read_file}
    expect: {verdict: DENY, reason_code: KILL_SWITCH}
  - name: a backslash is refused in an action pattern
    policies: [{scope: {everyone: {}}, allow: [{action: 'a\b'}]}]
    expect: {refused: ["allow[0].action"]}
  - name: a deny ending in one star is warned of
    policies: [{scope: {everyone: {}}, deny: [{action: a, resource: "/a/*"}]}]
    expect: {warned: ["deny[0].resource"]}
  - name: a request without action is refused
    request: {action: "--"}
    expect: {invalid: ["action"]}
  - name: readFile
    action: readFile
    expect: {canonical: "read:file"}
  - name: not ASCII
    action: réad
    expect: {invalid: ["action"]}
  - name: at night
    now: "2026-01-05T23:00:00Z"
    policies: [{scope: {everyone: {}}, allow: [{action: a, conditions: {time_range: {start: "22:00", end: "06:00"}}}]}]
    request: {action: a}
    expect: {verdict: ALLOW}
"#;

#[test]
fn a_file_of_every_form_passes() {
    let report = run(GOOD).unwrap();
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.has_passed()).collect();
    assert!(report.has_passed(), "{failed:#?}");
    assert_eq!((report.cases.len(), report.description.as_deref()), (11, Some("the form of a file")));
}

#[test]
fn a_wrong_expectation_fails_and_says_what_came() {
    for (right, wrong) in [
        ("verdict: DENY, reason_code: DENIED_BY_RULE", "verdict: ALLOW, reason_code: DENIED_BY_RULE"),
        ("reason_code: DENIED_BY_RULE", "reason_code: DENIED_DEFAULT"),
        ("rule_id: no-tmp, scope", "rule_id: other, scope"),
        ("rule_id: null", "rule_id: x"),
        ("scope: everyone, error", "scope: team, error"),
        ("error_rule_ids: []", "error_rule_ids: [x]"),
        ("reason_contains: Denied by rule", "reason_contains: Allowed"),
        (r#"refused: ["allow[0].action"]"#, r#"refused: ["allow[0].id"]"#),
        (r#"{refused: ["allow[0].action"]}"#, "{warned: []}"),
        (r#"warned: ["deny[0].resource"]"#, "warned: []"),
        (r#"{warned: ["deny[0].resource"]}"#, r#"{refused: ["deny[0].resource"]}"#),
        (r#"canonical: "read:file""#, r#"canonical: "readfile""#),
        ("action: réad", "action: read"),
        (r#"{action: "--"}"#, "{action: read}"),
    ] {
        assert!(GOOD.contains(right), "{right}");
        let report = run(&GOOD.replacen(right, wrong, 1)).unwrap();
        assert_eq!(report.cases.iter().filter(|case| !case.has_passed()).count(), 1, "{wrong}");
    }
}

#[test]
fn a_file_of_another_form_is_refused_with_every_fault() {
    let fields =
        |yaml: &str| -> Vec<String> { run(yaml).unwrap_err().into_iter().map(|fault| fault.field).collect() };
    assert_eq!(fields("a: ["), [""]);
    assert_eq!(fields("[]"), [""]);
    assert_eq!(fields("{}"), ["cases"]);
    assert_eq!(
        fields(
            "{case: [], cases: [{expect: {verdikt: ALLOW}}, {name: a, request: {action: a}, expect: {verdict: PERHAPS}}]}"
        ),
        ["case", "cases[0].name", "cases[0].expect.verdikt", "cases[0].expect", "cases[1].expect.verdict"]
    );
    assert_eq!(fields("cases: [{name: a, request: {action: a}, expect: {}}]"), ["cases[0].expect"]);
    assert_eq!(
        fields("cases: [{name: a, agent: b, request: {action: a}, expect: {verdict: DENY}}]"),
        ["cases[0].agent"]
    );
}

#[test]
fn the_examples_of_the_documentation_hold() {
    let text = include_str!("../../../docs/policies.md");
    let blocks: Vec<&str> =
        text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(blocks.len(), 2);
    let policy: Value = serde_saphyr::from_str(blocks[0]).unwrap();
    let id = PolicyId::new(Timestamp::default(), [0; 16]);
    let (_, warnings) = compile(&document::from_json(&policy).unwrap(), id, 1).unwrap();
    assert_eq!(warnings.len(), 1, "the deny of every action: {warnings:?}");
    assert!(run(blocks[1]).unwrap().has_passed());
}
