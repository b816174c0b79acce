//! From the wire to a decision: read, check, compile, decide; and the laws that hold of every decision.

use agentguard::clock::Timestamp;
use agentguard::ids::PolicyId;
use agentguard::pb::v1;
use agentguard::policy::meter::DECISION_STEPS;
use agentguard::policy::{
    Compiled, Decision, Document, Environment, List, Policies, ReasonCode, Request, Rule, RuleOutcome, Scope,
    ScopeKind, Subject, Verdict, compile, document, explain,
};
use agentguard::service::convert::{self, Faults};
use prost::Message;

use super::source::Source;
use super::world;

/// What decides.
pub type Engine = fn(&Policies<'_>, &Subject, &Request, Timestamp) -> Decision;

pub fn run(data: &[u8]) {
    check(data, agentguard::policy::decide);
}

/// `data` is two bytes that say when and who, then `r` with messages before which stands their length (the
/// request, then everyone's, the team's and the agent's policy), or anything else with choices.
pub fn check(data: &[u8], engine: Engine) {
    let source = &mut Source::new(data);
    let now = Timestamp::from_micros(1_735_689_600_000_000 + i64::from(source.byte()) * 7_777_777_777);
    let who = source.byte();
    let subject = Subject {
        environment: Environment::ALL[usize::from(who) % 3],
        is_active: !who.is_multiple_of(16),
        ..world::reader()
    };
    let (asked, policies) = if source.byte() == b'r' { raw(source) } else { chosen(source, &subject) };
    // What is read is what was sent, and goes through the same doors.
    let Ok(asked) = v1::EnforceRequest::decode(asked.as_slice()) else { return };
    let Ok(asked) = convert::check(asked) else { return };
    let mut documents = [None, None, None];
    for (place, bytes) in documents.iter_mut().zip(&policies) {
        if let Some(bytes) = bytes {
            let Ok(message) = v1::Policy::decode(bytes.as_slice()) else { return };
            *place = read(message);
            if place.is_none() {
                return;
            }
        }
    }
    let Some(world) = World::new(&documents) else { return };
    let decision = world.decide(engine, None, &subject, &asked.request, now);
    assert_eq!(decision, world.decide(engine, None, &subject, &asked.request, now), "decided in two ways");
    if who % 16 == 1 {
        let killed = world.decide(engine, Some(ScopeKind::Team), &subject, &asked.request, now);
        assert_eq!((killed.verdict, killed.code), (Verdict::Deny, ReasonCode::KillSwitch));
    }
    sound(&world, &decision, &subject, &asked.request, now);
    laws(&documents, &decision, engine, &subject, &asked.request, now);
}

type Sent = (Vec<u8>, [Option<Vec<u8>>; 3]);

fn raw(source: &mut Source<'_>) -> Sent {
    let asked = source.prefixed().to_vec();
    let mut policies = [const { None }; 3];
    for policy in &mut policies {
        let bytes = source.prefixed();
        *policy = (!bytes.is_empty()).then(|| bytes.to_vec());
    }
    (asked, policies)
}

fn chosen(source: &mut Source<'_>, subject: &Subject) -> Sent {
    let (action, resource) = world::asked(source);
    let asked = v1::EnforceRequest {
        action,
        resource,
        arguments: Some(convert::object_message(&world::object(source, 3))),
        context: Some(convert::object_message(&world::object(source, 1))),
        session_id: source.pick(&["", "s-1"]).to_owned(),
        on_behalf_of: source.pick(&["", "ann"]).to_owned(),
        approval_id: source.pick(&["", "", "", "p-1"]).to_owned(),
        ..Default::default()
    };
    let scopes = [Scope::Everyone, Scope::Team(subject.team.clone()), Scope::Agent(subject.id.clone())];
    let policies = scopes.map(|scope| {
        let is_there = !source.once_in(3);
        is_there.then(|| convert::policy(&world::policy(source, scope)).encode_to_vec())
    });
    (asked.encode_to_vec(), policies)
}

/// The domain's policy; what is read is written as it was read.
fn read(message: v1::Policy) -> Option<Document> {
    let mut faults = Faults::default();
    let read = convert::document("policy", message, &mut faults);
    let read = faults.or(read).ok()?;
    let mut faults = Faults::default();
    let again = convert::document("policy", convert::policy(&read), &mut faults);
    assert_eq!(faults.or(again).ok().as_ref(), Some(&read), "a policy is written otherwise than it was read");
    assert_eq!(document::from_json(&document::to_json(&read)).as_ref(), Ok(&read), "as JSON, too");
    Some(read)
}

struct World([Option<Compiled>; 3]);

impl World {
    /// `None` if a policy is refused.
    fn new(documents: &[Option<Document>; 3]) -> Option<Self> {
        let mut world = Self([None, None, None]);
        for (place, document) in world.0.iter_mut().zip(documents) {
            let Some(document) = document else { continue };
            match compile(document, PolicyId::new(Timestamp::default(), [0; 16]), 1) {
                Ok((compiled, _)) => *place = Some(compiled),
                Err(faults) => {
                    assert!(!faults.is_empty(), "refused without a fault");
                    return None;
                }
            }
        }
        Some(world)
    }

    fn policies(&self, kill_switch: Option<ScopeKind>) -> Policies<'_> {
        let [everyone, team, agent] = &self.0;
        Policies { kill_switch, everyone: everyone.as_ref(), team: team.as_ref(), agent: agent.as_ref() }
    }

    fn decide(
        &self,
        engine: Engine,
        kill_switch: Option<ScopeKind>,
        subject: &Subject,
        request: &Request,
        now: Timestamp,
    ) -> Decision {
        engine(&self.policies(kill_switch), subject, request, now)
    }
}

