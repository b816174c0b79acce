//! Random policies, agents and requests, biased so that rules match, fail and contradict each other often.

use std::collections::BTreeMap;

use agentguard::clock::Timestamp;
use agentguard::ids::AgentId;
use agentguard::policy::{Environment, Object, Subject, Value};

use super::evaluator::{NaivePolicy, NaiveRule, World};
use super::generate_expression::truth;
use super::pattern::Pattern;
use super::random::Random;

const SEGMENTS: [&str; 9] = ["read", "file", "fs", "delete", "mcp", "git hub", "a", "create issue", "x2"];
/// Actions that rules and requests name often, so that they meet.
const POPULAR: [&[&str]; 5] = [
    &["read", "file"],
    &["delete"],
    &["mcp", "git hub", "create issue"],
    &["fs", "read"],
    &["read", "file", "a"],
];
pub const ZONES: [Option<&str>; 7] = [
    None,
    Some("UTC"),
    Some("Europe/Berlin"),
    Some("America/New_York"),
    Some("Asia/Kathmandu"),
    Some("Australia/Lord_Howe"),
    Some("Pacific/Apia"),
];
const DAYS: [&str; 9] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Monday", "Saturday"];
const ENVIRONMENTS: [Environment; 3] =
    [Environment::Development, Environment::Staging, Environment::Production];
const RESOURCES: [&str; 26] = [
    "/a",
    "/a/b",
    "/a/b/c",
    "a",
    "b",
    "a/b",
    "s3://docs/x",
    "s3://docs/x/y",
    "https://h/a",
    "C:\\a\\b",
    "/é/☃",
    "/a*",
    "/a?",
    "/A/b",
    "/a/..b",
    "a b/c",
    "/a//b",
    "/a/",
    "/a:b",
    "100%/a",
    "/[a]",
    "{a,b}",
    "/a/%20",
    "a\tb",
    "/a/.../b",
    "/a/b.txt",
];
/// Pieces that make a resource one that is not canonical, or nearly so.
const ODDITIES: [&str; 30] = [
    "/..",
    "/../",
    "/./",
    "..",
    ".",
    "\\..\\",
    "/%2e%2e/",
    "%2f..",
    "/%252e%252e/",
    "/%25252e./",
    "/%2525252e./",
    "%5c..%5c",
    "?/../",
    "#/../",
    " /../",
    "\u{200B}",
    "\u{2060}",
    "\u{FEFF}",
    "\u{202E}",
    "\u{2069}",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{200C}",
    "\n",
    "%",
    "%zz/..",
    "%ff%2f%2e%2e",
    "\u{a0}/../",
    "://x?/../",
];

/// The three policies; now and then one has a rule that has to be refused.
pub fn world(random: &mut Random) -> World {
    let mut world = World::default();
    for policy in &mut world.policies {
        if random.chance(70) {
            *policy = Some(NaivePolicy::default());
        }
    }
    let mut expressions = 0;
    for policy in world.policies.iter_mut().flatten() {
        for (position, list) in policy.lists.iter_mut().enumerate() {
            // Few denies, or nothing below them would ever be looked at.
            let count = random.below([4, 5, 8][position]);
            for number in 0..count {
                let id = format!("{}-{number}", ["d", "r", "a"][position]);
                list.push(rule(random, id, position, &mut expressions));
            }
        }
    }
    world
}

fn rule(random: &mut Random, id: String, list: usize, expressions: &mut usize) -> NaiveRule {
    let conditions = random.chance(if list == 2 { 50 } else { 75 });
    let action = action_pattern(random);
    let resource = random.chance(65).then(|| resource_pattern(random));
    let patterns = patterns(&action, resource.as_deref());
    let env = (conditions && random.chance(30)).then(|| {
        let mut env = vec![random.pick(&ENVIRONMENTS)];
        if random.chance(50) {
            env.push(random.pick(&ENVIRONMENTS));
        }
        env.sort();
        env.dedup();
        env
    });
    let time_range = (conditions && random.chance(25)).then(|| {
        let start = clock(random);
        let mut end = clock(random);
        while end == start {
            end = clock(random);
        }
        (start, end, random.pick(&ZONES))
    });
    let days = (conditions && random.chance(25)).then(|| {
        let first = random.below(DAYS.len());
        let count = 1 + random.below(4);
        let mut days: Vec<&str> = (first..first + count).map(|day| DAYS[day % 7]).collect();
        if random.chance(20) {
            days = vec![DAYS[7 + random.below(2)]];
        }
        (days, random.pick(&ZONES))
    });
    let expression = (conditions && random.chance(70)).then(|| {
        *expressions += 1;
        loop {
            let expression = truth(random, 3);
            if expression.print().len() <= 1_024 {
                return expression;
            }
        }
    });
    NaiveRule { id, action, resource, env, time_range, days, expression, patterns }
}

