//! Where a request is meant to go: by content type to gRPC or to the HTTP face, then by path.

use http::header::CONTENT_TYPE;
use http::{Method, Request, Version};

use super::entrance::Opens;
use crate::service::Error;

/// Where a request is meant to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `EnforcementService`: wants an agent.
    Enforcement,
    /// `AdminService`: wants an admin.
    Admin,
    /// `grpc.health.v1.Health`: for everybody.
    Health,
    /// Server reflection, v1: for everybody.
    Reflection,
    /// Server reflection, v1alpha: for everybody.
    ReflectionAlpha,
    /// A path of the HTTP face.
    Http(Page),
}

/// A path of the HTTP face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// `/health`: it answers.
    Health,
    /// `/health/live`: it answers; for an orchestrator that restarts what does not.
    Live,
    /// `/health/ready`: it decides.
    Ready,
    /// `POST /enforce`, as callers of the Python AgentGuard know it: wants an agent.
    Enforce,
    /// `METRICS_PATH`: what Prometheus reads.
    Metrics,
}

impl Page {
    /// Its path, as metrics name it.
    pub(super) const fn template(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Live => "/health/live",
            Self::Ready => "/health/ready",
            Self::Enforce => "/enforce",
            Self::Metrics => "/metrics",
        }
    }
}

/// Whom a route wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// An agent.
    Agent,
    /// An admin.
    Admin,
}

/// A request that has no route, with the methods that its path does take.
#[derive(Debug)]
pub(super) struct NoRoute {
    /// Why.
    pub(super) error: Error,
    /// For the `allow` header.
    pub(super) allow: Option<&'static str>,
}

impl From<Error> for NoRoute {
    fn from(error: Error) -> Self {
        Self { error, allow: None }
    }
}

/// Methods of ours that stream, either way: they outlive the deadline of a unary call, and are not counted as one
/// message in flight.
const STREAMS: [&str; 3] = [
    "/agentguard.v1.EnforcementService/EnforceStream",
    "/agentguard.v1.AdminService/FollowAudit",
    "/agentguard.v1.AdminService/VerifyAudit",
];

/// The one method of agents that takes more than a check.
const BATCH: &str = "/agentguard.v1.EnforcementService/BatchEnforce";

