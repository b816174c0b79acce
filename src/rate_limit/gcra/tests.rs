//! What the algorithm promises, over histories that nobody would write by hand.

use proptest::prelude::*;

use super::*;

fn limit(text: &str) -> Limit {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Some moment of these years, in microseconds.
const NOW: u64 = 1_764_000_000_000_000;

/// Limits of one to three windows, rates from one a day to thousands a second, also with fractions that do not end.
fn limits() -> impl Strategy<Value = Limit> {
    let window = |unit: &'static str| {
        (1_u64..=3_000, 1_u64..=3_000).prop_map(move |(quota, burst)| format!("{quota}/{unit} burst {burst}"))
    };
    let texts = (window("second"), window("7 seconds"), window("minute"), 1_usize..=3);
    texts.prop_map(|(one, two, three, many)| limit(&[one, two, three][..many].join(";")))
}

/// Steps of time, with costs: mostly short, sometimes long, now and then backwards or far away.
fn steps() -> impl Strategy<Value = Vec<(i64, u64)>> {
    let gap = prop_oneof![
        8 => 0_i64..2_000,
        4 => 0_i64..2_000_000,
        1 => 0_i64..100_000_000,
    ];
    prop::collection::vec((gap, prop_oneof![6 => Just(1_u64), 2 => 1_u64..40, 1 => 0_u64..4_000]), 1..200)
}

/// Calls admitted in every span of the history, against `burst + quota × t / period`.
fn exceeds(limit: &Limit, admitted: &[(u64, u64)]) -> Option<String> {
    for window in limit.windows() {
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut total = 0_u128;
            for (at, cost) in &admitted[first..] {
                total += u128::from(*cost);
                let span = u128::from(at - from);
                // total <= burst + span × unit / step, without dividing.
                let (step, unit) = (u128::from(window.step()), u128::from(window.unit()));
                if total * step > u128::from(window.burst()) * step + span * unit {
                    return Some(format!("{total} calls within {span} us under {window}"));
                }
            }
        }
    }
    None
}

