//! A page's way to the services: the contract's own messages, by the caller that the layers let in.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{Extensions, HeaderValue, Method, Request};
use http_body_util::Full;
use prost::Message;
use tonic::body::Body;

use super::super::body::{self, Bounds};
use super::super::transcode::{frame, next, unary, whole};
use super::Failed;
use crate::auth::Agent;
use crate::pb::v1::enforcement_service_server::EnforcementService;
use crate::server::connection::Link;
use crate::server::route::Route;
use crate::server::stack::Stack;
use crate::service::Error;
use crate::service::call::Call;

/// The services, as the caller of a page may ask them.
pub(in crate::server) struct Inside<'a, E> {
    pub(in crate::server) stack: &'a Stack<E>,
    pub(in crate::server) link: &'a Link,
    /// Where the layers left who calls.
    pub(in crate::server) caller: Extensions,
    pub(in crate::server) call: Call,
    /// What the page's own body may be.
    pub(in crate::server) bounds: Bounds,
}

impl<E: EnforcementService> Inside<'_, E> {
    /// The page's body.
    pub(super) async fn read(&self, body: Body) -> Result<Bytes, Error> {
        body::read(body, self.bounds, &self.call).await
    }

    /// The call's correlation id.
    pub(super) fn request_id(&self) -> &str {
        &self.call.request_id
    }

    /// Whether it is an agent that calls.
    pub(super) fn is_agent(&self) -> bool {
        self.caller.get::<Agent>().is_some()
    }

    /// Asks `EnforcementService`.
    pub(super) async fn agents<R: Message + Default>(
        &self,
        rpc: &str,
        message: &impl Message,
    ) -> Result<R, Failed> {
        self.ask(Route::Enforcement, "EnforcementService", rpc, message).await
    }

    /// Asks `AdminService`.
    pub(super) async fn admins<R: Message + Default>(
        &self,
        rpc: &str,
        message: &impl Message,
    ) -> Result<R, Failed> {
        self.ask(Route::Admin, "AdminService", rpc, message).await
    }

    async fn ask<R: Message + Default>(
        &self,
        route: Route,
        service: &str,
        rpc: &str,
        message: &impl Message,
    ) -> Result<R, Failed> {
        let request = self.request(service, rpc, message)?;
        let answered = self.stack.dispatch(route, request, self.call.clone(), self.link).await;
        let bytes = unary(answered).await??;
        R::decode(bytes).map_err(|error| Error::internal(error).into())
    }

    /// Asks `AdminService` for a stream, and waits for all of it.
    pub(super) async fn admins_all<R: Message + Default>(
        &self,
        rpc: &str,
        message: &impl Message,
    ) -> Result<Vec<R>, Failed> {
        let request = self.request("AdminService", rpc, message)?;
        let answered = self.stack.dispatch(Route::Admin, request, self.call.clone(), self.link).await;
        let mut rest = BytesMut::from(whole(answered).await??);
        let mut messages = Vec::new();
        while let Some(message) = next(&mut rest) {
            messages.push(R::decode(message).map_err(Error::internal)?);
        }
        Ok(messages)
    }

    fn request(&self, service: &str, rpc: &str, message: &impl Message) -> Result<Request<Body>, Failed> {
        let mut request = Request::new(Body::new(Full::from(frame(message))));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = format!("/agentguard.v1.{service}/{rpc}").parse().map_err(Error::internal)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        *request.extensions_mut() = self.caller.clone();
        Ok(request)
    }
}
