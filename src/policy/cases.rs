//! Decisions written down as data: a YAML file of cases is read and run, without a server.
//!
//! `docs/policies.md` describes the form. A file that is not of that form is refused with every fault; a case
//! whose expectation is not met says what came instead.

mod read;

use std::collections::BTreeSet;

use serde_json::Value;

use super::{
    Action, Compiled, Decision, Fault, Policies, Request, Scope, ScopeKind, Subject, Warning, compile,
    decide, document,
};
use crate::clock::Timestamp;
use crate::ids::PolicyId;

/// What came of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the file says it shows.
    pub description: Option<String>,
    /// Its cases, in order.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// Whether every case came out as expected.
    pub fn has_passed(&self) -> bool {
        self.cases.iter().all(CaseReport::has_passed)
    }
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Which part of the design it shows; free text.
    pub section: Option<String>,
    /// Each expectation that was not met: what was expected and what came.
    pub failures: Vec<String>,
}

impl CaseReport {
    /// Whether it came out as expected.
    pub const fn has_passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Reads `yaml` and runs its cases.
///
/// # Errors
/// Every fault of the file's form.
pub fn run(yaml: &str) -> Result<Report, Vec<Fault>> {
    let json: Value =
        serde_saphyr::from_str(yaml).map_err(|error| vec![Fault::new("", format!("is no YAML: {error}"))])?;
    let file = read::file(&json)?;
    let cases = file.cases.iter().map(|case| CaseReport {
        name: case.name.clone(),
        section: case.section.clone(),
        failures: case.failures(),
    });
    Ok(Report { description: file.description, cases: cases.collect() })
}

struct File {
    description: Option<String>,
    cases: Vec<Case>,
}

struct Case {
    name: String,
    section: Option<String>,
    policies: Vec<Value>,
    agent: Subject,
    now: Timestamp,
    kill_switch: Option<ScopeKind>,
    asked: Asked,
    expect: Expect,
}

/// What a case asks.
enum Asked {
    /// Only whether the policies are accepted.
    Nothing,
    /// The canonical form of an action.
    Action(String),
    /// A decision.
    Request(Box<AskedRequest>),
}

#[derive(Default)]
struct AskedRequest {
    action: String,
    resource: Option<String>,
    arguments: super::Object,
    context: super::Object,
    session_id: Option<String>,
    on_behalf_of: Option<String>,
    approval_id: Option<String>,
}

impl AskedRequest {
    fn checked(&self) -> Result<Request, Vec<Fault>> {
        Request::new(
            &self.action,
            self.resource.clone(),
            self.arguments.clone(),
            self.context.clone(),
            self.session_id.clone(),
            self.on_behalf_of.clone(),
            self.approval_id.clone(),
        )
    }
}

/// What a case expects; what is absent is not looked at.
#[derive(Default)]
struct Expect {
    verdict: Option<String>,
    reason_code: Option<String>,
    /// The inner `None`: no rule.
    rule_id: Option<Option<String>>,
    scope: Option<String>,
    error_rule_ids: Option<Vec<String>>,
    reason_contains: Option<String>,
    refused: Option<Vec<String>>,
    warned: Option<Vec<String>>,
    invalid: Option<Vec<String>>,
    canonical: Option<String>,
}

impl Case {
    fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        match self.outcome(&mut failures) {
            Ok(()) => {}
            Err(failure) => failures.push(failure),
        }
        failures
    }

