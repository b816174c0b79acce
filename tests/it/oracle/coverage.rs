//! Which forms the cases took, counted; a form that no case took fails the run.

macro_rules! forms {
    ($($name:ident $text:literal)+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Form { $($name,)+ }

        impl Form {
            pub const ALL: &'static [(Form, &'static str)] = &[$((Form::$name, $text),)+];
        }
    };
}

forms! {
    Allow "verdict: ALLOW"
    Deny "verdict: DENY"
    RequireApproval "verdict: REQUIRE_APPROVAL"
    AllowedByRule "code: ALLOWED_BY_RULE"
    DeniedByRule "code: DENIED_BY_RULE"
    DeniedRuleError "code: DENIED_RULE_ERROR"
    DeniedNoPolicy "code: DENIED_NO_POLICY"
    DeniedDefault "code: DENIED_DEFAULT"
    ApprovalRequired "code: APPROVAL_REQUIRED"
    ApprovalUnavailable "code: APPROVAL_UNAVAILABLE"
    KillSwitch "code: KILL_SWITCH"
    AgentInactive "code: AGENT_INACTIVE"
    ResourceNotCanonical "code: RESOURCE_NOT_CANONICAL"
    ReportedAgent "reported rule: the agent's"
    ReportedTeam "reported rule: the team's"
    ReportedEveryone "reported rule: everyone's"
    ReportedErrored "reported rule: with error"
    ReportedOverError "reported rule: before one with error"
    Conflict "an allow matched below a deny or an approval"
    ActionLiteral "action pattern matched: literal"
    ActionStar "action pattern matched: *"
    ActionDeep "action pattern matched: **"
    ActionQuestion "action pattern matched: ?"
    ActionLone "action pattern matched: every action"
    ActionBarePrefix "action pattern matched: bare prefix"
    ResourceAbsent "resource pattern matched: none"
    ResourceLiteral "resource pattern matched: literal"
    ResourceStar "resource pattern matched: *"
    ResourceDeep "resource pattern matched: **"
    ResourceQuestion "resource pattern matched: ?"
    ResourceEscape "resource pattern matched: escape"
    ResourceLone "resource pattern matched: every resource"
    ResourceMissed "resource pattern not matched"
    UnknownMatched "unknown resource: pattern counted as matched"
    UnknownMissed "unknown resource: pattern of an allow not matched"
    EnvTrue "env: true"
    EnvFalse "env: false"
    TimeTrue "time_range: true"
    TimeFalse "time_range: false"
    TimeWraps "time_range: wraps midnight and holds"
    TimeZone "time_range: in a zone"
    DayTrue "day_of_week: true"
    DayFalse "day_of_week: false"
    DayZone "day_of_week: in a zone"
    ExpressionTrue "expression: true"
    ExpressionFalse "expression: false"
    ErrorMissing "error: missing field"
    ErrorFieldOfNoObject "error: field of what is no object"
    ErrorUnknownResource "error: unknown resource"
    ErrorIndex "error: index"
    ErrorEqualityKinds "error: == over kinds"
    ErrorOrderingKinds "error: ordering over kinds"
    ErrorInKinds "error: in over kinds"
    ErrorInNoList "error: in what is no list"
    ErrorComputeKind "error: computing with another kind"
    ErrorDivisionByZero "error: division by zero"
    ErrorFunctionKind "error: function of another kind"
    ErrorMacroKind "error: macro over what is no list"
    ErrorConversion "error: conversion"
    ErrorNotBoolean "error: operand that is no truth"
    ErrorResultNotBoolean "error: result that is no truth"
    RefusedAction "refused when written: action"
    RefusedResource "refused when written: resource"
    RefusedRequest "refused request: action"
}

pub struct Coverage([u64; Form::ALL.len()]);

impl Coverage {
    pub fn new() -> Self {
        Self([0; Form::ALL.len()])
    }

    pub fn hit(&mut self, form: Form) {
        self.0[form as usize] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            *to += from;
        }
    }

    /// Forms that no case took.
    pub fn missing(&self) -> Vec<&'static str> {
        let forms = Form::ALL.iter().filter(|(form, _)| self.0[*form as usize] == 0);
        forms.map(|(_, text)| *text).collect()
    }

    pub fn table(&self) -> String {
        let lines = Form::ALL.iter().map(|(form, text)| format!("{:>10}  {text}", self.0[*form as usize]));
        lines.collect::<Vec<_>>().join("\n")
    }
}
