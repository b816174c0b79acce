//! Agent keys: `agk_`, the key's id (26), its secret of 256 bits (52) and a checksum (8), all in Crockford's base 32.
//!
//! The checksum is public: it finds a mistyped or cut key before any look-up, and lets scanners of leaked secrets
//! know one when they see it. At rest only a hash of the secret is kept, made under a pepper where one is set.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::ids::KeyId;

/// What every agent key begins with.
pub const PREFIX: &str = "agk_";

const ID_LEN: usize = 26;
const SECRET_LEN: usize = 52;
const CHECKSUM_LEN: usize = 8;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A key as a caller presents it. Never shown.
pub struct Presented {
    /// Which key it claims to be.
    pub id: KeyId,
    secret: [u8; 32],
}

/// A new key: what to store, and the text to show once.
pub struct Minted {
    /// Its id.
    pub id: KeyId,
    /// The hash to store.
    pub hash: [u8; 32],
    /// The pepper it was made under.
    pub pepper_id: Option<String>,
    /// The key itself.
    pub text: crate::config::Secret,
}

impl Presented {
    /// Reads a key; `None` if its form or its checksum is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        if body.len() != ID_LEN + SECRET_LEN + CHECKSUM_LEN || !body.is_ascii() {
            return None;
        }
        let (signed, checksum) = body.split_at_checked(ID_LEN + SECRET_LEN)?;
        if checksum != checksum_of(signed) {
            return None;
        }
        let (id, secret) = signed.split_at_checked(ID_LEN)?;
        let secret = <[u8; 32]>::try_from(decode(secret)?.as_slice()).ok()?;
        Some(Self { id: format!("{}_{id}", KeyId::PREFIX).parse().ok()?, secret })
    }
}

fn checksum_of(signed: &str) -> String {
    let digest = Sha256::new().chain_update("agentguard key ").chain_update(signed).finalize();
    encode(digest.get(..5).unwrap_or_default())
}

/// Five bits a letter, the last filled up with zeros.
fn encode(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut held) = (String::new(), 0u32, 0u32);
    let letter = |value: u32| {
        usize::try_from(value & 31).ok().and_then(|i| ALPHABET.get(i)).map_or('0', |b| char::from(*b))
    };
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(letter(bits >> held));
        }
    }
    if held > 0 {
        text.push(letter(bits << (5 - held)));
    }
    text
}

/// `None` for a letter outside the alphabet or bits that are not filled up with zeros.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|own| *own == letter)?;
        bits = ((bits << 5) | u32::try_from(value).ok()?) & 0xffff;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    (bits & ((1 << held) - 1) == 0).then_some(bytes)
}

/// The keys under which hashes are made; without one a hash is plain SHA-256.
#[derive(Clone, Default)]
pub struct Peppers {
    current: Option<Pepper>,
    previous: Option<Pepper>,
}

#[derive(Clone)]
struct Pepper {
    id: String,
    key: Vec<u8>,
}

impl Pepper {
    fn new(text: &str) -> Self {
        let id = Sha256::new().chain_update("agentguard pepper id ").chain_update(text).finalize();
        Self {
            id: crate::audit::content::hex(id.get(..4).unwrap_or_default()),
            key: text.as_bytes().to_vec(),
        }
    }

    fn mac(&self, bytes: &[u8]) -> [u8; 32] {
        match Hmac::<Sha256>::new_from_slice(&self.key) {
            Ok(mac) => mac.chain_update(bytes).finalize().into_bytes().into(),
            // HMAC takes a key of any length.
            Err(_) => [0; 32],
        }
    }
}

impl Peppers {
    /// `current` makes new hashes; hashes made under `previous` still match.
    pub fn new(current: Option<&str>, previous: Option<&str>) -> Self {
        Self { current: current.map(Pepper::new), previous: previous.map(Pepper::new) }
    }

    /// A new key from 32 random bytes.
    pub fn mint(&self, id: KeyId, secret: [u8; 32]) -> Minted {
        let suffix = id.as_str().strip_prefix(KeyId::PREFIX).map_or("", |rest| rest.trim_start_matches('_'));
        let signed = format!("{suffix}{}", encode(&secret));
        let text = format!("{PREFIX}{signed}{}", checksum_of(&signed));
        Minted {
            hash: hash(self.current.as_ref(), &secret),
            pepper_id: self.current.as_ref().map(|pepper| pepper.id.clone()),
            text: crate::config::Secret::new(text),
            id,
        }
    }

