//! Random expressions: mostly of the kind that is expected, so that every operator is reached; what is wrong
//! comes from the arguments, whose kinds a policy's writer cannot know.

use super::expression::{Expression as E, REGEXES};
use super::generate::{ARGUMENTS, ZONES};
use super::random::Random;
use super::time::PARTS;

fn boxed(expression: E) -> Box<E> {
    Box::new(expression)
}

fn argument(random: &mut Random, names: &[&'static str]) -> E {
    let name = if random.chance(6) { random.pick(&ARGUMENTS) } else { random.pick(names) };
    if random.chance(15) {
        E::Index(boxed(E::Name("arguments")), boxed(E::Text(name.into())))
    } else {
        E::Field(boxed(E::Name("arguments")), name)
    }
}

/// An expression that should be true or false.
pub fn truth(random: &mut Random, depth: usize) -> E {
    if depth == 0 {
        return leaf(random);
    }
    let less = depth - 1;
    match random.below(24) {
        0..=2 => E::And(boxed(truth(random, less)), boxed(truth(random, less))),
        3..=5 => E::Or(boxed(truth(random, less)), boxed(truth(random, less))),
        6 => E::Not(boxed(truth(random, less))),
        7 => E::Choice(boxed(truth(random, less)), boxed(truth(random, less)), boxed(truth(random, less))),
        8..=10 => {
            let op = random.pick(&["==", "!=", "<", "<=", ">", ">="]);
            E::Compare(op, boxed(number(random, less, false)), boxed(number(random, less, false)))
        }
        11..=12 => {
            let op = random.pick(&["==", "!=", "<", ">="]);
            E::Compare(op, boxed(text(random, less)), boxed(text(random, less)))
        }
        13 => E::In(boxed(number(random, less, false)), boxed(list(random))),
        14 => E::In(boxed(text(random, less)), boxed(argument(random, &["w", "w", "x", "o", "s"]))),
        15 => {
            let op = random.pick(&["startsWith", "endsWith", "contains"]);
            E::Search(op, boxed(text(random, less)), boxed(text(random, less)))
        }
        16 => E::Matches(boxed(text(random, less)), random.pick(&REGEXES).0),
        17..=18 => {
            let op = random.pick(&["all", "exists", "exists_one"]);
            let over = argument(random, &["l", "x", "x", "o", "n"]);
            E::Macro(op, boxed(over), boxed(of_element(random)))
        }
        19 => {
            let op = random.pick(&["==", "!="]);
            E::Compare(op, boxed(list(random)), boxed(list(random)))
        }
        20 => {
            let kept = E::Macro("filter", boxed(list(random)), boxed(of_element(random)));
            E::Compare(">=", boxed(E::Size(boxed(kept))), boxed(E::Int(random.below(3) as i64)))
        }
        21 => {
            let doubled = E::Compute("*", boxed(E::Name("x")), boxed(E::Int(2)));
            let doubled = E::Macro("map", boxed(list(random)), boxed(doubled));
            E::In(boxed(E::Int(random.below(5) as i64)), boxed(doubled))
        }
        _ => leaf(random),
    }
}

/// Something about `x`, an element.
fn of_element(random: &mut Random) -> E {
    let element = boxed(E::Name("x"));
    match random.below(4) {
        0 => E::Compare(random.pick(&["==", "!="]), element, boxed(E::Int(random.below(4) as i64))),
        1 => E::Compare(random.pick(&["<", ">="]), element, boxed(number(random, 0, false))),
        2 => E::Compare("==", element, boxed(text(random, 0))),
        _ => E::Or(
            boxed(E::Compare("==", element, boxed(E::Int(1)))),
            boxed(E::Compare("<", boxed(E::Name("x")), boxed(E::Int(2)))),
        ),
    }
}

fn leaf(random: &mut Random) -> E {
    match random.below(14) {
        0..=2 => argument(random, &["b"]),
        3 => argument(random, &["n", "s", "z", "l"]),
        4 => E::Has(boxed(E::Name("arguments")), random.pick(&ARGUMENTS)),
        5 => E::Has(boxed(argument(random, &["o"])), random.pick(&["k", "s"])),
        6 => E::HasLabel(random.pick(&["tier", "zone"])),
        7 => {
            let what = argument(random, &["z", "n", "s", "b"]);
            E::Compare(random.pick(&["==", "!="]), boxed(what), boxed(E::Null))
        }
        8 => E::Compare("==", boxed(argument(random, &["b"])), boxed(E::Bool(random.chance(50)))),
        9 => {
            let moments = [
                ("2025-06-01T00:00:00Z", 1_748_736_000_000_000),
                ("2026-01-01T12:00:00Z", 1_767_268_800_000_000),
            ];
            let (text, micros) = random.pick(&moments);
            E::Compare(random.pick(&["<", ">=", "=="]), boxed(E::Now), boxed(E::Moment(text, micros)))
        }
        10 => E::Bool(random.chance(50)),
        _ => E::Compare(
            random.pick(&["==", "!=", "<", ">"]),
            boxed(number(random, 0, false)),
            boxed(number(random, 0, false)),
        ),
    }
}

/// An expression that should be a number; `is_whole` keeps it to integers.
fn number(random: &mut Random, depth: usize, is_whole: bool) -> E {
    let choices = if depth == 0 { 6 } else { 13 };
    match random.below(choices) {
        0..=1 => E::Int(random.below(5) as i64 - 1),
        2 => E::Clock(random.pick(&PARTS), random.pick(&ZONES)),
        3..=5 if is_whole => E::Size(boxed(argument(random, &["l", "w", "s"]))),
        3 => E::Double(random.pick(&[0.0, 1.0, 1.5, 150.0])),
        4 => E::Field(boxed(argument(random, &["o"])), "k"),
        5 => argument(random, &["n", "m"]),
        6 => E::Size(boxed(argument(random, &["l", "w", "s", "o", "n"]))),
        7 => {
            let (left, right) = (number(random, depth - 1, true), number(random, depth - 1, true));
            E::Compute(random.pick(&["/", "%"]), boxed(left), boxed(right))
        }
        8 if !is_whole => {
            E::Index(boxed(argument(random, &["l", "x"])), boxed(E::Int(random.below(3) as i64)))
        }
        9 if !is_whole => E::Negative(boxed(number(random, depth - 1, is_whole))),
        9 => E::ToInt(boxed(argument(random, &["s", "n"]))),
        10 if !is_whole => E::ToDouble(boxed(argument(random, &["s", "n", "b"]))),
        11 if !is_whole => {
            E::Compute("/", boxed(argument(random, &["n", "m"])), boxed(number(random, 0, false)))
        }
        _ => {
            let left = number(random, depth - 1, is_whole);
            let right = number(random, depth - 1, is_whole);
            E::Compute(random.pick(&["+", "-", "*"]), boxed(left), boxed(right))
        }
    }
}

fn text(random: &mut Random, depth: usize) -> E {
    let choices = if depth == 0 { 9 } else { 13 };
    match random.below(choices) {
        0..=1 => E::Text(random.pick(&["", "a", "ab", "150", "read:file", "/a/b", "é☃"]).into()),
        2 => E::Agent(random.pick(&["id", "name", "team", "environment"])),
        3 => E::Label(random.pick(&["tier", "zone"])),
        4 => E::Name("action"),
        5 => E::Name("resource"),
        6 => E::Name(random.pick(&["session_id", "on_behalf_of"])),
        7 => E::Field(boxed(E::Name("context")), random.pick(&["s", "t"])),
        8 => argument(random, &["s", "t"]),
        9 => E::Compute("+", boxed(text(random, depth - 1)), boxed(text(random, depth - 1))),
        11 => E::ToText(boxed(argument(random, &["s", "n", "b"]))),
        10 => E::Case(random.pick(&["lowerAscii", "upperAscii"]), boxed(text(random, depth - 1))),
        _ => E::Index(boxed(argument(random, &["w", "x"])), boxed(E::Int(random.below(3) as i64))),
    }
}

fn list(random: &mut Random) -> E {
    match random.below(4) {
        0 => {
            let count = random.below(4);
            E::List((0..count).map(|_| number(random, 0, false)).collect())
        }
        1 => argument(random, &["x", "o"]),
        _ => argument(random, &["l"]),
    }
}