impl Route {
    /// Every endpoint that metrics tell apart: the methods of our services, of health and of reflection, and the pages.
    pub(super) fn endpoints() -> impl Iterator<Item = String> {
        const FOREIGN: [&str; 4] = [
            "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        ];
        const PAGES: [Page; 5] = [Page::Health, Page::Live, Page::Ready, Page::Enforce, Page::Metrics];
        let pages = PAGES.into_iter().map(Page::template);
        crate::pb::method_paths().chain(FOREIGN.into_iter().chain(pages).map(str::to_owned))
    }

    /// Which of them a call of `path` is of.
    pub(super) const fn endpoint(self, path: &str) -> &str {
        match self {
            Self::Http(page) => page.template(),
            Self::Enforcement | Self::Admin | Self::Health | Self::Reflection | Self::ReflectionAlpha => path,
        }
    }

    /// The route of a request for metrics.
    pub(super) fn of_metrics<B>(request: &Request<B>) -> Result<Self, NoRoute> {
        match *request.method() {
            Method::GET | Method::HEAD => Ok(Self::Http(Page::Metrics)),
            _ => Err(NoRoute { error: Error::MethodNotAllowed, allow: Some("GET, HEAD") }),
        }
    }

    /// The route of a request, where the listener opens it.
    pub(super) fn of<B>(request: &Request<B>, opens: Opens) -> Result<Self, NoRoute> {
        let path = request.uri().path();
        let Some(route) = Self::at(path, is_grpc(request)).filter(|route| opens.includes(*route)) else {
            if is_grpc(request) {
                return Err(Error::Unimplemented.into());
            }
            let id = path.chars().take(64).collect();
            return Err(Error::NotFound { what: "path", id }.into());
        };
        let allow = match route {
            Self::Http(Page::Health | Page::Live | Page::Ready | Page::Metrics) => "GET, HEAD",
            Self::Http(Page::Enforce)
            | Self::Enforcement
            | Self::Admin
            | Self::Health
            | Self::Reflection
            | Self::ReflectionAlpha => "POST",
        };
        if !allow.split(", ").any(|method| request.method() == method) {
            return Err(NoRoute { error: Error::MethodNotAllowed, allow: Some(allow) });
        }
        let spoken = match route {
            Self::Http(Page::Enforce) => is_json(request),
            Self::Http(Page::Health | Page::Live | Page::Ready | Page::Metrics) => true,
            // gRPC needs trailers and flow control, which HTTP/1.1 does not have.
            Self::Enforcement | Self::Admin | Self::Health | Self::Reflection | Self::ReflectionAlpha => {
                is_grpc(request) && request.version() == Version::HTTP_2
            }
        };
        if spoken { Ok(route) } else { Err(Error::UnsupportedMediaType.into()) }
    }

    /// What is at a path.
    fn at(path: &str, is_grpc: bool) -> Option<Self> {
        let service =
            path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
        match (service, path) {
            (Some("agentguard.v1.EnforcementService"), _) => Some(Self::Enforcement),
            (Some("agentguard.v1.AdminService"), _) => Some(Self::Admin),
            (Some("grpc.health.v1.Health"), _) => Some(Self::Health),
            (Some("grpc.reflection.v1.ServerReflection"), _) => Some(Self::Reflection),
            (Some("grpc.reflection.v1alpha.ServerReflection"), _) => Some(Self::ReflectionAlpha),
            (_, _) if is_grpc => None,
            (_, "/health") => Some(Self::Http(Page::Health)),
            (_, "/health/live") => Some(Self::Http(Page::Live)),
            (_, "/health/ready") => Some(Self::Http(Page::Ready)),
            (_, "/enforce") => Some(Self::Http(Page::Enforce)),
            (_, _) => None,
        }
    }

    /// Whether it answers in the clear where everything else must come by HTTPS: probes and Prometheus carry no secrets,
    /// and often know no proxy.
    pub(super) const fn is_health(self) -> bool {
        match self {
            Self::Health | Self::Http(Page::Health | Page::Live | Page::Ready | Page::Metrics) => true,
            Self::Enforcement
            | Self::Admin
            | Self::Reflection
            | Self::ReflectionAlpha
            | Self::Http(Page::Enforce) => false,
        }
    }

    /// Whom it wants; `None` is for everybody.
    pub(super) const fn wants(self) -> Option<Wants> {
        match self {
            Self::Enforcement | Self::Http(Page::Enforce) => Some(Wants::Agent),
            Self::Admin => Some(Wants::Admin),
            Self::Health | Self::Reflection | Self::ReflectionAlpha => None,
            Self::Http(Page::Health | Page::Live | Page::Ready | Page::Metrics) => None,
        }
    }

    /// Whether it passes the bound on messages in flight: whoever asks whether the server lives must hear it, most of
    /// all when it is busy.
    pub(super) const fn passes_shedding(self) -> bool {
        match self {
            Self::Enforcement | Self::Admin | Self::Http(Page::Enforce) => false,
            Self::Health | Self::Reflection | Self::ReflectionAlpha => true,
            Self::Http(Page::Health | Page::Live | Page::Ready | Page::Metrics) => true,
        }
    }

    /// Whether the call at `path` streams, either way.
    pub(super) fn streams(self, path: &str) -> bool {
        match self {
            Self::Enforcement | Self::Admin => STREAMS.contains(&path),
            Self::Health => path.ends_with("/Watch"),
            Self::Reflection | Self::ReflectionAlpha => true,
            Self::Http(_) => false,
        }
    }

    /// Whether the call at `path` is a stream of checks, of which each is a call of its own to whoever counts.
    pub(super) fn counts_messages(self, path: &str) -> bool {
        self == Self::Enforcement && STREAMS.contains(&path)
    }

    /// Whether the caller may go on sending, so that its side is to be closed when the connection ends.
    pub(super) fn listens(self, path: &str) -> bool {
        match self {
            Self::Enforcement => STREAMS.contains(&path),
            Self::Reflection | Self::ReflectionAlpha => true,
            Self::Admin | Self::Health | Self::Http(_) => false,
        }
    }

    /// Whether the call at `path` costs an agent one. The others cost what is in them, and are charged by whoever reads
    /// that: a batch by its checks, a stream by its messages.
    pub(super) fn costs_one(self, path: &str) -> bool {
        !self.streams(path) && path != BATCH
    }

    /// Whether a message on `path` is bounded as one check is: all that agents send but batches, since what a check
    /// may not hold no report of it needs.
    pub(super) fn is_small(self, path: &str) -> bool {
        match self {
            Self::Enforcement => path != BATCH,
            Self::Admin | Self::Health | Self::Reflection | Self::ReflectionAlpha | Self::Http(_) => false,
        }
    }

    /// Whether it is a service whose code is not ours.
    pub(super) const fn is_foreign(self) -> bool {
        match self {
            Self::Health | Self::Reflection | Self::ReflectionAlpha => true,
            Self::Enforcement | Self::Admin | Self::Http(_) => false,
        }
    }
}

/// Whether the caller speaks gRPC, so that refusals leave as gRPC statuses.
pub(super) fn is_grpc<B>(request: &Request<B>) -> bool {
    let kind = content_type(request);
    request.method() == Method::POST && matches!(kind, "application/grpc" | "application/grpc+proto")
}

fn is_json<B>(request: &Request<B>) -> bool {
    content_type(request).eq_ignore_ascii_case("application/json")
}

/// The content type without parameters; empty if there is none.
fn content_type<B>(request: &Request<B>) -> &str {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split_once(';').map_or(value, |(kind, _)| kind).trim()
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;

    /// Every method of ours by its path.
    fn methods() -> Vec<(String, prost_types::MethodDescriptorProto)> {
        let set = FileDescriptorSet::decode(crate::pb::DESCRIPTOR_SET).unwrap();
        let files = set.file.into_iter().filter(|file| file.package() == "agentguard.v1");
        let services = files.flat_map(|file| file.service);
        services
            .flat_map(|service| {
                let name = service.name().to_owned();
                service
                    .method
                    .into_iter()
                    .map(move |method| (format!("/agentguard.v1.{name}/{}", method.name()), method))
            })
            .collect()
    }

    #[test]
    fn the_streams_are_those_of_the_contract() {
        for (path, method) in methods() {
            let streams = method.client_streaming() || method.server_streaming();
            assert_eq!(STREAMS.contains(&path.as_str()), streams, "{path}");
            if path.contains("Enforcement") {
                assert_eq!(Route::Enforcement.listens(&path), method.client_streaming(), "{path}");
            } else {
                assert!(!method.client_streaming(), "{path}");
            }
        }
    }

    #[test]
    fn agents_send_nothing_large_but_batches() {
        for (path, method) in methods().into_iter().filter(|(path, _)| path.contains("Enforcement")) {
            let is_batch = method.input_type() == ".agentguard.v1.BatchEnforceRequest";
            assert_eq!(Route::Enforcement.is_small(&path), !is_batch, "{path}");
        }
    }

    fn route(method: &str, path: &str, content_type: &str) -> Result<Route, u16> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .version(Version::HTTP_2)
            .header(CONTENT_TYPE, content_type)
            .body(())
            .unwrap();
        Route::of(&request, Opens::All).map_err(|none| crate::service::status::row(none.error.reason()).http)
    }

