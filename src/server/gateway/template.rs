//! Paths with places for values, as `google.api.http` writes them: `/v1/agents/{agent_id}/keys`,
//! `/v1/keys/{key_id}:revoke`.

use percent_encoding::percent_decode_str;

/// A path with places for values, each of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct Template {
    text: String,
    segments: Vec<Segment>,
    /// What stands behind the last segment's colon.
    verb: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// A place for a value, by its field's path in the request.
    Value(String),
}

/// What stood in a template's places, in their order.
pub(in crate::server) type Values = Vec<String>;

/// A value is no percent-encoded UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) struct Garbled;

impl Template {
    /// Reads a template; `None` if it has a form that is not used here (`**`, `{name=pattern}`).
    pub(in crate::server) fn parse(text: &str) -> Option<Self> {
        let path = text.strip_prefix('/')?;
        let last = path.rsplit('/').next().unwrap_or(path);
        let (path, verb) = match last.rsplit_once(':') {
            Some((_, verb)) if !verb.contains('}') => {
                (path.strip_suffix(verb)?.strip_suffix(':')?, Some(verb.to_owned()))
            }
            Some(_) | None => (path, None),
        };
        let segment = |text: &str| match text.strip_prefix('{') {
            Some(inside) => {
                let name = inside.strip_suffix('}')?;
                let is_path = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
                (!name.is_empty() && name.bytes().all(is_path)).then(|| Segment::Value(name.to_owned()))
            }
            None => (!text.is_empty() && !text.contains(['*', '{', '}']))
                .then(|| Segment::Literal(text.to_owned())),
        };
        let segments = path.split('/').map(segment).collect::<Option<Vec<_>>>()?;
        Some(Self { text: text.to_owned(), segments, verb })
    }

    /// The template as it was written.
    pub(in crate::server) fn text(&self) -> &str {
        &self.text
    }

    /// The fields of the places, in their order.
    pub(in crate::server) fn fields(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Value(field) => Some(field.as_str()),
            Segment::Literal(_) => None,
        })
    }

    /// The values of a path that has this form; `None` if it has another. A template without a verb takes a colon as
    /// any other letter of a value.
    pub(in crate::server) fn values(&self, path: &str) -> Option<Result<Values, Garbled>> {
        let path = path.strip_prefix('/')?;
        let path = match &self.verb {
            Some(verb) => path.strip_suffix(verb.as_str())?.strip_suffix(':')?,
            None => path,
        };
        let mut parts = path.split('/');
        let mut values = Vec::new();
        for segment in &self.segments {
            let part = parts.next()?;
            match segment {
                Segment::Literal(literal) if part == literal => {}
                Segment::Value(_) if !part.is_empty() => values.push(decoded(part)),
                Segment::Literal(_) | Segment::Value(_) => return None,
            }
        }
        parts.next().is_none().then(|| values.into_iter().collect())
    }
}

/// Text with its percent-encoding undone.
pub(in crate::server) fn decoded(text: &str) -> Result<String, Garbled> {
    percent_decode_str(text).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| Garbled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(template: &str, path: &str) -> Option<Result<Values, Garbled>> {
        Template::parse(template).unwrap().values(path)
    }

    fn some(values: &[&str]) -> Option<Result<Values, Garbled>> {
        Some(Ok(values.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn a_path_fits_its_template_and_no_other() {
        assert_eq!(values("/v1/agents", "/v1/agents"), some(&[]));
        assert_eq!(values("/v1/agents/{agent_id}", "/v1/agents/agt_1"), some(&["agt_1"]));
        assert_eq!(values("/v1/{a}/keys/{b.c}", "/v1/x/keys/y"), some(&["x", "y"]));
        assert_eq!(values("/v1/keys/{key_id}:revoke", "/v1/keys/key_1:revoke"), some(&["key_1"]));
        assert_eq!(values("/v1/audit:verify", "/v1/audit:verify"), some(&[]));
        for (template, path) in [
            ("/v1/agents", "/v1/agents/"),
            ("/v1/agents/{agent_id}", "/v1/agents/"),
            ("/v1/agents/{agent_id}", "/v1/agents/a/b"),
            ("/v1/keys/{key_id}:revoke", "/v1/keys/key_1"),
            ("/v1/keys/{key_id}:revoke", "/v1/keys/:revoke"),
            ("/v1/keys/{key_id}:revoke", "/v1/keys/key_1:revoked"),
            ("/v1/audit:verify", "/v1/audit"),
            ("/v1/agents", "v1/agents"),
            ("/v1/agents", "*"),
        ] {
            assert_eq!(values(template, path), None, "{template} {path}");
        }
    }

    #[test]
    fn values_are_percent_decoded_and_may_hold_anything() {
        assert_eq!(values("/t/{team}", "/t/a%2Fb%20%C3%BC:c"), some(&["a/b ü:c"]));
        assert_eq!(values("/t/{team}", "/t/%ff"), Some(Err(Garbled)));
        // The literal parts are compared as they are.
        assert_eq!(values("/t/{team}", "/%74/a"), None);
    }

    #[test]
    fn the_fields_of_a_template_are_told_in_order() {
        let template = Template::parse("/v1/{a.b}/x/{c}:do").unwrap();
        assert_eq!(template.fields().collect::<Vec<_>>(), ["a.b", "c"]);
        assert_eq!(template.text(), "/v1/{a.b}/x/{c}:do");
    }

    #[test]
    fn a_form_that_is_not_used_here_is_refused() {
        for bad in ["", "v1", "/v1/{a=**}", "/v1/*", "/v1/{}", "/v1//a", "/v1/{a", "/v1/a}"] {
            assert_eq!(Template::parse(bad), None, "{bad}");
        }
    }
}
