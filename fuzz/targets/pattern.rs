//! Patterns over actions and resources, against a matcher written from the design.

use agentguard::clock::Timestamp;
use agentguard::ids::PolicyId;
use agentguard::policy::{
    Action, Document, Object, Policies, ReasonCode, Request, Rule, Scope, compile, decide,
};

use super::oracle_action;
use super::world::reader;

/// What a pattern is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Over {
    Actions,
    Resources,
}

/// What reads patterns and matches: `None` if the pattern is refused, then for each text whether it matches.
pub type Engine = fn(Over, &str, &[&str]) -> Option<Vec<Option<bool>>>;

/// Texts of one input.
const TEXTS: usize = 4;

pub fn run(data: &[u8]) {
    check(data, engine);
}

/// `data` is lines: `a` for actions or else for resources, directly before the pattern; then the texts.
pub fn check(data: &[u8], engine: Engine) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let (over, pattern) = match first.strip_prefix('a') {
        Some(pattern) => (Over::Actions, pattern),
        None => (Over::Resources, first.get(1..).unwrap_or_default()),
    };
    let texts: Vec<&str> = lines.take(TEXTS).filter(|text| text.len() <= 512).collect();
    let came = engine(over, pattern, &texts);
    let Some(read) = Pattern::read(over, pattern) else {
        assert!(came.is_none(), "{pattern:?} over {over:?} is accepted");
        return;
    };
    let came = came.unwrap_or_else(|| panic!("{pattern:?} over {over:?} is refused"));
    for (text, came) in texts.iter().zip(&came) {
        let wanted = match over {
            Over::Actions => Action::parse(text).ok().map(|action| read.matches(action.as_str())),
            Over::Resources => (text.len() <= 2_048 && !text.contains('\0')).then(|| {
                // Nothing is known of a resource that is not named; a list that forbids has to fear the worst.
                text.is_empty() || read.matches(text)
            }),
        };
        assert_eq!(*came, wanted, "whether {pattern:?} over {over:?} matches {text:?}");
    }
    let shown = read.show();
    assert_eq!(Pattern::read(over, &shown).as_ref(), Some(&read), "{pattern:?} is not {shown:?}");
    assert_eq!(engine(over, &shown, &texts).as_ref(), Some(&came), "{pattern:?} is not {shown:?}");
}

/// The engine's answer, by way of a policy that denies what the pattern matches.
pub fn engine(over: Over, pattern: &str, texts: &[&str]) -> Option<Vec<Option<bool>>> {
    let rule = match over {
        Over::Actions => Rule { action: pattern.into(), ..Rule::default() },
        Over::Resources => Rule { action: "**".into(), resource: Some(pattern.into()), ..Rule::default() },
    };
    let document = Document { deny: vec![rule], ..Document::empty(Scope::Everyone) };
    let compiled = compile(&document, PolicyId::new(Timestamp::default(), [0; 16]), 1).ok()?.0;
    let policies = Policies { everyone: Some(&compiled), ..Policies::default() };
    let matches = |text: &&str| {
        let (action, resource) = match over {
            Over::Actions => (*text, None),
            Over::Resources => ("read", Some((*text).to_owned())),
        };
        let empty = Object::new;
        let request = Request::new(action, resource, empty(), empty(), None, None, None).ok()?;
        let decision = decide(&policies, &reader(), &request, Timestamp::default());
        Some(decision.code == ReasonCode::DeniedByRule)
    };
    Some(texts.iter().map(matches).collect())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Text(char),
    One,
    Star,
    Deep,
}

#[derive(Debug, PartialEq)]
struct Pattern {
    over: Over,
    tokens: Vec<Token>,
}

impl Pattern {
    /// `None` where the design refuses it.
    fn read(over: Over, pattern: &str) -> Option<Self> {
        if over == Over::Resources && (pattern.len() > 2_048 || pattern.contains('\0')) {
            return None;
        }
        let form = match over {
            Over::Actions => oracle_action::canonical_pattern(pattern)?,
            Over::Resources => pattern.to_owned(),
        };
        let mut tokens = Vec::new();
        let mut chars = form.chars();
        while let Some(char) = chars.next() {
            match (char, tokens.last()) {
                ('\\', _) if over == Over::Resources => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => tokens.push(Token::Text(escaped)),
                    Some(_) | None => return None,
                },
                ('*', Some(Token::Deep)) => {}
                ('*', Some(Token::Star)) => {
                    tokens.pop();
                    tokens.push(Token::Deep);
                }
                ('*', _) => tokens.push(Token::Star),
                ('?', _) => tokens.push(Token::One),
                (other, _) => tokens.push(Token::Text(other)),
            }
        }
        let count = |wanted| tokens.iter().filter(|token| **token == wanted).count();
        let fits = count(Token::Deep) <= 2 && count(Token::Star) <= 8 && !tokens.is_empty();
        fits.then_some(Self { over, tokens })
    }

    fn show(&self) -> String {
        let mut text = String::new();
        for token in &self.tokens {
            match token {
                Token::Text(char @ ('*' | '?' | '\\')) => text.extend(['\\', *char]),
                Token::Text(char) => text.push(*char),
                Token::One => text.push('?'),
                Token::Star => text.push('*'),
                Token::Deep => text.push_str("**"),
            }
        }
        text
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        if matches!(self.tokens.as_slice(), [Token::Star | Token::Deep]) {
            return true;
        }
        let is_bare = match self.tokens.as_slice() {
            [bare @ .., Token::Text(':'), Token::Star | Token::Deep] if self.over == Over::Actions => {
                self.reaches(bare, &text)
            }
            _ => false,
        };
        is_bare || self.reaches(&self.tokens, &text)
    }

    /// Keeps, token by token, all the places in the text that what stands before can reach.
    fn reaches(&self, tokens: &[Token], text: &[char]) -> bool {
        let separates = |char: char| match self.over {
            Over::Actions => char == ':',
            Over::Resources => char == '/' || char == '\\',
        };
        let mut places = vec![false; text.len() + 1];
        places[0] = true;
        for token in tokens {
            let mut next = vec![false; text.len() + 1];
            for at in 0..=text.len() {
                match token {
                    Token::Text(char) => {
                        next[at] = at > 0 && places[at - 1] && text[at - 1] == *char;
                    }
                    Token::One => next[at] = at > 0 && places[at - 1] && !separates(text[at - 1]),
                    Token::Star => {
                        next[at] = places[at] || (at > 0 && next[at - 1] && !separates(text[at - 1]));
                    }
                    Token::Deep => next[at] = places[at] || (at > 0 && next[at - 1]),
                }
            }
            places = next;
        }
        places[text.len()]
    }
}
