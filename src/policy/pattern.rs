//! Patterns over actions and resources: text with `*`, `**` and `?`, nothing more.
//!
//! **Invariant:** a match takes no memory and no recursion, and each of its steps is counted.

use super::meter::{Meter, OverBudget};

/// Bytes of a pattern.
pub const MAX_PATTERN_BYTES: usize = 2_048;
/// `**` in a pattern; each multiplies the places where the rest may begin.
pub const MAX_DEEP_STARS: usize = 2;
/// `*` in a pattern.
pub const MAX_STARS: usize = 8;

/// What a pattern is over; it says what separates segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Action,
    Resource,
}

impl Subject {
    #[inline]
    pub(super) const fn separates(self, byte: u8) -> bool {
        match self {
            Self::Action => byte == b':',
            Self::Resource => byte == b'/' || byte == b'\\',
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// This text.
    Literal(Box<str>),
    /// `?`: one Unicode scalar but a separator.
    One,
    /// `*`: any run within a segment.
    Star,
    /// `**`: any run.
    Deep,
}

/// A pattern, ready to match.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    subject: Subject,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Everything,
    Exact(Box<str>),
    StartsWith(Box<str>),
    Glob { prefix: Box<str>, suffix: Box<str>, tokens: Box<[Token]> },
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Invalid {
    #[error("is empty; leave it out to mean every resource")]
    Empty,
    #[error("is {0} bytes long; at most {MAX_PATTERN_BYTES} are accepted")]
    TooLong(usize),
    #[error("contains the character U+0000, which no resource contains")]
    Nul,
    #[error("has {0} `**`; at most {MAX_DEEP_STARS} are accepted")]
    DeepStars(usize),
    #[error("has {0} `*`; at most {MAX_STARS} are accepted")]
    Stars(usize),
    #[error("has a `\\` that stands before none of `*`, `?` and `\\`; for the character itself write `{0}`")]
    Escape(String),
}

/// Reads a resource pattern.
pub(super) fn resource_tokens(text: &str) -> Result<Vec<Token>, Invalid> {
    if text.is_empty() {
        return Err(Invalid::Empty);
    }
    if text.contains('\0') {
        return Err(Invalid::Nul);
    }
    tokens(text, true)
}

/// Reads an action pattern that was brought to its canonical form.
pub(super) fn action_tokens(text: &str) -> Result<Vec<Token>, Invalid> {
    tokens(text, false)
}

fn tokens(text: &str, has_escapes: bool) -> Result<Vec<Token>, Invalid> {
    if text.len() > MAX_PATTERN_BYTES {
        return Err(Invalid::TooLong(text.len()));
    }
    let mut tokens = Vec::new();
    let mut literal = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let token = match char {
            '*' => {
                let mut token = Token::Star;
                while chars.next_if_eq(&'*').is_some() {
                    token = Token::Deep;
                }
                token
            }
            '?' => Token::One,
            '\\' if has_escapes => match chars.next_if(|next| matches!(next, '*' | '?' | '\\')) {
                Some(escaped) => {
                    literal.push(escaped);
                    continue;
                }
                None => return Err(Invalid::Escape(doubled(text))),
            },
            other => {
                literal.push(other);
                continue;
            }
        };
        if !literal.is_empty() {
            tokens.push(Token::Literal(std::mem::take(&mut literal).into()));
        }
        tokens.push(token);
    }
    if !literal.is_empty() {
        tokens.push(Token::Literal(literal.into()));
    }
    let count = |wanted: &Token| tokens.iter().filter(|&token| token == wanted).count();
    match (count(&Token::Deep), count(&Token::Star)) {
        (deep, _) if deep > MAX_DEEP_STARS => Err(Invalid::DeepStars(deep)),
        (_, stars) if stars > MAX_STARS => Err(Invalid::Stars(stars)),
        _ => Ok(tokens),
    }
}

/// `text` with each `\` doubled that escapes nothing; cut, since it goes into a message.
fn doubled(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        out.push(char);
        if char == '\\' {
            out.push(chars.next_if(|next| matches!(next, '*' | '?' | '\\')).unwrap_or('\\'));
        }
    }
    out.chars().take(128).collect()
}

impl Pattern {
    /// A pattern of these tokens; just a `*` or `**` is everything.
    pub(super) fn new(subject: Subject, tokens: Vec<Token>) -> Self {
        let shape = match tokens.as_slice() {
            [Token::Star | Token::Deep] => Shape::Everything,
            _ => Self::glob(&tokens),
        };
        Self { subject, shape }
    }

    /// A pattern of these tokens as part of a larger one, where a `*` alone stays within its segment.
    pub(super) fn part(subject: Subject, tokens: &[Token]) -> Self {
        let shape = match tokens {
            [Token::Deep] => Shape::Everything,
            _ => Self::glob(tokens),
        };
        Self { subject, shape }
    }

