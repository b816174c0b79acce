//! The HTTP face: JSON for those who do not speak gRPC, behind the same layers and by the same services.
//!
//! **Invariant:** nothing is decided or checked here that gRPC callers do not get; a page turns JSON into the
//! contract's message and back.

mod enforce;
mod json;
mod problem;

pub use enforce::message as enforce_request;

use std::time::Duration;

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tonic::body::Body;

use super::route::Page;
use super::stack::Stack;
use crate::pb::rpc;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::rate_limit::Quota;
use crate::rate_limit::gcra::Window;
use crate::service::Error;
use crate::service::call::Call;

/// The program's version, as answers show it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Answers a page.
pub(super) async fn answer<E: EnforcementService>(
    stack: &Stack<E>,
    page: Page,
    request: Request<Body>,
    call: Call,
) -> Result<Response<Body>, Error> {
    let is_head = request.method() == Method::HEAD;
    let response = match page {
        // Whether this process answers; whether it decides is `ready`.
        Page::Health => json_answer(StatusCode::OK, &json!({"status": "healthy", "version": VERSION})),
        Page::Live => json_answer(StatusCode::OK, &json!({"status": "alive"})),
        Page::Ready => ready(stack),
        Page::Metrics => stack.measured().page(&call).await?,
        Page::Enforce => enforce::answer(stack, request, call).await?,
    };
    Ok(if is_head { response.map(|_| Body::empty()) } else { response })
}

fn ready<E: EnforcementService>(stack: &Stack<E>) -> Response<Body> {
    let standing = stack.standing();
    let (status, word) = if standing.serves() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let checks = json!({
        "policies": if standing.health.policies { "ok" } else { "stale" },
        "audit": if standing.health.audit { "ok" } else { "unavailable" },
        "server": if standing.is_stopping { "shutting down" } else { "ok" },
    });
    json_answer(status, &json!({"status": word, "checks": checks, "version": VERSION}))
}

/// An error as HTTP callers see it; `allow` names the methods that the path does take.
pub(super) fn refusal(error: &rpc::Status, allow: Option<&'static str>) -> Response<Body> {
    let problem = problem::Problem::of(error);
    let mut response = json_answer(problem.status, &problem.body);
    if let Some(allow) = allow {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
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

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::new(Full::from(body.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A decision is for one moment; no cache may answer the next.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What browsers are told with every HTTP answer: take it for what it says it is, show it in no frame, run and load
/// nothing from it, tell nobody where it was; and where it came by HTTPS, come back by nothing else for a year.
pub(super) fn secure(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}
