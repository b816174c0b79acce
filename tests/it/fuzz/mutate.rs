//! Changes inputs at random, as a fuzzer without eyes does.

use crate::oracle::random::Random;

/// Bytes of an input.
const MAX_BYTES: usize = 8 * 1024;

/// Words that mean something to one target or another.
const WORDS: [&str; 40] = [
    "*",
    "**",
    "?",
    "\\",
    "/",
    ":",
    "__",
    "\n",
    "..",
    "%2e",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "!",
    "&&",
    "||",
    " in ",
    " == ",
    "arguments.",
    ".all(x, ",
    ".matches('",
    "agk_",
    "Bearer ",
    "\u{202e}",
    "é",
    "\0",
    "null",
    "allow:",
    "- ",
    "&a ",
    "*a",
    "action",
    "0",
    "a",
    "%",
];

/// A random input of `corpus`, changed in up to four places.
pub fn mutated(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..1 + random.below(4) {
        change(random, &mut bytes, corpus);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let to = (at + 1 + random.below(8)).min(bytes.len());
    match random.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
        2 => bytes.insert(at, random.next().to_le_bytes()[0]),
        3 => drop(bytes.drain(at..to)),
        4 => {
            let copied = bytes[at..to].to_vec();
            let times = 1 + random.below(4);
            for _ in 0..times {
                bytes.splice(at..at, copied.iter().copied());
            }
        }
        5 => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => drop(bytes.splice(at..at, random.pick(&WORDS).bytes())),
    }
}