proptest! {
    #[test]
    fn no_span_of_time_admits_more_than_burst_and_rate(limit in limits(), steps in steps()) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        let mut admitted = Vec::new();
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            if limit.charge(&mut marks, now, cost).admitted {
                admitted.push((now, cost));
            }
        }
        prop_assert_eq!(exceeds(&limit, &admitted), None);
    }

    #[test]
    fn what_was_refused_charges_nothing(limit in limits(), steps in steps()) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            let before = limit.levels(&marks, now);
            let charge = limit.charge(&mut marks, now, cost);
            prop_assert_eq!(charge.levels, limit.levels(&marks, now));
            if !charge.admitted {
                prop_assert_eq!(before, charge.levels);
            }
        }
    }

    #[test]
    fn a_refused_call_fits_when_it_was_told_and_not_a_microsecond_earlier(limit in limits(), steps in steps()) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            let charge = limit.charge(&mut marks, now, cost);
            let standing = limit.standing(&charge, cost);
            if charge.admitted {
                prop_assert!(standing.retry_after.is_zero());
            } else if cost <= limit.burst() {
                let wait = u64::try_from(standing.retry_after.as_micros()).unwrap();
                prop_assert!(limit.charge(&mut marks.clone(), now + wait, cost).admitted);
                prop_assert!(!limit.charge(&mut marks.clone(), now + wait - 1, cost).admitted);
            }
        }
    }

    #[test]
    fn what_remains_fits_and_one_more_does_not(limit in limits(), steps in steps()) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            let charge = limit.charge(&mut marks, now, cost);
            let least = limit.each(&charge.levels).map(|(window, level)| (window.full() - level) / window.step).min().unwrap();
            prop_assert!(limit.charge(&mut marks.clone(), now, least).admitted);
            prop_assert!(!limit.charge(&mut marks.clone(), now, least + 1).admitted);
            if charge.admitted {
                prop_assert_eq!(limit.standing(&charge, cost).remaining, least);
            }
        }
    }

    #[test]
    fn waiting_never_leaves_less(limit in limits(), steps in steps(), wait in 0_u64..100_000_000) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            limit.charge(&mut marks, now, cost);
        }
        let (here, later) = (limit.levels(&marks, now), limit.levels(&marks, now + wait));
        prop_assert!(here.iter().zip(&later).all(|(here, later)| later <= here));
    }

    /// Property 23: a mark that a server with another clock wrote, an hour or a thousand years ahead.
    #[test]
    fn a_clock_set_back_locks_nobody_out_for_longer_than_a_bucket_drains(
        limit in limits(),
        steps in steps(),
        back in prop_oneof![Just(3_600_000_000_u64), 0_u64..10_000_000_000, Just(NOW)],
        retries in 1_u64..50,
    ) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            limit.charge(&mut marks, now, cost);
        }
        let began = now - back;
        let drains = limit.windows().iter().map(|window| window.full().div_ceil(window.unit())).max().unwrap();
        // However often it is tried meanwhile, also without success.
        for turn in 0..=retries {
            limit.charge(&mut marks, began + drains * turn / retries, limit.burst() + 1);
        }
        prop_assert!(limit.charge(&mut marks, began + drains, limit.burst()).admitted);
    }

    #[test]
    fn a_refund_undoes_a_charge(limit in limits(), steps in steps()) {
        let (mut marks, mut now) = (Marks::default(), NOW);
        for (gap, cost) in steps {
            now = now.saturating_add_signed(gap);
            let before = limit.levels(&marks, now);
            if limit.charge(&mut marks, now, cost).admitted {
                limit.refund(&mut marks, now, cost);
                prop_assert_eq!(before, limit.levels(&marks, now));
            }
        }
    }

    #[test]
    fn a_limit_reads_back_as_it_is_shown(limit in limits()) {
        prop_assert_eq!(limit.to_string().parse::<Limit>().unwrap(), limit);
    }
}

/// The control of the first property: buckets that drain a hundredth faster are found out.
#[test]
fn the_check_of_spans_finds_a_rate_of_one_in_a_hundred_more() {
    let (strict, lax) = (limit("1000/second burst 10"), limit("1010/second burst 10"));
    let (mut marks, mut admitted) = (Marks::default(), Vec::new());
    for turn in 0..3_000 {
        let now = NOW + turn * 500;
        if lax.charge(&mut marks, now, 1).admitted {
            admitted.push((now, 1));
        }
    }
    assert_eq!(exceeds(&lax, &admitted), None);
    assert!(exceeds(&strict, &admitted).is_some());
}

/// The control of property 23: a mark that is only looked at, and not brought back, locks out for as long as the
/// clock was set back.
#[test]
fn a_mark_that_is_not_brought_back_never_begins_to_drain() {
    let limit = limit("10/second");
    let ahead = Mark { micros: NOW + 3_600_000_000, part: 0 };
    let mut kept = [Mark::default(); MAX_WINDOWS];
    for seconds in 0..60 {
        kept[0] = ahead;
        assert!(!limit.charge(&mut kept, NOW + seconds * MICROS, 1).admitted, "{seconds}");
    }
    kept[0] = ahead;
    assert!(!limit.charge(&mut kept, NOW, 1).admitted);
    assert!(limit.charge(&mut kept, NOW + MICROS / 10, 1).admitted);
}

#[test]
fn no_window_is_charged_where_another_refuses() {
    let limit = limit("2/second;3/minute");
    let mut marks = Marks::default();
    let fits = |marks: &mut Marks, at| limit.charge(marks, NOW + at, 1).admitted;
    assert!(fits(&mut marks, 0) && fits(&mut marks, 0));
    // The second is full; were the minute charged for these, it would be full as well.
    assert!((0..10).all(|_| !fits(&mut marks, 0)));
    assert!(fits(&mut marks, MICROS));
    // Now the minute is full, and the second is not charged for what it refuses.
    assert!((0..10).all(|_| !fits(&mut marks, 2 * MICROS)));
    let charge = limit.charge(&mut marks, NOW + 2 * MICROS, 1);
    assert_eq!(limit.standing(&charge, 1).window.seconds(), 60);
    assert_eq!(charge.levels[0], 0);
}

