//! `/docs`: the description for people, on a page that needs nothing from elsewhere and may reach nothing but this
//! server. Its style and script are known to the browser by their hashes, so that nothing else runs there.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use tonic::body::Body;

const STYLE: &str = include_str!("docs/page.css");
const SCRIPT: &str = include_str!("docs/page.js");
const MARKUP: &str = include_str!("docs/page.html");

/// The page, made once.
#[derive(Debug)]
pub(super) struct Docs {
    page: bytes::Bytes,
    policy: HeaderValue,
}

impl Docs {
    pub(super) fn new() -> Self {
        let page = MARKUP.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT);
        let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        // Base 64 is made of letters that a header may hold.
        let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        Self { page: page.into(), policy }
    }

    pub(super) fn answer(&self) -> Response<Body> {
        let mut response = Response::new(Body::new(Full::from(self.page.clone())));
        *response.status_mut() = StatusCode::OK;
        super::describe(response.headers_mut(), "text/html; charset=utf-8");
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let docs = Docs::new();
        let page = std::str::from_utf8(&docs.page).unwrap();
        assert!(!page.contains("/*style*/") && !page.contains("/*script*/"));
        for bad in ["http://", "https://", "src=", "@import", "url(", "innerHTML", "eval(", " style="] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(page.len() < 32_000, "{} bytes", page.len());
        let policy = docs.policy.to_str().unwrap();
        assert!(policy.contains("script-src 'sha256-") && policy.contains("default-src 'none'"));
    }
}