    #[test]
    fn every_method_of_the_contract_has_a_route_that_wants_its_caller() {
        for (path, _) in methods() {
            let wants = route("POST", &path, "application/grpc").unwrap().wants();
            assert_eq!(wants == Some(Wants::Admin), path.contains("Admin"), "{path}");
            assert_eq!(wants == Some(Wants::Agent), path.contains("Enforcement"), "{path}");
        }
    }

    #[test]
    fn what_a_listener_does_not_open_is_answered_as_what_is_not_there() {
        let ask = |method: &str, path: &str, kind: &str, opens| {
            let request = Request::builder().method(method).uri(path).version(Version::HTTP_2);
            let request = request.header(CONTENT_TYPE, kind).body(()).unwrap();
            let refused = Route::of(&request, opens).unwrap_err();
            (refused.error.to_string().replace(path, "PATH"), refused.allow)
        };
        for (method, kind) in [("POST", "application/grpc"), ("POST", "text/plain"), ("GET", "")] {
            let absent = ask(method, "/agentguard.v1.Nothing/GetStats", kind, Opens::All);
            let closed = ask(method, "/agentguard.v1.AdminService/GetStats", kind, Opens::AllButAdmin);
            assert_eq!(closed, absent, "{method} {kind}");
        }
    }

    #[test]
    fn method_then_content_type_is_checked() {
        let enforce = "/agentguard.v1.EnforcementService/Enforce";
        assert_eq!(route("POST", enforce, "application/grpc+proto;v=1"), Ok(Route::Enforcement));
        assert_eq!(route("GET", enforce, "application/grpc"), Err(405));
        assert_eq!(route("POST", enforce, "application/json"), Err(415));
        assert_eq!(route("POST", enforce, "application/grpc-web"), Err(415));
        assert_eq!(
            route("POST", "/enforce", "Application/JSON; charset=utf-8"),
            Ok(Route::Http(Page::Enforce))
        );
        assert_eq!(route("POST", "/enforce", "text/plain"), Err(415));
        assert_eq!(route("GET", "/enforce", "application/json"), Err(405));
        assert_eq!(route("POST", "/health", ""), Err(405));
        assert_eq!(route("GET", "/health/ready", ""), Ok(Route::Http(Page::Ready)));
        assert_eq!(route("GET", "/nowhere", ""), Err(404));
        assert_eq!(route("POST", "/nowhere/Call", "application/grpc"), Err(501));
    }
}
