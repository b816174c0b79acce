//! The checker's own tests: histories made by hand, possible and not, and a comparison with a checker that tries every
//! order.

use std::time::Duration;

use super::checker::{Answer, At, Call, Decision, History, Violation, Write, check};
use super::model::{Effect, Rules, Scope, State, Verdict};

const READ: u8 = 0;
const WRITE: u8 = 1;

fn at(instant: u64) -> At {
    Duration::from_millis(instant)
}

fn policy(allow: u8) -> Effect {
    Effect::SetPolicy(Scope::Everyone, Rules { allow, ..Rules::default() })
}

fn write(effect: Effect, revision: i64, invoked: u64, acknowledged: u64) -> Write {
    Write { effect, invoked: at(invoked), acknowledged: Some(at(acknowledged)), revision: Some(revision) }
}

/// A history that begins with an agent, its key and a policy that allows to read: revisions 1 and 2, by instant 3.
fn allowed() -> History {
    let create = write(Effect::CreateAgent { agent: 1, key: 1 }, 1, 0, 1);
    History { first: 1, writes: vec![create, write(policy(1 << READ), 2, 2, 3)], calls: Vec::new() }
}

fn answer(action: u8, verdict: Verdict, revision: i64) -> Answer {
    let decision = Decision { id: format!("{verdict:?}{action}/{revision}"), revision, is_repeat: false };
    Answer { action, verdict, decision: Some(decision) }
}

fn repeat(verdict: Verdict, revision: i64) -> Answer {
    let mut answer = answer(READ, verdict, revision);
    answer.decision.as_mut().unwrap().is_repeat = true;
    answer
}

fn call(invoked: u64, answered: u64, answers: &[Answer]) -> Call {
    Call {
        key: 1,
        invoked: at(invoked),
        answered: at(answered),
        min_revision: None,
        answers: answers.to_vec(),
    }
}

/// The history with these writes and calls in addition.
fn with(mut history: History, writes: &[Write], calls: &[Call]) -> History {
    history.writes.extend_from_slice(writes);
    history.calls.extend_from_slice(calls);
    history
}

fn violations(history: &History) -> Vec<Violation> {
    check(history).err().unwrap_or_default()
}

/// A deny from instant 10 to 20, revision 3.
fn denied() -> Write {
    write(policy(0), 3, 10, 20)
}

#[test]
fn a_call_that_overlaps_a_write_may_see_either() {
    for (verdict, revision) in [(Verdict::Allow, 2), (Verdict::Deny, 3)] {
        let history = with(allowed(), &[denied()], &[call(12, 15, &[answer(READ, verdict, revision)])]);
        let summary = check(&history).unwrap();
        assert_eq!((summary.answers, summary.raced), (1, 1));
    }
}

#[test]
fn an_allow_after_the_acknowledged_deny_is_stale() {
    let history = with(allowed(), &[denied()], &[call(21, 25, &[answer(READ, Verdict::Allow, 2)])]);
    assert_eq!(violations(&history), [Violation::StaleAllow { call: 0 }]);
}

#[test]
fn a_deny_after_an_acknowledged_allow_is_impossible() {
    let laxer = write(policy(3), 4, 30, 40);
    let history = with(allowed(), &[denied(), laxer], &[call(41, 45, &[answer(READ, Verdict::Deny, 3)])]);
    assert_eq!(violations(&history), [Violation::Impossible { call: 0 }]);
}

#[test]
fn every_stricter_write_is_known_to_forbid() {
    for effect in [
        Effect::RevokeKey(1),
        Effect::SetActive(1, false),
        Effect::DeleteAgent(1),
        Effect::DeletePolicy(Scope::Everyone),
        Effect::SetPolicy(Scope::Agent(1), Rules { deny: 1 << READ, ..Rules::default() }),
        Effect::SetPolicy(Scope::Team, Rules { approval: 1 << READ, ..Rules::default() }),
    ] {
        let history = with(
            allowed(),
            &[write(effect, 3, 10, 20)],
            &[
                call(5, 12, &[answer(READ, Verdict::Allow, 2)]),
                call(21, 25, &[answer(READ, Verdict::Allow, 2)]),
            ],
        );
        assert_eq!(violations(&history), [Violation::StaleAllow { call: 1 }], "{effect:?}");
    }
}

#[test]
fn a_roll_back_is_the_version_that_it_names() {
    let writes =
        [denied(), write(Effect::RollBack(Scope::Everyone, 1), 4, 30, 31), write(policy(0), 5, 40, 41)];
    let allow = call(32, 35, &[answer(READ, Verdict::Allow, 4)]);
    assert!(check(&with(allowed(), &writes, &[allow])).is_ok());
    let back = write(Effect::RollBack(Scope::Everyone, 2), 6, 50, 51);
    let late = call(52, 53, &[answer(READ, Verdict::Allow, 4)]);
    let history = with(with(allowed(), &writes, &[]), &[back], &[late]);
    assert_eq!(violations(&history), [Violation::StaleAllow { call: 0 }]);
}

