//! The rules of writing, and what the world is like without one of them. The transition that breaks the rule takes
//! the place of the machine's own, or of the database's; everything else stays as it is.

use super::super::super::*;
use super::super::database::POISON;

macro_rules! rules {
    ($($name:ident $section:literal $text:literal)+) => {
        /// A rule of writing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Rule { $($name,)+ }

        impl Rule {
            pub(super) const ALL: &'static [Rule] = &[$(Rule::$name,)+];

            /// Where the protocol has it.
            pub(super) fn section(self) -> &'static str {
                match self { $(Rule::$name => $section,)+ }
            }

            /// The rule.
            pub(super) fn text(self) -> &'static str {
                match self { $(Rule::$name => $text,)+ }
            }
        }
    };
}

rules! {
    AnswerAfterCommit "1" "an answer leaves after its commit"
    RevisionOfTheCommit "1" "an answer brings the revision that its commit saw"
    HeadIsChecked "2.1" "rows are added only at the expected head"
    HeadAndRowsTogether "2.1" "the head moves with the rows or not at all"
    TransactionsEnd "2.2" "a transaction whose client is gone ends by its timeout"
    UnknownIsNoSuccess "2.3" "an unknown COMMIT is not taken for a success"
    UnknownIsNoFailure "2.3" "an unknown COMMIT is not taken for a failure"
    OwnHashIsCommitted "2.3" "the own hash at the head means committed"
    IdenticalBytes "2.3" "the identical bytes are sent again"
    ZeroRowsLookAgain "2.3" "zero rows: the head is read once more"
    AnythingElseIsFenced "2.3" "any other head means fenced"
    DoubtStaysFirst "2.3" "a batch in doubt stays first in line"
    CallersTimeOutNotBatches "2.3" "callers may time out, a batch in doubt may not"
    RefusedIsCertain "2.4" "refused data rolls back for certain and is not sent again"
    SplitToTheOffender "2.4" "a refused batch is split until the offender stands alone"
    RestIsChainedAnew "2.4" "what is left of a refused batch is chained anew"
    BreakerOpens "2.5" "a commit outstanding for 500 ms fails who waits"
    BreakerCloses "2.5" "the breaker closes with its batch"
    FencedGoesOn "2.6" "a fenced writer goes on in a new chain"
    FencedNamesThePlace "2.6" "the chain after a fence names the place reached"
    TimeStandsStill "2.8" "timestamps never decrease within a chain"
    ClockStepTurnsOver "2.8" "a clock set back by more than a minute closes the chain"
    OpeningNamesPrevious "3" "a chain's first record names the chain before, its seq and hash"
    ClosingIsARecord "3" "a closed chain ends with a record that says so"
    ClosingChecksTheHead "3" "closing goes under the same head check"
    EndingCloses "3" "a writer that ends closes its chain"
    ListIsLocked "3" "openings lock the list, one after the other"
    RowWithFirstRecord "3" "a chain's row is made in the transaction of its first record"
    JanitorWaits "3" "the janitor closes only what was silent for ten minutes"
}

