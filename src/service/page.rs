//! Lists come in pages. A page token says where the next page begins and which listing it belongs to, so that a
//! token cannot be used with other filters, where it would skip or repeat entries in silence.
//!
//! A token is opaque to callers, and no secret: it holds nothing that the page before did not show.

use prost::Message;
use sha2::{Digest, Sha256};

use super::Error;
use crate::audit::content::{hex, unhex};

/// Entries of a page if the caller does not say.
pub const DEFAULT_SIZE: usize = 100;
/// Entries of a page at most; more are asked for in vain, not refused.
pub const MAX_SIZE: usize = 1_000;
/// Encoded bytes of a page's entries at most, half of what gRPC clients accept by default; a single larger entry
/// is a page of its own.
pub const MAX_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of a token at most; beyond it is not even read.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

const FORM: u8 = 1;
const DIGEST_BYTES: usize = 16;

/// How many entries a page may have, from what the caller asked for.
///
/// # Errors
/// If it is negative.
pub fn size(page_size: i32) -> Result<usize, Error> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_SIZE),
        Ok(size) => Ok(size.min(MAX_SIZE)),
        Err(_) => Err(Error::invalid("page_size", "is negative")),
    }
}

/// How many rows to read for a page of `size`: one more, which shows that there is a next page.
pub fn rows(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1)
}

/// One listing: an RPC with its filters.
#[derive(Clone, Debug)]
pub struct Listing {
    digest: [u8; DIGEST_BYTES],
}

impl Listing {
    /// The listing of `rpc` with the request's filters, that is, the request without page size and token.
    pub fn new(rpc: &'static str, filters: &impl Message) -> Self {
        let mut hash = Sha256::new();
        hash.update(rpc.as_bytes());
        hash.update([0]);
        hash.update(filters.encode_to_vec());
        let mut digest = [0; DIGEST_BYTES];
        for (kept, byte) in digest.iter_mut().zip(hash.finalize()) {
            *kept = byte;
        }
        Self { digest }
    }

    /// The token of the page that begins after `position`.
    pub fn token(&self, position: &str) -> String {
        let bytes: Vec<u8> = [FORM].into_iter().chain(self.digest).chain(position.bytes()).collect();
        hex(&bytes)
    }

    /// The position after which the page begins; `None` for the first page.
    ///
    /// # Errors
    /// [`Error::PageTokenInvalid`] if the token is none, or of another listing.
    pub fn position(&self, token: &str) -> Result<Option<String>, Error> {
        if token.is_empty() {
            return Ok(None);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Error::PageTokenInvalid);
        }
        let bytes = unhex(token).ok_or(Error::PageTokenInvalid)?;
        let position = bytes
            .strip_prefix(&[FORM])
            .and_then(|rest| rest.strip_prefix(&self.digest))
            .ok_or(Error::PageTokenInvalid)?;
        String::from_utf8(position.to_vec()).map(Some).map_err(|_| Error::PageTokenInvalid)
    }

    /// As [`Listing::position`], read as whatever the listing is ordered by.
    ///
    /// # Errors
    /// As [`Listing::position`].
    pub fn parsed<P: std::str::FromStr>(&self, token: &str) -> Result<Option<P>, Error> {
        let position = self.position(token)?;
        position.map(|text| text.parse().map_err(|_| Error::PageTokenInvalid)).transpose()
    }

    /// Makes a page of `rows`, which were read up to one more than `size`: as many as fit, and the token of the
    /// next page; empty if this is the last.
    pub fn fill<T, M: Message>(
        &self,
        rows: Vec<T>,
        size: usize,
        position: impl Fn(&T) -> String,
        mut show: impl FnMut(T) -> M,
    ) -> (Vec<M>, String) {
        let mut page = Vec::with_capacity(rows.len().min(size));
        let mut bytes = 0;
        let mut last = None;
        for row in rows {
            let at = position(&row);
            let entry = show(row);
            // Tag and length of an entry in its list: at most six bytes.
            bytes += entry.encoded_len() + 6;
            if page.len() >= size || (bytes > MAX_BYTES && !page.is_empty()) {
                return (page, last.map(|at: String| self.token(&at)).unwrap_or_default());
            }
            page.push(entry);
            last = Some(at);
        }
        (page, String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::v1::{Agent, ListAgentsRequest};

    fn listing(team: &str) -> Listing {
        Listing::new("ListAgents", &ListAgentsRequest { team: team.into(), ..Default::default() })
    }

    #[test]
    fn sizes_are_coerced_and_negative_ones_refused() {
        for (asked, given) in [(0, 100), (1, 1), (1_000, 1_000), (1_001, 1_000), (i32::MAX, 1_000)] {
            assert_eq!(size(asked).unwrap(), given);
        }
        assert!(matches!(size(-1), Err(Error::Invalid(_))));
    }

    #[test]
    fn a_token_leads_back_to_its_position() {
        let listing = listing("a");
        assert_eq!(listing.position(&listing.token("agt_ü")).unwrap().as_deref(), Some("agt_ü"));
        assert_eq!(listing.position("").unwrap(), None);
    }

    #[test]
    fn a_token_of_other_filters_is_refused() {
        let token = listing("a").token("x");
        assert!(matches!(listing("b").position(&token), Err(Error::PageTokenInvalid)));
        let other =
            Listing::new("ListPolicies", &ListAgentsRequest { team: "a".into(), ..Default::default() });
        assert!(matches!(other.position(&token), Err(Error::PageTokenInvalid)));
    }

    #[test]
    fn garbage_is_no_token() {
        let listing = listing("a");
        let good = listing.token("x");
        assert_ne!(good, good.to_uppercase());
        let huge = format!("{}{}", good, "61".repeat(MAX_TOKEN_BYTES));
        let (cut, shouted) = (good.get(..33).unwrap(), good.to_uppercase());
        for bad in ["x", "é", "00", cut, &format!("{good}ff"), &format!("{good}0"), &huge, &shouted] {
            assert!(matches!(listing.position(bad), Err(Error::PageTokenInvalid)), "{bad:.80}");
        }
        assert!(matches!(listing.parsed::<i64>(&good), Err(Error::PageTokenInvalid)));
    }

    fn fill(count: usize, size: usize, name: usize) -> (usize, Option<String>) {
        let listing = listing("a");
        let rows: Vec<usize> = (0..count).collect();
        let agent = |_| Agent { name: "n".repeat(name), ..Default::default() };
        let (page, token) = listing.fill(rows, size, usize::to_string, agent);
        (page.len(), listing.position(&token).unwrap())
    }

    #[test]
    fn a_page_ends_at_its_size_and_the_last_has_no_token() {
        assert_eq!(fill(3, 2, 1), (2, Some("1".into())));
        assert_eq!(fill(2, 2, 1), (2, None));
        assert_eq!(fill(0, 2, 1), (0, None));
    }

    #[test]
    fn a_page_ends_at_2_mib_but_never_empty() {
        let (count, position) = fill(5, 5, 600 * 1024);
        assert_eq!((count, position.as_deref()), (3, Some("2")));
        assert_eq!(fill(2, 2, 3 * 1024 * 1024), (1, Some("0".into())));
    }
}