#[test]
fn what_one_call_saw_a_later_one_cannot_unsee() {
    let deny = call(11, 13, &[answer(READ, Verdict::Deny, 3)]);
    let allow = |begun| call(begun, 16, &[answer(READ, Verdict::Allow, 2)]);
    // Both overlap the write; the second begins after the first has seen it.
    let history = with(allowed(), &[denied()], &[deny.clone(), allow(14)]);
    assert_eq!(violations(&history), [Violation::StaleAllow { call: 1 }]);
    // The control: if the calls overlap each other, too, there is an order.
    assert!(check(&with(allowed(), &[denied()], &[deny, allow(12)])).is_ok());
}

#[test]
fn a_write_without_an_answer_takes_effect_once_and_for_good() {
    let open = Write { acknowledged: None, ..denied() };
    let late = |verdict, revision, begun| call(begun, begun + 1, &[answer(READ, verdict, revision)]);
    let seen = [late(Verdict::Allow, 2, 100), late(Verdict::Deny, 3, 200)];
    assert_eq!(check(&with(allowed(), std::slice::from_ref(&open), &seen)).unwrap().unacknowledged, 1);
    let unseen = [late(Verdict::Deny, 3, 200), late(Verdict::Allow, 2, 300)];
    assert_eq!(violations(&with(allowed(), &[open], &unseen)), [Violation::StaleAllow { call: 1 }]);
}

#[test]
fn a_write_that_did_not_take_place_is_seen_by_nobody() {
    let never = Write { acknowledged: None, revision: None, ..denied() };
    let calls = [call(21, 22, &[answer(READ, Verdict::Allow, 2)])];
    assert!(check(&with(allowed(), std::slice::from_ref(&never), &calls)).is_ok());
    let calls = [call(21, 22, &[answer(READ, Verdict::Deny, 2)])];
    let found = violations(&with(allowed(), &[never], &calls));
    assert!(found.contains(&Violation::Impossible { call: 0 }), "{found:?}");
}

#[test]
fn calls_that_were_not_decided_say_nothing() {
    assert!(check(&with(allowed(), &[denied()], &[call(21, 25, &[])])).is_ok());
}

#[test]
fn a_dead_key_is_refused_and_a_living_one_is_not() {
    let refused = Answer { action: READ, verdict: Verdict::Refused, decision: None };
    let revoke = write(Effect::RevokeKey(1), 3, 10, 20);
    let after = call(21, 22, std::slice::from_ref(&refused));
    assert!(check(&with(allowed(), &[revoke], &[after])).is_ok());
    assert_eq!(
        violations(&with(allowed(), &[], &[call(21, 22, &[refused])])),
        [Violation::Impossible { call: 0 }]
    );
}

#[test]
fn a_verdict_must_be_that_of_the_revision_it_names() {
    // Possible by its time, but decided with one revision and labelled with another.
    let history = with(allowed(), &[denied()], &[call(12, 15, &[answer(READ, Verdict::Allow, 3)])]);
    assert_eq!(violations(&history), [Violation::Mixed { call: 0 }]);
}

#[test]
fn a_revision_that_nobody_had_written_is_from_the_future() {
    for revision in [3, 99, 0] {
        let history = with(allowed(), &[denied()], &[call(5, 6, &[answer(READ, Verdict::Allow, revision)])]);
        let expected =
            if revision == 0 { Violation::Mixed { call: 0 } } else { Violation::Future { call: 0 } };
        assert_eq!(violations(&history), [expected], "{revision}");
    }
}

#[test]
fn a_revision_below_the_demanded_one_is_found() {
    let same = write(policy(3), 3, 10, 20);
    let mut demanding = call(21, 25, &[answer(READ, Verdict::Allow, 2)]);
    // Without a demand an older decision stands if the newer policy gives the same verdict.
    let summary = check(&with(allowed(), std::slice::from_ref(&same), &[demanding.clone()])).unwrap();
    assert_eq!(summary.older, 1);
    demanding.min_revision = Some(3);
    assert_eq!(violations(&with(allowed(), &[same], &[demanding])), [Violation::BelowMinimum { call: 0 }]);
}

#[test]
fn a_batch_is_decided_at_one_instant_and_one_revision() {
    let swap = write(policy(1 << WRITE), 3, 10, 20);
    let both = |one, other| call(12, 15, &[one, other]);
    let (old, new) = (answer(READ, Verdict::Allow, 2), answer(WRITE, Verdict::Deny, 2));
    assert!(check(&with(allowed(), std::slice::from_ref(&swap), &[both(old.clone(), new)])).is_ok());
    // Each by itself is possible.
    let mixed = both(old, answer(WRITE, Verdict::Allow, 3));
    let found = violations(&with(allowed(), std::slice::from_ref(&swap), &[mixed]));
    assert!(found.contains(&Violation::Split { call: 0 }) && found.len() == 2, "{found:?}");
}

