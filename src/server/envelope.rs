//! What the headers say of a call beside its caller: its id, its deadline, whether it is a retry.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use crate::service::Error;

/// The header of the correlation id, in and out.
pub(super) const REQUEST_ID: &str = "x-request-id";

/// The header that says which span of which trace a call was (W3C Trace Context, level 2).
pub(super) const TRACE_RESPONSE: &str = "traceresponse";

/// The longest id that is taken over.
const MAX_REQUEST_ID: usize = 128;

/// Headers that count earlier tries: gRPC's own retries, and our SDKs'.
const ATTEMPTS: [&str; 2] = ["grpc-previous-rpc-attempts", "x-agentguard-attempt"];

/// The caller's request id if it is one, else a new one of `entropy`.
pub(super) fn request_id(headers: &HeaderMap, entropy: impl FnOnce() -> [u8; 16]) -> Arc<str> {
    let given =
        headers.get(REQUEST_ID).map(HeaderValue::as_bytes).and_then(|bytes| std::str::from_utf8(bytes).ok());
    match given {
        Some(id) if is_request_id(id) => id.into(),
        Some(_) | None => format!("req_{:032x}", u128::from_be_bytes(entropy())).into(),
    }
}

fn is_request_id(id: &str) -> bool {
    (1..=MAX_REQUEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// Whether the caller says that it tried before.
pub(super) fn is_retry(headers: &HeaderMap) -> bool {
    ATTEMPTS.iter().filter_map(|name| headers.get(*name)).any(|value| {
        value.to_str().ok().and_then(|text| text.parse::<u32>().ok()).is_some_and(|attempts| attempts > 0)
    })
}

/// The caller's deadline by `grpc-timeout`, from now.
///
/// # Errors
/// When it is none: guessing one would let the caller believe in another.
pub(super) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    let parsed = value.to_str().ok().and_then(parse_timeout);
    parsed.map(Some).ok_or_else(|| {
        Error::invalid(
            "grpc-timeout",
            "is not 1 to 8 digits and one of the units `H`, `M`, `S`, `m`, `u`, `n`",
        )
    })
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    #[test]
    fn a_good_request_id_is_the_callers_and_any_other_a_new_one() {
        let longest = "x".repeat(128);
        for good in ["a", "A-z_0.9", longest.as_str()] {
            assert_eq!(&*request_id(&headers(REQUEST_ID, good), || [0; 16]), good);
        }
        for bad in ["", "a b", "a/b", &"x".repeat(129)] {
            let made = request_id(&headers(REQUEST_ID, bad), || [0xab; 16]);
            assert_eq!(&*made, format!("req_{}", "ab".repeat(16)), "{bad}");
            assert!(is_request_id(&made));
        }
    }

    #[test]
    fn every_unit_of_grpc_timeout_is_read_and_nothing_else() {
        let read = |text: &str| grpc_timeout(&headers("grpc-timeout", text)).ok().flatten();
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("4m"), Some(Duration::from_millis(4)));
        assert_eq!(read("5u"), Some(Duration::from_micros(5)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "S", "1", "1s", "-1S", "+1S", "1.5S", "123456789S", "1 S", "1SS"] {
            assert!(grpc_timeout(&headers("grpc-timeout", bad)).is_err(), "{bad}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_retry_is_what_counts_more_than_no_try_before() {
        assert!(is_retry(&headers("grpc-previous-rpc-attempts", "1")));
        assert!(is_retry(&headers("x-agentguard-attempt", "2")));
        for none in ["0", "x", "-1"] {
            assert!(!is_retry(&headers("x-agentguard-attempt", none)), "{none}");
        }
        assert!(!is_retry(&HeaderMap::new()));
    }
}
