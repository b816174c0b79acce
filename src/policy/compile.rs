//! Checks a policy whole and makes it fit to decide by.

mod warn;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::action;
use super::condition::Condition;
use super::document::{Document, List, Rule, rule_to_json};
use super::index::{Index, Unknown};
use super::meter::{Meter, OverBudget};
use super::pattern::{Pattern, Subject, Token, action_tokens, resource_tokens};
use super::subject::Scope;
use super::{Fault, Warning};
use crate::ids::PolicyId;

/// Rules of a policy.
pub const MAX_RULES: usize = 10_000;
/// Rules of a policy of which neither action nor resource starts with a literal: no index finds them, so each
/// is tested by every decision.
pub const MAX_UNINDEXED_RULES: usize = 200;
/// Rules of a policy with an expression.
pub const MAX_EXPRESSIONS: usize = 100;
/// Bytes of a rule's reason.
pub const MAX_REASON_BYTES: usize = 500;
/// Characters of a rule's id.
pub const MAX_RULE_ID_CHARS: usize = 64;
/// Bytes of a team's name.
pub const MAX_TEAM_BYTES: usize = 255;

/// A policy that is fit to decide by.
#[derive(Clone, Debug)]
pub struct Compiled {
    id: PolicyId,
    version: i32,
    document: Document,
    deny: Rules,
    require_approval: Rules,
    allow: Rules,
}

impl Compiled {
    /// The policy's id.
    pub const fn id(&self) -> &PolicyId {
        &self.id
    }

    /// The policy's version.
    pub const fn version(&self) -> i32 {
        self.version
    }

    /// The policy as written, with the ids that were made for its rules.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    pub(super) const fn rules(&self, list: List) -> &Rules {
        match list {
            List::Deny => &self.deny,
            List::RequireApproval => &self.require_approval,
            List::Allow => &self.allow,
        }
    }
}

/// The rules of one list.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    pub(super) rules: Vec<CompiledRule>,
    index: Index,
    /// Whether testing any of them may fail.
    pub(super) is_fallible: bool,
    /// Whether any of them is for some resources only.
    pub(super) names_resources: bool,
}

impl Rules {
    fn push(&mut self, rule: CompiledRule) {
        let position = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        self.index.add(position, rule.action.patterns(), &rule.resource);
        self.is_fallible |= rule.is_fallible();
        self.names_resources |= !rule.resource.is_everything();
        self.rules.push(rule);
    }

    /// Calls `test` with every rule that may match.
    #[inline]
    pub(super) fn candidates<'a>(
        &'a self,
        action: &str,
        resource: Option<&str>,
        unknown: Unknown,
        meter: &mut Meter,
        test: &mut impl FnMut(u32, &'a CompiledRule, &mut Meter) -> Result<(), OverBudget>,
    ) -> Result<(), OverBudget> {
        self.index.candidates(action, resource, unknown, meter, &mut |position, meter| match usize::try_from(
            position,
        )
        .ok()
        .and_then(|position| self.rules.get(position))
        {
            Some(rule) => test(position, rule, meter),
            None => Ok(()),
        })
    }
}

/// A rule, ready to be tested.
#[derive(Clone, Debug)]
pub(super) struct CompiledRule {
    pub(super) id: Arc<str>,
    pub(super) reason: Option<Arc<str>>,
    pub(super) action: ActionPattern,
    pub(super) resource: Pattern,
    pub(super) condition: Option<Condition>,
}

impl CompiledRule {
    pub(super) fn is_fallible(&self) -> bool {
        self.condition.as_ref().is_some_and(Condition::is_fallible)
    }
}

/// A pattern over actions; a final `:*` or `:**` also matches what stands before it.
#[derive(Clone, Debug)]
pub(super) struct ActionPattern {
    whole: Pattern,
    bare: Option<Pattern>,
}

impl ActionPattern {
    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        std::iter::once(&self.whole).chain(&self.bare)
    }

    #[inline]
    pub(super) fn matches(&self, action: &str, meter: &mut Meter) -> Result<bool, OverBudget> {
        if self.whole.matches(action, meter)? {
            return Ok(true);
        }
        self.bare.as_ref().map_or(Ok(false), |bare| bare.matches(action, meter))
    }
}

