//! What of a request is kept, bounded and redacted, and the digests that stand for what is not.
//!
//! Content is canonical JSON: keys sorted, no white space. Values under secret-looking keys are replaced before
//! anything is stored; what passes the bound of a record is replaced by its digest. Both digests are keyed per
//! deployment, so that a short value cannot be guessed from them.

use std::cell::Cell;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, Serializer};
use serde_json::Map;
use sha2::Sha256;

use crate::policy::{Object, Request, Value};

use super::record::{Content, Hash};

/// Bytes of content a record keeps; a larger request keeps a digest of its largest parts.
pub const MAX_CONTENT_BYTES: usize = 8 * 1024;

/// Knows what to keep.
#[derive(Clone)]
pub struct Keeper {
    /// Keyed already.
    mac: Option<Hmac<Sha256>>,
    redact: Vec<String>,
}

/// Shows nothing: the key is a secret.
impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("redact", &self.redact).finish_non_exhaustive()
    }
}

/// A request's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What is stored.
    pub content: Content,
    /// Whether that is all of it.
    pub replayable: bool,
    /// Over the whole request but its idempotency key and `min_revision`.
    pub digest: Hash,
}

impl Keeper {
    /// A keeper that makes digests under `key` and redacts values of which the key, in lower case without `_` and
    /// `-`, contains one of `redact`.
    pub fn new(key: [u8; 32], redact: Vec<String>) -> Self {
        Self {
            // HMAC takes a key of any length.
            mac: Hmac::<Sha256>::new_from_slice(&key).ok(),
            redact: redact.into_iter().map(|part| plain(&part)).filter(|part| !part.is_empty()).collect(),
        }
    }

    /// A request's digest; equal requests have equal digests, also across restarts and replicas.
    pub fn digest(&self, request: &Request) -> Hash {
        self.mac(&written(&Whole {
            action: request.action.as_str(),
            approval_id: request.approval_id.as_deref(),
            arguments: &request.arguments,
            context: &request.context,
            on_behalf_of: request.on_behalf_of.as_deref(),
            resource: request.resource.as_deref(),
            session_id: request.session_id.as_deref(),
        }))
    }

    /// What is kept of a report: as of a request, and what came of the act.
    pub fn report(
        &self,
        as_sent: &str,
        request: &Request,
        error: Option<&str>,
        metadata: &Object,
        salt: [u8; 16],
    ) -> Kept {
        self.keep(as_sent, request, Some((error, metadata)), salt)
    }

    /// What is kept of a request. `as_sent` is the action's name before it was brought to its canonical form.
    pub fn request(&self, as_sent: &str, request: &Request, salt: [u8; 16]) -> Kept {
        self.keep(as_sent, request, None, salt)
    }

    fn keep(&self, as_sent: &str, request: &Request, outcome: Option<Came<'_>>, salt: [u8; 16]) -> Kept {
        let digest = self.digest(request);
        let whole = Cell::new(true);
        let redacted = |object| Redacted { keeper: self, object, whole: &whole };
        let parts = Parts {
            action: as_sent,
            arguments: redacted(&request.arguments),
            context: redacted(&request.context),
            error: outcome.map(|(error, _)| error),
            metadata: outcome.map(|(_, metadata)| redacted(metadata)),
            on_behalf_of: request.on_behalf_of.as_deref(),
            request_digest: &hex(&digest),
            resource: request.resource.as_deref(),
            session_id: request.session_id.as_deref(),
        };
        let bytes = self.fit(&parts, &whole);
        Kept { content: Content { bytes, salt: salt.to_vec() }, replayable: whole.get(), digest }
    }

    /// What is kept of an outcome or a report's outcome.
    pub fn outcome(&self, error: Option<&str>, metadata: &Object, salt: [u8; 16]) -> (Content, bool) {
        let whole = Cell::new(true);
        let metadata = Redacted { keeper: self, object: metadata, whole: &whole };
        let bytes = self.fit(&Outcome { error, metadata }, &whole);
        (Content { bytes, salt: salt.to_vec() }, whole.get())
    }

    /// The parts as content, of which the largest are replaced by their digests until it fits. That ends well: a
    /// digest is shorter than any part that can be the largest of ten which do not fit. Clears `whole` if one is.
    fn fit(&self, parts: &impl Serialize, whole: &Cell<bool>) -> Vec<u8> {
        let mut bytes = written(parts);
        // Measured as it is stored, escaped: a control character takes six bytes.
        if bytes.len() <= MAX_CONTENT_BYTES {
            return bytes;
        }
        whole.set(false);
        let mut parts = match serde_json::to_value(parts) {
            Ok(serde_json::Value::Object(parts)) => parts,
            // Never: a struct is an object.
            Ok(_) | Err(_) => Map::new(),
        };
        while bytes.len() > MAX_CONTENT_BYTES {
            if let Some(largest) = parts.values_mut().max_by_key(|part| part.to_string().len()) {
                *largest = self.cut(largest);
            }
            bytes = written(&parts);
        }
        bytes
    }

