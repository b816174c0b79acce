//! COMMITs of which nothing is known, chains that somebody else moved, databases that hang.

use super::*;

#[test]
fn an_unknown_commit_that_took_place_is_seen_at_the_head_and_not_sent_again() {
    let mut rig = opened(Mode::Durable);
    let ticket = rig.submit(&["a"]);
    rig.end(Fate::LostAfter);
    assert!(!rig.answers.contains_key(&ticket), "in doubt is not answered");
    rig.settle();
    assert!(rig.ok(ticket));
    assert!(matches!(rig.given[..], [Command::Append(_), Command::ReadHead(..)]), "{:?}", rig.given);
    assert_eq!(rig.database.actions(), ["first", "a"]);
    assert_eq!(rig.fenced(), 0);
}

#[test]
fn an_unknown_commit_that_did_not_take_place_is_sent_again_byte_for_byte() {
    let mut rig = opened(Mode::Durable);
    let ticket = rig.submit(&["a"]);
    rig.end(Fate::LostBefore);
    // The second try is made later and must not say so.
    rig.pass(Duration::from_millis(50));
    rig.settle();
    assert!(rig.ok(ticket));
    let [Command::Append(one), Command::ReadHead(..), Command::Append(two)] = &rig.given[..] else {
        panic!("{:?}", rig.given)
    };
    assert_eq!(one, two);
    assert_eq!(rig.database.actions(), ["first", "a"]);
}

#[test]
fn a_late_first_try_makes_the_second_find_its_own_record() {
    let mut rig = opened(Mode::Durable);
    let ticket = rig.submit(&["a"]);
    rig.end(Fate::LostBefore);
    rig.pass(Duration::ZERO);
    rig.end(Fate::Heard);
    let Some(Command::Append(batch)) = rig.pending.clone() else { panic!("{:?}", rig.pending) };
    // The first try arrives after all, between the look at the head and the second try.
    assert!(matches!(rig.database.append(&batch), Outcome::Committed(_)));
    rig.settle();
    assert!(rig.ok(ticket));
    assert_eq!(rig.fenced(), 0, "zero rows and the own hash at the head is no fence");
    assert_eq!(rig.database.actions(), ["first", "a"]);
}

#[test]
fn no_batch_is_built_on_a_batch_in_doubt() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["a"]);
    rig.end(Fate::LostBefore);
    let waiting = rig.submit(&["b"]);
    assert_eq!(rig.pending, None);
    rig.settle();
    assert!(rig.ok(waiting));
    assert_eq!(rig.database.actions(), ["first", "a", "b"], "the one in doubt stays first in line");
    rig.intact();
}

#[test]
fn a_chain_moved_by_somebody_else_fails_who_waits_and_goes_on_in_a_new_chain() {
    let mut rig = opened(Mode::Durable);
    let chain = rig.machine.chain().unwrap().clone();
    let (seq, hash) = rig.database.chains[chain.as_str()].head;
    rig.database.intrude(&chain, false);
    let fenced = rig.submit(&["a"]);
    let next = rig.submit(&["b"]);
    rig.settle();
    assert_eq!(rig.failed(fenced), Some(Failure::Fenced));
    assert!(rig.ok(next), "the writer is never stopped");
    assert_eq!(rig.fenced(), 1);
    assert_eq!(rig.database.actions(), ["first", "b"]);
    let opening = rig.opening(2);
    assert_eq!(opening["reached"]["chain_id"], chain.as_str());
    assert_eq!(opening["reached"]["seq"], seq);
    assert_eq!(opening["reached"]["hash"], crate::audit::content::hex(&hash));
    assert_eq!(opening["reached"]["why"], "fenced");
    assert_eq!(opening["previous"]["seq"], seq + 1, "the list's last chain as it stands");
    rig.intact();
}

#[test]
fn a_janitors_close_is_found_and_nothing_is_added_behind_it() {
    let mut rig = opened(Mode::Durable);
    let chain = rig.machine.chain().unwrap().clone();
    rig.database.intrude(&chain, true);
    let waited = rig.submit(&["a"]);
    rig.settle();
    assert_eq!(rig.failed(waited), Some(Failure::Fenced));
    let next = rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(next));
    let chains = rig.database.in_order();
    assert_eq!((chains.len(), chains[0].records.len()), (2, 3), "opening, first, the janitor's mark");
    assert_eq!(rig.closing(1)["by"], "janitor");
}