/// A step of a machine without `rule`.
pub(super) fn step(
    machine: &mut Machine,
    without: Option<Rule>,
    event: Event,
    at: Timestamp,
    now: Instant,
) -> Option<Command> {
    let Some(rule) = without else { return machine.step(event, at, now) };
    let command = match (rule, event) {
        (Rule::AnswerAfterCommit, Event::Submit { ticket, entries }) => {
            machine.notices.push(Notice::Answer(ticket, Ok(Some(old_stamp()))));
            machine.queued_entries += entries.len();
            let entries = entries.into_iter().map(Arc::new).collect();
            machine.queue.push_back(Waiting { ticket: None, entries });
            machine.pump(at, now)
        }
        (Rule::RevisionOfTheCommit, Event::Done(Outcome::Committed(_))) => {
            machine.step(Event::Done(Outcome::Committed(old_stamp())), at, now)
        }
        (Rule::UnknownIsNoSuccess, Event::Done(Outcome::Unknown)) if has_batch(machine) => {
            machine.step(Event::Done(Outcome::Committed(old_stamp())), at, now)
        }
        (Rule::UnknownIsNoFailure, Event::Done(Outcome::Unknown)) => {
            fail_all(machine, Failure::Unavailable);
            machine.pump(at, now)
        }
        (Rule::OwnHashIsCommitted, Event::Head(Ok(Some(head)))) => {
            let is_base = base(machine).is_some_and(|base| (base.seq, base.hash) == (head.seq, head.hash));
            if is_base { machine.step(Event::Head(Ok(Some(head))), at, now) } else { fence(machine, at, now) }
        }
        (Rule::IdenticalBytes, Event::Head(Ok(Some(head)))) => {
            let again = machine.step(Event::Head(Ok(Some(head))), at, now);
            match again {
                Some(Command::Append(_)) => compose_again(machine, at),
                other => other,
            }
        }
        (Rule::ZeroRowsLookAgain, Event::Done(Outcome::Moved)) => fence(machine, at, now),
        (Rule::AnythingElseIsFenced, Event::Head(Ok(Some(head)))) => {
            adopt(machine, &head);
            let again = machine.step(Event::Head(Ok(Some(head))), at, now);
            match again {
                Some(Command::Append(_)) => compose_again(machine, at),
                other => other,
            }
        }
        (Rule::DoubtStaysFirst, Event::Done(Outcome::Unknown)) if base(machine).is_some() => {
            put_back(machine);
            machine.pump(at, now)
        }
        (Rule::RefusedIsCertain, Event::Done(Outcome::Refused)) => {
            machine.step(Event::Done(Outcome::Unknown), at, now)
        }
        (Rule::SplitToTheOffender, Event::Done(Outcome::Refused)) => {
            fail_all(machine, Failure::Refused);
            machine.pump(at, now)
        }
        (Rule::RestIsChainedAnew, Event::Done(Outcome::Refused)) if base(machine).is_some() => {
            match without_offenders(machine) {
                Some(batch) => Some(Command::Append(batch)),
                None => machine.step(Event::Done(Outcome::Refused), at, now),
            }
        }
        // The clock is taken for what the last record says, however far it was set back.
        (Rule::ClockStepTurnsOver, event) => match &machine.phase {
            Phase::Ready(cursor) => {
                let at = at.max(cursor.timestamp);
                machine.step(event, at, now)
            }
            Phase::Busy(flight) => {
                let last = flight.batch.as_ref().and_then(|batch| batch.records.last());
                let at = last.map_or(at, |last| at.max(last.position.timestamp));
                machine.step(event, at, now)
            }
            Phase::Idle | Phase::Closed => machine.step(event, at, now),
        },
        (Rule::EndingCloses, Event::Close) if matches!(machine.phase, Phase::Ready(_)) => {
            machine.phase = Phase::Closed;
            machine.notices.push(Notice::Closed);
            None
        }
        (_, event) => machine.step(event, at, now),
    };
    after(machine, rule, command, at)
}

/// What is wrong with what comes out.
fn after(machine: &mut Machine, rule: Rule, command: Option<Command>, at: Timestamp) -> Option<Command> {
    match (rule, command) {
        (Rule::BreakerOpens, command) => {
            // As if nobody had looked at the clock.
            if machine.breaker_open {
                machine.breaker_open = false;
                machine.notices.retain(|notice| {
                    !matches!(notice, Notice::BreakerOpened | Notice::Answer(_, Err(Failure::Unavailable)))
                });
            }
            command
        }
        (Rule::BreakerCloses, command) => {
            if machine.notices.contains(&Notice::BreakerClosed) {
                machine.notices.retain(|notice| *notice != Notice::BreakerClosed);
                machine.breaker_open = true;
            }
            command
        }
        (Rule::CallersTimeOutNotBatches, command) => {
            if machine.notices.contains(&Notice::BreakerOpened) && base(machine).is_some() {
                fail_all(machine, Failure::Unavailable);
                return None;
            }
            command
        }
        (Rule::FencedGoesOn, command) => {
            if machine.notices.iter().any(|notice| matches!(notice, Notice::Fenced(_))) {
                machine.phase = Phase::Closed;
                return None;
            }
            command
        }
        (Rule::FencedNamesThePlace, command) => {
            machine.broken = None;
            command
        }
        (Rule::TimeStandsStill, Some(Command::Append(batch))) => {
            let batch = Arc::new(stamped(&batch, at));
            if let Phase::Busy(flight) = &mut machine.phase {
                flight.batch = Some(Arc::clone(&batch));
            }
            Some(Command::Append(batch))
        }
        (_, command) => command,
    }
}

/// The opening of a machine without `rule`.
pub(super) fn opening(
    machine: &mut Machine,
    without: Option<Rule>,
    listed: &Listed,
    at: Timestamp,
) -> Option<Arc<Batch>> {
    if without == Some(Rule::OpeningNamesPrevious) {
        return machine.opening(&Listed { chain_no: listed.chain_no, previous: None }, at);
    }
    machine.opening(listed, at)
}

