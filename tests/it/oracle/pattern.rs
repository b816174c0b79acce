//! Patterns, read from the design: a backtracking matcher over characters.

use super::action;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Text(char),
    One,
    Star,
    Deep,
}

/// A pattern over actions or resources.
#[derive(Clone, Debug)]
pub struct Pattern {
    tokens: Vec<Token>,
    separators: &'static [char],
    /// What it matches besides: an action's bare prefix.
    prefix: Option<Vec<Token>>,
}

impl Pattern {
    /// A rule's action; `None` where it is refused.
    pub fn action(written: &str) -> Option<Self> {
        let form = action::canonical_pattern(written)?;
        let mut tokens = Vec::new();
        for c in form.chars() {
            push(&mut tokens, c);
        }
        let prefix = match tokens.as_slice() {
            [prefix @ .., Token::Text(':'), Token::Star | Token::Deep] => Some(prefix.to_vec()),
            _ => None,
        };
        Some(Self { tokens: alone(tokens), separators: &[':'], prefix })
    }

    /// A rule's resource; `None` where it is refused.
    pub fn resource(written: &str) -> Option<Self> {
        let mut tokens = Vec::new();
        let mut chars = written.chars();
        // A wildcard after an escaped star is none of its run.
        while let Some(c) = chars.next() {
            if c != '\\' {
                push(&mut tokens, c);
                continue;
            }
            match chars.next() {
                Some(escaped @ ('*' | '?' | '\\')) => tokens.push(Token::Text(escaped)),
                _ => return None,
            }
        }
        let deep = tokens.iter().filter(|token| **token == Token::Deep).count();
        let stars = tokens.iter().filter(|token| **token == Token::Star).count();
        let fits = deep <= 2 && stars <= 8 && written.len() <= 2_048 && !written.contains('\0');
        (fits && !written.is_empty()).then(|| Self {
            tokens: alone(tokens),
            separators: &['/', '\\'],
            prefix: None,
        })
    }

    pub fn is_everything(&self) -> bool {
        self.tokens == [Token::Deep]
    }

    pub fn matches(&self, text: &[char]) -> bool {
        matches(&self.tokens, text, self.separators)
            || self.prefix.as_ref().is_some_and(|prefix| matches(prefix, text, self.separators))
    }
}

/// A pattern that is just `*` equals `**`.
fn alone(tokens: Vec<Token>) -> Vec<Token> {
    if tokens == [Token::Star] { vec![Token::Deep] } else { tokens }
}

fn push(tokens: &mut Vec<Token>, c: char) {
    match (c, tokens.last()) {
        ('*', Some(Token::Deep)) => {}
        ('*', Some(Token::Star)) => {
            tokens.pop();
            tokens.push(Token::Deep);
        }
        ('*', _) => tokens.push(Token::Star),
        ('?', _) => tokens.push(Token::One),
        (c, _) => tokens.push(Token::Text(c)),
    }
}

fn matches(tokens: &[Token], text: &[char], separators: &[char]) -> bool {
    let Some((token, rest)) = tokens.split_first() else { return text.is_empty() };
    let first = text.first();
    match token {
        Token::Text(c) => first == Some(c) && matches(rest, &text[1..], separators),
        Token::One => first.is_some_and(|c| !separators.contains(c)) && matches(rest, &text[1..], separators),
        Token::Star | Token::Deep => {
            matches(rest, text, separators)
                || first.is_some_and(|c| {
                    (*token == Token::Deep || !separators.contains(c))
                        && matches(tokens, &text[1..], separators)
                })
        }
    }
}
