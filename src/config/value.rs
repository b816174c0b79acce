//! How one value is written: durations, sizes, switches, addresses.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A duration: a bare number is seconds; `100ms`, `5s`, `2m`, `1h` and decimals (`0.5`) are accepted.
pub fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let micros_per_unit: u64 = match unit {
        "ms" => 1_000,
        "" | "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.trim_end().split_once('.').unwrap_or((number.trim_end(), "0"));
    let digits =
        |part: &str| !part.is_empty() && part.len() <= 12 && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(fraction.parse::<u64>().ok()?) * u128::from(micros_per_unit) / u128::from(scale);
    let micros = whole.parse::<u64>().ok()?.checked_mul(micros_per_unit)?;
    Some(Duration::from_micros(micros.checked_add(u64::try_from(part).ok()?)?))
}

/// A number of bytes: a bare number, or with `KiB` or `MiB`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1_024,
        "MiB" => 1_024 * 1_024,
        _ => return None,
    };
    count(number)?.checked_mul(factor)
}

/// A whole number in decimal digits.
pub fn count(text: &str) -> Option<u64> {
    let text = text.trim();
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A switch in any of the spellings that deployments use.
pub fn switch(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// An IP address or `localhost`. Host names are refused: what the program listens on must not hang on a
/// resolver, and whether it is loopback must be certain.
pub fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    if text == "localhost" {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text).parse().ok()
}

/// An IP address (or `localhost`) and a port: `127.0.0.1:9000`, `[::]:9000`.
pub fn socket(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let is_bare_v6 = host.contains(':') && !host.starts_with('[');
    let port = count(port)?.try_into().ok()?;
    (!is_bare_v6).then_some(SocketAddr::new(address(host)?, port))
}

/// A duration as the documentation shows it: the largest unit that needs no fraction.
pub fn show_duration(span: Duration) -> String {
    let millis = span.as_millis();
    if !millis.is_multiple_of(1_000) {
        return format!("{millis}ms");
    }
    let seconds = millis / 1_000;
    match seconds {
        0 => "0s".to_owned(),
        whole if whole.is_multiple_of(3_600) => format!("{}h", whole / 3_600),
        whole if whole.is_multiple_of(60) => format!("{}m", whole / 60),
        whole => format!("{whole}s"),
    }
}

/// A size as the documentation shows it.
pub fn show_bytes(size: u64) -> String {
    const KIB: u64 = 1_024;
    const MIB: u64 = 1_024 * 1_024;
    match size {
        whole if whole >= MIB && whole.is_multiple_of(MIB) => format!("{}MiB", whole / MIB),
        whole if whole >= KIB && whole.is_multiple_of(KIB) => format!("{}KiB", whole / KIB),
        whole => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(duration("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(duration("100ms"), Some(Duration::from_millis(100)));
        assert_eq!(duration(" 5s "), Some(Duration::from_secs(5)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("1.5h"), Some(Duration::from_secs(5_400)));
        for bad in ["", "s", "-1", "+1", "1d", "1.", ".5", "1.2.3", "five", "1 2", "9999999999999", "٣"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_size_may_carry_a_binary_unit() {
        assert_eq!(bytes("10485760"), Some(10_485_760));
        assert_eq!(bytes("256KiB"), Some(262_144));
        assert_eq!(bytes("10 MiB"), Some(10_485_760));
        for bad in ["", "KiB", "1KB", "-1", "1.5MiB", "99999999999999999999"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_addresses_that_need_no_resolver_are_read() {
        assert_eq!(address("localhost"), Some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(address("0.0.0.0").is_some() && address("::1").is_some() && address("[::]").is_some());
        assert_eq!(address("example.com"), None);
        assert_eq!(address("127.0.0.1:8000"), None);
    }

    #[test]
    fn a_socket_is_an_address_and_a_port() {
        for good in ["127.0.0.1:0", "localhost:9000", "[::1]:65535", "0.0.0.0:80"] {
            assert!(socket(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "9000",
            ":9000",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:65536",
            "::1:80",
            "host:80",
            "1.2.3.4:+1",
        ] {
            assert_eq!(socket(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for millis in [0, 1, 1_500, 60_000, 90_000, 3_600_000] {
            let span = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(span)), Some(span));
        }
        for size in [0, 1, 1_024, 262_144, 10_485_760, 10_485_761] {
            assert_eq!(bytes(&show_bytes(size)), Some(size));
        }
    }
}
