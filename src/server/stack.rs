//! The layers that every call passes, in request order, and what stands behind them.
//!
//! They are steps of one function rather than nested services: a refusal is `?`, waiting is `.await`, and nothing is
//! boxed or cloned for being a layer. There is no second way in: gRPC and the HTTP face part only at the end.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use tonic::body::Body;
use tonic_web::GrpcWebLayer;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service};
use tracing::Instrument;

use super::connection::{Answer, Link};
use super::counted::{self, Comes};
use super::framing::{self, Framed};
use super::gateway::python::Inside;
use super::gateway::{Bounds, Table};
use super::limits::{Limits, MAX_ADMIN_IN_FLIGHT};
use super::measured::{self, Measured};
use super::route::{self, Aim, Form, NoRoute, Route, Speech, Wants};
use super::standard::Standard;
use super::stream::{Answers, Ends, Questions, blame_the_caller};
use super::{Error as Fault, Parts, cors, envelope, gateway, seats};
use crate::auth::{Agent, Authenticator, Principal};
use crate::clock::Clock;
use crate::metrics::{Failure, Observed};
use crate::pb::v1::enforcement_service_server::{EnforcementService, EnforcementServiceServer};
use crate::rate_limit::{Limiter, Quota};
use crate::service::call::{self, Call, InFlight};
use crate::service::{Error, status, throttle};
use crate::telemetry;

/// A call with less time than this is refused before anything is done for it: no timer is as fine, so that it would be
/// decided and recorded for a caller who is gone.
const MIN_DEADLINE: Duration = Duration::from_millis(1);

/// A gRPC service of which only the paths are known here.
pub type Routed = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// Everything a call may pass or reach.
pub(super) struct Stack<E> {
    limits: Limits,
    clock: Clock,
    in_flight: InFlight,
    admins_in_flight: InFlight,
    authenticator: Arc<Authenticator>,
    limiter: Arc<Limiter>,
    /// The paths of the HTTP face.
    table: Arc<Table>,
    /// For calls whose messages are no larger than a check.
    checks: EnforcementServiceServer<E>,
    /// For batches of checks.
    agents: EnforcementServiceServer<E>,
    admin: Routed,
    standard: Standard,
    measured: Measured,
}

impl<E: EnforcementService> Answer for Stack<E> {
    async fn answer(self: Arc<Self>, request: Request<Body>, link: Arc<Link>) -> Response<Body> {
        // Request id and span: outermost, so that whatever happens below is found again by its id.
        let request_id = envelope::request_id(request.headers(), crate::entropy::id);
        let span = telemetry::call(&request_id, request.uri().path(), request.headers());
        let trace = telemetry::trace_response(&span);
        let speech = route::speech(&request);
        let page = cors::Page::of(&request);
        let origins = &link.entrance.origins;
        let preflight = page.as_ref().and_then(|page| page.preflight(&request, origins));

        // A browser's question whether a page may call shows no key and reaches nothing.
        if let (Some(page), Some(mut response)) = (&page, preflight) {
            page.open(origins, response.headers_mut());
            gateway::secure(response.headers_mut(), link.entrance.is_https());
            return response;
        }

        // Route: a path, a method or a content type that nobody answers costs nothing further.
        let path = request.uri().path();
        let aim = if self.measured.is_at(path, link.entrance.opens) {
            Aim::of_metrics(&request)
        } else {
            Aim::of(&request, &self.table, link.entrance.opens)
        };

        // Metrics: before everything that may refuse, so that refusals are counted.
        let (observed, comes) = self.observe(&request, &aim);

        // Catch panic: one call that fails inside must not take its connection's other calls with it.
        // In a place of its own: it is large, and would be copied through every wrapper around it.
        let passed = Box::pin(self.pass(request, aim, &request_id, &link));
        let answered = AssertUnwindSafe(passed).catch_unwind().instrument(span.clone()).await;
        let _entered = span.entered();
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(none)) => refuse(&none, speech, &request_id),
            Err(_panic) => refuse(&Error::internal("a panic").into(), speech, &request_id),
        };
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert(envelope::REQUEST_ID, value);
        }
        if let Some(trace) = trace {
            response.headers_mut().insert(envelope::TRACE_RESPONSE, trace);
        }
        if let Some(page) = page {
            page.open(&link.entrance.origins, response.headers_mut());
        }
        if speech != Speech::Grpc {
            gateway::secure(response.headers_mut(), link.entrance.is_https());
        }
        counted::count(observed, comes, response)
    }
}

