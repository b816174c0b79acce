//! Group commit, the queue's bound, the clock, opening and closing.

use super::*;

#[test]
fn calls_that_wait_share_one_commit() {
    let mut rig = opened(Mode::Durable);
    let first = rig.submit(&["a"]);
    let others: Vec<_> = (0..10).map(|_| rig.submit(&["b", "c"])).collect();
    assert_eq!(rig.given.len(), 1, "nothing is sent while a batch is under way");
    let before = rig.database.commits;
    rig.settle();
    assert_eq!(rig.database.commits - before, 2);
    assert!(rig.ok(first) && others.iter().all(|ticket| rig.ok(*ticket)));
    rig.intact();
}

#[test]
fn no_commit_no_answer() {
    let mut rig = opened(Mode::Durable);
    let ticket = rig.submit(&["a"]);
    assert!(!rig.answers.contains_key(&ticket));
    rig.end(Fate::Heard);
    assert_eq!(
        rig.answers[&ticket],
        Ok(Some(rig.database.stamp())),
        "the answer has the stamp of its commit"
    );
}

#[test]
fn a_batch_stays_within_its_bound_and_no_call_is_torn() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["go"]);
    for _ in 0..30 {
        rig.submit(&["a", "b", "c"]);
    }
    rig.settle();
    let sizes: Vec<_> = rig
        .given
        .iter()
        .filter_map(|command| match command {
            Command::Append(batch) => Some(batch.records.len()),
            Command::Open(_) | Command::ReadHead(..) => None,
        })
        .collect();
    assert_eq!(sizes, [1, 63, 27]);
    rig.intact();
}

#[test]
fn a_call_larger_than_a_batch_goes_alone() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["go"]);
    let small = rig.submit(&["s"]);
    let large = rig.submit(&["l"; 100]);
    rig.settle();
    assert!(rig.ok(small) && rig.ok(large));
    assert_eq!(rig.given.len(), 3);
}

#[test]
fn a_call_without_entries_is_answered_and_sends_nothing() {
    let mut rig = opened(Mode::Durable);
    let empty = rig.submit(&[]);
    assert_eq!(rig.answers[&empty], Ok(None));
    assert!(rig.given.is_empty());
}

#[test]
fn a_full_queue_refuses_at_once() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["go"]);
    let fits = rig.submit(&["f"; 128]);
    let beyond = rig.submit(&["one"]);
    assert_eq!(rig.failed(beyond), Some(Failure::Overloaded));
    rig.settle();
    assert!(rig.ok(fits));
    let after = rig.submit(&["again"]);
    rig.settle();
    assert!(rig.ok(after), "room comes back");
}

#[test]
fn async_answers_before_the_commit() {
    let mut rig = Rig::new(Mode::Async);
    let ticket = rig.submit(&["a"]);
    assert_eq!(rig.answers[&ticket], Ok(None));
    assert_eq!(rig.database.commits, 0);
    rig.settle();
    assert_eq!(rig.database.actions(), ["a"]);
}

#[test]
fn async_full_queue_is_unavailable() {
    let mut rig = opened(Mode::Async);
    rig.submit(&["go"]);
    rig.submit(&["f"; 128]);
    let beyond = rig.submit(&["one"]);
    assert_eq!(rig.failed(beyond), Some(Failure::Unavailable));
}

#[test]
fn a_clock_set_back_by_more_than_a_minute_closes_the_chain_and_opens_another() {
    let mut rig = opened(Mode::Durable);
    rig.at = rig.at.minus(MAX_CLOCK_STEP_BACK + Duration::from_micros(1));
    let ticket = rig.submit(&["a"]);
    rig.settle();
    assert!(rig.ok(ticket));
    assert_eq!(rig.database.chains.len(), 2);
    assert_eq!(rig.closing(1)["why"], "clock set back");
    assert!(rig.database.in_order()[0].closed);
    assert_eq!(rig.database.in_order()[1].records[1].position.timestamp, rig.at, "nothing has to pretend");
    assert_eq!(rig.fenced(), 0);
    rig.intact();
}

#[test]
fn a_smaller_step_back_stays_in_the_chain_and_time_stands_still_there() {
    let mut rig = opened(Mode::Durable);
    let before = rig.at;
    rig.at = rig.at.minus(MAX_CLOCK_STEP_BACK);
    rig.submit(&["a"]);
    rig.settle();
    assert_eq!(rig.database.chains.len(), 1);
    assert_eq!(
        rig.database.in_order()[0].records[2].position.timestamp,
        before,
        "never decreasing in a chain"
    );
    rig.intact();
}

#[test]
fn shutdown_writes_what_waits_and_closes_the_chain() {
    let mut rig = opened(Mode::Durable);
    let under_way = rig.submit(&["a"]);
    let waiting = rig.submit(&["b"]);
    rig.event(Event::Close);
    let late = rig.submit(&["c"]);
    assert_eq!(rig.failed(late), Some(Failure::Closing));
    rig.settle();
    assert!(rig.ok(under_way) && rig.ok(waiting));
    assert_eq!(rig.closing(1)["event"], "closed");
    assert_eq!(rig.closing(1)["by"], "writer");
    assert_eq!(rig.closing(1)["why"], "shutdown");
    assert!(rig.database.in_order()[0].closed);
    assert_eq!(rig.said, [Notice::Closed]);
    rig.intact();
}

#[test]
fn a_writer_that_never_wrote_leaves_no_chain() {
    let mut rig = Rig::new(Mode::Durable);
    rig.event(Event::Close);
    assert_eq!(rig.said, [Notice::Closed]);
    assert!(rig.given.is_empty());
}

#[test]
fn the_chain_is_opened_with_its_first_record_and_names_the_one_before() {
    let mut rig = opened(Mode::Durable);
    assert_eq!(rig.database.commits, 1, "opening and the first record are one commit");
    let first = rig.opening(1);
    assert_eq!(first["event"], "opened");
    assert_eq!(
        (&first["mode"], &first["version"], &first["instance"]),
        (&"durable".into(), &"1.2.3".into(), &"pod-1".into())
    );
    assert!(first["previous"].is_null() && first["reached"].is_null());
    let mut second = Rig::new(Mode::Async);
    second.machine = Machine::new(second.machine.settings.clone(), [8; 16]);
    std::mem::swap(&mut second.database, &mut rig.database);
    second.submit(&["b"]);
    second.settle();
    let opening = second.opening(2);
    let before = second.database.in_order()[0].records.last().unwrap();
    assert_eq!(opening["previous"]["seq"], before.position.seq);
    assert_eq!(opening["previous"]["hash"], crate::audit::content::hex(&before.hash));
    assert_eq!(opening["mode"], "async");
    second.intact();
}
