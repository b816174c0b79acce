//! Agents' keys, and the headers they come in.

use agentguard::auth::credential;
use agentguard::auth::key::{PREFIX, Peppers, Presented};
use agentguard::ids::{AgentId, DecisionId, KeyId, PolicyId, Revision};
use http::{HeaderMap, HeaderValue};

/// `data` is lines: a text that may be a key or another id, and values of the headers that may hold a key.
pub fn run(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n');
    let text = String::from_utf8_lossy(lines.next().unwrap_or_default());
    presented(&text);
    ids(&text);

    let mut headers = HeaderMap::new();
    for (name, line) in ["x-agent-key", "authorization", "x-admin-key", "authorization"].iter().zip(lines) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(*name, value);
        }
    }
    if let Ok(found) = credential::only(&headers) {
        assert!(found.len() <= 1_024 && found.trim() == found, "{found:?} is a credential");
        let holders = headers.values().filter(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            value.trim() == found || value.get(7..).is_some_and(|rest| rest.trim() == found)
        });
        assert!(holders.count() >= 1, "{found:?} stands in no header");
    }
}

fn presented(text: &str) {
    if let Some(key) = Presented::parse(text) {
        let suffix = key.id.as_str().strip_prefix(KeyId::PREFIX).unwrap().trim_start_matches('_');
        assert!(text.strip_prefix(PREFIX).unwrap().starts_with(suffix), "{text:?} claims another id");
        assert_eq!(text.len(), 90, "{text:?} is read as a key");
        // One key has one text: with any letter written another way it is none.
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] ^= 0x20;
            let read = String::from_utf8(other).ok().and_then(|other| Presented::parse(&other));
            assert!(read.is_none(), "{text:?} is also read with letter {at} changed");
        }
    }
    let mut seed = [0u8; 48];
    for (at, byte) in text.bytes().enumerate() {
        seed[at % 48] ^= byte;
    }
    let entropy: [u8; 16] = seed[..16].try_into().unwrap();
    let secret: [u8; 32] = seed[16..].try_into().unwrap();
    let peppers = Peppers::new(Some(text), None);
    let minted = peppers.mint(KeyId::new(Default::default(), entropy), secret);
    let read = Presented::parse(minted.text.expose()).expect("a minted key reads back");
    assert_eq!(read.id, minted.id);
    assert!(peppers.matches(&read, &minted.hash, minted.pepper_id.as_deref()));
    let mut other = secret;
    other[usize::from(entropy[0]) % 32] ^= 1;
    let other = peppers.mint(minted.id.clone(), other);
    assert!(!peppers.matches(&read, &other.hash, other.pepper_id.as_deref()), "two secrets are one");
}

fn ids(text: &str) {
    macro_rules! read_back {
        ($($id:ty),+) => {$(
            if let Ok(id) = text.parse::<$id>() {
                assert_eq!(id.to_string(), text, "an id has two texts");
            }
        )+};
    }
    read_back!(AgentId, KeyId, PolicyId, DecisionId, Revision);
}