fn old_stamp() -> Stamp {
    Stamp { revision: crate::ids::Revision::new("e", 0), token: [0; 16] }
}

fn has_batch(machine: &Machine) -> bool {
    matches!(&machine.phase, Phase::Busy(flight) if flight.batch.is_some())
}

fn base(machine: &Machine) -> Option<Cursor> {
    match &machine.phase {
        Phase::Busy(flight) => flight.base.clone(),
        Phase::Idle | Phase::Ready(_) | Phase::Closed => None,
    }
}

/// Gives the batch under way up: its callers fail, the next one is built where it was.
fn fail_all(machine: &mut Machine, failure: Failure) {
    let Phase::Busy(flight) = std::mem::replace(&mut machine.phase, Phase::Idle) else { return };
    machine.close_breaker();
    if let Some(base) = flight.base {
        machine.phase = Phase::Ready(base);
    }
    for ticket in flight.waiting.into_iter().filter_map(|waiting| waiting.ticket) {
        machine.notices.push(Notice::Answer(ticket, Err(failure)));
    }
}

/// The batch under way without the calls that the database refuses, every record left where it was.
fn without_offenders(machine: &mut Machine) -> Option<Arc<Batch>> {
    let Phase::Busy(flight) = &mut machine.phase else { return None };
    let is_poison = |entry: &Entry| entry.action.as_deref() == Some(POISON);
    let (offenders, honest): (Vec<_>, Vec<_>) = std::mem::take(&mut flight.waiting)
        .into_iter()
        .partition(|waiting| waiting.entries.iter().any(|entry| is_poison(entry)));
    if honest.is_empty() || offenders.is_empty() {
        flight.waiting = offenders.into_iter().chain(honest).collect();
        return None;
    }
    flight.waiting = honest;
    let batch = Arc::make_mut(flight.batch.as_mut()?);
    let gone: Vec<_> = offenders.iter().flat_map(|waiting| &waiting.entries).collect();
    batch.records.retain(|record| !gone.iter().any(|entry| **entry == record.entry));
    for ticket in offenders.iter().filter_map(|waiting| waiting.ticket) {
        machine.notices.push(Notice::Answer(ticket, Err(Failure::Refused)));
    }
    flight.batch.clone()
}

/// Puts the batch under way at the end of the queue.
fn put_back(machine: &mut Machine) {
    let Phase::Busy(flight) = std::mem::replace(&mut machine.phase, Phase::Idle) else { return };
    machine.close_breaker();
    if let Some(base) = flight.base {
        machine.phase = Phase::Ready(base);
    }
    for waiting in flight.waiting {
        machine.queued_entries += waiting.entries.len();
        machine.queue.push_back(waiting);
    }
}

fn fence(machine: &mut Machine, at: Timestamp, now: Instant) -> Option<Command> {
    if base(machine).is_none() {
        return machine.step(Event::Done(Outcome::Unknown), at, now);
    }
    machine.fenced();
    machine.pump(at, now)
}

/// Takes whatever head there is for the own one.
fn adopt(machine: &mut Machine, head: &Head) {
    if let Phase::Busy(flight) = &mut machine.phase
        && flight.batch.as_deref().and_then(Batch::head).is_none_or(|(_, hash)| head.asked != Some(hash))
        && !head.closed
        && let Some(base) = &mut flight.base
    {
        (base.seq, base.hash) = (head.seq, head.hash);
    }
}

/// Composes the batch under way anew.
fn compose_again(machine: &mut Machine, at: Timestamp) -> Option<Command> {
    let Phase::Busy(flight) = &mut machine.phase else { return None };
    let closes = flight.batch.as_ref().is_some_and(|batch| batch.closes);
    let mut builder = Builder::new(flight.base.clone()?, at.plus(Duration::from_micros(1)));
    builder.push_all(entries(&flight.waiting));
    if closes {
        let mut closing = Entry::new(Kind::Chain);
        closing.detail = Some(closed_detail("writer", "shutdown", &machine.settings.instance));
        builder.push(closing);
    }
    let batch = Arc::new(builder.finish(closes));
    flight.batch = Some(Arc::clone(&batch));
    Some(Command::Append(batch))
}

/// The batch with every record's time as the clock has it.
fn stamped(batch: &Batch, at: Timestamp) -> Batch {
    let mut batch = batch.clone();
    let mut previous = batch.prev_hash;
    for record in &mut batch.records {
        record.position.timestamp = at;
        record.position.prev_hash = previous;
        record.hash = record.computed_hash();
        previous = record.hash;
    }
    batch
}
