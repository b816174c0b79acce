//! Wrong engines, made on purpose: each breaks one sentence of the design. The comparison has to catch all.

use agentguard::policy::{Compiled, Document, List, ReasonCode, Rule, ScopeKind, Verdict};

use super::evaluator::Answer;
use super::{Asked, decided};

macro_rules! mutants {
    ($($name:ident $text:literal)+) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum Mutant { $($name,)+ }

        impl Mutant {
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)+];

            pub fn describe(self) -> &'static str {
                match self { $(Mutant::$name => $text,)+ }
            }
        }
    };
}

mutants! {
    AllowsByDefault "allows by default"
    ApprovalBeforeDeny "approval before deny"
    AllowBeforeApproval "allow before approval"
    NotCanonicalBeforeDeny "resource not canonical before deny"
    FailedDenyIsAbsent "a deny whose condition fails is not matched"
    FailedAllowMatches "an allow whose condition fails is matched"
    FailedRulesAreNotNamed "failed rules are not named"
    LastRuleIsReported "the last matching rule is reported"
    EveryoneBeforeAgent "everyone's rule is reported before the agent's"
    AgentShadowsEveryone "the agent's policy hides everyone's"
    StarCrossesSeparators "a star crosses separators in resources"
    QuestionMatchesNothing "a question mark also matches nothing"
    NoBarePrefix "a final star does not match the bare prefix"
    UnknownResourceIsAllowed "an unknown resource matches an allow of any resource"
    UnknownResourceEscapesDeny "an unknown resource escapes a deny of a resource"
    CaseDoesNotMatter "case does not matter in resources"
    EndIsInclusive "the end of a time range is inclusive"
    ZonesAreIgnored "time zones are ignored"
    EnvIsIgnored "env is ignored"
    DaysAreIgnored "day_of_week is ignored"
    ExpressionsAreIgnored "expressions are ignored"
    ApprovalIdReleases "an approval id releases"
    InactiveMayAct "an inactive agent is decided like any other"
    InactiveBeforeKillSwitch "inactive before the kill switch"
}

impl Mutant {
    /// Makes the policy say what the wrong engine would take it to say.
    pub fn rewrite(self, document: &mut Document) {
        if self == Mutant::LastRuleIsReported {
            document.deny.reverse();
            document.require_approval.reverse();
            document.allow.reverse();
        }
        for list in List::ALL {
            let rules = match list {
                List::Deny => &mut document.deny,
                List::RequireApproval => &mut document.require_approval,
                List::Allow => &mut document.allow,
            };
            for rule in rules {
                self.rewrite_rule(rule);
            }
        }
    }

    fn rewrite_rule(self, rule: &mut Rule) {
        match self {
            Mutant::StarCrossesSeparators => {
                if let Some(resource) = &mut rule.resource
                    && !resource.contains(['\\'])
                    && !resource.contains("**")
                    && resource.matches('*').count() <= 2
                {
                    *resource = resource.replace('*', "**");
                }
            }
            Mutant::QuestionMatchesNothing => {
                if let Some(resource) = &mut rule.resource
                    && !resource.contains(['\\', '*'])
                {
                    *resource = resource.replace('?', "*");
                }
            }
            Mutant::NoBarePrefix if rule.action.ends_with(":*") => {
                rule.action = format!("{}?*", &rule.action[..rule.action.len() - 1]);
            }
            Mutant::EndIsInclusive
            | Mutant::ZonesAreIgnored
            | Mutant::EnvIsIgnored
            | Mutant::DaysAreIgnored
            | Mutant::ExpressionsAreIgnored => {
                let Some(conditions) = &mut rule.conditions else { return };
                match self {
                    Mutant::EndIsInclusive => {
                        if let Some(range) = &mut conditions.time_range
                            && range.end.ends_with('0')
                        {
                            let end = format!("{}1", &range.end[..4]);
                            if end != range.start {
                                range.end = end;
                            }
                        }
                    }
                    Mutant::ZonesAreIgnored => {
                        if let Some(range) = &mut conditions.time_range {
                            range.tz = None;
                        }
                        if let Some(days) = &mut conditions.day_of_week {
                            days.tz = None;
                        }
                    }
                    Mutant::DaysAreIgnored => conditions.day_of_week = None,
                    Mutant::ExpressionsAreIgnored => conditions.expression = None,
                    _ => conditions.env = None,
                }
                if *conditions == agentguard::policy::Conditions::default() {
                    rule.conditions = None;
                }
            }
            Mutant::CaseDoesNotMatter => {
                rule.resource = rule.resource.as_ref().map(|resource| resource.to_lowercase());
            }
            _ => {}
        }
    }

