//! Every identifier of the system: parse, show, generate. A value of one of these types is well-formed.
//!
//! Ids are TypeIDs (<https://github.com/jetify-com/typeid>, v0.3): a prefix, `_`, and a UUIDv7 in 26
//! letters of Crockford's base 32, so that they sort by their time of birth.
//!
//! **Invariant:** nothing here reads a clock or a random source; both are arguments.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::clock::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Why a text is no identifier of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}; one looks like `{example}`")]
pub struct Invalid {
    text: String,
    what: &'static str,
    example: String,
}

/// Sixteen random bytes for one new identifier.
pub type Entropy = [u8; 16];

fn uuid_v7(at: Timestamp, entropy: Entropy) -> u128 {
    let millis = u128::from(u64::try_from(at.as_micros() / 1_000).unwrap_or(0)) & 0xffff_ffff_ffff;
    let random = u128::from_be_bytes(entropy);
    let rand_a = (random >> 64) & 0xfff;
    let rand_b = random & 0x3fff_ffff_ffff_ffff;
    (millis << 80) | (0x7 << 76) | (rand_a << 64) | (0b10 << 62) | rand_b
}

/// Letters of an encoded uuid.
const LETTERS: usize = 26;

/// `before`, `_` and the uuid's letters.
fn encode(before: &str, uuid: u128) -> String {
    let mut text = String::with_capacity(before.len() + 1 + LETTERS);
    text.push_str(before);
    text.push('_');
    for digit in (0..LETTERS).rev() {
        let index = usize::try_from((uuid >> (digit * 5)) & 0x1f).unwrap_or_default();
        text.push(ALPHABET.get(index).map_or('0', |&letter| char::from(letter)));
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    if text.len() != LETTERS || !text.starts_with(|first: char| ('0'..='7').contains(&first)) {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
        Some((value << 5) | u128::try_from(digit).ok()?)
    })
}

macro_rules! typeid {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// What stands before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, born at `at`, told apart by `entropy`.
            pub fn new(at: Timestamp, entropy: Entropy) -> Self {
                Self(encode($prefix, uuid_v7(at, entropy)).into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// When the id was made, to the millisecond; what it says of itself, so no proof.
            pub fn born(&self) -> Timestamp {
                let uuid = self.0.get(const { $prefix.len() + 1 }..).and_then(decode).unwrap_or(0);
                Timestamp::from_micros(i64::try_from(uuid >> 80).unwrap_or(0).saturating_mul(1_000))
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text.strip_prefix(concat!($prefix, "_")).and_then(decode) {
                    Some(_) => Ok(Self(text.into())),
                    None => Err(Invalid {
                        text: text.chars().take(64).collect(),
                        what: $what,
                        example: concat!($prefix, "_01h455vb4pex5vsknk084sn02q").into(),
                    }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

typeid!(
    /// An agent, `agt_…`.
    AgentId, "agt", "agent id"
);
typeid!(
    /// An agent's key (not its secret), `key_…`.
    KeyId, "key", "key id"
);
typeid!(
    /// A policy, `pol_…`; it keeps its id over all versions, also after a deletion.
    PolicyId, "pol", "policy id"
);
typeid!(
    /// A decision, `dec_…`; also the id of an audit record that is a decision's.
    DecisionId, "dec", "decision id"
);
typeid!(
    /// A record of an action that was never asked about, `rep_…`.
    ReportId, "rep", "report id"
);
typeid!(
    /// A chain of audit records: one writer's life, `chn_…`.
    ChainId, "chn", "chain id"
);

/// The number of a committed change of agents, keys or policies within an epoch: shown as `epoch.n`.
///
/// The epoch is random per database and per restore, so numbers of different epochs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    epoch: Arc<str>,
    number: i64,
}

impl Revision {
    /// The revision `number` of `epoch`.
    pub fn new(epoch: impl Into<Arc<str>>, number: i64) -> Self {
        Self { epoch: epoch.into(), number }
    }

    /// The epoch: 1–32 of `[a-z0-9]`.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// The number within the epoch; it grows by one with each change.
    pub const fn number(&self) -> i64 {
        self.number
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.number)
    }
}

impl FromStr for Revision {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = text.split_once('.').and_then(|(epoch, number)| {
            let plain = (1..=32).contains(&epoch.len())
                && epoch.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
            // One revision has one text: no sign, no leading zero.
            let is_short = number == "0" || !number.starts_with('0');
            let digits = is_short && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            (plain && digits).then(|| number.parse().ok().map(|number| Self::new(epoch, number))).flatten()
        });
        parsed.ok_or_else(|| Invalid {
            text: text.chars().take(64).collect(),
            what: "revision",
            example: "4f1c09aa.17".into(),
        })
    }
}

/// The revision row as one statement saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Epoch and number.
    pub revision: Revision,
    /// Random per write: two histories that reached the same number differ here.
    pub token: Token,
}

/// Sixteen random bytes that name one write.
pub type Token = [u8; 16];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_decodes() {
        // From the TypeID specification: this suffix is this UUID.
        let uuid = decode("01h455vb4pex5vsknk084sn02q").unwrap();
        assert_eq!(uuid, 0x0189_0a5d_ac96_774b_bcce_b302_099a_8057);
        assert_eq!(encode("x", uuid), "x_01h455vb4pex5vsknk084sn02q");
    }

    #[test]
    fn an_id_reads_back_and_knows_its_birth() {
        let at = Timestamp::from_micros(1_767_614_400_123_000);
        let id = AgentId::new(at, [7; 16]);
        assert_eq!(id.to_string().parse::<AgentId>().unwrap(), id);
        assert_eq!(id.born(), at);
    }

    #[test]
    fn another_kind_or_form_is_refused() {
        let id = AgentId::new(Timestamp::from_micros(0), [0; 16]).to_string();
        assert!(id.parse::<KeyId>().is_err());
        assert!(id.to_uppercase().parse::<AgentId>().is_err());
        assert!("agt_".parse::<AgentId>().is_err());
        assert!("agt_81h455vb4pex5vsknk084sn02q".parse::<AgentId>().is_err());
    }

    #[test]
    fn a_revision_reads_back() {
        let revision = Revision::new("4f1c", 17);
        assert_eq!("4f1c.17".parse::<Revision>().unwrap(), revision);
        for bad in [
            "",
            "17",
            "4f1c.",
            ".17",
            "4f1c.99999999999999999999",
            "4F1C.17",
            "4f1c.-1",
            "4f1c.+1",
            "4f1c.017",
            "4f1c.00",
        ] {
            assert!(bad.parse::<Revision>().is_err(), "{bad}");
        }
    }
}
