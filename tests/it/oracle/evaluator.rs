//! The naive evaluator: every rule of every policy, one after the other, in the words of the design.

use agentguard::clock::Timestamp;
use agentguard::policy::{
    Conditions, DayOfWeek, Document, Environment, ReasonCode, Request, Rule, Scope, ScopeKind, Subject,
    TimeRange, Verdict,
};

use super::coverage::{Coverage, Form};
use super::expression::{self, Expression, Scene};
use super::pattern::Pattern;
use super::{resource, time};

#[derive(Clone, Debug)]
pub struct NaiveRule {
    pub id: String,
    pub action: String,
    pub resource: Option<String>,
    pub env: Option<Vec<Environment>>,
    pub time_range: Option<(String, String, Option<&'static str>)>,
    pub days: Option<(Vec<&'static str>, Option<&'static str>)>,
    pub expression: Option<Expression>,
    /// The patterns as this evaluator understands them; absent in a rule that has to be refused.
    pub patterns: Option<(Pattern, Option<Pattern>)>,
}

/// Deny, require approval, allow.
#[derive(Clone, Debug, Default)]
pub struct NaivePolicy {
    pub lists: [Vec<NaiveRule>; 3],
}

/// What a decision is made of: the agent's, the team's and everyone's policy.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub policies: [Option<NaivePolicy>; 3],
}

pub const SCOPES: [ScopeKind; 3] = [ScopeKind::Agent, ScopeKind::Team, ScopeKind::Everyone];
pub const DENY: usize = 0;
pub const APPROVAL: usize = 1;
pub const ALLOW: usize = 2;

/// The part of an answer that has to be the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub verdict: Verdict,
    pub code: ReasonCode,
    /// Scope, id, with error.
    pub rule: Option<(ScopeKind, String, bool)>,
    pub error_rule_ids: Vec<String>,
    /// Whether the reason says that the request names no resource; absent where it may.
    pub is_resource_unknown: Option<bool>,
}

impl Answer {
    /// Whether an engine may give this answer where the evaluator gives `self`.
    pub fn allows(&self, came: &Answer) -> bool {
        let is_resource_unknown = self.is_resource_unknown.and(came.is_resource_unknown);
        *self == Answer { is_resource_unknown, ..came.clone() }
    }
}

pub struct Question<'a> {
    pub subject: &'a Subject,
    pub request: &'a Request,
    pub now: Timestamp,
    pub is_killed: bool,
}

impl NaiveRule {
    pub fn document(&self) -> Rule {
        let conditions = Conditions {
            env: self.env.as_ref().map(|env| env.iter().map(ToString::to_string).collect()),
            time_range: self.time_range.as_ref().map(|(start, end, tz)| TimeRange {
                start: start.clone(),
                end: end.clone(),
                tz: tz.map(str::to_owned),
            }),
            day_of_week: self.days.as_ref().map(|(days, tz)| DayOfWeek {
                days: days.iter().map(|day| (*day).to_owned()).collect(),
                tz: tz.map(str::to_owned),
            }),
            expression: self.expression.as_ref().map(Expression::print),
        };
        Rule {
            id: Some(self.id.clone()),
            action: self.action.clone(),
            resource: self.resource.clone(),
            conditions: (conditions != Conditions::default()).then_some(conditions),
            reason: None,
        }
    }
}

impl NaivePolicy {
    pub fn document(&self, scope: Scope) -> Document {
        let [deny, require_approval, allow] =
            self.lists.each_ref().map(|list| list.iter().map(NaiveRule::document).collect());
        Document { scope, deny, require_approval, allow }
    }
}

