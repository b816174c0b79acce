use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::policy::testing;

fn run(source: &str) -> Result<bool, Failure> {
    let arguments = json!({"amount": 150, "text": "150", "half": 2.5, "nil": null, "list": [1, 2, 3],
        "mixed": [1, "a"], "names": ["ann", "bob"], "user": {"name": "ann", "age": 40}, "yes": true,
        "objects": [{"n": 1}, {"n": 2}, {"m": 3}], "big": 9_007_199_254_740_992i64});
    let program = Program::compile(source).unwrap_or_else(|message| panic!("{source}: {message}"));
    let request = testing::request_with(arguments, json!({"ticket": "T-1"}));
    program.run(&testing::subject(), &request, testing::monday(), &mut Meter::for_decision())
}

fn holds(source: &str) {
    assert_eq!(run(source), Ok(true), "{source}");
}

fn errs(source: &str) {
    assert!(matches!(run(source), Err(Failure::Error(_))), "{source}: {:?}", run(source));
}

fn refused(source: &str) -> String {
    Program::compile(source).expect_err(source)
}

#[test]
fn every_variable_has_its_value() {
    for source in [
        "agent.name == 'reader'",
        "agent.team == \"data\"",
        "agent.environment == 'production'",
        "agent.labels.tier == 'gold'",
        "agent.labels['tier'] == 'gold'",
        "agent.id.startsWith('agt_')",
        "action == 'read:file'",
        "resource == '/a'",
        "arguments.amount == 150",
        "context.ticket == 'T-1'",
        "now == timestamp('2026-01-05T12:00:00Z')",
        "now.getHours() == 12 && now.getDayOfWeek() == 1 && now.getHours('Asia/Tokyo') == 21",
        "now.getFullYear() == 2026 && now.getMonth() == 0 && now.getDate() == 5 && now.getDayOfMonth() == 4",
        "now.getDayOfYear() == 4 && now.getMinutes() == 0 && now.getSeconds() == 0 && now.getMilliseconds() == 0",
    ] {
        holds(source);
    }
}

#[test]
fn a_missing_field_is_an_error() {
    for source in [
        "arguments.nothing == 1",
        "arguments['nothing'] == 1",
        "agent.labels.nothing == ''",
        "arguments.user.nothing == 1",
        "arguments.list[3] == 1",
        "arguments.amount.x == 1",
        "has(arguments.nothing.x)",
        "session_id == 'x'",
        "on_behalf_of == 'x'",
    ] {
        errs(source);
    }
    holds("!has(arguments.nothing) && has(arguments.amount) && has(arguments.user.name)");
    let program = Program::compile("resource == '/a'").unwrap();
    let outcome = program.run(
        &testing::subject(),
        &testing::request("a", None),
        testing::monday(),
        &mut Meter::for_decision(),
    );
    assert!(matches!(outcome, Err(Failure::Error(_))));
}

#[test]
fn different_kinds_cannot_be_compared() {
    for source in [
        "arguments.text == 150",
        "arguments.text != 150",
        "arguments.amount == '150'",
        "arguments.text < 200",
        "arguments.yes == 1",
        "arguments.list == 1",
        "[1] == ['1']",
        "now == '2026-01-05T12:00:00Z'",
        "arguments.user == arguments.list",
        "arguments.list < arguments.list",
        "arguments.nil < 1",
        "null <= null",
    ] {
        errs(source);
    }
}

#[test]
fn numbers_are_one_kind() {
    for source in [
        "arguments.amount == 150 && arguments.amount == 150.0 && arguments.amount == 150u",
        "arguments.amount > 149 && arguments.amount < 150.5 && arguments.half > 2 && arguments.half >= 2.5",
        "arguments.amount + 1 == 151 && arguments.half * 2 == 5 && arguments.amount % 7 == 3",
        "7 / 2 == 3 && 7.0 / 2 == 3.5 && -arguments.amount < 0 && 7 % 4 == 3",
        "arguments.big < 9007199254740993 && 9007199254740993 > arguments.big",
        "150 in [1, 150.0] && arguments.amount in [150]",
    ] {
        holds(source);
    }
    errs("1 / 0 == 1");
    errs("arguments.half % 2 == 0");
    errs("9223372036854775807 + 1 > 0");
    errs("1.0e308 * 10.0 > 0.0");
    errs("arguments.text + 1 == 151");
}

#[test]
fn null_is_only_under_equality() {
    holds(
        "arguments.nil == null && arguments.amount != null && null != arguments.text && !(arguments.list == null)",
    );
    errs("null in [1]");
    errs("1 in [null]");
    holds("null in [1, null]");
    errs("arguments.nil > 1");
}

