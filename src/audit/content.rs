//! What of a request is kept, bounded and redacted, and the digests that stand for what is not.
//!
//! Content is canonical JSON: keys sorted, no white space. Values under secret-looking keys are replaced before
//! anything is stored; what passes the bound of a record is replaced by its digest. Both digests are keyed per
//! deployment, so that a short value cannot be guessed from them.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Map;
use sha2::Sha256;

use crate::policy::{Object, Request, Value};

use super::record::{Content, Hash};

/// Bytes of content a record keeps; a larger request keeps a digest of its largest parts.
pub const MAX_CONTENT_BYTES: usize = 8 * 1024;

/// Knows what to keep.
#[derive(Clone)]
pub struct Keeper {
    key: [u8; 32],
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
            key,
            redact: redact.into_iter().map(|part| plain(&part)).filter(|part| !part.is_empty()).collect(),
        }
    }

    /// A request's digest; equal requests have equal digests, also across restarts and replicas.
    pub fn digest(&self, request: &Request) -> Hash {
        let whole = serde_json::json!({
            "action": request.action.as_str(),
            "approval_id": request.approval_id,
            "arguments": json(&request.arguments),
            "context": json(&request.context),
            "on_behalf_of": request.on_behalf_of,
            "resource": request.resource,
            "session_id": request.session_id,
        });
        self.mac(whole.to_string().as_bytes())
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
        let mut replayable = true;
        let metadata = self.redacted(metadata, &mut replayable);
        let mut kept = self.keep(as_sent, request, Some((error, metadata)), salt);
        kept.replayable &= replayable;
        kept
    }

    /// What is kept of a request. `as_sent` is the action's name before it was brought to its canonical form.
    pub fn request(&self, as_sent: &str, request: &Request, salt: [u8; 16]) -> Kept {
        self.keep(as_sent, request, None, salt)
    }

    fn keep(&self, as_sent: &str, request: &Request, outcome: Option<Came<'_>>, salt: [u8; 16]) -> Kept {
        let digest = self.digest(request);
        let mut replayable = true;
        let mut parts = Map::new();
        parts.insert("action".into(), as_sent.into());
        parts.insert("arguments".into(), self.redacted(&request.arguments, &mut replayable));
        parts.insert("context".into(), self.redacted(&request.context, &mut replayable));
        parts.insert("on_behalf_of".into(), request.on_behalf_of.clone().into());
        parts.insert("request_digest".into(), hex(&digest).into());
        parts.insert("resource".into(), request.resource.clone().into());
        parts.insert("session_id".into(), request.session_id.clone().into());
        if let Some((error, metadata)) = outcome {
            parts.insert("error".into(), error.into());
            parts.insert("metadata".into(), metadata);
        }
        let bytes = self.fit(parts, &mut replayable);
        Kept { content: Content { bytes, salt: salt.to_vec() }, replayable, digest }
    }

    /// What is kept of an outcome or a report's outcome.
    pub fn outcome(&self, error: Option<&str>, metadata: &Object, salt: [u8; 16]) -> (Content, bool) {
        let mut replayable = true;
        let metadata = self.redacted(metadata, &mut replayable);
        let parts = [("error".into(), error.into()), ("metadata".into(), metadata)].into_iter().collect();
        let bytes = self.fit(parts, &mut replayable);
        (Content { bytes, salt: salt.to_vec() }, replayable)
    }

    /// The parts as content, of which the largest are replaced by their digests until it fits. That ends well: a
    /// digest is shorter than any part that can be the largest of ten which do not fit.
    fn fit(&self, mut parts: Map<String, serde_json::Value>, whole: &mut bool) -> Vec<u8> {
        loop {
            let content = serde_json::Value::Object(parts);
            let text = content.to_string();
            let serde_json::Value::Object(taken) = content else { return text.into_bytes() };
            parts = taken;
            // Measured as it is stored, escaped: a control character takes six bytes.
            if text.len() <= MAX_CONTENT_BYTES {
                return text.into_bytes();
            }
            let Some(largest) = parts.values_mut().max_by_key(|part| part.to_string().len()) else {
                return text.into_bytes();
            };
            *largest = self.cut(largest);
            *whole = false;
        }
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

    fn redacted(&self, object: &Object, whole: &mut bool) -> serde_json::Value {
        let members = object.iter().map(|(key, value)| {
            let value = if self.is_secret(key, value) {
                *whole = false;
                serde_json::json!({ "$redacted": self.stand_in(&value.into()) })
            } else {
                self.redacted_value(value, whole)
            };
            (key.clone(), value)
        });
        serde_json::Value::Object(members.collect())
    }

    fn redacted_value(&self, value: &Value, whole: &mut bool) -> serde_json::Value {
        match value {
            Value::Object(object) => self.redacted(object, whole),
            Value::List(items) => items.iter().map(|item| self.redacted_value(item, whole)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.into(),
        }
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
        match Hmac::<Sha256>::new_from_slice(&self.key) {
            Ok(mac) => mac.chain_update(bytes).finalize().into_bytes().into(),
            // HMAC takes a key of any length.
            Err(_) => [0; 32],
        }
    }
}

/// What came of a reported act: the error's text and the metadata.
type Came<'a> = (Option<&'a str>, serde_json::Value);

fn json(object: &Object) -> serde_json::Value {
    serde_json::Value::Object(object.iter().map(|(key, value)| (key.clone(), value.into())).collect())
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
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
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
