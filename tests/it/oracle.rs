//! The engine against a naive evaluator that was written from the design alone and shares no code with it.
//!
//! The evaluator tests every rule, one after the other, with a backtracking matcher; it has its own
//! expressions, which it prints as CEL for the engine. Seeded random worlds are asked random questions; both
//! must give the same answer. Wrong engines, made on purpose, must be caught.

mod action;
mod coverage;
mod evaluator;
mod expression;
mod generate;
mod generate_expression;
mod mutant;
mod pattern;
pub mod random;
mod resource;
mod time;

use std::collections::BTreeSet;

use agentguard::clock::Timestamp;
use agentguard::ids::PolicyId;
use agentguard::policy::{
    self, Compiled, Decision, Object, Policies, Request, Scope, ScopeKind, Subject, compile, document,
};
use coverage::{Coverage, Form};
use evaluator::{Answer, NaivePolicy, Question, World};
use mutant::Mutant;
use random::Random;

/// Requests that one world is asked: compiling costs more than deciding.
const QUESTIONS: usize = 100;
/// Arguments and contexts that the requests to one world share among them.
const CLAIMS: usize = 20;
const CASES: u64 = 1_000_000;
const FULL_CASES: u64 = 10_000_000;
/// Within so many cases every wrong engine must be caught.
const MUTANT_CASES: u64 = 50_000;