#[test]
fn a_repeat_may_be_stricter_than_now_and_never_laxer() {
    let later = |answer| call(21, 25, &[answer]);
    let history = with(allowed(), &[denied()], &[later(repeat(Verdict::Allow, 2))]);
    assert_eq!(violations(&history), [Violation::StaleAllow { call: 0 }]);
    let laxer = write(policy(1), 4, 30, 40);
    let deny = call(41, 45, &[repeat(Verdict::Deny, 3)]);
    assert_eq!(check(&with(allowed(), &[denied(), laxer], &[deny])).unwrap().repeats, 1);
}

#[test]
fn one_id_is_one_decision() {
    let mut other = answer(READ, Verdict::Deny, 3);
    other.decision.as_mut().unwrap().id = answer(READ, Verdict::Allow, 2).decision.unwrap().id;
    let calls = [call(5, 6, &[answer(READ, Verdict::Allow, 2)]), call(21, 25, &[other])];
    assert_eq!(violations(&with(allowed(), &[denied()], &calls)), [Violation::TwoDecisions { call: 1 }]);
}

#[test]
fn revisions_are_every_number_once_in_the_order_of_time() {
    let gap = Write { revision: Some(4), ..denied() };
    assert_eq!(violations(&with(allowed(), &[gap], &[])), [Violation::Revisions { number: 3, times: 0 }]);
    let twice = Write { revision: Some(2), ..denied() };
    assert_eq!(violations(&with(allowed(), &[twice], &[])), [Violation::Revisions { number: 3, times: 0 }]);
    let swapped = [write(policy(0), 4, 10, 20), write(policy(1), 3, 30, 40)];
    assert_eq!(violations(&with(allowed(), &swapped, &[])), [Violation::WriteOrder { earlier: 2, later: 3 }]);
}

/// A small random history: three writes, three calls, everything within 40 instants.
fn random(seed: u64) -> History {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % bound
    };
    let mut history = allowed();
    for revision in 3..6 {
        let invoked = 4 + below(30);
        let write = Write {
            effect: policy(u8::try_from(below(2)).unwrap()),
            invoked: at(invoked),
            acknowledged: (below(4) > 0).then(|| at(invoked + 1 + below(20))),
            revision: Some(revision),
        };
        history.writes.push(write);
    }
    for _ in 0..3 {
        let invoked = 4 + below(40);
        let verdict = if below(2) == 0 { Verdict::Allow } else { Verdict::Deny };
        let answer = Answer { action: READ, verdict, decision: None };
        history.calls.push(call(invoked, invoked + 1 + below(15), &[answer]));
    }
    history
}

/// Tries every place of every call between the writes, and asks of every two operations whether their order is that
/// of time.
fn is_possible(history: &History) -> bool {
    let mut states = vec![State::default()];
    for write in &history.writes {
        states.push(states[states.len() - 1].after(write.effect));
    }
    let spans = |write: &Write| (write.invoked, write.acknowledged.unwrap_or(At::MAX));
    let writes: Vec<(At, At)> = history.writes.iter().map(spans).collect();
    let in_order =
        (0..writes.len()).all(|later| (0..later).all(|earlier| writes[later].1 >= writes[earlier].0));
    let calls = &history.calls;
    let count = states.len();
    let choices = count.pow(u32::try_from(calls.len()).unwrap());
    in_order
        && (0..choices).any(|choice| {
            let places: Vec<usize> = (0..calls.len())
                .map(|call| choice / count.pow(u32::try_from(call).unwrap()) % count)
                .collect();
            calls.iter().zip(&places).all(|(call, &place)| {
                states[place].verdict(call.key, READ) == call.answers[0].verdict
                    && writes.iter().enumerate().all(|(number, &(invoked, ended))| {
                        if number < place { invoked <= call.answered } else { ended >= call.invoked }
                    })
                    && calls
                        .iter()
                        .zip(&places)
                        .all(|(other, &its)| other.answered >= call.invoked || its <= place)
            })
        })
}

#[test]
fn the_checker_agrees_with_one_that_tries_every_order() {
    let (mut possible, mut impossible) = (0, 0);
    for seed in 0..20_000 {
        let history = random(seed);
        let expected = is_possible(&history);
        assert_eq!(check(&history).is_ok(), expected, "seed {seed}: {history:#?}");
        if expected { possible += 1 } else { impossible += 1 }
    }
    assert!(possible > 2_000 && impossible > 2_000, "{possible} possible, {impossible} impossible");
}