pub fn decide(world: &World, question: &Question<'_>, seen: &mut Coverage) -> Answer {
    let deny = |code| Answer {
        verdict: Verdict::Deny,
        code,
        rule: None,
        error_rule_ids: Vec::new(),
        is_resource_unknown: Some(false),
    };
    if question.is_killed {
        return deny(ReasonCode::KillSwitch);
    }
    if !question.subject.is_active {
        return deny(ReasonCode::AgentInactive);
    }
    let denied = level(world, DENY, question, seen);
    if let Some(hit) = denied.reported {
        count_conflict(world, question, seen);
        let code = if hit.is_errored { ReasonCode::DeniedRuleError } else { ReasonCode::DeniedByRule };
        return hit.answer(Verdict::Deny, code, denied.failed);
    }
    if question.request.resource.as_ref().is_some_and(|text| !resource::is_canonical(text)) {
        return deny(ReasonCode::ResourceNotCanonical);
    }
    let held = level(world, APPROVAL, question, seen);
    if let Some(hit) = held.reported {
        count_conflict(world, question, seen);
        let code = match question.request.approval_id {
            Some(_) => ReasonCode::ApprovalUnavailable,
            None => ReasonCode::ApprovalRequired,
        };
        return hit.answer(Verdict::RequireApproval, code, held.failed);
    }
    let allowed = level(world, ALLOW, question, seen);
    if let Some(hit) = allowed.reported {
        return hit.answer(Verdict::Allow, ReasonCode::AllowedByRule, allowed.failed);
    }
    let has_policy = world.policies.iter().any(Option::is_some);
    let code = if has_policy { ReasonCode::DeniedDefault } else { ReasonCode::DeniedNoPolicy };
    let is_resource_unknown = Some(allowed.has_missed_unknown);
    Answer { error_rule_ids: allowed.failed, is_resource_unknown, ..deny(code) }
}

/// Whether an allow would have matched what a stricter list decided.
fn count_conflict(world: &World, question: &Question<'_>, seen: &mut Coverage) {
    if level(world, ALLOW, question, &mut Coverage::new()).reported.is_some() {
        seen.hit(Form::Conflict);
    }
}

/// A rule that matches.
#[derive(Clone)]
struct Hit {
    scope: ScopeKind,
    id: String,
    is_errored: bool,
    /// Only because the request names no resource.
    is_by_unknown: bool,
}

impl Hit {
    fn answer(self, verdict: Verdict, code: ReasonCode, error_rule_ids: Vec<String>) -> Answer {
        let rule = Some((self.scope, self.id, self.is_errored));
        Answer { verdict, code, rule, error_rule_ids, is_resource_unknown: Some(self.is_by_unknown) }
    }
}

/// What a level comes to.
struct Level {
    /// The rule to report.
    reported: Option<Hit>,
    /// The rules that failed.
    failed: Vec<String>,
    /// Whether a rule did not apply because the request names no resource.
    has_missed_unknown: bool,
}

fn level(world: &World, list: usize, question: &Question<'_>, seen: &mut Coverage) -> Level {
    let (mut hits, mut failed, mut has_missed_unknown): (Vec<Hit>, _, _) = (Vec::new(), Vec::new(), false);
    let action: Vec<char> = question.request.action.as_str().chars().collect();
    let resource: Option<Vec<char>> = question.request.resource.as_ref().map(|text| text.chars().collect());
    for (scope, policy) in SCOPES.iter().zip(&world.policies) {
        for rule in policy.iter().flat_map(|policy| &policy.lists[list]) {
            let (actions, resources) = rule.patterns.as_ref().unwrap();
            let is_all = resources.as_ref().is_none_or(Pattern::is_everything);
            if !applies(rule, list, &action, resource.as_deref(), seen) {
                has_missed_unknown |= resource.is_none() && !is_all && actions.matches(&action);
                continue;
            }
            let holds = holds(rule, question, seen);
            if let Err(form) = holds {
                seen.hit(form);
                failed.push(rule.id.clone());
            }
            if holds.unwrap_or(list != ALLOW) {
                let (id, is_errored) = (rule.id.clone(), holds.is_err());
                hits.push(Hit {
                    scope: *scope,
                    id,
                    is_errored,
                    is_by_unknown: resource.is_none() && !is_all,
                });
            }
        }
    }
    let reported = hits.iter().find(|hit| !hit.is_errored).or(hits.first()).cloned();
    if reported.as_ref().is_some_and(|hit| !hit.is_errored) && hits.iter().any(|hit| hit.is_errored) {
        seen.hit(Form::ReportedOverError);
    }
    Level { reported, failed, has_missed_unknown }
}

