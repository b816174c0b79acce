//! Where a request is meant to go: by content type to gRPC, gRPC-Web or the HTTP face, then by path.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Method, Request, Version};
use http_body::Body as _;
use tonic::body::Body;

use super::entrance::Opens;
use super::gateway::python;
use super::gateway::{Binding, Table, Taken, Target, Values};
pub(super) use super::page::Page;
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
    /// A path that callers of the Python AgentGuard know.
    Python(python::Page),
    /// A page of the HTTP face: for everybody.
    Http(Page),
    /// What Prometheus reads, at a path that is a setting: for everybody at some addresses.
    Metrics,
}

/// Whom a route wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// An agent.
    Agent,
    /// An admin.
    Admin,
    /// An agent, who sees what is its own, or an admin, who sees all.
    Either,
}

/// What a caller speaks, so that refusals leave in the same form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    Web,
    /// HTTP.
    Http,
}

/// A request's route, and the form in which it is asked and answered.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) route: Route,
    pub(super) form: Form,
}

/// The form of a call.
#[derive(Debug)]
pub(super) enum Form {
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    Web,
    /// JSON, by this binding, with the values in the path.
    Json(Arc<Binding>, Values),
    /// A page's own, with the values in the path.
    Own(Values),
}

/// A request that has no route, with the methods that its path does take.
#[derive(Debug)]
pub(super) struct NoRoute {
    /// Why.
    pub(super) error: Error,
    /// For the `allow` header.
    pub(super) allow: Option<String>,
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

/// The path of metrics by its default, which names it whatever the setting says.
pub(super) const METRICS: &str = "/metrics";

/// The one method of agents that takes more than a check.
const BATCH: &str = "/agentguard.v1.EnforcementService/BatchEnforce";

impl Aim {
    /// Where a request is meant to go, where the listener opens it.
    pub(super) fn of(request: &Request<Body>, table: &Table, opens: Opens) -> Result<Self, NoRoute> {
        let path = request.uri().path();
        let speech = speech(request);
        let service =
            path.strip_prefix('/').and_then(|path| path.split_once('/')).map(|(service, _)| service);
        let route = service.and_then(Route::of_service).filter(|route| opens.includes(*route));
        match (route, speech) {
            (Some(route), speech) => Self::call(route, speech, request),
            (None, Speech::Grpc | Speech::Web) => Err(Error::Unimplemented.into()),
            (None, Speech::Http) => {
                let (target, values) = table.find(request.method(), path, |route| opens.includes(route))?;
                Self::page(target, values, request)
            }
        }
    }

    /// A call of gRPC, plain or over the web.
    fn call(route: Route, speech: Speech, request: &Request<Body>) -> Result<Self, NoRoute> {
        if request.method() != Method::POST {
            return Err(NoRoute { error: Error::MethodNotAllowed, allow: Some("POST".to_owned()) });
        }
        match speech {
            // gRPC needs trailers and flow control, which HTTP/1.1 does not have.
            Speech::Grpc if request.version() == Version::HTTP_2 => Ok(Self { route, form: Form::Grpc }),
            // The protocol of the web has no way to send more than one message.
            Speech::Web if route.listens(request.uri().path()) => Err(Error::Unimplemented.into()),
            Speech::Web => Ok(Self { route, form: Form::Web }),
            Speech::Grpc | Speech::Http => Err(Error::UnsupportedMediaType.into()),
        }
    }

    /// Where a request for metrics goes.
    pub(super) fn of_metrics(request: &Request<Body>) -> Result<Self, NoRoute> {
        match *request.method() {
            Method::GET | Method::HEAD => Ok(Self { route: Route::Metrics, form: Form::Own(Values::new()) }),
            _ => Err(NoRoute { error: Error::MethodNotAllowed, allow: Some("GET, HEAD".to_owned()) }),
        }
    }

    /// Its name among the endpoints that metrics tell apart.
    pub(super) fn endpoint<'a, B>(&'a self, request: &'a Request<B>) -> &'a str {
        match (&self.form, self.route) {
            (Form::Json(binding, _), _) => binding.template.text(),
            (Form::Own(_), Route::Python(page)) => page.place().1,
            (Form::Own(_), Route::Http(page)) => page.path(),
            (Form::Own(_), Route::Metrics) => METRICS,
            (Form::Grpc | Form::Web | Form::Own(_), _) => request.uri().path(),
        }
    }

    /// The path of its call on gRPC.
    pub(super) fn path<'a, B>(&'a self, request: &'a Request<B>) -> &'a str {
        match &self.form {
            Form::Json(binding, _) => binding.rpc.path.path(),
            Form::Grpc | Form::Web | Form::Own(_) => request.uri().path(),
        }
    }