#[test]
fn engine_agrees_with_the_naive_evaluator() {
    let is_full = std::env::var("AGENTGUARD_TEST_FULL").is_ok_and(|value| value == "1");
    let blocks = (if is_full { FULL_CASES } else { CASES }) / QUESTIONS as u64;
    let started = std::time::Instant::now();
    let threads: Vec<_> = [0, 1]
        .into_iter()
        .map(|first| {
            std::thread::spawn(move || {
                let mut seen = Coverage::new();
                for seed in (first..blocks).step_by(2) {
                    if let Some(difference) = block(seed, None, &mut seen) {
                        panic!("{difference}");
                    }
                }
                seen
            })
        })
        .collect();
    let mut seen = Coverage::new();
    for thread in threads {
        match thread.join() {
            Ok(part) => seen.add(&part),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    println!("{} cases agree, in {:.1?}; forms:", blocks * QUESTIONS as u64, started.elapsed());
    println!("{}", seen.table());
    assert!(seen.missing().is_empty(), "no case took the form: {:?}", seen.missing());
}

#[test]
fn a_mutated_engine_is_caught() {
    println!("{:<55} first seed that shows it", "wrong engine");
    let mut escaped = Vec::new();
    for mutant in Mutant::ALL {
        let mut seen = Coverage::new();
        let seeds = 0..MUTANT_CASES / QUESTIONS as u64;
        let caught = seeds.into_iter().find(|seed| block(*seed, Some(*mutant), &mut seen).is_some());
        match caught {
            Some(seed) => println!("{:<55} {seed}", mutant.describe()),
            None => escaped.push(mutant.describe()),
        }
    }
    assert!(escaped.is_empty(), "not caught within {MUTANT_CASES} cases: {escaped:?}");
}

/// What an engine is given besides the policies.
#[derive(Clone)]
struct Asked {
    subject: Subject,
    request: Request,
    now: Timestamp,
    is_killed: bool,
}

/// One world and its questions; the first difference, told so that it can be reproduced.
fn block(seed: u64, mutant: Option<Mutant>, seen: &mut Coverage) -> Option<String> {
    let mut random = Random::new(seed.wrapping_mul(0xD1B5_4A32_D192_ED03));
    let mut world = generate::world(&mut random);
    if let Some(difference) = refusals(&mut world, seen) {
        return Some(format!("seed {seed}: {difference}"));
    }
    let engine = match Engine::new(&world, mutant) {
        Ok(engine) => engine,
        Err(faults) => return Some(format!("seed {seed}: refused: {faults}")),
    };
    let claims: Vec<_> =
        (0..CLAIMS).map(|_| (generate::arguments(&mut random), generate::context(&mut random))).collect();
    let mut number = 0;
    while number < QUESTIONS {
        let asked = match asked(&mut random, &claims, seen) {
            Ok(Some(asked)) => asked,
            // Refused by both; no case.
            Ok(None) => continue,
            Err(difference) => return Some(format!("seed {seed}, question {number}: {difference}")),
        };
        let wanted = naive(&world, &asked, seen);
        count(&wanted, seen);
        let came = engine.answer(&asked);
        if !wanted.allows(&came) {
            return Some(match mutant {
                Some(_) => String::new(),
                None => format!("seed {seed}, question {number}: {}", told(world, &asked)),
            });
        }
        number += 1;
        if mutant.is_none() && number == 1 {
            let explained = engine.explain(&asked);
            if explained != came {
                return Some(format!("seed {seed}: explain says {explained:?}, decide {came:?}"));
            }
        }
    }
    None
}

fn naive(world: &World, asked: &Asked, seen: &mut Coverage) -> Answer {
    let Asked { subject, request, now, is_killed } = asked;
    evaluator::decide(world, &Question { subject, request, now: *now, is_killed: *is_killed }, seen)
}

/// Takes out the rules that have to be refused, after the engine has refused just these.
fn refusals(world: &mut World, seen: &mut Coverage) -> Option<String> {
    for policy in world.policies.iter_mut().flatten() {
        let mut wanted = BTreeSet::new();
        for (name, list) in ["deny", "require_approval", "allow"].iter().zip(&policy.lists) {
            for (position, rule) in list.iter().enumerate() {
                if pattern::Pattern::action(&rule.action).is_none() {
                    wanted.insert(format!("{name}[{position}].action"));
                    seen.hit(Form::RefusedAction);
                }
                if rule.resource.as_ref().is_some_and(|text| pattern::Pattern::resource(text).is_none()) {
                    wanted.insert(format!("{name}[{position}].resource"));
                    seen.hit(Form::RefusedResource);
                }
            }
        }
        if wanted.is_empty() {
            continue;
        }
        let came = compile(&policy.document(Scope::Everyone), id(0), 1);
        let came: BTreeSet<String> = match came {
            Ok(_) => BTreeSet::new(),
            Err(faults) => faults.into_iter().map(|fault| fault.field).collect(),
        };
        if wanted != came {
            let json = document::to_json(&policy.document(Scope::Everyone));
            return Some(format!("expected {wanted:?} to be refused, came {came:?}\n{json}"));
        }
        for list in &mut policy.lists {
            list.retain(|rule| rule.patterns.is_some());
        }
    }
    None
}

/// A random question; `None` where the request is refused, as it has to be.
fn asked(
    random: &mut Random,
    claims: &[(Object, Object)],
    seen: &mut Coverage,
) -> Result<Option<Asked>, String> {
    let name = generate::action(random);
    let resource = generate::resource(random);
    let claim = |random: &mut Random, name: &str| random.chance(60).then(|| name.to_owned());
    let (session, principal, approval) = (claim(random, "s"), claim(random, "ann"), claim(random, "x"));
    let (arguments, context) = claims[random.below(claims.len())].clone();
    let request = Request::new(&name, resource, arguments, context, session, principal, approval);
    let subject = generate::subject(random);
    let now = generate::now(random);
    let is_killed = random.chance(2);
    match (request, action::canonical(&name)) {
        (Ok(request), Some(form)) if request.action.as_str() == form => {
            Ok(Some(Asked { subject, request, now, is_killed }))
        }
        (Err(_), None) => {
            seen.hit(Form::RefusedRequest);
            Ok(None)
        }
        (came, wanted) => {
            let came = came.map(|request| request.action.as_str().to_owned());
            Err(format!("action {name:?}: expected {wanted:?}, came {came:?}"))
        }
    }
}

fn id(byte: u8) -> PolicyId {
    PolicyId::new(Timestamp::from_micros(0), [byte; 16])
}

/// The engine, or a wrong one.
struct Engine {
    policies: [Option<Compiled>; 3],
    without_denies: [Option<Compiled>; 3],
    mutant: Option<Mutant>,
}

impl Engine {
    fn new(world: &World, mutant: Option<Mutant>) -> Result<Self, String> {
        let compiled = |policy: &NaivePolicy, position: usize, keeps_denies: bool| {
            let mut document = policy.document(Scope::Everyone);
            if !keeps_denies {
                document.deny.clear();
            }
            if let Some(mutant) = mutant {
                mutant.rewrite(&mut document);
            }
            compile(&document, id(position as u8), 1).map(|(compiled, _)| compiled).map_err(|faults| {
                let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
                format!("{faults:?} {}", document::to_json(&document))
            })
        };
        let all = |keeps_denies: bool| -> Result<[Option<Compiled>; 3], String> {
            let mut policies = [None, None, None];
            for (position, policy) in world.policies.iter().enumerate() {
                if let Some(policy) = policy {
                    policies[position] = Some(compiled(policy, position, keeps_denies)?);
                }
            }
            Ok(policies)
        };
        let without_denies = if mutant.is_some() { all(false)? } else { [None, None, None] };
        Ok(Self { policies: all(true)?, without_denies, mutant })
    }

    fn answer(&self, asked: &Asked) -> Answer {
        match self.mutant {
            None => decided(&self.policies, asked),
            Some(mutant) => mutant.answer(&self.policies, &self.without_denies, asked),
        }
    }

    fn explain(&self, asked: &Asked) -> Answer {
        let policies = policies(&self.policies, asked);
        said(&policy::explain(&policies, &asked.subject, &asked.request, asked.now).decision)
    }
}

fn policies<'a>(of: &'a [Option<Compiled>; 3], asked: &Asked) -> Policies<'a> {
    let [agent, team, everyone] = of.each_ref().map(Option::as_ref);
    Policies { kill_switch: asked.is_killed.then_some(ScopeKind::Everyone), everyone, team, agent }
}