    /// The pattern that matches every text.
    pub(super) const fn everything(subject: Subject) -> Self {
        Self { subject, shape: Shape::Everything }
    }

    fn glob(tokens: &[Token]) -> Shape {
        let literal = |token: Option<&Token>| match token {
            Some(Token::Literal(text)) => text.clone(),
            Some(Token::One | Token::Star | Token::Deep) | None => Box::from(""),
        };
        match tokens {
            [] => Shape::Exact(Box::from("")),
            [Token::Literal(text)] => Shape::Exact(text.clone()),
            [Token::Literal(text), Token::Deep] => Shape::StartsWith(text.clone()),
            _ => Shape::Glob {
                prefix: literal(tokens.first()),
                suffix: literal(tokens.last()),
                tokens: tokens.into(),
            },
        }
    }

    /// Whether the pattern is just `*` or `**`, or was absent.
    pub(super) const fn is_everything(&self) -> bool {
        matches!(self.shape, Shape::Everything)
    }

    /// The text every match starts with, and whether it is all of it.
    pub(super) fn literal_start(&self) -> (&str, bool) {
        match &self.shape {
            Shape::Everything => ("", false),
            Shape::Exact(text) => (text, true),
            Shape::StartsWith(text) => (text, false),
            Shape::Glob { prefix, .. } => (prefix, false),
        }
    }

    /// Whether the whole of `text` matches.
    #[inline]
    pub(super) fn matches(&self, text: &str, meter: &mut Meter) -> Result<bool, OverBudget> {
        match &self.shape {
            Shape::Everything => Ok(true),
            Shape::Exact(wanted) => {
                meter.spend_bytes(wanted.len(), 64)?;
                Ok(**wanted == *text)
            }
            Shape::StartsWith(wanted) => {
                meter.spend_bytes(wanted.len(), 64)?;
                Ok(text.starts_with(&**wanted))
            }
            Shape::Glob { prefix, suffix, tokens } => {
                meter.spend_bytes(prefix.len() + suffix.len(), 64)?;
                // An empty text lies nowhere; comparing no bytes there is slow on some processors.
                if !(prefix.is_empty() || text.starts_with(&**prefix))
                    || !(suffix.is_empty() || text.ends_with(&**suffix))
                {
                    return Ok(false);
                }
                glob(self.subject, tokens, text.as_bytes(), meter)
            }
        }
    }
}

/// Matches with one place to go back to per kind of star: for the stars of one kind the earliest match of what
/// stands before the latest is always as good as any other, so that no others need to be tried.
fn glob(subject: Subject, tokens: &[Token], text: &[u8], meter: &mut Meter) -> Result<bool, OverBudget> {
    let (mut token, mut at) = (0usize, 0usize);
    let mut star: Option<(usize, usize)> = None;
    let mut deep: Option<(usize, usize)> = None;
    loop {
        meter.spend(1)?;
        let rest = text.get(at..).unwrap_or_default();
        let is_ahead = match tokens.get(token) {
            None if rest.is_empty() => return Ok(true),
            None => false,
            Some(Token::Literal(literal)) => {
                // Paid for before it is known whether it matches: a long literal may fail at each place.
                meter.spend_bytes(literal.len().min(rest.len()), 64)?;
                let matches = rest.starts_with(literal.as_bytes());
                at += if matches { literal.len() } else { 0 };
                matches
            }
            Some(Token::One) => match rest.first() {
                Some(&byte) if !subject.separates(byte) => {
                    at += scalar_bytes(byte);
                    true
                }
                Some(_) | None => false,
            },
            Some(Token::Star) => {
                star = Some((token, at));
                true
            }
            Some(Token::Deep) => {
                if token + 1 == tokens.len() {
                    return Ok(true);
                }
                deep = Some((token, at));
                star = None;
                true
            }
        };
        if is_ahead {
            token += 1;
            continue;
        }
        let widened = |place: Option<(usize, usize)>, crosses: bool| {
            let (token, at) = place?;
            let &byte = text.get(at)?;
            (crosses || !subject.separates(byte)).then(|| (token, at + scalar_bytes(byte)))
        };
        if let Some(place) = widened(star, false) {
            star = Some(place);
            (token, at) = (place.0 + 1, place.1);
        } else if let Some(place) = widened(deep, true) {
            star = None;
            deep = Some(place);
            (token, at) = (place.0 + 1, place.1);
        } else {
            return Ok(false);
        }
    }
}

/// How long the scalar is that begins with `byte` in valid UTF-8.
#[inline]
const fn scalar_bytes(byte: u8) -> usize {
    match byte {
        0..=0xbf => 1,
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    }
}

#[cfg(test)]
mod tests;