    fn page(target: &Target, values: Values, request: &Request<Body>) -> Result<Self, NoRoute> {
        let route = target.route();
        let (form, spoken) = match target {
            Target::Rpc(binding) => {
                // Nothing at all is an empty request, of whatever type it claims to be.
                let spoken =
                    binding.body == Taken::Nothing || is_json(request) || request.body().is_end_stream();
                (Form::Json(Arc::clone(binding), values), spoken)
            }
            Target::Python(page) => (Form::Own(values), !page.takes_body() || is_json(request)),
            Target::Page(_) => (Form::Own(values), true),
        };
        if spoken { Ok(Self { route, form }) } else { Err(Error::UnsupportedMediaType.into()) }
    }
}

impl Route {
    /// The route of a gRPC service.
    pub(super) fn of_service(name: &str) -> Option<Self> {
        Some(match name {
            "agentguard.v1.EnforcementService" => Self::Enforcement,
            "agentguard.v1.AdminService" => Self::Admin,
            "grpc.health.v1.Health" => Self::Health,
            "grpc.reflection.v1.ServerReflection" => Self::Reflection,
            "grpc.reflection.v1alpha.ServerReflection" => Self::ReflectionAlpha,
            _ => return None,
        })
    }

    /// Whether it answers in the clear where everything else must come by HTTPS: probes and Prometheus carry no secrets,
    /// and often know no proxy.
    pub(super) const fn is_health(self) -> bool {
        match self {
            Self::Health | Self::Metrics | Self::Http(Page::Health | Page::Live | Page::Ready) => true,
            Self::Enforcement | Self::Admin | Self::Reflection | Self::ReflectionAlpha => false,
            Self::Python(_) | Self::Http(Page::OpenApi | Page::Docs) => false,
        }
    }

    /// Whom it wants on a listener that opens `opens`; `None` is for everybody.
    pub(super) const fn wants(self, opens: Opens) -> Option<Wants> {
        match (self, opens) {
            (Self::Enforcement, _) => Some(Wants::Agent),
            (Self::Admin, _) => Some(Wants::Admin),
            (Self::Health | Self::Reflection | Self::ReflectionAlpha | Self::Http(_) | Self::Metrics, _) => {
                None
            }
            // Whoever has another listener is not let in here.
            (Self::Python(page), opens) => match (page.wants(), opens) {
                (Wants::Either, Opens::AllButAdmin) => Some(Wants::Agent),
                (Wants::Either, Opens::Admin) => Some(Wants::Admin),
                (wants, _) => Some(wants),
            },
        }
    }

    /// Whether it passes the bound on messages in flight: whoever asks whether the server lives must hear it, most of
    /// all when it is busy.
    pub(super) const fn passes_shedding(self) -> bool {
        match self {
            Self::Enforcement | Self::Admin | Self::Python(_) => false,
            Self::Health | Self::Reflection | Self::ReflectionAlpha | Self::Http(_) | Self::Metrics => true,
        }
    }

    /// Whether its messages in flight are counted as admins'.
    pub(super) const fn is_admins(self) -> bool {
        match self {
            Self::Admin => true,
            Self::Python(page) => matches!(page.wants(), Wants::Admin),
            Self::Enforcement
            | Self::Health
            | Self::Reflection
            | Self::ReflectionAlpha
            | Self::Http(_)
            | Self::Metrics => false,
        }
    }

    /// Whether the call at `path` streams, either way.
    pub(super) fn streams(self, path: &str) -> bool {
        match self {
            Self::Enforcement | Self::Admin => STREAMS.contains(&path),
            Self::Health => path.ends_with("/Watch"),
            Self::Reflection | Self::ReflectionAlpha => true,
            Self::Python(_) | Self::Http(_) | Self::Metrics => false,
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
            Self::Admin | Self::Health | Self::Python(_) | Self::Http(_) | Self::Metrics => false,
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
            Self::Python(page) => !matches!(page.wants(), Wants::Admin),
            Self::Admin
            | Self::Health
            | Self::Reflection
            | Self::ReflectionAlpha
            | Self::Http(_)
            | Self::Metrics => false,
        }
    }

    /// Whether it is a service whose code is not ours.
    pub(super) const fn is_foreign(self) -> bool {
        match self {
            Self::Health | Self::Reflection | Self::ReflectionAlpha => true,
            Self::Enforcement | Self::Admin | Self::Python(_) | Self::Http(_) | Self::Metrics => false,
        }
    }
}

/// What the caller speaks.
pub(super) fn speech<B>(request: &Request<B>) -> Speech {
    if request.method() != Method::POST {
        return Speech::Http;
    }
    match content_type(request) {
        "application/grpc" | "application/grpc+proto" => Speech::Grpc,
        "application/grpc-web"
        | "application/grpc-web+proto"
        | "application/grpc-web-text"
        | "application/grpc-web-text+proto" => Speech::Web,
        _ => Speech::Http,
    }
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

    fn table() -> Table {
        Table::new(&crate::service::json::contract().unwrap()).unwrap()
    }

    fn aim(
        method: &str,
        path: &str,
        content_type: &str,
        opens: Opens,
        body: &'static str,
    ) -> Result<Aim, NoRoute> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .version(Version::HTTP_2)
            .header(CONTENT_TYPE, content_type)
            .body(Body::new(http_body_util::Full::from(body)))
            .unwrap();
        Aim::of(&request, &table(), opens)
    }