    /// A short text's digest as it stands in place of what was cut: `hmac-sha256:…`.
    fn stand_in(&self, value: &serde_json::Value) -> String {
        format!("hmac-sha256:{}", hex(&self.mac(value.to_string().as_bytes())))
    }

    /// A text stays a text, so that who reads the record sees that there was one.
    fn cut(&self, value: &serde_json::Value) -> serde_json::Value {
        if value.is_string() {
            return self.stand_in(value).into();
        }
        serde_json::json!({ "$bytes": value.to_string().len(), "$digest": self.stand_in(value) })
    }

    fn is_secret(&self, key: &str, value: &Value) -> bool {
        let mut key = plain(key);
        // How many tokens a model may use is no secret; tokens are.
        if matches!(value, Value::Number(_)) {
            key = key.replace("tokens", "");
        }
        self.redact.iter().any(|part| key.contains(part.as_str()))
    }

    fn mac(&self, bytes: &[u8]) -> Hash {
        let keyed = self.mac.clone();
        keyed.map_or([0; 32], |mac| mac.chain_update(bytes).finalize().into_bytes().into())
    }
}

/// What came of a reported act: the error's text and the metadata.
type Came<'a> = (Option<&'a str>, &'a Object);

/// What a request's digest covers. Here and below the fields stand in the order of their names, as canonical JSON has
/// them.
#[derive(Serialize)]
struct Whole<'a> {
    action: &'a str,
    approval_id: Option<&'a str>,
    arguments: &'a Object,
    context: &'a Object,
    on_behalf_of: Option<&'a str>,
    resource: Option<&'a str>,
    session_id: Option<&'a str>,
}

/// What is kept of a request; of a report also what came of it.
#[derive(Serialize)]
struct Parts<'a> {
    action: &'a str,
    arguments: Redacted<'a>,
    context: Redacted<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Redacted<'a>>,
    on_behalf_of: Option<&'a str>,
    request_digest: &'a str,
    resource: Option<&'a str>,
    session_id: Option<&'a str>,
}

/// What is kept of an outcome.
#[derive(Serialize)]
struct Outcome<'a> {
    error: Option<&'a str>,
    metadata: Redacted<'a>,
}

/// Named values, written with stand-ins for those that are secrets.
#[derive(Clone, Copy)]
struct Redacted<'a> {
    keeper: &'a Keeper,
    object: &'a Object,
    /// Cleared once something is left out.
    whole: &'a Cell<bool>,
}

impl Serialize for Redacted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.object.iter().map(|(key, value)| (key, Member { of: *self, key, value })))
    }
}

/// A value under its key.
struct Member<'a> {
    of: Redacted<'a>,
    key: &'a str,
    value: &'a Value,
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.of.keeper.is_secret(self.key, self.value) {
            self.of.whole.set(false);
            let stand_in = self.of.keeper.stand_in(&self.value.into());
            return serializer.collect_map([("$redacted", stand_in)]);
        }
        Inner { of: self.of, value: self.value }.serialize(serializer)
    }
}

/// A value whose key, if it has one, is no secret's.
struct Inner<'a> {
    of: Redacted<'a>,
    value: &'a Value,
}

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Object(object) => Redacted { object, ..self.of }.serialize(serializer),
            Value::List(items) => {
                serializer.collect_seq(items.iter().map(|value| Inner { of: self.of, value }))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.value.serialize(serializer)
            }
        }
    }
}

/// Canonical JSON, written without a tree of values between. What is written here has text keys and cannot fail.
fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn plain(key: &str) -> String {
    key.chars().filter(|c| *c != '_' && *c != '-').flat_map(char::to_lowercase).collect()
}

