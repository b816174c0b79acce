//! Names of actions, read from the design: segments, words, one form.

const MAX_BYTES: usize = 255;

/// The one form of a name as sent; `None` where it is refused.
pub fn canonical(name: &str) -> Option<String> {
    form(name, false)
}

/// The one form of a rule's action; `None` where it is refused.
pub fn canonical_pattern(name: &str) -> Option<String> {
    if name.contains('\\') {
        return None;
    }
    let form = form(name, true)?;
    let has_wildcard = form.contains(['*', '?']);
    let is_stars = form.chars().all(|c| c == '*');
    let stars = stars(&form);
    let is_refused = has_wildcard && !form.contains(':') && !is_stars;
    let deep = stars.iter().filter(|run| **run > 1).count();
    let too_many = deep > 2 || stars.len() - deep > 8;
    (!is_refused && !too_many).then_some(form)
}

/// The lengths of the runs of stars.
fn stars(text: &str) -> Vec<usize> {
    text.split(|c| c != '*').map(str::len).filter(|run| *run > 0).collect()
}

fn form(name: &str, is_pattern: bool) -> Option<String> {
    if !name.is_ascii() || name.len() > MAX_BYTES {
        return None;
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || (is_pattern && (c == '*' || c == '?'));
    // `__` first: what is left of a longer run is an underscore at a segment's end, which is no word.
    let text = name.replace("__", ":");
    let segments = text.split([':', '/', '.']).filter(|segment| !segment.is_empty());
    let mut segments: Vec<Vec<String>> = segments
        .map(|segment| {
            if segment.chars().all(is_letter) {
                cased_words(segment)
            } else {
                let words = segment.split(|c| !is_letter(c)).filter(|word| !word.is_empty());
                words.map(str::to_owned).collect()
            }
        })
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect();
    if let [only] = segments.as_mut_slice()
        && only.len() > 1
    {
        let rest = only.split_off(1);
        segments.push(rest);
    }
    let joined: Vec<String> = segments.iter().map(|words| words.join("_")).collect();
    let joined = joined.join(":").to_ascii_lowercase();
    (!joined.is_empty() && joined.len() <= MAX_BYTES).then_some(joined)
}

/// Splits where the heck crate does: between a lower and an upper case letter, and before the last capital
/// of a run that a lower case letter follows. What has no case keeps that of the letter before it.
fn cased_words(segment: &str) -> Vec<String> {
    #[derive(Clone, Copy, PartialEq)]
    enum Case {
        None,
        Lower,
        Upper,
    }
    let letters: Vec<char> = segment.chars().collect();
    let (mut words, mut word, mut case) = (Vec::new(), String::new(), Case::None);
    for (position, letter) in letters.iter().enumerate() {
        let next = letters.get(position + 1);
        let ends_run = case == Case::Upper
            && letter.is_ascii_uppercase()
            && next.is_some_and(|next| next.is_ascii_lowercase());
        if ends_run && !word.is_empty() {
            words.push(std::mem::take(&mut word));
            case = Case::None;
        } else if letter.is_ascii_lowercase() {
            case = Case::Lower;
        } else if letter.is_ascii_uppercase() {
            case = Case::Upper;
        }
        word.push(*letter);
        if case == Case::Lower && next.is_some_and(|next| next.is_ascii_uppercase()) {
            words.push(std::mem::take(&mut word));
            case = Case::None;
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}