    /// Whether `presented` is the key that `stored` was made from, in constant time.
    pub fn matches(&self, presented: &Presented, stored: &[u8; 32], pepper_id: Option<&str>) -> bool {
        let pepper = self.find(pepper_id);
        // A hash under a pepper that is not at hand cannot be checked: compared all the same, never matched.
        let known = pepper.is_some() || pepper_id.is_none();
        let equal = bool::from(hash(pepper, &presented.secret).ct_eq(stored));
        equal && known
    }

    fn find(&self, id: Option<&str>) -> Option<&Pepper> {
        [&self.current, &self.previous].into_iter().flatten().find(|pepper| Some(pepper.id.as_str()) == id)
    }

    /// What the database keeps to know the pepper by: stored at the first start, checked at every later one.
    pub fn sentinel(&self) -> Vec<u8> {
        match &self.current {
            Some(pepper) => [pepper.id.as_bytes(), b"/", &pepper.mac(SENTINEL)].concat(),
            None => b"none".to_vec(),
        }
    }

    /// Whether hashes made when `stored` was kept can be checked with these peppers.
    pub fn accepts(&self, stored: &[u8]) -> bool {
        let known = |pepper: &Pepper| [pepper.id.as_bytes(), b"/", &pepper.mac(SENTINEL)].concat() == stored;
        stored == b"none" || [&self.current, &self.previous].into_iter().flatten().any(known)
    }
}

const SENTINEL: &[u8] = b"agentguard pepper sentinel";

fn hash(pepper: Option<&Pepper>, secret: &[u8; 32]) -> [u8; 32] {
    match pepper {
        Some(pepper) => pepper.mac(secret),
        None => Sha256::digest(secret).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn id() -> KeyId {
        KeyId::new(Timestamp::from_micros(1_767_614_400_000_000), [9; 16])
    }

    #[test]
    fn a_minted_key_reads_back_and_matches_its_hash() {
        for peppers in [Peppers::default(), Peppers::new(Some("pepper"), None)] {
            let minted = peppers.mint(id(), [0xa5; 32]);
            assert_eq!(minted.text.expose().len(), 90);
            let presented = Presented::parse(minted.text.expose()).unwrap();
            assert_eq!(presented.id, id());
            assert!(peppers.matches(&presented, &minted.hash, minted.pepper_id.as_deref()));
            assert!(!peppers.matches(&presented, &[0; 32], minted.pepper_id.as_deref()));
        }
    }

    #[test]
    fn any_changed_letter_fails_the_checksum() {
        let text = Peppers::default().mint(id(), [0xa5; 32]).text.expose().to_owned();
        for place in PREFIX.len()..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'0' { b'1' } else { b'0' };
            assert!(Presented::parse(std::str::from_utf8(&changed).unwrap()).is_none(), "{place}");
        }
    }

    #[test]
    fn malformed_keys_are_refused_before_any_look_up() {
        for text in ["", "agk_", "agk_short", "xyz_01", &"agk_".repeat(30), "agk_\u{e9}"] {
            assert!(Presented::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_rotated_pepper_still_opens_old_keys_and_makes_new_ones() {
        let old = Peppers::new(Some("old"), None);
        let minted = old.mint(id(), [1; 32]);
        let presented = Presented::parse(minted.text.expose()).unwrap();
        let rotated = Peppers::new(Some("new"), Some("old"));
        assert!(rotated.matches(&presented, &minted.hash, minted.pepper_id.as_deref()));
        assert_ne!(rotated.mint(id(), [1; 32]).hash, minted.hash);
        let wrong = Peppers::new(Some("other"), None);
        assert!(!wrong.matches(&presented, &minted.hash, minted.pepper_id.as_deref()));
    }

    #[test]
    fn the_sentinel_refuses_the_wrong_pepper() {
        let stored = Peppers::new(Some("right"), None).sentinel();
        assert!(Peppers::new(Some("right"), None).accepts(&stored));
        assert!(Peppers::new(Some("next"), Some("right")).accepts(&stored));
        assert!(!Peppers::new(Some("wrong"), None).accepts(&stored));
        assert!(!Peppers::default().accepts(&stored));
        assert!(Peppers::new(Some("right"), None).accepts(b"none"));
    }
}