/// The decision follows from how each rule turned out, by the one order.
fn sound(world: &World, decision: &Decision, subject: &Subject, request: &Request, now: Timestamp) {
    assert!(decision.steps <= DECISION_STEPS, "a decision took {} steps", decision.steps);
    assert_eq!(decision.verdict == Verdict::Allow, decision.code == ReasonCode::AllowedByRule);
    if decision.code == ReasonCode::DecisionBudget {
        assert_eq!(decision.verdict, Verdict::Deny);
        assert_eq!(decision.steps, DECISION_STEPS);
        return;
    }
    if !subject.is_active {
        assert_eq!((decision.verdict, decision.code), (Verdict::Deny, ReasonCode::AgentInactive));
        return;
    }
    let rules = explain(&world.policies(None), subject, request, now).rules;
    if rules.iter().any(|rule| rule.outcome == RuleOutcome::NotEvaluated) {
        return;
    }
    let first = |list: List, wanted: fn(&RuleOutcome) -> bool| {
        let rule = rules.iter().find(|rule| rule.list == list && wanted(&rule.outcome));
        rule.map(|rule| (rule.scope, rule.rule_id.clone()))
    };
    let matched = |outcome: &RuleOutcome| *outcome == RuleOutcome::Matched;
    let errored = |outcome: &RuleOutcome| matches!(outcome, RuleOutcome::Error(_));
    let approval = if request.approval_id.is_some() {
        ReasonCode::ApprovalUnavailable
    } else {
        ReasonCode::ApprovalRequired
    };
    let is_there = world.0.iter().any(Option::is_some);
    let none = if is_there { ReasonCode::DeniedDefault } else { ReasonCode::DeniedNoPolicy };
    let levels = [
        (List::Deny, matched as fn(&RuleOutcome) -> bool, ReasonCode::DeniedByRule),
        (List::Deny, errored, ReasonCode::DeniedRuleError),
        (List::RequireApproval, matched, approval),
        (List::RequireApproval, errored, approval),
        (List::Allow, matched, ReasonCode::AllowedByRule),
    ];
    let hit = levels.into_iter().find_map(|(list, wanted, code)| Some((code, first(list, wanted)?)));
    let came = decision.rule.as_ref().map(|hit| (hit.scope, hit.rule_id.clone()));
    match hit {
        // Below deny, a resource that is not canonical is denied.
        Some((code, _)) if decision.code == ReasonCode::ResourceNotCanonical => {
            let is_denied = matches!(code, ReasonCode::DeniedByRule | ReasonCode::DeniedRuleError);
            assert!(!is_denied && came.is_none(), "{code} before the form of the resource");
        }
        Some((code, rule)) => assert_eq!((decision.code, came), (code, Some(rule))),
        None => {
            let codes = [none, ReasonCode::ResourceNotCanonical];
            assert!(codes.contains(&decision.code), "{} where no rule matches", decision.code);
            assert_eq!(came, None);
        }
    }
    let is_known =
        |id: &std::sync::Arc<str>| rules.iter().any(|rule| rule.rule_id == *id && errored(&rule.outcome));
    assert!(decision.error_rule_ids.iter().all(is_known), "{:?}", decision.error_rule_ids);
}

/// What a change of the policies may do to a decision.
fn laws(
    documents: &[Option<Document>; 3],
    decision: &Decision,
    engine: Engine,
    subject: &Subject,
    request: &Request,
    now: Timestamp,
) {
    let changed = |change: &dyn Fn(usize, &mut Option<Document>)| -> Option<Decision> {
        let mut documents = documents.clone();
        for (place, document) in documents.iter_mut().enumerate() {
            change(place, document);
        }
        let decision = World::new(&documents)?.decide(engine, None, subject, request, now);
        (decision.code != ReasonCode::DecisionBudget).then_some(decision)
    };
    let everything = || Rule { action: "**".into(), ..Rule::default() };
    for at in 0..3 {
        let denied = changed(&|place, document| {
            if place == at {
                document.get_or_insert(Document::empty(Scope::Everyone)).deny.push(everything());
            }
        });
        assert!(
            denied.is_none_or(|denied| denied.verdict == Verdict::Deny),
            "a deny of scope {at} is shadowed"
        );
        let asked = changed(&|place, document| {
            if place == at {
                let document = document.get_or_insert(Document::empty(Scope::Everyone));
                document.require_approval.push(everything());
            }
        });
        assert!(asked.is_none_or(|asked| asked.verdict != Verdict::Allow), "an approval of {at} is shadowed");
    }
    let without = |clear: fn(&mut Document)| changed(&|_, document| document.iter_mut().for_each(clear));
    if let Some(open) = without(|document| document.deny.clear()) {
        assert!(open.verdict <= decision.verdict, "a deny makes {} of {}", decision.verdict, open.verdict);
    }
    if let Some(open) = without(|document| document.require_approval.clear()) {
        // An approval may be what stands between an action and the default deny, but never allows.
        let allows = decision.verdict == Verdict::Allow && open.verdict != Verdict::Allow;
        assert!(!allows, "allowed by a rule that demands an approval");
    }
    if let Some(shut) = without(|document| document.allow.clear()) {
        assert_ne!(shut.verdict, Verdict::Allow, "allowed without a rule that allows");
    }
    if decision.code != ReasonCode::DecisionBudget {
        let turned = without(|document| {
            document.deny.reverse();
            document.require_approval.reverse();
            document.allow.reverse();
        });
        if let Some(turned) = turned {
            let (one, other) = ((decision.verdict, decision.code), (turned.verdict, turned.code));
            assert_eq!(one, other, "the order of rules decides");
        }
    }
}
