//! Brings the names of actions to one form.
//!
//! Actions are named by tools that nobody here controls: `readFile`, `Read-File` and `read:file` are one
//! action. Rules go through the same function, so that a rule cannot be dodged by spelling. No word of a
//! name is ever dropped.

use std::fmt;
use std::sync::Arc;

/// Bytes of an action's name, before and after it is brought to its form.
pub const MAX_ACTION_BYTES: usize = 255;

/// An action in its canonical form: segments of `[a-z0-9_]`, joined by `:`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Action(Arc<str>);

/// Why a text names no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No letter and no digit in it.
    #[error("has no letter or digit that could name an action")]
    Empty,
    /// A character outside ASCII.
    #[error("has a character outside ASCII")]
    NotAscii,
    /// Too long, as sent or in its canonical form.
    #[error("is longer than 255 bytes, as sent or in its canonical form")]
    TooLong,
}

impl Action {
    /// Brings `name` to its canonical form.
    ///
    /// # Errors
    /// If `name` has no word, is not ASCII, or is longer than 255 bytes before or after.
    pub fn parse(name: &str) -> Result<Self, Invalid> {
        canonical(name, |byte| byte.is_ascii_alphanumeric()).map(|form| Self(form.into()))
    }

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical form, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The table of `docs/actions.md`: each name of `names`, one a line, and its canonical form; a line that begins
/// with `#` heads a part.
pub fn table(names: &str) -> String {
    let mut out = String::from(
        "# Names of real tools and their canonical forms\n\n\
         AgentGuard compares actions in one form, whatever a tool calls itself; rules go through the same function.\n\
         `agentguard action NAME` prints it. This file is generated from `actions.txt`.\n",
    );
    for line in names.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            out.push_str(&format!("\n## {title}\n\n| As sent | Canonical |\n| --- | --- |\n"));
        } else {
            let form =
                Action::parse(line).map_or_else(|error| error.to_string(), |action| format!("`{action}`"));
            out.push_str(&format!("| `{line}` | {form} |\n"));
        }
    }
    out
}

/// Brings an action pattern to its form: as a name, where `*` and `?` count as letters.
pub(super) fn canonical_pattern(pattern: &str) -> Result<String, Invalid> {
    canonical(pattern, |byte| byte.is_ascii_alphanumeric() || byte == b'*' || byte == b'?')
}

fn canonical(name: &str, is_letter: impl Fn(u8) -> bool) -> Result<String, Invalid> {
    if !name.is_ascii() {
        return Err(Invalid::NotAscii);
    }
    if name.len() > MAX_ACTION_BYTES {
        return Err(Invalid::TooLong);
    }
    let mut segments: Vec<Vec<String>> =
        split_segments(name.as_bytes()).map(|segment| words(segment, &is_letter)).collect();
    segments.retain(|words| !words.is_empty());
    if let [only] = segments.as_mut_slice()
        && only.len() > 1
    {
        let rest = only.split_off(1);
        segments.push(rest);
    }
    let form = segments.iter().map(|words| words.join("_")).collect::<Vec<_>>().join(":");
    match form.len() {
        0 => Err(Invalid::Empty),
        1..=MAX_ACTION_BYTES => Ok(form),
        _ => Err(Invalid::TooLong),
    }
}

/// Splits at `:`, `/`, `.` and at two or more `_`; empty segments are left to the caller.
fn split_segments(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|byte| matches!(byte, b':' | b'/' | b'.')).flat_map(|part| {
        let mut rest = Some(part);
        std::iter::from_fn(move || {
            let part = rest?;
            match part.windows(2).position(|pair| pair == b"__") {
                Some(at) => {
                    rest = part.get(at + 2..);
                    part.get(..at)
                }
                None => rest.take(),
            }
        })
    })
}

/// The words of a segment, in lower case.
fn words(segment: &[u8], is_letter: &impl Fn(u8) -> bool) -> Vec<String> {
    if segment.iter().all(|&byte| is_letter(byte)) {
        return split_case(segment);
    }
    segment.split(|&byte| !is_letter(byte)).filter(|word| !word.is_empty()).map(lower).collect()
}

fn lower(word: &[u8]) -> String {
    word.iter().map(|byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// Splits at changes of case as the `heck` crate does: `getURLFast` is `get`, `url`, `fast`; digits and
/// wildcards belong to what stands before them.
fn split_case(segment: &[u8]) -> Vec<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Case {
        None,
        Lower,
        Upper,
    }
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut case = Case::None;
    for (index, &byte) in segment.iter().enumerate() {
        let next = segment.get(index + 1).copied().unwrap_or(b'0');
        let with_this = match byte {
            b'a'..=b'z' => Case::Lower,
            b'A'..=b'Z' => Case::Upper,
            _ => case,
        };
        if case == Case::Upper && byte.is_ascii_uppercase() && next.is_ascii_lowercase() {
            words.push(lower(&word));
            word.clear();
            word.push(byte);
            case = Case::None;
        } else {
            word.push(byte);
            case = with_this;
            if case == Case::Lower && next.is_ascii_uppercase() {
                words.push(lower(&word));
                word.clear();
                case = Case::None;
            }
        }
    }
    if !word.is_empty() {
        words.push(lower(&word));
    }
    words
}

#[cfg(test)]
mod tests;
