//! Expressions over what an agent sends.

use agentguard::clock::Timestamp;
use agentguard::ids::PolicyId;
use agentguard::policy::{
    Conditions, Document, Policies, Request, Rule, RuleOutcome, Scope, compile, decide, explain,
    meter::DECISION_STEPS, value,
};

use super::expression;
use super::source::Source;
use super::world::{object, reader};

/// What of an expression is true, false, or an error; `None` if that took more steps than there are.
pub type Outcome = Option<Result<bool, &'static str>>;

/// What compiles an expression and runs it; the outer `None` if it is refused.
pub type Engine = fn(&str, &Request, Timestamp) -> Option<Outcome>;

pub fn run(data: &[u8]) {
    check(data, engine);
}

/// `data` is an expression's source on one line and JSON `{"arguments": …, "context": …}` after it; or `%` and
/// choices.
pub fn check(data: &[u8], engine: Engine) {
    let (expression, arguments, context, now) = match data.strip_prefix(b"%") {
        Some(choices) => {
            let source = &mut Source::new(choices);
            let (arguments, context) = (object(source, 3), object(source, 2));
            let now = i64::from(source.byte()) * 33_000_000_000_000;
            (expression::truth(source), arguments, context, now)
        }
        None => {
            let text = String::from_utf8_lossy(data);
            let (expression, json) = text.split_once('\n').unwrap_or((&text, ""));
            let json: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
            let part = |name| json[name].as_object().map(value::object).unwrap_or_default();
            (expression.to_owned(), part("arguments"), part("context"), 1_767_614_400_000_000)
        }
    };
    let now = Timestamp::from_micros(now);
    let some = |text: &str| Some(text.to_owned());
    let resource = some("s3://docs/a.txt");
    let Ok(request) = Request::new("read:file", resource, arguments, context, some("s-1"), None, None) else {
        return;
    };
    let Some(outcome) = engine(&expression, &request, now) else { return };
    assert_eq!(Some(outcome), engine(&expression, &request, now), "{expression} has two outcomes");

    // Laws that hold of every expression, whatever it says; a longer one may be refused, or be over the budget.
    let law = |written: String, wanted: Result<bool, ()>| {
        if let Some(Some(came)) = engine(&written, &request, now) {
            assert_eq!(came.map_err(|_| ()), wanted, "{written} with {expression}: {outcome:?}");
        }
    };
    let Some(outcome) = outcome else { return };
    let plain = outcome.map_err(|_| ());
    law(format!("!({expression})"), plain.map(|truth| !truth));
    law(format!("!!({expression})"), plain);
    law(format!("({expression}) || true"), Ok(true));
    law(format!("true || ({expression})"), Ok(true));
    law(format!("({expression}) && false"), Ok(false));
    law(format!("false && ({expression})"), Ok(false));
    law(format!("({expression}) && true"), plain);
    law(format!("false || ({expression})"), plain);
    law(format!("true ? ({expression}) : false"), plain);
    if plain.is_ok() {
        law(format!("({expression}) == true"), plain);
    }
    law(format!("[1].all(fresh_name, {expression})"), plain);
}

/// The engine's answer, by way of a policy.
pub fn engine(expression: &str, request: &Request, now: Timestamp) -> Option<Outcome> {
    let conditions = Conditions { expression: Some(expression.into()), ..Conditions::default() };
    let rule = Rule { action: "**".into(), conditions: Some(conditions), ..Rule::default() };
    let document = Document { deny: vec![rule], ..Document::empty(Scope::Everyone) };
    let compiled = compile(&document, PolicyId::new(Timestamp::default(), [0; 16]), 1).ok()?.0;
    let policies = Policies { everyone: Some(&compiled), ..Policies::default() };
    let subject = reader();
    let explanation = explain(&policies, &subject, request, now);
    let decision = decide(&policies, &subject, request, now);
    assert_eq!(decision, explanation.decision, "{expression} is decided in two ways");
    assert!(decision.steps <= DECISION_STEPS, "{expression} took {} steps", decision.steps);
    let outcome = explanation.rules.first().map(|rule| rule.outcome);
    if decision.code == agentguard::policy::ReasonCode::DecisionBudget {
        return Some(None);
    }
    Some(Some(match outcome {
        Some(RuleOutcome::Matched) => Ok(true),
        Some(RuleOutcome::ConditionFalse) => Ok(false),
        Some(RuleOutcome::Error(text)) => Err(text),
        other => panic!("{expression} came out as {other:?}"),
    }))
}