/// Checks `document` and makes it fit to decide by, as version `version` of policy `id`.
///
/// # Errors
/// Every fault at once, each with the path of its field.
pub fn compile(
    document: &Document,
    id: PolicyId,
    version: i32,
) -> Result<(Compiled, Vec<Warning>), Vec<Fault>> {
    let mut check = Check { faults: Vec::new(), warnings: Vec::new(), totals: Totals::default() };
    check.scope(&document.scope);
    let count: usize = List::ALL.iter().map(|&list| document.rules(list).len()).sum();
    if count > MAX_RULES {
        check.faults.push(Fault::new("", format!("has {count} rules; at most {MAX_RULES} are accepted")));
        return Err(check.faults);
    }
    check.written_ids(document);
    let mut document = document.clone();
    let twins = name_rules(&mut document);
    let mut compiled = Compiled {
        id,
        version,
        document: Document::empty(document.scope.clone()),
        deny: Rules::default(),
        require_approval: Rules::default(),
        allow: Rules::default(),
    };
    for list in List::ALL {
        let mut rules = Rules::default();
        for (position, rule) in document.rules(list).iter().enumerate() {
            let path = format!("{}[{position}]", list.as_str());
            if twins.contains(&(list, position)) {
                check.warn(&path, "repeats a rule above it; give both an `id` if that is meant");
            }
            if let Some(rule) = check.rule(list, rule, &path) {
                rules.push(rule);
            }
        }
        match list {
            List::Deny => compiled.deny = rules,
            List::RequireApproval => compiled.require_approval = rules,
            List::Allow => compiled.allow = rules,
        }
    }
    compiled.document = document;
    if check.faults.is_empty() { Ok((compiled, check.warnings)) } else { Err(check.faults) }
}

#[derive(Default)]
struct Totals {
    unindexed: usize,
    expressions: usize,
}

struct Check {
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
    totals: Totals,
}

impl Check {
    fn fault(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.faults.push(Fault::new(field, message));
    }

    fn warn(&mut self, field: &str, message: &str) {
        self.warnings.push(Warning { field: field.into(), message: message.into() });
    }

    fn scope(&mut self, scope: &Scope) {
        if let Scope::Team(team) = scope {
            if team.is_empty() {
                self.fault("scope.team", "is empty");
            } else if team.len() > MAX_TEAM_BYTES {
                self.fault("scope.team", format!("is longer than {MAX_TEAM_BYTES} bytes"));
            }
        }
    }

    fn written_ids(&mut self, document: &Document) {
        let mut seen = HashSet::new();
        for list in List::ALL {
            for (position, rule) in document.rules(list).iter().enumerate() {
                let Some(id) = &rule.id else { continue };
                let field = format!("{}[{position}].id", list.as_str());
                let is_plain = |byte: u8| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
                };
                if id.is_empty() || id.len() > MAX_RULE_ID_CHARS || !id.bytes().all(is_plain) {
                    let message =
                        format!("is not 1 to {MAX_RULE_ID_CHARS} of `a` to `z`, `0` to `9`, `.`, `_`, `-`");
                    self.fault(field, message);
                } else if !seen.insert(id) {
                    self.fault(field, format!("`{id}` is the id of another rule of this policy"));
                }
            }
        }
    }

    fn rule(&mut self, list: List, rule: &Rule, path: &str) -> Option<CompiledRule> {
        let action = self.action(list, rule, path);
        let resource = self.resource(list, rule, path);
        let condition = rule.conditions.as_ref().map(|conditions| {
            let field = format!("{path}.conditions");
            if conditions.expression.is_some() {
                self.totals.expressions += 1;
                if self.totals.expressions == MAX_EXPRESSIONS + 1 {
                    self.fault(
                        format!("{field}.expression"),
                        format!("is one of more than {MAX_EXPRESSIONS} expressions in this policy"),
                    );
                }
            }
            Condition::new(conditions, &field, &mut self.faults)
        });
        if let Some(reason) = &rule.reason
            && reason.len() > MAX_REASON_BYTES
        {
            let message = format!("is {} bytes long; at most {MAX_REASON_BYTES} are accepted", reason.len());
            self.fault(format!("{path}.reason"), message);
        }
        let (action, resource) = (action?, resource?);
        let is_unindexed = resource.literal_start().0.is_empty()
            && action.patterns().any(|pattern| pattern.literal_start().0.is_empty());
        if is_unindexed {
            self.totals.unindexed += 1;
            if self.totals.unindexed == MAX_UNINDEXED_RULES + 1 {
                let message = format!(
                    "is one of more than {MAX_UNINDEXED_RULES} rules of this policy of which neither action nor resource starts with a literal"
                );
                self.fault(path, message);
            }
        }
        let condition = match condition {
            Some(checked) => Some(checked?),
            None => None,
        };
        Some(CompiledRule {
            id: rule.id.as_deref().unwrap_or_default().into(),
            reason: rule.reason.as_deref().map(Arc::from),
            action,
            resource,
            condition,
        })
    }

    fn action(&mut self, list: List, rule: &Rule, path: &str) -> Option<ActionPattern> {
        let field = format!("{path}.action");
        match action_pattern(&rule.action) {
            Ok((pattern, tokens)) => {
                warn::action(list, &rule.action, &tokens, &field, &mut self.warnings);
                Some(pattern)
            }
            Err(message) => {
                self.fault(field, message);
                None
            }
        }
    }

    fn resource(&mut self, list: List, rule: &Rule, path: &str) -> Option<Pattern> {
        let Some(text) = &rule.resource else { return Some(Pattern::everything(Subject::Resource)) };
        let field = format!("{path}.resource");
        match resource_tokens(text) {
            Ok(tokens) => {
                warn::resource(list, &rule.action, text, &tokens, &field, &mut self.warnings);
                Some(Pattern::new(Subject::Resource, tokens))
            }
            Err(invalid) => {
                self.fault(field, invalid.to_string());
                None
            }
        }
    }
}