fn applies(
    rule: &NaiveRule,
    list: usize,
    action: &[char],
    resource: Option<&[char]>,
    seen: &mut Coverage,
) -> bool {
    let (actions, resources) = rule.patterns.as_ref().unwrap();
    if !actions.matches(action) {
        return false;
    }
    let is_all = resources.as_ref().is_none_or(Pattern::is_everything);
    let applies = match (resource, resources) {
        (_, None) => true,
        (None, Some(_)) => {
            if !is_all {
                seen.hit(if list == ALLOW { Form::UnknownMissed } else { Form::UnknownMatched });
            }
            list != ALLOW || is_all
        }
        (Some(text), Some(pattern)) => {
            let matches = pattern.matches(text);
            match matches {
                true => count_resource(rule.resource.as_ref().unwrap(), is_all, seen),
                false => seen.hit(Form::ResourceMissed),
            }
            matches
        }
    };
    if applies {
        count_action(&rule.action, actions.is_everything(), action, seen);
        if resources.is_none() {
            seen.hit(Form::ResourceAbsent);
        }
    }
    applies
}

fn count_action(written: &str, is_all: bool, action: &[char], seen: &mut Coverage) {
    if is_all {
        return seen.hit(Form::ActionLone);
    }
    let has_deep = written.contains("**");
    if !written.contains(['*', '?']) {
        seen.hit(Form::ActionLiteral);
    }
    if has_deep {
        seen.hit(Form::ActionDeep);
    } else if written.contains('*') {
        seen.hit(Form::ActionStar);
    }
    if written.contains('?') {
        seen.hit(Form::ActionQuestion);
    }
    let depth = action.iter().filter(|c| **c == ':').count();
    if written.ends_with(":*") && !has_deep && depth + 1 == written.matches(':').count() {
        seen.hit(Form::ActionBarePrefix);
    }
}

fn count_resource(written: &str, is_all: bool, seen: &mut Coverage) {
    if is_all {
        return seen.hit(Form::ResourceLone);
    }
    if !written.contains(['*', '?', '\\']) {
        seen.hit(Form::ResourceLiteral);
    }
    for (text, form) in [
        ("**", Form::ResourceDeep),
        ("*", Form::ResourceStar),
        ("?", Form::ResourceQuestion),
        ("\\", Form::ResourceEscape),
    ] {
        if written.contains(text) {
            seen.hit(form);
        }
    }
}

/// All conditions hold; a false one beside one that fails makes the whole false.
fn holds(rule: &NaiveRule, question: &Question<'_>, seen: &mut Coverage) -> Result<bool, Form> {
    let mut result = true;
    if let Some(env) = &rule.env {
        let holds = env.contains(&question.subject.environment);
        seen.hit(if holds { Form::EnvTrue } else { Form::EnvFalse });
        result &= holds;
    }
    if let Some((start, end, tz)) = &rule.time_range {
        let holds = time::is_within(time::local(question.now, *tz).0, start, end);
        seen.hit(if holds { Form::TimeTrue } else { Form::TimeFalse });
        if holds && end < start {
            seen.hit(Form::TimeWraps);
        }
        if tz.is_some() {
            seen.hit(Form::TimeZone);
        }
        result &= holds;
    }
    if let Some((days, tz)) = &rule.days {
        let today = time::local(question.now, *tz).1;
        let holds = days.iter().any(|day| time::day(day) == today);
        seen.hit(if holds { Form::DayTrue } else { Form::DayFalse });
        if tz.is_some() {
            seen.hit(Form::DayZone);
        }
        result &= holds;
    }
    let Some(expression) = rule.expression.as_ref().filter(|_| result) else { return Ok(result) };
    let now = question.now.as_micros();
    let mut scene = Scene { subject: question.subject, request: question.request, now, element: None };
    let holds = expression::run(expression, &mut scene)?;
    seen.hit(if holds { Form::ExpressionTrue } else { Form::ExpressionFalse });
    Ok(holds)
}