#[test]
fn in_is_an_error_if_nothing_is_equal_and_a_kind_differs() {
    holds("1 in arguments.mixed && 'a' in arguments.mixed && !(4 in arguments.list)");
    errs("2 in arguments.mixed");
    errs("'150' in [150]");
    errs("'a' in 'abc'");
    errs("1 in arguments.user");
    holds("'name' in arguments.user && !('x' in arguments.user) && 'tier' in agent.labels");
    errs("[1] in [['1']]");
}

#[test]
fn and_and_or_absorb_errors_on_either_side() {
    holds("arguments.nothing == 1 || true");
    holds("true || arguments.nothing == 1");
    assert_eq!(run("arguments.nothing == 1 && false"), Ok(false));
    assert_eq!(run("false && arguments.nothing == 1"), Ok(false));
    errs("arguments.nothing == 1 && true");
    errs("true && arguments.nothing == 1");
    errs("arguments.nothing == 1 || false");
    errs("arguments.amount || false");
    holds("arguments.amount || true");
    errs("!arguments.nothing");
    holds("false ? arguments.nothing : true");
    errs("arguments.nothing ? true : true");
}

#[test]
fn comprehensions_do_what_cel_says() {
    holds(
        "arguments.list.all(x, x > 0) && arguments.list.exists(x, x == 3) && arguments.list.exists_one(x, x > 2)",
    );
    holds("arguments.list.filter(x, x > 1) == [2, 3] && arguments.list.map(x, x * 2) == [2, 4, 6]");
    holds(
        "arguments.list.map(x, x > 1, x * 2) == [4, 6] && size(arguments.names.filter(n, n.startsWith('a'))) == 1",
    );
    holds("agent.labels.exists(k, k == 'tier') && arguments.user.all(k, size(k) > 2)");
    holds("arguments.objects.exists(o, o.n == 2)");
    assert_eq!(run("arguments.objects.all(o, o.n == 5)"), Ok(false));
    errs("arguments.objects.all(o, o.n > 0)");
    errs("arguments.objects.exists(o, o.n > 5)");
    errs("arguments.objects.exists_one(o, o.n == 1)");
    errs("arguments.objects.filter(o, o.n == 1) == []");
    errs("arguments.objects.map(o, o) == []");
    errs("arguments.amount.all(x, true)");
    holds("arguments.list.filter(x, x > 1).exists(x, x == 2)");
}

#[test]
fn functions_do_what_their_names_say() {
    for source in [
        "size('héé') == 3 && 'abc'.size() == 3 && size(arguments.list) == 3 && size(agent.labels) == 1",
        "'abc'.startsWith('ab') && 'abc'.endsWith('bc') && 'abc'.contains('b')",
        "'abc'.matches('^a.c$') && matches('xabcx', 'abc') && !'abd'.matches('c')",
        "'AbÉ'.lowerAscii() == 'abÉ' && 'ab'.upperAscii() == 'AB'",
        "string(1) == '1' && string(arguments.amount) == '150' && string(true) == 'true' && string('a') == 'a'",
        "int('7') == 7 && int(2.9) == 2 && int(-2.9) == -2 && double('2.5') == 2.5 && double(2) == 2",
        "'a' + 'b' == 'ab' && timestamp('2026-01-01T00:00:00Z') < now",
        "string(now) == '2026-01-05T12:00:00.000000Z'",
    ] {
        holds(source);
    }
    for source in [
        "size(1) == 1",
        "arguments.amount.startsWith('1')",
        "arguments.amount.matches('1')",
        "int('x') == 1",
        "double('nan') == 1.0",
        "int(1e300) == 1",
        "string(null) == ''",
        "timestamp('x') == now",
        "arguments.amount.getHours() == 1",
    ] {
        errs(source);
    }
}

#[test]
fn what_is_not_on_the_list_is_refused() {
    for source in [
        "",
        "  ",
        "1 +",
        "foo == 1",
        "agent.foo == 1",
        "has(agent.foo)",
        "agent == agent",
        "foo(1)",
        "action.reverse() == ''",
        "startsWith('a', 'b')",
        "action.startsWith()",
        "size() == 1",
        "action.string() == ''",
        "{'a': 1}.a == 1",
        "Foo{a: 1}.a == 1",
        "b'abc' == b'abc'",
        "action.matches(resource)",
        "action.matches('(')",
        "now.getHours(resource) == 1",
        "now.getHours('Mars/Base') == 1",
        "getHours(now) == 1",
        "arguments.?a == 1",
        "arguments.a.all(x, arguments.b.all(y, true))",
        "arguments.a.all(x, x.all(y, true))",
        "arguments.a.map(x, [x]) == []",
        "arguments.a.map(x, arguments.a.filter(y, true)) == []",
        "arguments.a.all(action, true)",
        "arguments.a.all(x, 'text')",
        "x == 1 || arguments.a.all(x, true)",
        "type(1) == int",
        "duration('1s') == duration('1s')",
        "18446744073709551615u > 1",
    ] {
        refused(source);
    }
}