    fn outcome(&self, failures: &mut Vec<String>) -> Result<(), String> {
        let expect = &self.expect;
        let (policies, warnings) = match (self.compiled(), &expect.refused) {
            (Ok(compiled), None) => compiled,
            (Ok(_), Some(fields)) => {
                return Err(format!("expected the policies to be refused for {fields:?}"));
            }
            (Err(faults), None) => return Err(format!("the policies are refused: {}", listed(&faults))),
            (Err(faults), Some(wanted)) => {
                check(failures, "refused", wanted, &fields(&faults));
                return Ok(());
            }
        };
        if let Some(wanted) = &expect.warned {
            let came: Vec<String> = warnings.into_iter().map(|warning| warning.field).collect();
            check(failures, "warned", wanted, &came);
        }
        match &self.asked {
            Asked::Nothing => Ok(()),
            Asked::Action(name) => match (Action::parse(name), &expect.invalid) {
                (Ok(action), None) => {
                    if let Some(wanted) = &expect.canonical {
                        check(failures, "canonical", wanted, &action.as_str().to_owned());
                    }
                    Ok(())
                }
                (Ok(action), Some(_)) => Err(format!("expected an invalid action, came `{action}`")),
                (Err(error), None) => Err(format!("the action {error}")),
                (Err(_), Some(wanted)) => {
                    check(failures, "invalid", wanted, &vec!["action".to_owned()]);
                    Ok(())
                }
            },
            Asked::Request(asked) => match (asked.checked(), &expect.invalid) {
                (Ok(request), None) => {
                    self.decision(&self.decided(&policies, &request)?, failures);
                    Ok(())
                }
                (Ok(_), Some(wanted)) => Err(format!("expected the request to be invalid for {wanted:?}")),
                (Err(faults), None) => Err(format!("the request is invalid: {}", listed(&faults))),
                (Err(faults), Some(wanted)) => {
                    check(failures, "invalid", wanted, &fields(&faults));
                    Ok(())
                }
            },
        }
    }

    fn compiled(&self) -> Result<(Vec<Compiled>, Vec<Warning>), Vec<Fault>> {
        let (mut compiled, mut warnings, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        for (position, json) in self.policies.iter().enumerate() {
            let id = PolicyId::new(Timestamp::default(), [u8::try_from(position).unwrap_or(u8::MAX); 16]);
            match document::from_json(json).and_then(|document| compile(&document, id, 1)) {
                Ok((policy, warned)) => {
                    compiled.push(policy);
                    warnings.extend(warned);
                }
                Err(more) => faults.extend(more),
            }
        }
        if faults.is_empty() { Ok((compiled, warnings)) } else { Err(faults) }
    }

    fn decided(&self, compiled: &[Compiled], request: &Request) -> Result<Decision, String> {
        let mut seen = BTreeSet::new();
        for policy in compiled {
            let scope = &policy.document().scope;
            if !seen.insert(scope) {
                return Err(format!("the case has two policies for {scope}"));
            }
        }
        let of = |scope: &Scope| compiled.iter().find(|policy| policy.document().scope == *scope);
        let policies = Policies {
            kill_switch: self.kill_switch,
            everyone: of(&Scope::Everyone),
            team: of(&Scope::Team(self.agent.team.clone())),
            agent: of(&Scope::Agent(self.agent.id.clone())),
        };
        Ok(decide(&policies, &self.agent, request, self.now))
    }

    fn decision(&self, decision: &Decision, failures: &mut Vec<String>) {
        let expect = &self.expect;
        let rule = decision.rule.as_ref();
        if let Some(wanted) = &expect.verdict {
            check(failures, "verdict", wanted, &decision.verdict.to_string());
        }
        if let Some(wanted) = &expect.reason_code {
            check(failures, "reason_code", wanted, &decision.code.to_string());
        }
        if let Some(wanted) = &expect.rule_id {
            check(failures, "rule_id", wanted, &rule.map(|rule| rule.rule_id.to_string()));
        }
        if let Some(wanted) = &expect.scope {
            check(failures, "scope", &Some(wanted.as_str()), &rule.map(|rule| rule.scope.as_str()));
        }
        if let Some(wanted) = &expect.error_rule_ids {
            let came: Vec<String> = decision.error_rule_ids.iter().map(ToString::to_string).collect();
            check(failures, "error_rule_ids", wanted, &came);
        }
        if let Some(wanted) = &expect.reason_contains {
            let reason = decision.reason();
            if !reason.contains(wanted) {
                failures.push(format!("reason: expected one with {wanted:?}, came {reason:?}"));
            }
        }
        if expect.canonical.is_some() {
            failures.push("canonical: wants `action` in the case, not `request`".into());
        }
    }
}

fn check<T: PartialEq + std::fmt::Debug>(failures: &mut Vec<String>, what: &str, wanted: &T, came: &T) {
    if wanted != came {
        failures.push(format!("{what}: expected {wanted:?}, came {came:?}"));
    }
}

fn fields(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(|fault| fault.field.clone()).collect()
}

fn listed(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