impl<E: EnforcementService> Stack<E> {
    pub(super) fn new(parts: Parts<E>, standard: Standard) -> Result<Self, Fault> {
        let Parts { enforcement, admin, authenticator, limiter, measured, clock, limits, health: _ } = parts;
        let server = || EnforcementServiceServer::from_arc(Arc::clone(&enforcement));
        Ok(Self {
            in_flight: InFlight::new(limits.max_in_flight),
            admins_in_flight: InFlight::new(MAX_ADMIN_IN_FLIGHT),
            checks: server().max_decoding_message_size(limits.max_enforce_size),
            agents: server().max_decoding_message_size(limits.max_request_size),
            table: gateway::table()?,
            limits,
            clock,
            authenticator,
            limiter,
            admin,
            standard,
            measured,
        })
    }

    /// Begins to count a call, under the name of what it found.
    fn observe(&self, request: &Request<Body>, aim: &Result<Aim, NoRoute>) -> (Observed, Comes) {
        let (endpoint, comes) = match aim {
            Ok(aim) => {
                let path = aim.path(request);
                let comes = if aim.route.counts_messages(path) {
                    Comes::Message
                } else if aim.route.streams(path) {
                    Comes::Streamed
                } else {
                    Comes::Whole
                };
                (aim.endpoint(request), comes)
            }
            // What was not found has no name that would be ours.
            Err(_) => ("", Comes::Whole),
        };
        (self.measured.metrics().begin(request.method(), endpoint, &self.clock), comes)
    }

    /// The layers inside the catcher of panics.
    async fn pass(
        &self,
        request: Request<Body>,
        aim: Result<Aim, NoRoute>,
        request_id: &Arc<str>,
        link: &Link,
    ) -> Result<Response<Body>, NoRoute> {
        let aim = aim?;
        let route = aim.route;

        // Encryption: a call that came to the proxy in the clear has shown its key to everybody on the way.
        if !route.is_health() && !link.entrance.is_secure_enough(link.peer, request.headers()) {
            return Err(Error::PermissionDenied(
                "HTTPS; the proxy in front does not say that this call came by it",
            )
            .into());
        }
        let streams = route.streams(aim.path(&request));

        // Deadline: before everything that may wait. The caller's, and for a unary call or the beginning of a stream
        // the server's own, so that nothing waits for ever.
        let asked = match aim.form {
            Form::Grpc | Form::Web => envelope::grpc_timeout(request.headers())?,
            Form::Json(..) | Form::Own(_) => None,
        };
        let bound = asked.unwrap_or(self.limits.request_timeout).min(self.limits.request_timeout);
        if bound < MIN_DEADLINE {
            return Err(Error::DeadlineExceeded.into());
        }
        let now = self.clock.instant();
        let call = Call {
            request_id: Arc::clone(request_id),
            client: link.entrance.client(link.peer, request.headers()),
            deadline: if streams { asked } else { Some(bound) }.map(|left| now.plus(left)),
            is_retry: envelope::is_retry(request.headers()),
            in_flight: if route.is_admins() { &self.admins_in_flight } else { &self.in_flight }.clone(),
            held: None,
            closing: link.closing.clone(),
        };
        let rest = std::pin::pin!(self.admit(aim, streams, request, call, link));
        match tokio::time::timeout(bound, rest).await {
            Ok(answered) => Ok(answered?),
            Err(_) => Err(Error::DeadlineExceeded.into()),
        }
    }