    /// The wrong engine's answer.
    pub fn answer(
        self,
        policies: &[Option<Compiled>; 3],
        without_denies: &[Option<Compiled>; 3],
        asked: &Asked,
    ) -> Answer {
        let answer = decided(policies, asked);
        let mut asked = asked.clone();
        match self {
            Mutant::AllowsByDefault if answer.code == ReasonCode::DeniedDefault => {
                Answer { verdict: Verdict::Allow, code: ReasonCode::AllowedByRule, ..answer }
            }
            Mutant::ApprovalBeforeDeny => {
                let below = decided(without_denies, &asked);
                if below.verdict == Verdict::RequireApproval { below } else { answer }
            }
            Mutant::NotCanonicalBeforeDeny => {
                let below = decided(without_denies, &asked);
                if below.code == ReasonCode::ResourceNotCanonical { below } else { answer }
            }
            Mutant::AllowBeforeApproval if answer.verdict == Verdict::RequireApproval => {
                Answer { verdict: Verdict::Allow, code: ReasonCode::AllowedByRule, ..answer }
            }
            Mutant::FailedDenyIsAbsent if answer.code == ReasonCode::DeniedRuleError => {
                decided(without_denies, &asked)
            }
            Mutant::FailedAllowMatches
                if answer.code == ReasonCode::DeniedDefault && !answer.error_rule_ids.is_empty() =>
            {
                let rule = Some((ScopeKind::Agent, answer.error_rule_ids[0].clone(), true));
                Answer { verdict: Verdict::Allow, code: ReasonCode::AllowedByRule, rule, ..answer }
            }
            Mutant::FailedRulesAreNotNamed => Answer { error_rule_ids: Vec::new(), ..answer },
            Mutant::EveryoneBeforeAgent => {
                let [agent, team, everyone] = policies.clone();
                let mut answer = decided(&[everyone, team, agent], &asked);
                if let Some((scope, _, _)) = &mut answer.rule {
                    *scope = match scope {
                        ScopeKind::Agent => ScopeKind::Everyone,
                        ScopeKind::Team => ScopeKind::Team,
                        ScopeKind::Everyone => ScopeKind::Agent,
                    };
                }
                answer
            }
            Mutant::AgentShadowsEveryone if policies[0].is_some() => {
                decided(&[policies[0].clone(), None, None], &asked)
            }
            Mutant::UnknownResourceIsAllowed
                if asked.request.resource.is_none() && answer.code == ReasonCode::DeniedDefault =>
            {
                asked.request.resource = Some("/a".into());
                decided(policies, &asked)
            }
            Mutant::UnknownResourceEscapesDeny
                if asked.request.resource.is_none() && answer.code == ReasonCode::DeniedByRule =>
            {
                asked.request.resource = Some("nowhere".into());
                decided(policies, &asked)
            }
            Mutant::CaseDoesNotMatter => {
                asked.request.resource = asked.request.resource.map(|text| text.to_lowercase());
                decided(policies, &asked)
            }
            Mutant::ApprovalIdReleases if answer.code == ReasonCode::ApprovalUnavailable => {
                Answer { verdict: Verdict::Allow, code: ReasonCode::AllowedByRule, ..answer }
            }
            Mutant::InactiveMayAct => {
                asked.subject.is_active = true;
                decided(policies, &asked)
            }
            Mutant::InactiveBeforeKillSwitch if !asked.subject.is_active => {
                asked.is_killed = false;
                decided(policies, &asked)
            }
            _ => answer,
        }
    }
}
