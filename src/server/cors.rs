//! Calls from pages in browsers: which origins may call is `CORS_ORIGINS`, exactly. Browsers hold pages to it; it is no
//! check of ours, since anybody else can claim any origin.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;

use crate::config::Origins;

/// What pages may send. Each by its name: a wildcard would not cover `authorization`.
const HEADERS: &str = "authorization, content-type, x-agent-key, x-admin-key, x-request-id, x-agentguard-attempt, \
    x-grpc-web, x-user-agent, grpc-timeout, traceparent, tracestate";

/// Methods of all paths.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// What pages may read besides the body.
const EXPOSED: &str = "grpc-status, grpc-message, grpc-status-details-bin, grpc-retry-pushback-ms, x-request-id, \
    retry-after, ratelimit-limit, ratelimit-remaining, ratelimit-reset, ratelimit-policy";

/// How long a browser may keep the answer to its question, in seconds; no browser keeps it longer.
const MAX_AGE: &str = "7200";

/// The call of a page, as its browser says.
#[derive(Clone, Debug)]
pub(super) struct Page(HeaderValue);

impl Page {
    /// The page that a request comes from, if it comes from one.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        request.headers().get(ORIGIN).cloned().map(Self)
    }

    /// Whether it may call.
    fn may_call(&self, origins: &Origins) -> bool {
        match origins {
            Origins::These(these) => these.iter().any(|origin| origin.as_bytes() == self.0.as_bytes()),
            Origins::Every => true,
        }
    }

    /// Says on an answer that the page may read it. Without that the browser keeps it from the page.
    pub(super) fn open(&self, origins: &Origins, headers: &mut HeaderMap) {
        headers.append(VARY, HeaderValue::from_static("origin"));
        if !self.may_call(origins) {
            return;
        }
        match origins {
            // The one origin, by which a page's own credentials may come too.
            Origins::These(_) => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            Origins::Every => {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
        }
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }

    /// The answer to a browser's question whether the page may call; `None` if this is none.
    pub(super) fn preflight<B>(&self, request: &Request<B>, origins: &Origins) -> Option<Response<Body>> {
        let asks = request.method() == Method::OPTIONS
            && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if !asks {
            return None;
        }
        let mut response = Response::new(Body::empty());
        if !self.may_call(origins) {
            *response.status_mut() = StatusCode::FORBIDDEN;
            return Some(response);
        }
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        Some(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, origin: &str, origins: &Origins) -> (Option<StatusCode>, HeaderMap) {
        let mut request = Request::builder().method(method).header("origin", origin);
        if method == "OPTIONS" {
            request = request.header("access-control-request-method", "POST");
        }
        let request = request.body(()).unwrap();
        let page = Page::of(&request).unwrap();
        let preflight = page.preflight(&request, origins);
        let status = preflight.as_ref().map(Response::status);
        let mut headers = preflight.map(|answer| answer.headers().clone()).unwrap_or_default();
        page.open(origins, &mut headers);
        (status, headers)
    }

    #[test]
    fn an_origin_is_let_in_exactly_as_it_is_written() {
        let origins = Origins::parse("https://a.example,http://b.example:8080").unwrap();
        for good in ["https://a.example", "http://b.example:8080"] {
            let (status, headers) = ask("OPTIONS", good, &origins);
            assert_eq!(status, Some(StatusCode::NO_CONTENT), "{good}");
            assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], good);
            assert_eq!(headers[VARY], "origin");
            for name in ["authorization", "x-agent-key", "x-admin-key", "content-type", "x-grpc-web"] {
                assert!(HEADERS.split(", ").any(|header| header == name), "{name}");
            }
        }
        for bad in [
            "http://a.example",
            "https://a.example:8080",
            "https://a.example.evil",
            "https://evil.a.example",
            "https://A.example",
            "null",
            "https://a.exampl",
            "*",
            "",
        ] {
            let (status, headers) = ask("OPTIONS", bad, &origins);
            assert_eq!(status, Some(StatusCode::FORBIDDEN), "{bad}");
            assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{bad}");
            assert!(!ask("GET", bad, &origins).1.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN), "{bad}");
        }
    }

    #[test]
    fn what_is_a_wildcard_takes_no_credentials() {
        let (status, headers) = ask("GET", "https://anybody.example", &Origins::Every);
        assert_eq!((status, &headers[ACCESS_CONTROL_ALLOW_ORIGIN]), (None, &HeaderValue::from_static("*")));
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
        assert!(headers[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().contains("grpc-status-details-bin"));
        let (status, headers) = ask("OPTIONS", "https://anybody.example", &Origins::default());
        assert_eq!(status, Some(StatusCode::FORBIDDEN));
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
    }
}
