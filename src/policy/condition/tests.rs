use super::*;
use crate::policy::testing;

fn condition(json: serde_json::Value) -> Result<Condition, Vec<String>> {
    let json = serde_json::json!({"scope": {"everyone": {}}, "allow": [{"action": "a", "conditions": json}]});
    let document = crate::policy::document::from_json(&json).unwrap();
    let mut faults = Vec::new();
    let conditions = document.allow[0].conditions.as_ref().unwrap();
    let condition = Condition::new(conditions, "c", &mut faults);
    condition.ok_or_else(|| faults.into_iter().map(|fault| fault.field).collect())
}

fn holds(json: serde_json::Value, now: &str) -> bool {
    let outcome = condition(json).unwrap().test(
        &testing::subject(),
        &testing::request("a", None),
        Timestamp::parse(now).unwrap(),
        &mut Meter::for_decision(),
    );
    outcome.unwrap() == Outcome::Holds
}

use serde_json::json;

#[test]
fn the_environment_is_one_of_the_values() {
    assert!(holds(json!({"env": ["staging", "prod"]}), "2026-01-05T12:00:00Z"));
    assert!(!holds(json!({"env": ["dev"]}), "2026-01-05T12:00:00Z"));
}

#[test]
fn a_time_range_has_its_start_and_not_its_end() {
    let range = json!({"time_range": {"start": "08:00", "end": "18:00"}});
    for (now, expected) in [("07:59:59", false), ("08:00:00", true), ("17:59:59", true), ("18:00:00", false)]
    {
        assert_eq!(holds(range.clone(), &format!("2026-01-05T{now}Z")), expected, "{now}");
    }
}

#[test]
fn a_time_range_may_wrap_midnight() {
    let range = json!({"time_range": {"start": "22:00", "end": "06:00"}});
    for (now, expected) in
        [("21:59", false), ("22:00", true), ("00:00", true), ("05:59", true), ("06:00", false)]
    {
        assert_eq!(holds(range.clone(), &format!("2026-01-05T{now}:00Z")), expected, "{now}");
    }
}

#[test]
fn a_zone_is_that_of_the_day_with_its_summer_time() {
    let range = json!({"time_range": {"start": "08:00", "end": "09:00", "tz": "Europe/Berlin"}});
    assert!(holds(range.clone(), "2026-01-05T07:30:00Z"));
    assert!(holds(range.clone(), "2026-07-06T06:30:00Z"));
    assert!(!holds(range, "2026-07-06T07:30:00Z"));
}

#[test]
fn the_day_is_the_local_one_at_that_moment() {
    let monday = json!({"day_of_week": {"days": ["Mon"], "tz": "Asia/Tokyo"}});
    assert!(holds(monday.clone(), "2026-01-04T15:00:00Z"));
    assert!(!holds(monday, "2026-01-05T15:00:00Z"));
    assert!(holds(json!({"day_of_week": ["Sunday"]}), "2026-01-04T23:59:59Z"));
    for (index, day) in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].into_iter().enumerate() {
        assert!(
            holds(json!({"day_of_week": [day]}), &format!("2026-01-{:02}T00:00:00Z", 5 + index)),
            "{day}"
        );
        assert!(
            !holds(json!({"day_of_week": [day]}), &format!("2026-01-{:02}T00:00:00Z", 6 + index)),
            "{day}"
        );
    }
    // A range that wraps midnight is on the next day after midnight.
    let night = json!({"day_of_week": ["Mon"], "time_range": {"start": "22:00", "end": "06:00"}});
    assert!(holds(night.clone(), "2026-01-05T23:00:00Z") && !holds(night, "2026-01-06T01:00:00Z"));
}

#[test]
fn conditions_are_anded() {
    let both = json!({"env": ["prod"], "expression": "action == 'b'"});
    assert!(!holds(both, "2026-01-05T12:00:00Z"));
    let both = json!({"env": ["prod"], "expression": "action == 'a'"});
    assert!(holds(both, "2026-01-05T12:00:00Z"));
    // A condition that fails decides before an expression that cannot be evaluated.
    let errs = condition(json!({"env": ["dev"], "expression": "context.x == 1"})).unwrap();
    let outcome = errs.test(
        &testing::subject(),
        &testing::request("a", None),
        Timestamp::from_micros(0),
        &mut Meter::for_decision(),
    );
    assert_eq!(outcome, Ok(Outcome::Fails));
}

#[test]
fn what_is_present_but_empty_is_refused() {
    for (json, field) in [
        (json!({}), "c"),
        (json!({"env": []}), "c.env"),
        (json!({"env": {}}), "c.env"),
        (json!({"time_range": {}}), "c.time_range"),
        (json!({"day_of_week": []}), "c.day_of_week"),
        (json!({"expression": ""}), "c.expression"),
    ] {
        assert_eq!(condition(json.clone()).unwrap_err(), [field], "{json}");
    }
}

#[test]
fn bad_conditions_are_refused_with_their_field() {
    for (json, field) in [
        (json!({"env": ["test"]}), "c.env.values[0]"),
        (json!({"env": ["Production"]}), "c.env.values[0]"),
        (json!({"time_range": {"start": "8:00", "end": "18:00"}}), "c.time_range.start"),
        (json!({"time_range": {"start": "08:00", "end": "24:00"}}), "c.time_range.end"),
        (json!({"time_range": {"start": "08:00", "end": "08:60"}}), "c.time_range.end"),
        (json!({"time_range": {"start": "08:00"}}), "c.time_range.end"),
        (json!({"time_range": {"start": "08:00", "end": "08:00"}}), "c.time_range"),
        (json!({"time_range": {"start": "08:00", "end": "09:00", "tz": "Mars/Base"}}), "c.time_range.tz"),
        (json!({"day_of_week": ["mon"]}), "c.day_of_week.days[0]"),
        (json!({"day_of_week": {"days": ["Mon"], "tz": "+01:00"}}), "c.day_of_week.tz"),
        (json!({"expression": "1 +"}), "c.expression"),
    ] {
        assert_eq!(condition(json.clone()).unwrap_err(), [field], "{json}");
    }
}