#[test]
fn a_commit_in_doubt_behind_which_the_janitor_closed_is_still_a_commit() {
    let mut rig = opened(Mode::Durable);
    let chain = rig.machine.chain().unwrap().clone();
    let ticket = rig.submit(&["a"]);
    rig.end(Fate::LostAfter);
    rig.database.intrude(&chain, true);
    rig.settle();
    assert!(rig.ok(ticket));
    let next = rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(next));
    assert_eq!(rig.database.actions(), ["first", "a", "b"]);
    assert_eq!(rig.opening(2)["reached"]["seq"], 3);
    rig.intact();
}

#[test]
fn a_chain_that_vanished_is_a_fence() {
    let mut rig = opened(Mode::Durable);
    rig.database.chains.clear();
    rig.database.last = None;
    let fenced = rig.submit(&["a"]);
    rig.settle();
    assert_eq!(rig.failed(fenced), Some(Failure::Fenced));
    let next = rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(next));
    assert_eq!(rig.opening(1)["reached"]["seq"], 2);
}

#[test]
fn a_row_marked_closed_without_a_record_is_a_fence_and_no_endless_retry() {
    let mut rig = opened(Mode::Durable);
    rig.database.chains.values_mut().next().unwrap().closed = true;
    let fenced = rig.submit(&["a"]);
    rig.settle();
    assert_eq!(rig.failed(fenced), Some(Failure::Fenced));
    let next = rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(next));
}

#[test]
fn async_entries_of_a_fenced_batch_go_into_the_next_chain() {
    let mut rig = opened(Mode::Async);
    let chain = rig.machine.chain().unwrap().clone();
    rig.database.intrude(&chain, false);
    rig.submit(&["a"]);
    rig.submit(&["b"]);
    rig.settle();
    assert_eq!(rig.database.actions(), ["first", "a", "b"], "answered, so never dropped");
    assert_eq!(rig.fenced(), 1);
    rig.intact();
}

#[test]
fn an_opening_in_doubt_keeps_its_chain_and_its_one_place_in_the_list() {
    for fate in [Fate::LostBefore, Fate::LostAfter] {
        let mut rig = Rig::new(Mode::Durable);
        let ticket = rig.submit(&["a"]);
        let chain = rig.machine.chain().unwrap().clone();
        rig.end(fate);
        assert_eq!(rig.machine.chain(), Some(&chain));
        rig.settle();
        assert!(rig.ok(ticket), "{fate:?}");
        assert_eq!(rig.database.chains.keys().collect::<Vec<_>>(), [chain.as_str()], "{fate:?}");
        assert_eq!(rig.database.actions(), ["a"], "{fate:?}");
        assert_eq!(rig.fenced(), 0, "{fate:?}");
        rig.intact();
    }
}

#[test]
fn an_opening_that_lands_after_the_look_at_the_head_is_found_by_the_next_try() {
    let mut rig = Rig::new(Mode::Durable);
    let ticket = rig.submit(&["a"]);
    // The list was read and the statement sent, but its commit is held.
    let listed = rig.database.listed();
    let batch = rig.machine.opening(&listed, rig.at).unwrap();
    rig.end(Fate::LostBefore);
    rig.pass(Duration::ZERO);
    rig.end(Fate::Heard);
    assert!(matches!(rig.pending, Some(Command::Open(_))));
    assert!(matches!(rig.database.open(&listed, &batch), Outcome::Committed(_)));
    rig.settle();
    assert!(rig.ok(ticket));
    assert_eq!(rig.database.actions(), ["a"]);
    assert_eq!((rig.database.chains.len(), rig.fenced()), (1, 0));
}

#[test]
fn the_place_reached_is_named_until_an_opening_is_committed() {
    let mut rig = opened(Mode::Durable);
    let chain = rig.machine.chain().unwrap().clone();
    rig.database.intrude(&chain, true);
    rig.submit(&["a"]);
    rig.settle();
    let poison = rig.submit(&[POISON]);
    rig.settle();
    assert_eq!(rig.failed(poison), Some(Failure::Refused));
    rig.submit(&["b"]);
    rig.settle();
    assert_eq!(rig.opening(2)["reached"]["chain_id"], chain.as_str());
}

