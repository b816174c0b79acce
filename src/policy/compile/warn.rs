//! What is accepted in a policy but probably does not mean what its writer meant.

use crate::policy::Warning;
use crate::policy::document::List;
use crate::policy::pattern::Token;
use crate::policy::resource;

const ONE_STAR: &str = "ends in a single `*`, which stays within one segment and does not cover what lies deeper; \
    `**` covers it";
const BRACKETS: &str = "has braces or brackets, which stand for themselves in a pattern";

pub(super) fn action(list: List, text: &str, tokens: &[Token], field: &str, warnings: &mut Vec<Warning>) {
    let mut warn = |message: &str| warnings.push(Warning { field: field.into(), message: message.into() });
    if list != List::Allow && ends_in_one_star(tokens) {
        warn(ONE_STAR);
    }
    if text.contains(['[', ']', '{', '}']) {
        warn(BRACKETS);
    }
}

pub(super) fn resource(
    list: List,
    action: &str,
    text: &str,
    tokens: &[Token],
    field: &str,
    warnings: &mut Vec<Warning>,
) {
    let mut warn = |message: &str| warnings.push(Warning { field: field.into(), message: message.into() });
    if list != List::Allow && ends_in_one_star(tokens) {
        warn(ONE_STAR);
    }
    if text.contains(['[', ']', '{', '}']) {
        warn(BRACKETS);
    }
    if let Some(message) = authority(tokens) {
        warn(message);
    }
    let is_everything = matches!(tokens, [Token::Star | Token::Deep]);
    let is_any_action = !action.trim().is_empty() && action.trim().bytes().all(|byte| byte == b'*');
    if list == List::Deny && is_any_action && !is_everything {
        warn("denies every action on some resources, and so every request that names no resource at all");
    }
    if list == List::Allow && never_matches(tokens) {
        warn("can never match: a resource like that is not canonical and can only be denied");
    }
}

/// Just a `*` is everything and no trap.
fn ends_in_one_star(tokens: &[Token]) -> bool {
    matches!(tokens, [_, .., Token::Star])
}

/// What is wrong with the host of a URL pattern, if it is one.
fn authority(tokens: &[Token]) -> Option<&'static str> {
    let mut rest = tokens.iter();
    while let Some(token) = rest.next() {
        let Token::Literal(text) = token else { continue };
        let is_scheme = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        };
        let Some((scheme, after)) = text.split_once("://") else {
            if is_scheme(text) {
                continue;
            }
            return None;
        };
        return match (is_scheme(scheme), after.contains('/'), rest.next()) {
            (false, _, _) | (true, true, _) => None,
            (true, false, Some(_)) => {
                Some("has a wildcard in the host of a URL; it may match hosts that only look alike")
            }
            (true, false, None) => Some("has a URL whose host is not closed by a `/`"),
        };
    }
    None
}

/// Whether every text that matches is a resource that can only be denied.
fn never_matches(tokens: &[Token]) -> bool {
    let literals = tokens.iter().filter_map(|token| match token {
        Token::Literal(text) => Some(text),
        Token::One | Token::Star | Token::Deep => None,
    });
    if literals.flat_map(|text| text.chars()).any(resource::is_deceptive) {
        return true;
    }
    let Some(Token::Literal(start)) = tokens.first() else { return false };
    // What a wildcard may add to the last segment is not known.
    let known = if tokens.len() == 1 {
        &**start
    } else {
        start.rsplit_once(['/', '\\']).map_or("", |(before, _)| before)
    };
    !known.is_empty() && resource::remedy(known).is_some()
}
