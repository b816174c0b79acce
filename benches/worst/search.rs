//! Makes and changes recipes at random; what is refused costs nothing and is tried no more.

use super::recipe::{Item, Pieces, Recipe};

/// Numbers that are the same for the same seed.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as usize % limit.max(1)
    }

    pub fn of<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Africa/El_Aaiun",
    "Asia/Gaza",
    "Antarctica/Troll",
    "America/Nuuk",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Scoresbysund",
    "Pacific/Chatham",
];
/// The third lies close to the middle between two doubles, the others are dear to read or to write.
const NUMBERS: [&str; 8] = [
    "1",
    "1e308",
    "9007199254740993.00000000000000000000000000000000000001",
    "5e-324",
    "2.4703282292062327208299439643411068618252990130716238221e-324",
    "1.7976931348623158079372897140530341507993413271003782693e308",
    "123456789012345678",
    "-0.1",
];
const TIMES: [&str; 4] = [
    "2026-01-05T12:00:00Z",
    "9999-12-30T23:59:59.999999999+00:00",
    "2026-07-05T12:00:00.123456789+02:00[Europe/Dublin]",
    "1970-01-01T00:00:00Z",
];

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\"))
}

/// An expression that is a text, a number, a point in time.
fn of_text(random: &mut Random, depth: usize) -> String {
    let inner = depth.saturating_sub(1);
    match random.below(if depth == 0 { 7 } else { 13 }) {
        0..=2 => "t".into(),
        3 => "''".into(),
        4 => quoted(random.of(&["a", "ab", "zzzzzzzz"])),
        5 => {
            random.of(&["action", "resource", "agent.name", "agent.labels.label_63", "arguments.x[0]"]).into()
        }
        6 => {
            let (number, time) = (random.of(&NUMBERS), random.of(&TIMES));
            quoted(random.of(&[number, time]))
        }
        7 | 8 => format!("({} + {})", of_text(random, inner), of_text(random, inner)),
        9 => format!("{}.lowerAscii()", of_text(random, inner)),
        10 => format!("{}.upperAscii()", of_text(random, inner)),
        11 => format!("string({})", of_number(random, inner)),
        _ => format!("string({})", of_time(random, inner)),
    }
}

fn of_time(random: &mut Random, depth: usize) -> String {
    match random.below(3) {
        0 => "now".into(),
        1 => format!("timestamp({})", quoted(random.of(&TIMES))),
        _ => format!("timestamp({})", of_text(random, depth.saturating_sub(1))),
    }
}

fn of_number(random: &mut Random, depth: usize) -> String {
    let inner = depth.saturating_sub(1);
    match random.below(if depth == 0 { 3 } else { 9 }) {
        0 => {
            random.of(&["1", "2.5", "1e308", "5e-324", "9007199254740993", "4.4501477170144023e-308"]).into()
        }
        1 => "t".into(),
        2 => format!("size({})", random.of(&["t", "arguments", "arguments.x", "action"])),
        3 => format!("double({})", of_text(random, inner)),
        4 => format!("int({})", of_text(random, inner)),
        5 => format!("double({})", quoted(random.of(&NUMBERS))),
        6 => format!(
            "({} {} {})",
            of_number(random, inner),
            random.of(&["+", "-", "*", "/", "%"]),
            of_number(random, inner)
        ),
        7 => format!("-{}", of_number(random, inner)),
        _ => {
            let part =
                random.of(&["getFullYear", "getDayOfYear", "getDayOfWeek", "getHours", "getMilliseconds"]);
            format!("{}.{part}('{}')", of_time(random, inner), random.of(&ZONES))
        }
    }
}

fn of_list(random: &mut Random) -> String {
    match random.below(6) {
        0 => "[]".into(),
        1 => format!("[{}]", vec![of_text(random, 1); 1 + random.below(6)].join(", ")),
        2 => format!("[{}]", vec![of_number(random, 1); 1 + random.below(40)].join(", ")),
        _ => random.of(&["arguments.x", "arguments", "agent.labels"]).into(),
    }
}

fn of_regex(random: &mut Random, depth: usize) -> String {
    let inner = depth.saturating_sub(1);
    match random.below(if depth == 0 { 10 } else { 16 }) {
        0 => "a".into(),
        1 => "[ab]".into(),
        2 => r"\w".into(),
        3 => ".".into(),
        4 => r"\p{L}".into(),
        5 => r"\b".into(),
        6 => "(a|b)*".into(),
        7 => "^".into(),
        8 => "$".into(),
        9 => random.of(&["c", "x$", "[^ab]", r"\d", r"\s", "(?i)k", "(?-u:\\b)"]).into(),
        10 | 11 => format!("{}{}", of_regex(random, inner), of_regex(random, inner)),
        12 => format!("({}|{})", of_regex(random, inner), of_regex(random, inner)),
        13 => format!("({})*", of_regex(random, inner)),
        14 => format!("({})+", of_regex(random, inner)),
        _ => format!("({}){{{}}}", of_regex(random, inner), 1 + random.below(100)),
    }
}

