//! The JSON Schemas for editors know the same members as the program's own readers.

use agentguard::policy::{cases, document};
use serde_json::{Map, Value, json};

fn schema(name: &str) -> Value {
    let path = format!("{}/schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The members that a schema's object knows; it must refuse all others.
fn members(object: &Value) -> Vec<&str> {
    assert_eq!(object["additionalProperties"], false, "{object:#}");
    object["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// The fields that the policy reader calls unknown.
fn unknown(policy: &Value) -> Vec<String> {
    let faults = document::from_json(policy).err().unwrap_or_default();
    faults.into_iter().filter(|fault| fault.message.contains("unknown")).map(|fault| fault.field).collect()
}

fn with(members: &[&str]) -> Value {
    Value::Object(members.iter().map(|&name| (name.to_owned(), json!("x"))).collect::<Map<_, _>>())
}

#[test]
fn the_policy_schema_knows_what_the_reader_knows() {
    let schema = schema("policy");
    let mut policy = with(&members(&schema));
    let defs = &schema["$defs"];
    let conditions = &defs["conditions"];
    let mut inner = with(&members(conditions));
    inner["env"] = with(&members(&conditions["properties"]["env"]["oneOf"][1]));
    inner["time_range"] = with(&members(&conditions["properties"]["time_range"]));
    inner["day_of_week"] = with(&members(&conditions["properties"]["day_of_week"]["oneOf"][1]));
    let mut rule = with(&members(&defs["rule"]));
    rule["conditions"] = inner.clone();
    policy["allow"] = json!([rule]);
    policy["scope"] = json!({"everyone": {}});
    assert_eq!(unknown(&policy), Vec::<String>::new());

    // The other way round: what the reader names as known is in the schema.
    let stray = |policy: Value| {
        let faults = document::from_json(&policy).unwrap_err();
        let known = faults.iter().find(|fault| fault.message.contains("known are")).unwrap().message.clone();
        known.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let top = stray(json!({"scope": {"everyone": {}}, "stray": 1}));
    assert!(!top.is_empty() && top.iter().all(|name| members(&schema).contains(&name.as_str())), "{top:?}");
    let of_rule = stray(json!({"scope": {"everyone": {}}, "allow": [{"action": "a", "stray": 1}]}));
    assert!(of_rule.iter().all(|name| members(&defs["rule"]).contains(&name.as_str())), "{of_rule:?}");
    inner["stray"] = json!(1);
    let of_conditions =
        stray(json!({"scope": {"everyone": {}}, "allow": [{"action": "a", "conditions": inner}]}));
    assert!(
        of_conditions.iter().all(|name| members(conditions).contains(&name.as_str())),
        "{of_conditions:?}"
    );
}

#[test]
fn the_cases_schema_knows_what_the_reader_knows() {
    let schema = schema("cases");
    let case = &schema["$defs"]["case"];
    let agent = &schema["properties"]["agents"]["additionalProperties"];
    let file = |stray: &str| {
        let mut agent = with(&members(agent));
        let mut case_value = with(&members(case));
        case_value["request"] = with(&members(&case["properties"]["request"]));
        case_value["expect"] = with(&members(&case["properties"]["expect"]));
        let mut file = with(&members(&schema));
        if stray != "nowhere" {
            // A case has one or the other; with both the reader looks at neither.
            case_value.as_object_mut().unwrap().remove("action");
        }
        match stray {
            "agent" => agent["stray"] = json!(1),
            "request" | "expect" => case_value[stray]["stray"] = json!(1),
            _ => {}
        }
        if stray == "case" {
            case_value["stray"] = json!(1);
        }
        file["agents"] = json!({"a": agent});
        file["cases"] = json!([case_value]);
        if stray == "file" {
            file["stray"] = json!(1);
        }
        let faults = cases::run(&file.to_string()).unwrap_err();
        let faults = faults.into_iter().filter(|fault| fault.message.contains("unknown"));
        faults.map(|fault| (fault.field, fault.message)).collect::<Vec<_>>()
    };
    assert_eq!(file("nowhere"), []);
    for (place, object) in [
        ("file", &schema),
        ("agent", agent),
        ("case", case),
        ("request", &case["properties"]["request"]),
        ("expect", &case["properties"]["expect"]),
    ] {
        let faults = file(place);
        assert_eq!(faults.len(), 1, "{place}: {faults:?}");
        let known: Vec<&str> = faults[0].1.split('`').skip(1).step_by(2).collect();
        assert!(known.iter().all(|name| members(object).contains(name)), "{place}: {known:?}");
    }
}