/// The patterns as the naive evaluator reads them; `None` where one has to be refused.
pub fn patterns(action: &str, resource: Option<&str>) -> Option<(Pattern, Option<Pattern>)> {
    let action = Pattern::action(action)?;
    match resource {
        None => Some((action, None)),
        Some(resource) => Some((action, Some(Pattern::resource(resource)?))),
    }
}

fn clock(random: &mut Random) -> String {
    let minute = if random.chance(50) { 0 } else { random.below(60) };
    format!("{:02}:{minute:02}", random.below(24))
}

/// One of few names, in one of many ways of writing it.
fn styled(random: &mut Random, segments: &[String]) -> String {
    let separator = random.pick(&[":", ":", "/", ".", "__", "::", "/:"]);
    let mut segments: Vec<String> = segments.to_vec();
    for segment in &mut segments {
        let between = random.pick(&["_", "-", " ", "+", "Camel"]);
        *segment = if between == "Camel" {
            let words = segment.split(' ');
            words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
        } else {
            segment.replace(' ', between)
        };
        if random.chance(10) {
            *segment = segment.to_uppercase();
        }
    }
    let mut name = segments.join(separator);
    if random.chance(5) {
        name = format!(" {name}{separator}");
    }
    name
}

fn segments(random: &mut Random) -> Vec<String> {
    if random.chance(50) {
        return random.pick(&POPULAR).iter().map(|segment| (*segment).to_owned()).collect();
    }
    let count = 1 + random.below(3);
    (0..count).map(|_| random.pick(&SEGMENTS).to_owned()).collect()
}

/// A name as sent.
pub fn action(random: &mut Random) -> String {
    if random.chance(5) {
        return noise(
            random,
            &["a", "B", "cD", "EF", "g2", "H3", "_", "__", ":", "/", ".", " ", "-", "*", "é"],
        );
    }
    let segments = segments(random);
    styled(random, &segments)
}

fn noise(random: &mut Random, of: &[&str]) -> String {
    let count = random.below(7);
    (0..count).map(|_| random.pick(of)).collect()
}

fn action_pattern(random: &mut Random) -> String {
    match random.below(100) {
        0..=9 => return random.pick(&["*", "**", "***"]).to_owned(),
        10..=13 => {
            return noise(
                random,
                &["a", "B", "cD", "EF", "*", "**", "?", "_", "__", ":", "/", " ", "-", "\\", "é"],
            );
        }
        _ => {}
    }
    let mut segments = segments(random);
    for segment in &mut segments {
        match random.below(12) {
            0..=2 => *segment = "*".into(),
            3 => *segment = "**".into(),
            4 => segment.replace_range(0..1, "?"),
            5 => segment.push('*'),
            6 => *segment = format!("{}*", &segment[..1]),
            _ => {}
        }
    }
    match random.below(6) {
        0 => segments.push("*".into()),
        1 => segments.push("**".into()),
        _ => {}
    }
    styled(random, &segments)
}

pub fn resource(random: &mut Random) -> Option<String> {
    if random.chance(12) {
        return random.chance(50).then(String::new);
    }
    let mut text = random.pick(&RESOURCES).to_owned();
    if random.chance(15) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        text.insert_str(random.pick(&places), random.pick(&ODDITIES));
    }
    Some(text)
}