/// The bytes that [`hex`] wrote; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = text.as_bytes().chunks_exact(2);
    pairs.map(|pair| pair.iter().try_fold(0u8, |value, byte| Some(value << 4 | digit(byte)?))).collect()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value & 0x0f)).map_or('0', |digit| char::from(*digit));
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(*byte));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Action;

    fn keeper() -> Keeper {
        Keeper::new([1; 32], vec!["password".into(), "api_key".into(), "token".into()])
    }

    fn request(context: serde_json::Value) -> Request {
        let context = crate::policy::value::object(context.as_object().unwrap());
        Request {
            action: Action::parse("read:file").unwrap(),
            resource: Some("/a".into()),
            arguments: Object::new(),
            context,
            session_id: None,
            on_behalf_of: None,
            approval_id: None,
        }
    }

    #[test]
    fn secrets_never_reach_the_record() {
        let request = request(
            serde_json::json!({"a": [{"db-Password": "hunter2"}], "X-Api-Key": "k", "ok": 1, "max_tokens": 5, "session_token": "t",
                "refresh_tokens": ["t"]}),
        );
        let kept = keeper().request("read_file", &request, [0; 16]);
        let text = String::from_utf8(kept.content.bytes).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("\"k\"") && !text.contains("\"t\""), "{text}");
        assert!(text.contains("\"ok\":1"), "{text}");
        assert!(text.contains("\"max_tokens\":5"), "{text}");
        assert!(!kept.replayable);
    }

    #[test]
    fn what_is_too_large_is_replaced_by_its_digest() {
        let request = request(serde_json::json!({"blob": "x".repeat(10_000)}));
        let kept = keeper().request("read_file", &request, [0; 16]);
        assert!(kept.content.bytes.len() <= MAX_CONTENT_BYTES);
        assert!(!kept.replayable);
    }

    #[test]
    fn nobody_passes_the_bound_by_looking_cut_already() {
        let request = request(serde_json::json!({"$digest": "x".repeat(10_000)}));
        assert!(keeper().request("read_file", &request, [0; 16]).content.bytes.len() <= MAX_CONTENT_BYTES);
    }

    #[test]
    fn control_characters_do_not_pass_the_bound() {
        let control = |bytes: usize| "\u{1}".repeat(bytes);
        let request = Request {
            resource: Some(control(2_048)),
            session_id: Some(control(256)),
            on_behalf_of: Some(control(256)),
            ..request(serde_json::json!({"a": "x".repeat(10_000), "b": 1}))
        };
        let kept = keeper().request(&format!("read{}file", control(240)), &request, [0; 16]);
        assert!(kept.content.bytes.len() <= MAX_CONTENT_BYTES, "{}", kept.content.bytes.len());
        assert!(!kept.replayable);
        let content: serde_json::Value = serde_json::from_slice(&kept.content.bytes).unwrap();
        // What was cut shows that there was something.
        assert!(content["resource"].as_str().unwrap().starts_with("hmac-sha256:"), "{content}");
        assert!(content["context"]["$digest"].is_string(), "{content}");
        assert_eq!(content["session_id"], control(256));

        let metadata = Object::from([("m".into(), Value::String(control(600)))]);
        let error = control(2_048);
        let (content, whole) = keeper().outcome(Some(&error), &metadata, [0; 16]);
        assert!(content.bytes.len() <= MAX_CONTENT_BYTES && !whole, "{}", content.bytes.len());
        let kept = keeper().report("a", &request, Some(&error), &metadata, [0; 16]);
        assert!(kept.content.bytes.len() <= MAX_CONTENT_BYTES && !kept.replayable);
    }

    #[test]
    fn only_as_much_is_cut_as_must_be() {
        let both = request(serde_json::json!({"blob": "x".repeat(5_000)}));
        let request =
            Request { arguments: Object::from([("n".into(), Value::String("y".repeat(4_000)))]), ..both };
        let kept = keeper().request("read_file", &request, [0; 16]);
        let content: serde_json::Value = serde_json::from_slice(&kept.content.bytes).unwrap();
        assert!(
            content["context"]["$digest"].is_string() && content["arguments"]["n"].is_string(),
            "{content}"
        );
    }

    /// The form that is stored and hashed is that of a tree of JSON values with its keys sorted.
    #[test]
    fn content_is_canonical_json_whatever_is_in_it() {
        let values = serde_json::json!({
            "z": [null, true, -0.0, 1e308, 9_007_199_254_740_993_i64, 0.1, 5, "\u{1}\"\\\u{1f512}"],
            "a": {"b": {}, "B": [[]], "": ""},
            "tokens": 7,
        });
        let request = Request {
            arguments: crate::policy::value::object(values.as_object().unwrap()),
            session_id: Some("s".into()),
            ..request(values.clone())
        };
        let metadata = request.context.clone();
        let kept = keeper().report("Read File", &request, Some("broke"), &metadata, [0; 16]);
        let json = |object: &Object| serde_json::Value::from(&Value::Object(object.clone()));
        let whole = serde_json::json!({
            "session_id": "s", "resource": "/a", "on_behalf_of": null, "approval_id": null, "action": "read:file",
            "arguments": json(&request.arguments), "context": json(&request.context),
        });
        assert_eq!(kept.digest, keeper().mac(whole.to_string().as_bytes()));
        let expected = serde_json::json!({
            "session_id": "s", "resource": "/a", "on_behalf_of": null, "request_digest": hex(&kept.digest),
            "arguments": json(&request.arguments), "context": json(&request.context), "action": "Read File",
            "metadata": json(&metadata), "error": "broke",
        });
        assert_eq!(String::from_utf8(kept.content.bytes).unwrap(), expected.to_string());
        assert!(kept.replayable);
    }

    #[test]
    fn the_digest_covers_the_whole_request_and_is_keyed() {
        let (one, two) = (request(serde_json::json!({"a": 1})), request(serde_json::json!({"a": 2})));
        assert_ne!(keeper().digest(&one), keeper().digest(&two));
        assert_ne!(keeper().digest(&one), Keeper::new([2; 32], Vec::new()).digest(&one));
    }

    #[test]
    fn a_plain_request_is_kept_whole() {
        let kept = keeper().request("Read File", &request(serde_json::json!({})), [0; 16]);
        assert!(kept.replayable);
        assert!(String::from_utf8(kept.content.bytes).unwrap().contains("\"action\":\"Read File\""));
    }
}
