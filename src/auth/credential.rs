//! Finds the one credential among the headers. The header does not say which kind it is.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::Error;

/// Headers that hold a bare key.
const KEY_HEADERS: [&str; 2] = ["x-agent-key", "x-admin-key"];

/// Bytes of a credential at most.
const MAX_BYTES: usize = 1_024;

/// The one credential in `headers`. Other schemes than `Bearer` are ignored.
///
/// # Errors
/// [`Error::None`]; [`Error::Many`] for several, even equal ones; [`Error::Refused`] for one that is no text.
pub fn only(headers: &HeaderMap) -> Result<&str, Error> {
    let keys = KEY_HEADERS.iter().flat_map(|name| headers.get_all(*name)).map(|value| value.as_bytes());
    let bearers = headers.get_all(AUTHORIZATION).iter().filter_map(|value| bearer(value.as_bytes()));
    let mut found = keys.chain(bearers);
    let credential = found.next().ok_or(Error::None)?;
    if found.next().is_some() {
        return Err(Error::Many);
    }
    if credential.is_empty() || credential.len() > MAX_BYTES {
        return Err(Error::Refused);
    }
    std::str::from_utf8(credential).map(str::trim).map_err(|_| Error::Refused)
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn each_header_holds_either_kind() {
        for name in ["x-agent-key", "x-admin-key"] {
            assert_eq!(only(&headers(&[(name, "k")])), Ok("k"));
        }
        assert_eq!(only(&headers(&[("authorization", "Bearer k")])), Ok("k"));
        assert_eq!(only(&headers(&[("authorization", "bEARER  k")])), Ok("k"));
    }

    #[test]
    fn two_credentials_are_refused_even_if_equal() {
        let refused = Err(Error::Many);
        assert_eq!(only(&headers(&[("x-agent-key", "k"), ("x-agent-key", "k")])), refused);
        assert_eq!(only(&headers(&[("x-agent-key", "k"), ("x-admin-key", "k")])), refused);
        assert_eq!(only(&headers(&[("x-agent-key", "k"), ("authorization", "Bearer k")])), refused);
        assert_eq!(only(&headers(&[])), Err(Error::None));
    }

    #[test]
    fn other_schemes_are_ignored() {
        assert_eq!(only(&headers(&[("authorization", "Basic eDp5"), ("x-agent-key", "k")])), Ok("k"));
        assert_eq!(only(&headers(&[("authorization", "Basic eDp5")])), Err(Error::None));
    }
}