#[test]
fn half_a_second_without_a_commit_opens_the_breaker_for_who_waits_and_who_comes() {
    let mut rig = opened(Mode::Durable);
    let under_way = rig.submit(&["a"]);
    let waiting = rig.submit(&["b"]);
    rig.pass(Duration::from_millis(499));
    assert!(!rig.machine.is_broken());
    assert!(!rig.answers.contains_key(&waiting));
    assert_eq!(
        rig.machine.deadline(),
        Some(rig.now.plus(Duration::from_millis(1))),
        "the shell is told when"
    );
    rig.pass(Duration::from_millis(1));
    let newcomer = rig.submit(&["c"]);
    for ticket in [under_way, waiting, newcomer] {
        assert_eq!(rig.failed(ticket), Some(Failure::Unavailable));
    }
    assert_eq!(rig.said, [Notice::BreakerOpened]);
}

#[test]
fn the_batch_in_doubt_goes_on_and_the_first_commit_closes_the_breaker() {
    for fate in [Fate::Heard, Fate::LostBefore, Fate::LostAfter] {
        let mut rig = opened(Mode::Durable);
        rig.submit(&["a"]);
        rig.submit(&["dropped: its caller was told so"]);
        rig.pass(Duration::from_millis(500));
        rig.end(fate);
        rig.settle();
        assert_eq!(rig.said, [Notice::BreakerOpened, Notice::BreakerClosed], "{fate:?}");
        assert!(!rig.machine.is_broken());
        assert_eq!(rig.database.actions(), ["first", "a"], "{fate:?}");
        let after = rig.submit(&["b"]);
        rig.settle();
        assert!(rig.ok(after));
    }
}

#[test]
fn a_fence_behind_an_open_breaker_does_not_leave_it_open() {
    let mut rig = opened(Mode::Durable);
    let chain = rig.machine.chain().unwrap().clone();
    rig.submit(&["a"]);
    rig.database.intrude(&chain, true);
    rig.pass(Duration::from_millis(500));
    assert!(rig.machine.is_broken());
    rig.settle();
    let after = rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(after), "{:?}", rig.answers.get(&after));
    assert!(!rig.machine.is_broken());
}

#[test]
fn a_refusal_behind_an_open_breaker_does_not_leave_it_open() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&[POISON]);
    rig.pass(Duration::from_millis(500));
    assert!(rig.machine.is_broken());
    rig.settle();
    let after = rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(after), "{:?}", rig.answers.get(&after));
}

#[test]
fn async_takes_entries_behind_an_open_breaker_until_the_queue_is_full() {
    let mut rig = opened(Mode::Async);
    rig.submit(&["a"]);
    rig.pass(Duration::from_millis(500));
    assert!(rig.machine.is_broken());
    let queued = rig.submit(&["b"]);
    assert!(rig.ok(queued));
    rig.submit(&["c"; 127]);
    let beyond = rig.submit(&["d"]);
    assert_eq!(rig.failed(beyond), Some(Failure::Unavailable));
    rig.settle();
    assert_eq!(rig.database.actions().len(), 130);
}

#[test]
fn looks_at_the_head_come_fast_first_and_never_stop() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["a"]);
    rig.end(Fate::LostBefore);
    let mut pauses = Vec::new();
    for _ in 0..12 {
        rig.pass(Duration::ZERO);
        while rig.pending.is_none() {
            let pause = rig.machine.deadline().unwrap().since(rig.now);
            pauses.push(pause);
            rig.pass(pause);
        }
        rig.end(Fate::LostBefore);
    }
    assert!(pauses[0] <= Duration::from_millis(20), "{pauses:?}");
    assert!(pauses.iter().all(|pause| *pause <= Duration::from_millis(500)), "{pauses:?}");
    rig.settle();
    assert_eq!(rig.database.actions(), ["first", "a"]);
}

#[test]
fn a_close_in_doubt_is_settled_before_the_writer_ends() {
    for fate in [Fate::LostBefore, Fate::LostAfter] {
        let mut rig = opened(Mode::Durable);
        rig.event(Event::Close);
        rig.end(fate);
        assert_eq!(rig.said, []);
        rig.settle();
        assert_eq!(rig.said, [Notice::Closed], "{fate:?}");
        assert!(rig.database.in_order()[0].closed);
        assert_eq!(rig.database.in_order()[0].records.len(), 3);
    }
}
