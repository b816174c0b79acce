//! Points in time: the domain has microseconds of the years 1970 to 9999.

use super::Faults;
use crate::clock::Timestamp;

/// Reads a timestamp; what is finer than a microsecond is cut off.
pub fn timestamp(field: &str, message: &prost_types::Timestamp, faults: &mut Faults) -> Option<Timestamp> {
    let micros = (0..1_000_000_000)
        .contains(&message.nanos)
        .then(|| message.seconds.checked_mul(1_000_000)?.checked_add(i64::from(message.nanos / 1_000)))
        .flatten();
    // The domain's own type clamps; a time that would be clamped is refused instead.
    let read = micros.map(Timestamp::from_micros).filter(|read| Some(read.as_micros()) == micros);
    if read.is_none() {
        faults.add(field, "is no point in time of the years 1970 to 9999");
    }
    read
}

/// Writes a timestamp.
pub fn timestamp_message(at: Timestamp) -> prost_types::Timestamp {
    let micros = at.as_micros();
    let nanos = i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: micros.div_euclid(1_000_000), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(seconds: i64, nanos: i32) -> Option<i64> {
        let mut faults = Faults::default();
        let read = timestamp("now", &prost_types::Timestamp { seconds, nanos }, &mut faults);
        assert_eq!(read.is_none(), faults.or(Some(())).is_err());
        read.map(Timestamp::as_micros)
    }

    #[test]
    fn a_timestamp_reads_back() {
        for micros in [0, 1, 1_767_614_400_000_001, 253_402_207_199_999_999] {
            let message = timestamp_message(Timestamp::from_micros(micros));
            assert_eq!(read(message.seconds, message.nanos), Some(micros));
        }
        assert_eq!(read(1, 1_999), Some(1_000_001));
    }

    #[test]
    fn what_is_no_time_of_ours_is_refused() {
        for (seconds, nanos) in
            [(-1, 0), (0, -1), (0, 1_000_000_000), (253_402_300_800, 0), (i64::MAX, 0), (i64::MIN, 0)]
        {
            assert_eq!(read(seconds, nanos), None, "{seconds} {nanos}");
        }
    }
}
