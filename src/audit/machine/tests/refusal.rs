//! Data that the database refuses: one agent never stops the others.

use super::*;

#[test]
fn the_offender_is_refused_alone_and_63_honest_calls_are_written() {
    for place in [0, 1, 31, 32, 62, 63] {
        let mut rig = opened(Mode::Durable);
        rig.submit(&["go"]);
        let tickets: Vec<_> =
            (0..64).map(|at| rig.submit(&[if at == place { POISON } else { "honest" }])).collect();
        rig.settle();
        for (at, ticket) in tickets.iter().enumerate() {
            if at == place {
                assert_eq!(rig.failed(*ticket), Some(Failure::Refused));
            } else {
                assert!(rig.ok(*ticket), "call {at} beside an offender at {place}");
            }
        }
        assert_eq!(rig.database.actions().len(), 65);
        assert!(!rig.database.actions().contains(&POISON.to_owned()));
        rig.intact();
    }
}

#[test]
fn a_call_is_refused_as_a_whole() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["go"]);
    let honest = rig.submit(&["honest"]);
    let mixed = rig.submit(&["a", POISON, "b"]);
    rig.settle();
    assert!(rig.ok(honest));
    assert_eq!(rig.failed(mixed), Some(Failure::Refused));
    assert_eq!(rig.database.actions(), ["first", "go", "honest"]);
}

#[test]
fn several_offenders_are_each_refused() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["go"]);
    let tickets: Vec<_> = (0..60).map(|at| rig.submit(&[if at % 7 == 0 { POISON } else { "h" }])).collect();
    rig.settle();
    for (at, ticket) in tickets.iter().enumerate() {
        assert_eq!(rig.failed(*ticket), (at % 7 == 0).then_some(Failure::Refused), "call {at}");
    }
    rig.intact();
}

#[test]
fn refused_calls_cannot_overtake_or_starve_the_queue() {
    let mut rig = opened(Mode::Durable);
    rig.submit(&["go"]);
    rig.submit(&["1"]);
    rig.submit(&[POISON]);
    rig.submit(&["2"]);
    rig.end(Fate::Heard);
    rig.submit(&["3"]);
    rig.settle();
    assert_eq!(rig.database.actions(), ["first", "go", "1", "2", "3"]);
}

#[test]
fn an_offender_in_the_opening_leaves_the_others_their_chain() {
    let mut rig = Rig::new(Mode::Durable);
    let offender = rig.submit(&[POISON]);
    let honest = rig.submit(&["honest"]);
    rig.settle();
    assert_eq!(rig.failed(offender), Some(Failure::Refused));
    assert!(rig.ok(honest));
    assert_eq!(rig.database.chains.len(), 1);
    rig.intact();
}

#[test]
fn async_says_what_it_lost() {
    let mut rig = opened(Mode::Async);
    rig.submit(&["go"]);
    let ticket = rig.submit(&["a", POISON]);
    rig.submit(&["b"]);
    rig.settle();
    assert!(rig.ok(ticket), "it was answered before");
    assert_eq!(rig.said, [Notice::Lost(2)]);
    assert_eq!(rig.database.actions(), ["first", "go", "b"]);
}