fn decided(of: &[Option<Compiled>; 3], asked: &Asked) -> Answer {
    said(&policy::decide(&policies(of, asked), &asked.subject, &asked.request, asked.now))
}

fn said(decision: &Decision) -> Answer {
    Answer {
        verdict: decision.verdict,
        code: decision.code,
        rule: decision.rule.as_ref().map(|rule| (rule.scope, rule.rule_id.to_string(), rule.errored)),
        error_rule_ids: decision.error_rule_ids.iter().map(ToString::to_string).collect(),
        is_resource_unknown: Some(decision.resource_unknown),
    }
}

/// The difference with everything left out that is not needed to show it.
fn told(mut world: World, asked: &Asked) -> String {
    let mut seen = Coverage::new();
    let mut differs = |world: &World| {
        let engine = Engine::new(world, None);
        engine.is_ok_and(|engine| !naive(world, asked, &mut seen).allows(&engine.answer(asked)))
    };
    loop {
        let smaller = smaller(&world).into_iter().find(|world| differs(world));
        match smaller {
            Some(smaller) => world = smaller,
            None => break,
        }
    }
    let wanted = naive(&world, asked, &mut Coverage::new());
    let came = Engine::new(&world, None).map(|engine| engine.answer(asked));
    let mut text = String::new();
    for (scope, policy) in evaluator::SCOPES.iter().zip(&world.policies) {
        if let Some(policy) = policy {
            text += &format!("\n{scope}: {}", document::to_json(&policy.document(Scope::Everyone)));
        }
    }
    let Asked { subject, request, now, is_killed } = asked;
    format!(
        "expected {wanted:?}\n    came {came:?}{text}\n{request:?}\n{subject:?}\nnow {now:?}, killed {is_killed}"
    )
}

/// Every world with one policy, rule or condition less.
fn smaller(world: &World) -> Vec<World> {
    let mut worlds = Vec::new();
    for scope in 0..3 {
        let Some(policy) = &world.policies[scope] else { continue };
        let mut without = world.clone();
        without.policies[scope] = None;
        worlds.push(without);
        for list in 0..3 {
            for (position, rule) in policy.lists[list].iter().enumerate() {
                let with = |change: &dyn Fn(&mut NaivePolicy)| {
                    let mut world = world.clone();
                    change(world.policies[scope].as_mut().unwrap());
                    world
                };
                worlds.push(with(&|policy| {
                    policy.lists[list].remove(position);
                }));
                if rule.env.is_some() {
                    worlds.push(with(&|policy| policy.lists[list][position].env = None));
                }
                if rule.time_range.is_some() {
                    worlds.push(with(&|policy| policy.lists[list][position].time_range = None));
                }
                if rule.days.is_some() {
                    worlds.push(with(&|policy| policy.lists[list][position].days = None));
                }
                if rule.expression.is_some() {
                    worlds.push(with(&|policy| policy.lists[list][position].expression = None));
                }
            }
        }
    }
    worlds
}

fn count(answer: &Answer, seen: &mut Coverage) {
    use agentguard::policy::{ReasonCode as Code, ScopeKind, Verdict};
    seen.hit(match answer.verdict {
        Verdict::Allow => Form::Allow,
        Verdict::Deny => Form::Deny,
        Verdict::RequireApproval => Form::RequireApproval,
    });
    seen.hit(match answer.code {
        Code::AllowedByRule => Form::AllowedByRule,
        Code::DeniedByRule => Form::DeniedByRule,
        Code::DeniedRuleError => Form::DeniedRuleError,
        Code::DeniedNoPolicy => Form::DeniedNoPolicy,
        Code::DeniedDefault => Form::DeniedDefault,
        Code::ApprovalRequired => Form::ApprovalRequired,
        Code::ApprovalUnavailable => Form::ApprovalUnavailable,
        Code::KillSwitch => Form::KillSwitch,
        Code::AgentInactive => Form::AgentInactive,
        Code::ResourceNotCanonical => Form::ResourceNotCanonical,
        // The evaluator counts no steps: worlds this small never come near the budget.
        Code::DecisionBudget => panic!("the evaluator knows no budget"),
    });
    if let Some((scope, _, is_errored)) = &answer.rule {
        seen.hit(match scope {
            ScopeKind::Agent => Form::ReportedAgent,
            ScopeKind::Team => Form::ReportedTeam,
            ScopeKind::Everyone => Form::ReportedEveryone,
        });
        if *is_errored {
            seen.hit(Form::ReportedErrored);
        }
    }
}
