//! From when until when a certificate is valid: the one field of a certificate that no library in use here shows.

use crate::clock::Timestamp;

/// The time in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

/// DER tags on the way to the field.
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

impl Validity {
    /// Of a certificate in DER; `None` if that is none.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = element(certificate, SEQUENCE)?;
        let (mut body, _) = element(certificate, SEQUENCE)?;
        if let Some((_, rest)) = element(body, VERSION) {
            body = rest;
        }
        // Serial number, algorithm, issuer.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, body) = element(body, tag)?;
        }
        let (validity, _) = element(body, SEQUENCE)?;
        let (from, rest) = time(validity)?;
        let (until, _) = time(rest)?;
        Some(Self { from, until })
    }
}

/// The content of the element at the beginning, which must be a `tag`, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // So many bytes of length follow. Four hold more than any certificate.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (length.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The time at the beginning, and what follows it.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, rest, century) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => {
            let year: u8 = std::str::from_utf8(text.get(..2)?).ok()?.parse().ok()?;
            // As RFC 5280 has it.
            (text, rest, if year >= 50 { "19" } else { "20" })
        }
        None => element(bytes, GENERALIZED_TIME).map(|(text, rest)| (text, rest, ""))?,
    };
    let digits = format!("{century}{}", std::str::from_utf8(text).ok()?.strip_suffix('Z')?);
    if digits.len() != 14 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?
    );
    Some((Timestamp::parse(&text)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        let found = Validity::of(&certificate((2024, 2, 29), (2049, 12, 31))).unwrap();
        assert_eq!(found, Validity { from: at("2024-02-29T00:00:00Z"), until: at("2049-12-31T00:00:00Z") });
        let found = Validity::of(&certificate((1999, 1, 1), (2999, 6, 15))).unwrap();
        assert_eq!(found, Validity { from: at("1999-01-01T00:00:00Z"), until: at("2999-06-15T00:00:00Z") });
    }

    #[test]
    fn what_is_cut_or_no_certificate_is_none() {
        let whole = certificate((2024, 1, 1), (2030, 1, 1));
        for length in 0..120 {
            assert_eq!(Validity::of(&whole[..length]), None, "{length}");
        }
        for place in 0..whole.len().min(150) {
            let mut changed = whole.clone();
            changed[place] ^= 0xff;
            // Whatever it says, it does not panic.
            Validity::of(&changed);
        }
    }
}
