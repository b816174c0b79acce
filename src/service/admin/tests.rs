use std::time::Duration;

use http::HeaderMap;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::*;
use crate::audit::writer;
use crate::auth::{AdminKeys, Peppers, Principal};
use crate::pb::v1::{Agent, Policy, RecordFilter, Rule, Scope, scope};
use crate::service::call::InFlight;
use crate::service::status::reason_of;
use crate::store::{Location, Options};
use crate::view;
use crate::view::feed::Feed;

mod agents;
mod decisions;
mod policies;
mod records;

const ADMIN_KEY: &str = "an-admin-key-of-more-than-32-characters";

/// The service on a database file of its own, with all that works behind it.
struct Guard {
    service: AdminService,
    closing: CancellationToken,
    _tasks: JoinSet<()>,
    _folder: TempDir,
}

impl Guard {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::System;
        let location = Location::Sqlite(folder.path().join("test.db"));
        let store = Store::open(&Options::at(location)).await.unwrap();
        store.migrate(clock.now()).await.unwrap();
        let mut tasks = JoinSet::new();
        let settings = writer::settings(Mode::Durable, "0.0.0", "test");
        let (writer, task) = Writer::start(&store, settings, clock.clone());
        tasks.spawn(task);
        let (outbox, task) = Outbox::start(store.clone(), writer.clone(), clock.clone());
        tasks.spawn(task);
        let settings = view::Settings {
            refresh_interval: Duration::from_secs(1),
            max_staleness: Duration::from_secs(60),
        };
        let (views, task) = Views::start(store.clone(), settings, clock.clone()).await.unwrap();
        tasks.spawn(task);
        let admins = AdminKeys::new([ADMIN_KEY]);
        let authenticator =
            Arc::new(Authenticator::new(Arc::clone(&views), Peppers::default(), admins, clock.clone()));
        let (limiter, _no_task) =
            Limiter::start(crate::rate_limit::Settings::off(), clock.clone()).await.unwrap();
        let service = AdminService::new(Parts {
            limiter: Arc::new(limiter),
            feed: Feed::default(),
            store,
            views,
            authenticator,
            outbox,
            writer,
            tally: Arc::new(Tally::default()),
            audit_mode: Mode::Durable,
            clock,
        });
        Self { service, closing: CancellationToken::new(), _tasks: tasks, _folder: folder }
    }

    async fn principal(&self, key: &str) -> Result<Principal, crate::auth::Error> {
        let mut headers = HeaderMap::new();
        headers.insert("x-agent-key", key.parse().unwrap());
        self.service.authenticator.authenticate(&headers).await
    }

    /// The request as the server's stack hands it on.
    async fn ask<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        let Principal::Admin(admin) = self.principal(ADMIN_KEY).await.unwrap() else { panic!("no admin") };
        request.extensions_mut().insert(admin);
        request.extensions_mut().insert(Call {
            request_id: "req-1".into(),
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            deadline: None,
            is_retry: false,
            in_flight: InFlight::new(1),
            held: None,
            closing: self.closing.clone(),
        });
        request
    }

    async fn agent(&self, name: &str) -> (String, String) {
        let agent = Agent {
            name: name.into(),
            team: "data".into(),
            environment: "prod".into(),
            ..Default::default()
        };
        let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
        let created = self.service.create_agent(self.ask(message).await).await.unwrap().into_inner();
        (created.agent.unwrap().agent_id, created.api_key)
    }
}

/// Calls a method as admin.
macro_rules! call {
    ($guard:expr, $method:ident, $message:expr) => {
        $guard.service.$method($guard.ask($message).await).await.map(Response::into_inner)
    };
}
use call;

fn reason(status: &Status) -> String {
    let headers = status.clone().into_http::<()>().into_parts().0.headers;
    crate::service::status::name(reason_of(&headers).unwrap()).to_owned()
}

#[tokio::test]
async fn without_a_verified_admin_nothing_is_done() {
    let guard = Guard::start().await;
    let bare = guard.service.get_stats(Request::new(v1::GetStatsRequest {})).await.unwrap_err();
    assert_eq!(bare.code(), Code::Internal);

    let (_, key) = guard.agent("reader").await;
    let Principal::Agent(agent) = guard.principal(&key).await.unwrap() else { panic!("no agent") };
    let mut request = guard.ask(v1::GetStatsRequest {}).await;
    request.extensions_mut().remove::<Admin>();
    request.extensions_mut().insert(agent);
    let other = guard.service.get_stats(request).await.unwrap_err();
    assert_eq!(other.code(), Code::Internal);
}

#[tokio::test]
async fn stats_count_what_there_is() {
    let guard = Guard::start().await;
    guard.agent("one").await;
    let (id, _) = guard.agent("two").await;
    call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id: id }).unwrap();
    let stats = call!(guard, get_stats, v1::GetStatsRequest {}).unwrap();
    assert_eq!((stats.agents, stats.active_agents, stats.agent_keys, stats.policies), (1, 1, 1, 0));
    assert_eq!((stats.database.as_str(), stats.audit.unwrap().mode.as_str()), ("sqlite", "durable"));
    assert!(stats.schema_version > 0 && stats.revision.contains('.'));
}