pub fn clause(random: &mut Random) -> String {
    let depth = 1 + random.below(3);
    match random.below(15) {
        0 => format!("{} == {}", of_text(random, depth), of_text(random, depth)),
        1 => format!("{} < {}", of_text(random, depth), of_text(random, depth)),
        2 => format!(
            "{}.{}({})",
            of_text(random, depth),
            random.of(&["contains", "startsWith", "endsWith"]),
            of_text(random, depth)
        ),
        3..=5 => format!("{}.matches({})", of_text(random, 1), quoted(&of_regex(random, 4))),
        6 => format!("{} in {}", of_text(random, depth), of_list(random)),
        7 => format!("{} in {}", of_number(random, depth), of_list(random)),
        8 => format!("{} == {}", of_list(random), of_list(random)),
        9 => format!("arguments[{}] == 1", of_text(random, depth)),
        10 => format!(
            "has({}.{})",
            random.of(&["arguments", "agent.labels", "arguments.x"]),
            random.of(&["zzz", "label_63", "key"])
        ),
        11 => format!(
            "{} {} {}",
            of_number(random, depth),
            random.of(&["==", "<", ">="]),
            of_number(random, depth)
        ),
        12 => format!("{} == {}", of_time(random, depth), of_time(random, depth)),
        13 => random.of(&["false", "!true", "t", "1 == ''", "null == t"]).into(),
        _ => format!("({} ? {} : {})", random.of(&["false", "t == ''"]), clause(random), "false"),
    }
}

fn pieces(random: &mut Random, letters: &[&str], most: usize) -> Pieces {
    let lengths = [1, 1, 2, 3, 8, 16, 63, 64, 200, 1_000, most];
    (0..1 + random.below(6))
        .map(|_| (random.of(letters).to_owned(), lengths[random.below(lengths.len())].min(most)))
        .collect()
}

fn item(random: &mut Random) -> Item {
    match random.below(6) {
        0 => {
            Item::Number([1.0, 1e308, 5e-324, 0.1, 1.0 / 3.0, 4.450_147_717_014_402_3e-308][random.below(6)])
        }
        1 => Item::Text(vec![(random.of(&NUMBERS).to_owned(), 1)]),
        2 => Item::Text(vec![(random.of(&TIMES).to_owned(), 1)]),
        3 => Item::Mixed(
            random.of(&["ab", "abc", "aé", "a ", "0123456789"]).to_owned(),
            [7, 100, 2_000, 60_000][random.below(4)],
        ),
        4 => Item::Text(vec![("a".into(), [0, 1, 8, 16, 100, 2_000, 65_536][random.below(7)])]),
        _ => Item::Text(vec![(random.of(&["key", "k", "é", "ab"]).to_owned(), 1 + random.below(40))]),
    }
}

/// A recipe made anew.
pub fn fresh(random: &mut Random) -> Recipe {
    let mut recipe = Recipe {
        list: random.of(&["deny", "require_approval", "allow"]).to_owned(),
        rules: [1, 4, 200][random.below(3)],
        action: vec![("read:*".into(), 1)],
        asked: vec![("read:file".into(), 1)],
        items: 480,
        item: item(random),
        ..Recipe::default()
    };
    for _ in 0..6 {
        change(&mut recipe, random);
    }
    recipe
}

/// Changes one thing.
pub fn change(recipe: &mut Recipe, random: &mut Random) {
    match random.below(20) {
        0..=3 => recipe.clauses.push(clause(random)),
        4 if !recipe.clauses.is_empty() => {
            let at = random.below(recipe.clauses.len());
            recipe.clauses.swap_remove(at);
        }
        5 | 6 if !recipe.clauses.is_empty() => {
            let again = recipe.clauses[random.below(recipe.clauses.len())].clone();
            let room = 1_000usize.saturating_sub(recipe.expression().map_or(0, |text| text.len()))
                / (again.len() + 4);
            let times = if random.below(2) == 0 { 1 } else { room };
            recipe.clauses.extend(std::iter::repeat_n(again, times));
        }
        7 if !recipe.clauses.is_empty() => {
            let at = random.below(recipe.clauses.len());
            recipe.clauses[at] = clause(random);
        }
        8 => recipe.each = random.of(&["exists", "all", "exists_one", ""]).to_owned(),
        9 => recipe.item = item(random),
        10 => recipe.items = [1, 10, 100, 480, 990][random.below(5)],
        11 => {
            recipe.keys =
                (random.below(2) == 0).then(|| vec![("k".into(), [0, 3, 16, 64, 1_000][random.below(5)])]);
        }
        // Many expressions take long to compile and cost no more a step than a few do.
        12 => {
            let counts =
                if recipe.clauses.is_empty() { [1, 20, 200, 1_000, 10_000] } else { [1, 1, 2, 4, 20] };
            recipe.rules = counts[random.below(5)];
        }
        13 => recipe.time_zone = (random.below(3) > 0).then(|| random.of(&ZONES).to_owned()),
        14 => recipe.day_zone = (random.below(3) > 0).then(|| random.of(&ZONES).to_owned()),
        15 => recipe.on = pieces(random, &["a", "b", "é", "/", "%2e", "ab"], 2_048),
        16 | 17 => {
            let letters = ["a", "b", "*", "**", "?", "/", "#", "é", "ab"];
            recipe.resource = (random.below(6) > 0).then(|| pieces(random, &letters, 1_000));
            if let Some(made) = &mut recipe.resource {
                for (piece, times) in made {
                    *times = if piece.contains('*') { 1 } else { *times };
                }
            }
        }
        18 => {
            recipe.action = match random.below(6) {
                0 => vec![("**".into(), 1)],
                1 => vec![("read:*".into(), 1)],
                2 => vec![("*:a".into(), 1), ("a".into(), random.below(200))],
                3 => vec![("a:".into(), random.below(100)), ("*".into(), 1)],
                4 => vec![("a:#:**:a*a*a*b".into(), 1)],
                _ => vec![("**:".into(), 1), ("a".into(), random.below(100)), ("*:*b".into(), 1)],
            };
        }
        _ => {
            recipe.asked = vec![
                (random.of(&["read:file", "a:", "a", "a:a:a:"]).to_owned(), [1, 40, 120][random.below(3)]),
                ("a".into(), 1),
            ]
        }
    }
}
