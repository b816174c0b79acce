//! The HTTP face: JSON for those who do not speak gRPC, behind the same layers and by the same services.
//!
//! `table` holds every path; `annotations` reads the contract's own from its `google.api.http`, `transcode` turns a
//! request there into the message that gRPC would have sent and the answer back (`lines` where it streams), `python`
//! is the paths that callers of the Python AgentGuard know, `health` says how the server is.
//!
//! **Invariant:** nothing is decided or checked here that gRPC callers do not get; a page turns JSON into the
//! contract's message and back.

mod annotations;
mod body;
mod docs;
mod document;
mod health;
mod lines;
mod openapi;
mod problem;
pub(super) mod python;
mod table;
mod template;
mod transcode;

pub use python::enforce_request;

pub(super) use annotations::{Binding, Taken};
pub(super) use body::Bounds;
pub(super) use table::{Table, Target};
pub(super) use template::Values;
pub(super) use transcode::{answer as transcoded, request as transcode};

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use prost_reflect::DescriptorPool;
use serde_json::Value;
use tonic::body::Body;

use super::Error;
use super::route::{METRICS, Page};
use super::stack::Stack;
use crate::pb::rpc;
use crate::rate_limit::Quota;
use crate::rate_limit::gcra::Window;
use crate::service::{self, json};

/// The program's version, as answers show it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The paths of this build, made when they are first asked for.
static TABLE: LazyLock<Result<Arc<Table>, String>> =
    LazyLock::new(|| Ok(Arc::new(Table::new(&contract()?).map_err(|error| error.to_string())?)));

/// The text of `/openapi.json`, made when it is first asked for: few servers ever are.
static OPENAPI: LazyLock<Result<Bytes, String>> = LazyLock::new(|| {
    Ok(openapi::description(&contract()?).map_err(|error| error.to_string())?.to_string().into())
});

/// The page of `/docs`, likewise.
static DOCS: LazyLock<docs::Docs> = LazyLock::new(docs::Docs::new);

fn contract() -> Result<DescriptorPool, String> {
    json::contract().map_err(|error| error.to_string())
}

/// Every path that is served.
///
/// # Errors
/// If the contract of this build cannot be served.
pub(super) fn table() -> Result<Arc<Table>, Error> {
    TABLE.clone().map_err(Error::Contract)
}

/// `docs/http.md`, printed from the paths that are served.
///
/// # Errors
/// If the contract of this build cannot be served.
pub fn http_document() -> Result<String, Error> {
    Ok(document::markdown(&contract().map_err(Error::Contract)?, &*table()?))
}

/// Every endpoint that metrics tell apart: the methods of our services, of health and of reflection, and the paths of
/// the HTTP face.
///
/// # Errors
/// If the contract of this build cannot be served.
pub(super) fn endpoints() -> Result<Vec<String>, Error> {
    const FOREIGN: [&str; 4] = [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ];
    let table = table()?;
    let others = FOREIGN.into_iter().chain([METRICS]).chain(table.templates()).map(str::to_owned);
    let mut endpoints: Vec<String> = others.collect();
    for rpc in annotations::rpcs(&contract().map_err(Error::Contract)?) {
        let (rpc, _) = rpc.map_err(|error| Error::Contract(error.to_string()))?;
        endpoints.push(rpc.path.path().to_owned());
    }
    endpoints.sort();
    endpoints.dedup();
    Ok(endpoints)
}

/// The description of every path as OpenAPI 3.1, as `/openapi.json` and `docs/openapi.json` have it.
///
/// # Errors
/// If the contract of this build cannot be served.
pub fn openapi_document() -> Result<Value, Error> {
    openapi::description(&contract().map_err(Error::Contract)?)
        .map_err(|error| Error::Contract(error.to_string()))
}

/// Answers a page.
pub(super) fn page<E>(stack: &Stack<E>, page: Page) -> Result<Response<Body>, service::Error> {
    Ok(match page {
        Page::OpenApi => {
            let text = OPENAPI.as_ref().map_err(|fault| service::Error::internal(fault.as_str()))?;
            let mut response = Response::new(Body::new(Full::from(text.clone())));
            describe(response.headers_mut(), "application/json");
            response
        }
        Page::Docs => DOCS.answer(),
        Page::Health => health::answers(),
        Page::Live => health::lives(),
        Page::Ready => health::decides(stack.standing()),
    })
}

/// An error as HTTP callers see it; `allow` names the methods that the path does take.
pub(super) fn refusal(error: &rpc::Status, allow: Option<&str>) -> Response<Body> {
    let problem = problem::Problem::of(error);
    let mut response = json_answer(problem.status, &problem.body);
    if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(allow).ok()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// How a caller stands, as `RateLimit-*` headers say it: times in whole seconds, rounded up.
pub(super) fn show_quota(headers: &mut HeaderMap, quota: &Quota) {
    let standing = &quota.standing;
    let seconds = |span: Duration| span.as_secs() + u64::from(span.subsec_nanos() > 0);
    headers.insert("ratelimit-limit", standing.window.quota().into());
    headers.insert("ratelimit-remaining", standing.remaining.into());
    headers.insert("ratelimit-reset", seconds(standing.reset).into());
    let policy = |window: &Window| format!("{};w={}", window.quota(), window.seconds());
    let policy: Vec<_> = quota.limit.windows().iter().map(policy).collect();
    if let Ok(policy) = HeaderValue::try_from(policy.join(", ")) {
        headers.insert("ratelimit-policy", policy);
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(body.to_string())));
    *response.status_mut() = status;
    describe(response.headers_mut(), "application/json");
    response
}

/// Says what an answer is. A decision is for one moment; no cache may answer the next.
fn describe(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// What browsers are told with every HTTP answer: take it for what it says it is, show it in no frame, run and load
/// nothing from it, tell nobody where it was; and where it came by HTTPS, come back by nothing else for a year.
pub(super) fn secure(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // For browsers of before content security policies.
    headers.insert(X_XSS_PROTECTION, HeaderValue::from_static("1; mode=block"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // A page that people look at has said what it needs.
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    if is_https {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_found_by_their_paths() {
        let paths = endpoints().unwrap();
        for path in ["/agentguard.v1.EnforcementService/Enforce", "/agentguard.v1.AdminService/GetStats"] {
            assert!(paths.iter().any(|known| known == path), "{paths:?}");
        }
    }
}