#[test]
fn an_expression_that_cannot_be_boolean_is_refused() {
    for source in [
        "1",
        "'a'",
        "1 + 1",
        "action",
        "arguments",
        "[true]",
        "null",
        "true ? 1 : 2",
        "true ? true : 1",
        "size(action)",
        "arguments.a.map(x, x)",
        "agent.labels.tier",
        "now",
        "string(true)",
        "-arguments.x",
    ] {
        assert!(refused(source).contains("not boolean"), "{source}");
    }
    assert_eq!(run("arguments.yes"), Ok(true), "only a request can say");
    errs("arguments.amount");
}

#[test]
fn an_expression_has_bounds() {
    let long = |bytes: usize| format!("action == '{}'", "a".repeat(bytes - 12));
    assert!(Program::compile(&long(1_024)).is_ok());
    assert!(refused(&long(1_025)).contains("1024"));
    assert!(Program::compile(&format!("1{} == 1", " + 1".repeat(60))).is_ok());
    assert!(refused(&format!("1{} == 1", " + 1".repeat(70))).contains("deeper"));
    assert!(refused("action.matches('[a-z]{500}{50}')").contains("65536"));
}

#[test]
fn nesting_does_not_overflow_the_stack() {
    for source in [
        "(".repeat(1_000),
        "[".repeat(1_000),
        "-".repeat(1_000),
        "!-".repeat(500),
        "a[".repeat(500),
        "f(".repeat(500),
        "{".repeat(1_000),
        "a{".repeat(500),
        "a?b:".repeat(250),
        "a?".repeat(500),
        "a.".repeat(511) + "b",
        "a.".repeat(500) + "b()",
        "a.f()".to_owned() + &".f()".repeat(240),
        "1+".repeat(510) + "1",
        "a&&".repeat(340) + "b",
        "(a)&&(".repeat(170),
        "x.all(y,".repeat(120),
        format!("{}true{}", "(".repeat(510), ")".repeat(510)),
        format!("{}x{}", "x.all(y,".repeat(100), ")".repeat(100)),
    ] {
        refused_or_compiled(&source);
    }
}

fn refused_or_compiled(source: &str) {
    drop(Program::compile(source));
}

#[test]
fn every_iteration_and_byte_is_counted() {
    let steps = |source: &str, arguments: serde_json::Value| {
        let mut meter = Meter::for_decision();
        let request = testing::request_with(arguments, json!({}));
        let outcome = Program::compile(source).unwrap().run(
            &testing::subject(),
            &request,
            testing::monday(),
            &mut meter,
        );
        (outcome, meter.spent())
    };
    let list = |count: usize| json!({"list": vec![1; count]});
    let (short, long) = (
        steps("arguments.list.all(x, x == 1)", list(10)).1,
        steps("arguments.list.all(x, x == 1)", list(900)).1,
    );
    assert!(long > short + 890);
    let text = |bytes: usize| json!({"text": "a".repeat(bytes)});
    let search = "arguments.text.contains('b')";
    assert!(steps(search, text(60_000)).1 > steps(search, text(10)).1 + 10_000);
    let regex = "arguments.text.matches('(a|b)*c')";
    assert!(steps(regex, text(20_000)).1 > 20_000);
    let heavy = format!("arguments.list.all(x, {})", vec!["'x' + arguments.text != ''"; 20].join(" && "));
    let (outcome, _) = steps(&heavy, json!({"list": vec![1; 900], "text": "a".repeat(60_000)}));
    assert_eq!(outcome, Err(Failure::OverBudget));
    let absorbed = format!("({heavy}) || true");
    let (outcome, _) = steps(&absorbed, json!({"list": vec![1; 900], "text": "a".repeat(60_000)}));
    assert_eq!(outcome, Err(Failure::OverBudget), "no `||` absorbs the end of the budget");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_text_is_compiled_or_refused(source in ".{0,80}") {
        refused_or_compiled(&source);
    }

    #[test]
    fn any_soup_of_tokens_is_compiled_or_refused(tokens in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "!", "-", "+", "*", "/", "%", "==", "!=", "<", "<=",
        "&&", "||", " in ", "all", "map", "filter", "has", "x", "action", "arguments", "'a'", "'", "\"", "1", "1.5",
        "1u", "0x", "1e", "r'", "b'", "'''", "\\", "é", "🙂", "`", "//", "\n", "true", "null", "@", "matches", "size",
    ]), 0..40)) {
        let source = tokens.concat();
        if let Ok(program) = Program::compile(&source) {
            let request = testing::request_with(json!({"x": [1, "a"]}), json!({}));
            let mut meter = Meter::for_decision();
            // Whatever was accepted has a value or an error, and a cost.
            let outcome = program.run(&testing::subject(), &request, testing::monday(), &mut meter);
            prop_assert!(meter.spent() > 0, "{outcome:?}");
        }
    }
}
