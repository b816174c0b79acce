//! Which resources can only be denied, read from the design.

pub fn is_canonical(resource: &str) -> bool {
    let is_hidden = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\r' | '\n'))
            || matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    if resource.contains(is_hidden) {
        return false;
    }
    let path = if is_url(resource) { resource.split(['?', '#']).next().unwrap() } else { resource };
    if path.split(['/', '\\']).next().unwrap().contains(char::is_whitespace) {
        return true;
    }
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=3 {
        if bytes.split(|byte| matches!(byte, b'/' | b'\\')).any(|s| s == b"." || s == b"..") {
            return false;
        }
        bytes = decoded(&bytes);
    }
    true
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    })
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let (mut out, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