/// A resource with parts of it replaced by wildcards; now and then noise.
fn resource_pattern(random: &mut Random) -> String {
    match random.below(100) {
        0..=9 => return random.pick(&["*", "**", "***"]).to_owned(),
        10..=15 => {
            let pattern = noise(random, &["/", "a", "b", "*", "**", "?", "\\*", "\\\\", "\\", "é", "[", ":"]);
            return if pattern.is_empty() { "a".into() } else { pattern };
        }
        _ => {}
    }
    let mut pattern = String::new();
    let text = random.pick(&RESOURCES);
    let mut wildcards = 0;
    for c in text.chars() {
        let replacement = if wildcards < 2 { random.below(16) } else { 15 };
        match (replacement, c) {
            (0, _) => pattern.push('?'),
            (1 | 2, _) => pattern.push('*'),
            (3, _) => pattern.push_str("**"),
            (4, c) => {
                pattern.push('*');
                escaped(&mut pattern, c);
            }
            (_, c) => {
                escaped(&mut pattern, c);
                continue;
            }
        }
        wildcards += 1;
        if random.chance(40) {
            break;
        }
    }
    pattern
}

fn escaped(pattern: &mut String, c: char) {
    if matches!(c, '*' | '?' | '\\') {
        pattern.push('\\');
    }
    pattern.push(c);
}

pub fn subject(random: &mut Random) -> Subject {
    let mut labels = BTreeMap::new();
    for name in ["tier", "zone"] {
        if random.chance(60) {
            labels.insert(name.to_owned(), random.pick(&["a", "gold", "150"]).to_owned());
        }
    }
    Subject {
        id: AgentId::new(Timestamp::from_micros(0), [1; 16]),
        name: random.pick(&["reader", "a"]).to_owned(),
        team: random.pick(&["data", "ops"]).to_owned(),
        environment: random.pick(&ENVIRONMENTS),
        labels,
        is_active: random.chance(97),
    }
}

pub fn now(random: &mut Random) -> Timestamp {
    const MINUTE: i64 = 60_000_000;
    // 2025-01-01 and two years from there; the changes of clocks are within.
    let start = 1_735_689_600_000_000;
    let minute = random.below(2 * 365 * 24 * 60) as i64;
    let minute = if random.chance(50) { minute - minute % 60 } else { minute };
    let jitter = match random.below(4) {
        0 => -1,
        1 => random.below(60_000_000) as i64,
        _ => 0,
    };
    Timestamp::from_micros(start + minute * MINUTE + jitter)
}

pub const ARGUMENTS: [&str; 9] = ["n", "m", "s", "t", "b", "l", "w", "x", "o"];

/// Less of it than of the arguments: expressions look at two members only.
pub fn context(random: &mut Random) -> Object {
    let mut object = Object::new();
    for name in ["s", "t"] {
        if random.chance(80) {
            let kind = if random.chance(10) { random.pick(&ARGUMENTS) } else { name };
            object.insert(name.to_owned(), value(random, kind));
        }
    }
    object
}

/// Arguments that mostly have the kinds that expressions expect.
pub fn arguments(random: &mut Random) -> Object {
    let mut object = Object::new();
    for name in ARGUMENTS {
        if random.chance(12) {
            continue;
        }
        let kind = if random.chance(10) { random.pick(&ARGUMENTS) } else { name };
        object.insert(name.to_owned(), value(random, kind));
    }
    if random.chance(70) {
        object.insert("z".to_owned(), Value::Null);
    }
    object
}

fn value(random: &mut Random, kind: &str) -> Value {
    let number = |random: &mut Random| Value::Number(random.pick(&[0.0, 1.0, 2.0, 3.0, 150.0, 1.5, -1.0]));
    let text = |random: &mut Random| {
        Value::String(random.pick(&["", "a", "b", "ab", "abc", "150", "ABC", "é☃"]).to_owned())
    };
    let mut list = |of: &dyn Fn(&mut Random) -> Value| {
        let count = random.below(4);
        Value::List((0..count).map(|_| of(random)).collect())
    };
    match kind {
        "l" => list(&number),
        "w" => list(&text),
        "x" => list(&|random| if random.chance(60) { number(random) } else { text(random) }),
        "n" | "m" => number(random),
        "s" | "t" => text(random),
        "b" => Value::Bool(random.chance(50)),
        _ => {
            let mut object = Object::new();
            for name in ["k", "s"] {
                if random.chance(70) {
                    object.insert(name.to_owned(), if name == "k" { number(random) } else { text(random) });
                }
            }
            Value::Object(object)
        }
    }
}