    /// The layers that may refuse for what the caller is or what the server has to do.
    async fn admit(
        &self,
        aim: Aim,
        streams: bool,
        mut request: Request<Body>,
        mut call: Call,
        link: &Link,
    ) -> Result<Response<Body>, Error> {
        let route = aim.route;
        // Shed: before the work of looking at keys. A stream counts each of its messages, not itself.
        let mut permit =
            if streams || route.passes_shedding() { None } else { Some(call.in_flight.admit()?) };

        // Authenticate: before a byte of the message is read.
        if let Some(wants) = route.wants(link.entrance.opens) {
            let step = tracing::info_span!(target: telemetry::STEP, "authenticate");
            let principal = self.authenticator.authenticate(request.headers()).instrument(step).await;
            let principal = principal.map_err(|error| {
                tracing::debug!(client = %call.client, "no valid key");
                self.measured.metrics().authentication_failed(measured::failure(error));
                throttle::failed_login(&self.limiter, seats::group(call.client))
            });
            match (principal?, wants) {
                (Principal::Agent(agent), Wants::Agent | Wants::Either) => {
                    let id = &agent.entry().subject.id;
                    permit = permit.map(|permit| permit.charge(id)).transpose()?;
                    request.extensions_mut().insert(agent);
                }
                (Principal::Admin(admin), Wants::Admin | Wants::Either) => {
                    drop(request.extensions_mut().insert(admin))
                }
                (Principal::Admin(_), Wants::Agent) => return Err(self.wrong_kind("an agent key")),
                (Principal::Agent(_), Wants::Admin) => return Err(self.wrong_kind("an admin key")),
            }
        }

        call.held = permit.map(Arc::new);

        // Throttle: limits belong to whoever was authenticated. Admins and those who need no key have none.
        let quota = match request.extensions().get::<Agent>() {
            Some(agent) if route.costs_one(aim.path(&request)) => {
                let step = tracing::info_span!(target: telemetry::STEP, "throttle");
                throttle::charge(&self.limiter, agent, 1).instrument(step).await?
            }
            Some(_) | None => None,
        };

        self.answer_as(aim, request, call, link, quota).await
    }

    /// The call, in the form in which it was asked.
    async fn answer_as(
        &self,
        aim: Aim,
        request: Request<Body>,
        call: Call,
        link: &Link,
        quota: Option<Quota>,
    ) -> Result<Response<Body>, Error> {
        let Aim { route, form } = aim;
        let is_head = request.method() == Method::HEAD;
        let mut response = match form {
            Form::Grpc => return Ok(self.dispatch(route, request, call, link).await),
            Form::Web => return Ok(self.dispatch_web(route, request, &call, link).await),
            Form::Json(binding, values) => {
                let bounds = self.bounds(route, binding.rpc.path.path());
                let asked = gateway::transcode(&binding, &values, request, bounds, &call).await?;
                let answered = self.dispatch(route, asked, call, link).await;
                gateway::transcoded(&binding, answered).await?
            }
            Form::Own(values) => match route {
                Route::Python(page) => {
                    let bounds = self.bounds(route, "");
                    let caller = request.extensions().clone();
                    let inside = Inside { stack: self, link, caller, call, bounds };
                    gateway::python::answer(inside, page, &values, request).await?
                }
                Route::Metrics => self.measured.page(&call).await?,
                Route::Http(page) => gateway::page(self, page)?,
                // Calls have no form of their own; said again because a match has no gaps.
                Route::Enforcement
                | Route::Admin
                | Route::Health
                | Route::Reflection
                | Route::ReflectionAlpha => return Err(Error::Unimplemented),
            },
        };
        if let Some(quota) = quota {
            gateway::show_quota(response.headers_mut(), &quota);
        }
        Ok(if is_head { response.map(|_| Body::empty()) } else { response })
    }

    /// What a body of a call at `path` may be.
    fn bounds(&self, route: Route, path: &str) -> Bounds {
        let Limits { max_enforce_size, max_request_size, .. } = self.limits;
        Bounds {
            limit: if route.is_small(path) { max_enforce_size } else { max_request_size },
            small: max_enforce_size,
        }
    }