#[test]
fn a_quota_may_be_used_at_once_or_evenly() {
    let limit = limit("60/minute");
    let mut marks = Marks::default();
    assert!((0..60).all(|_| limit.charge(&mut marks, NOW, 1).admitted));
    assert!(!limit.charge(&mut marks, NOW, 1).admitted);
    assert!((1..=600).all(|second| limit.charge(&mut marks, NOW + second * MICROS, 1).admitted));
}

#[test]
fn a_cost_above_the_burst_never_fits() {
    let limit = limit("100/second burst 10;1000/minute");
    assert_eq!(limit.burst(), 10);
    assert!(!limit.charge(&mut Marks::default(), NOW, 11).admitted);
    assert!(!limit.charge(&mut Marks::default(), NOW, u64::MAX).admitted);
    assert!(limit.charge(&mut Marks::default(), NOW, 10).admitted);
}

#[test]
fn limits_are_read_in_the_spellings_that_people_use() {
    for (text, shown) in [
        ("1000/minute", "1000/minute"),
        ("100/second;5000/minute", "100/second;5000/minute"),
        ("5000 per minute , 100 / s", "100/second;5000/minute"),
        ("20 PER 10 Seconds burst 5", "20/10 seconds burst 5"),
        ("1/60s", "1/minute"),
        ("1/24 hours", "1/day"),
        ("7/2h burst 7", "7/2 hours"),
        ("1000000/day", "1000000/day"),
        ("1/86400 s", "1/day"),
        ("1000000000/s burst 1", "1000000000/second burst 1"),
        ("1/s;1/2s;1/3s;1/4s", "1/second;1/2 seconds;1/3 seconds;1/4 seconds"),
    ] {
        assert_eq!(limit(text).to_string(), shown, "{text}");
    }
    for (text, fault) in [
        ("", "is no limit"),
        ("fast", "is no limit"),
        ("100", "is no limit"),
        ("100/fortnight", "is no limit"),
        ("-1/minute", "is no limit"),
        ("1.5/minute", "is no limit"),
        ("1/minute burst", "is no limit"),
        ("1/minute burst x", "is no limit"),
        ("1/minute burst 2 3", "is no limit"),
        ("1/minute;", "is no limit"),
        ("0/minute", "between 1 and"),
        ("1/minute burst 0", "between 1 and"),
        ("1000000001/minute", "between 1 and"),
        ("1/0 seconds", "between a second and a day"),
        ("1/2 days", "between a second and a day"),
        ("1/86401 s", "between a second and a day"),
        ("1/99999999999999999999 s", "is no limit"),
        ("999983/day", "cannot be counted exactly"),
        ("1/minute;2/60 seconds", "the period of minute"),
        ("1/s;1/2s;1/3s;1/4s;1/5s", "5 windows are given"),
    ] {
        let error = text.parse::<Limit>().unwrap_err().to_string();
        assert!(error.contains(fault), "{text}: {error}");
    }
}

#[test]
fn the_largest_bucket_is_counted_exactly() {
    // 104,249 is the largest burst whose bucket stays below 2^53 at a prime quota a day.
    let limit = limit("104249/day burst 104249");
    let window = limit.windows()[0];
    assert!(window.full() < MAX_TICKS && window.full() + window.step() >= MAX_TICKS);
    let mut marks = Marks::default();
    assert!(limit.charge(&mut marks, NOW, 104_249).admitted);
    assert!(!limit.charge(&mut marks, NOW + 86_400 * MICROS - 1, 104_249).admitted);
    assert!(limit.charge(&mut marks, NOW + 86_400 * MICROS, 104_249).admitted);
}