/// Reads an action pattern.
fn action_pattern(text: &str) -> Result<(ActionPattern, Vec<Token>), String> {
    if text.contains('\\') {
        return Err("has a `\\`; no action contains one, and nothing is escaped here".into());
    }
    let form = action::canonical_pattern(text).map_err(|invalid| invalid.to_string())?;
    let has_wildcard = form.contains(['*', '?']);
    if has_wildcard && !form.contains(':') && form.contains(|char| char != '*') {
        let literal: String = form.chars().filter(|char| !matches!(char, '*' | '?')).collect();
        let suggestion = if form.starts_with('*') { format!("*:{literal}") } else { format!("{literal}:*") };
        return Err(format!(
            "is one segment with a wildcard, which would match parts of words; perhaps `{suggestion}` is meant"
        ));
    }
    let tokens = action_tokens(&form).map_err(|invalid| invalid.to_string())?;
    let bare = match form.trim_end_matches('*').strip_suffix(':') {
        Some(bare) if form.ends_with('*') => {
            let tokens = action_tokens(bare).map_err(|invalid| invalid.to_string())?;
            Some(Pattern::part(Subject::Action, &tokens))
        }
        Some(_) | None => None,
    };
    Ok((ActionPattern { whole: Pattern::new(Subject::Action, tokens.clone()), bare }, tokens))
}

/// Gives every rule without an id one that is made from its list, its content and its occurrence, so that it
/// stays the same while other rules come and go. Says which rules repeat an earlier one.
fn name_rules(document: &mut Document) -> HashSet<(List, usize)> {
    let mut taken: HashSet<String> =
        List::ALL.iter().flat_map(|&list| document.rules(list)).filter_map(|rule| rule.id.clone()).collect();
    let mut occurrences: HashMap<(List, String), u32> = HashMap::new();
    let mut twins = HashSet::new();
    for list in List::ALL {
        for (position, rule) in document.rules_mut(list).iter_mut().enumerate() {
            if rule.id.is_some() {
                continue;
            }
            let content = rule_to_json(rule).to_string();
            let occurrence = occurrences.entry((list, content.clone())).or_default();
            if *occurrence > 0 {
                twins.insert((list, position));
            }
            loop {
                *occurrence += 1;
                let id = made_id(list, &content, *occurrence);
                if taken.insert(id.clone()) {
                    rule.id = Some(id);
                    break;
                }
            }
        }
    }
    twins
}

fn made_id(list: List, content: &str, occurrence: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(format!("{}\n{occurrence}\n{content}", list.as_str()));
    let name = match list {
        List::Deny => "deny",
        List::RequireApproval => "approval",
        List::Allow => "allow",
    };
    let digits: String = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("{name}-{digits}")
}

#[cfg(test)]
mod tests;