    /// The same over the web, where headers and trailers are part of the body.
    async fn dispatch_web(
        &self,
        route: Route,
        request: Request<Body>,
        call: &Call,
        link: &Link,
    ) -> Response<Body> {
        let inner = tower::service_fn(|request: Request<Body>| async {
            Ok::<_, Infallible>(self.dispatch(route, request, call.clone(), link).await)
        });
        match GrpcWebLayer::new().layer(inner).call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn wrong_kind(&self, wanted: &'static str) -> Error {
        self.measured.metrics().authentication_failed(Failure::WrongKind);
        Error::PermissionDenied(wanted)
    }

    /// The gRPC services.
    pub(super) async fn dispatch(
        &self,
        route: Route,
        mut request: Request<Body>,
        call: Call,
        link: &Link,
    ) -> Response<Body> {
        let streams = route.streams(request.uri().path());
        let listens = route.listens(request.uri().path());
        let is_small = route.is_small(request.uri().path());
        // Health and reflection are open to everybody, so that what one connection may hold is bounded here.
        let seat = if streams && route.is_foreign() { Some(link.open.take()) } else { None };
        if matches!(seat, Some(None)) {
            return call.refuse(&Error::Overloaded).into_http();
        }
        request.extensions_mut().insert(call.clone());
        if listens {
            request = request.map(|body| Body::new(Questions::new(body, call.closing.clone())));
        }
        let Bounds { limit, small } = self.bounds(route, request.uri().path());
        let bounds = framing::Bounds { limit, small, takes_stream: listens };
        request = request.map(|body| Body::new(Framed::new(body, bounds, &call)));
        let answered = match route {
            Route::Enforcement if is_small => self.checks.clone().call(request).await,
            Route::Enforcement => self.agents.clone().call(request).await,
            Route::Admin => self.admin.clone().call(request).await,
            Route::Health => self.standard.health.clone().call(request).await,
            Route::Reflection => self.standard.reflection.clone().call(request).await,
            Route::ReflectionAlpha => self.standard.reflection_alpha.clone().call(request).await,
            // Parted before; said again because a match has no gaps.
            Route::Python(_) | Route::Http(_) | Route::Metrics => {
                Ok(call.refuse(&Error::Unimplemented).into_http())
            }
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(never) => match never {},
        };
        // What tonic refuses by itself, and what health and reflection say, gets what every error of ours has.
        if route.is_foreign() {
            blame_the_caller(response.headers_mut(), &call.request_id);
        }
        status::complete(response.headers_mut(), &call.request_id);
        if !streams {
            return response;
        }
        let ends = Ends {
            deadline: call.deadline.map(|deadline| deadline.since(self.clock.instant())),
            // A stream that listens ends when its questions do.
            closing: (!listens).then_some(call.closing),
            is_foreign: route.is_foreign(),
            seat: seat.flatten(),
        };
        response.map(|body| Body::new(Answers::new(body, call.request_id, ends)))
    }
}

impl<E> Stack<E> {
    /// Whether it serves, for the HTTP face.
    pub(super) fn standing(&self) -> super::standard::Standing {
        self.standard.standing()
    }
}

/// A refusal in the form that the caller speaks.
fn refuse(none: &NoRoute, speech: Speech, request_id: &str) -> Response<Body> {
    if speech != Speech::Http && none.allow.is_none() && !is_about_http(&none.error) {
        let mut response = call::refuse(&none.error, request_id).into_http();
        if speech == Speech::Web {
            let kind = HeaderValue::from_static("application/grpc-web+proto");
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        return response;
    }
    call::log(&none.error, request_id);
    let mut response = gateway::refusal(&none.error.to_rpc(request_id), none.allow.as_deref());
    if let Error::LimitReached { quota, .. } = &none.error {
        gateway::show_quota(response.headers_mut(), quota);
    }
    response
}

/// gRPC over HTTP/1.1 speaks no gRPC.
const fn is_about_http(error: &Error) -> bool {
    matches!(error, Error::UnsupportedMediaType)
}
