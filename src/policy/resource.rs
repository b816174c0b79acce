//! Which resources can only be denied, because they may mean something else than they say.

/// What to do about a resource that is not canonical.
pub(super) const REMEDY_DOTS: &str =
    "send the resolved path, without `.` and `..` segments, plain or percent-encoded";
/// What to do about a resource with a character that is not seen.
pub(super) const REMEDY_CHARACTERS: &str = "send it without control characters (but tab, CR and LF), zero-width and bidirectional control characters";

/// Rounds of percent-decoding after which a path is still looked at.
const DECODING_ROUNDS: usize = 3;

/// What to send instead of `resource`; `None` if it is canonical.
pub(super) fn remedy(resource: &str) -> Option<&'static str> {
    if resource.chars().any(is_deceptive) {
        return Some(REMEDY_CHARACTERS);
    }
    has_dot_segment(resource).then_some(REMEDY_DOTS)
}

/// Control characters but tab, CR and LF, and characters that are not seen or turn the text round.
pub(super) const fn is_deceptive(char: char) -> bool {
    match char {
        '\t' | '\r' | '\n' | ' '..='~' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => true,
        '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => false,
    }
}

/// Whether a path-like resource has a `.` or `..` segment, plain or percent-encoded up to three times.
fn has_dot_segment(resource: &str) -> bool {
    if !resource.bytes().any(|byte| byte == b'.' || byte == b'%') || !is_path_like(resource) {
        return false;
    }
    let path =
        if is_url(resource) { resource.split(['?', '#']).next().unwrap_or_default() } else { resource };
    let mut bytes = std::borrow::Cow::Borrowed(path.as_bytes());
    for round in 0..=DECODING_ROUNDS {
        if bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|segment| matches!(segment, b"." | b"..")) {
            return true;
        }
        if round == DECODING_ROUNDS || !bytes.contains(&b'%') {
            return false;
        }
        bytes = percent_decoded(&bytes).into();
    }
    false
}

/// No white space before the first `/` or `\`; without either, none at all.
pub(super) fn is_path_like(resource: &str) -> bool {
    !resource.split(['/', '\\']).next().unwrap_or_default().contains(char::is_whitespace)
}

/// Whether `text` begins with a scheme and `://`.
pub(super) fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    })
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let pair = (byte == b'%').then(|| (digit(text.get(at + 1)), digit(text.get(at + 2))));
        if let Some((Some(high), Some(low))) = pair {
            out.push(u8::try_from(high * 16 + low).unwrap_or(byte));
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_segment_is_not_canonical() {
        for bad in [
            "s3://docs/../secret",
            "/a/./b",
            "../x",
            "..",
            "a/..",
            r"C:\a\..\b",
            r"a/b\.",
            "/a/%2e%2e/b",
            "/a/%252E%252e/b",
            "/a/%25252e./b",
            "/a/..%2fb",
            "%2e%2e%2fsecret",
            "/a/%2e%2e%5cb",
            "https://h/a/../b?x",
        ] {
            assert_eq!(remedy(bad), Some(REMEDY_DOTS), "{bad}");
        }
    }

    #[test]
    fn a_dot_elsewhere_is_canonical() {
        for good in [
            "/a/.b/c..d/...",
            "https://h/a?x=/../b",
            "https://h/a#/../b",
            "rm -rf ../x",
            "SELECT a . b FROM x",
            "/a/%2525252e%2525252e/b",
            "/a/%zz/%2",
            "a b/../c",
            "",
        ] {
            assert_eq!(remedy(good), None, "{good}");
        }
    }

    #[test]
    fn only_a_url_ends_at_its_query() {
        assert!(remedy("/a?x/../b").is_some());
        assert!(remedy("https://h/a%3fx/%2e%2e/b").is_some(), "a decoded `?` ends nothing");
    }

    #[test]
    fn unseen_characters_are_not_canonical() {
        for bad in [
            '\u{1}', '\u{1f}', '\u{7f}', '\u{85}', '\u{200b}', '\u{2060}', '\u{feff}', '\u{202a}',
            '\u{202e}', '\u{2066}', '\u{2069}',
        ] {
            assert_eq!(remedy(&format!("a{bad}b")), Some(REMEDY_CHARACTERS), "{bad:?}");
        }
        for good in ['\t', '\r', '\n', ' ', 'é', '\u{a0}', '\u{200d}', '\u{202f}', '\u{206a}'] {
            assert_eq!(remedy(&format!("a{good}b")), None, "{good:?}");
        }
    }
}