    fn route(method: &str, path: &str, content_type: &str) -> Result<Route, u16> {
        aim(method, path, content_type, Opens::All, "x")
            .map(|aim| aim.route)
            .map_err(|none| crate::service::status::row(none.error.reason()).http)
    }

    #[test]
    fn every_method_of_the_contract_has_a_route_that_wants_its_caller() {
        for (path, _) in methods() {
            let wants = route("POST", &path, "application/grpc").unwrap().wants(Opens::All);
            assert_eq!(wants == Some(Wants::Admin), path.contains("Admin"), "{path}");
            assert_eq!(wants == Some(Wants::Agent), path.contains("Enforcement"), "{path}");
        }
    }

    #[test]
    fn what_a_listener_does_not_open_is_answered_as_what_is_not_there() {
        let ask = |method: &str, path: &str, kind: &str, opens| {
            let refused = aim(method, path, kind, opens, "").unwrap_err();
            (refused.error.to_string().replace(path, "PATH"), refused.allow)
        };
        for (method, kind) in [("POST", "application/grpc"), ("POST", "text/plain"), ("GET", "")] {
            let absent = ask(method, "/agentguard.v1.Nothing/GetStats", kind, Opens::All);
            let closed = ask(method, "/agentguard.v1.AdminService/GetStats", kind, Opens::AllButAdmin);
            assert_eq!(closed, absent, "{method} {kind}");
            let absent = ask(method, "/v1/nothing", kind, Opens::All);
            for path in ["/v1/stats", "/v1/agents", "/agents"] {
                assert_eq!(ask(method, path, kind, Opens::AllButAdmin), absent, "{method} {path} {kind}");
            }
        }
        for (method, path) in [("POST", "/v1/enforce"), ("POST", "/enforce"), ("GET", "/v1/stats")] {
            let absent = ask(method, "/nothing", "application/json", Opens::Health);
            assert_eq!(ask(method, path, "application/json", Opens::Health), absent, "{path}");
        }
    }

    #[test]
    fn what_agents_and_admins_share_is_for_those_whom_the_listener_is_for() {
        let wants = |opens| aim("GET", "/logs", "", opens, "").unwrap().route.wants(opens);
        assert_eq!(wants(Opens::All), Some(Wants::Either));
        assert_eq!(wants(Opens::AllButAdmin), Some(Wants::Agent));
        assert_eq!(wants(Opens::Admin), Some(Wants::Admin));
    }

    #[test]
    fn the_json_form_of_a_call_has_the_calls_route() {
        for (method, path, expected) in [
            ("POST", "/v1/enforce", Route::Enforcement),
            ("GET", "/v1/records", Route::Enforcement),
            ("DELETE", "/v1/agents/agt_x", Route::Admin),
            ("HEAD", "/v1/stats", Route::Admin),
        ] {
            assert_eq!(route(method, path, "application/json"), Ok(expected), "{path}");
        }
        // A body needs its type, no body needs none.
        assert_eq!(route("POST", "/v1/keys/key_x:revoke", "text/plain"), Err(415));
        assert!(aim("POST", "/v1/keys/key_x:revoke", "", Opens::All, "").is_ok());
    }

    #[test]
    fn method_then_content_type_is_checked() {
        let enforce = "/agentguard.v1.EnforcementService/Enforce";
        assert_eq!(route("POST", enforce, "application/grpc+proto;v=1"), Ok(Route::Enforcement));
        assert_eq!(route("GET", enforce, "application/grpc"), Err(405));
        assert_eq!(route("POST", enforce, "application/json"), Err(415));
        assert_eq!(route("POST", enforce, "application/grpc-web"), Ok(Route::Enforcement));
        assert_eq!(route("POST", enforce, "application/grpc-web-text"), Ok(Route::Enforcement));
        assert_eq!(route("POST", STREAMS[0], "application/grpc-web"), Err(501));
        assert_eq!(
            route("POST", "/enforce", "Application/JSON; charset=utf-8"),
            Ok(Route::Python(python::Page::Enforce))
        );
        assert_eq!(route("POST", "/enforce", "text/plain"), Err(415));
        assert_eq!(route("GET", "/enforce", "application/json"), Err(405));
        assert_eq!(route("POST", "/health", ""), Err(405));
        assert_eq!(route("GET", "/health/ready", ""), Ok(Route::Http(Page::Ready)));
        assert_eq!(route("GET", "/nowhere", ""), Err(404));
        assert_eq!(route("POST", "/nowhere/Call", "application/grpc"), Err(501));
    }
}
