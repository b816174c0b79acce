//! The whole server as it is built from a configuration, on a database file of its own.

use tonic::transport::Endpoint;

use super::*;
use crate::config::{Config, Flags, Program, Secret};
use crate::pb::v1::admin_service_client::AdminServiceClient;
use crate::pb::v1::enforcement_service_client::EnforcementServiceClient;

fn config(folder: &TempDir, settings: &[(&str, &str)]) -> Config {
    let program = Program::Dev { database: folder.path().join("test.db"), admin_key: Secret::new(ADMIN_KEY) };
    let env = |name: &str| {
        let given = settings.iter().chain(&[("PORT", "0")]).find(|(known, _)| *known == name);
        given.map(|(_, value)| (*value).to_owned())
    };
    Config::load(&program, env, &Flags::new()).unwrap()
}

async fn migrated() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&Options::at(Location::Sqlite(folder.path().join("test.db")))).await.unwrap();
    store.migrate(Clock::System.now()).await.unwrap();
    store.close().await;
    folder
}

struct Running {
    channel: tonic::transport::Channel,
    stopper: Stopper,
    task: JoinSet<Result<(), Error>>,
}

impl Running {
    async fn start(config: &Config) -> Result<Self, Error> {
        let server = build(config, Clock::System).await?;
        let address = server.address().unwrap();
        let (stopper, stop) = stop();
        let mut task = JoinSet::new();
        task.spawn(server.run(stop));
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Ok(Self { channel, stopper, task })
    }

    async fn stop(mut self) {
        self.stopper.stop();
        drop(self.channel);
        let ended = tokio::time::timeout(Duration::from_secs(15), self.task.join_next()).await;
        ended.unwrap().unwrap().unwrap().unwrap();
    }

    async fn create_agent(&self) -> String {
        let agent = v1::Agent {
            name: "reader".into(),
            team: "data".into(),
            environment: "dev".into(),
            ..Default::default()
        };
        let message = v1::CreateAgentRequest { agent: Some(agent), key_expire_time: None };
        let mut admin = AdminServiceClient::new(self.channel.clone());
        admin.create_agent(keyed(message, ADMIN_KEY)).await.unwrap().into_inner().api_key
    }

    async fn enforce(&self, key: &str) -> Result<v1::Decision, Status> {
        let message = v1::EnforceRequest { action: "read:file".into(), ..Default::default() };
        let mut agent = EnforcementServiceClient::new(self.channel.clone());
        Ok(agent.enforce(keyed(message, key)).await?.into_inner().decision.unwrap())
    }

    async fn records(&self) -> Vec<v1::AuditRecord> {
        let mut admin = AdminServiceClient::new(self.channel.clone());
        let message = v1::ListAuditRecordsRequest::default();
        admin.list_audit_records(keyed(message, ADMIN_KEY)).await.unwrap().into_inner().records
    }
}

fn keyed<M>(message: M, key: &str) -> tonic::Request<M> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("x-agent-key", key.parse().unwrap());
    request
}

#[tokio::test]
async fn what_was_decided_before_the_end_is_on_record_after_the_next_start() {
    let folder = migrated().await;
    let config = config(&folder, &[]);
    let first = Running::start(&config).await.unwrap();
    let key = first.create_agent().await;
    let decision = first.enforce(&key).await.unwrap();
    assert_eq!(decision.verdict(), v1::Verdict::Deny);
    first.stop().await;

    let second = Running::start(&config).await.unwrap();
    let records = second.records().await;
    assert!(records.iter().any(|record| record.decision_id == decision.decision_id), "{records:?}");
    // The key is known at once, from the first view.
    second.enforce(&key).await.unwrap();
    second.stop().await;
}

#[tokio::test]
async fn in_async_mode_what_waits_is_written_at_the_end() {
    let folder = migrated().await;
    let config = config(&folder, &[("AUDIT_MODE", "async")]);
    let first = Running::start(&config).await.unwrap();
    let key = first.create_agent().await;
    let mut decided = Vec::new();
    for _ in 0..50 {
        decided.push(first.enforce(&key).await.unwrap().decision_id);
    }
    first.stop().await;
    let second = Running::start(&config).await.unwrap();
    let records = second.records().await;
    for id in decided {
        assert!(records.iter().any(|record| record.decision_id == id), "{id} is not on record");
    }
    second.stop().await;
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let error = build(&config(&folder, &[]), Clock::System).await.unwrap_err();
    let Error::Store(error) = error else { panic!("{error}") };
    assert!(error.to_string().contains("agentguard migrate up"), "{error}");
}

#[tokio::test]
async fn the_wrong_pepper_refuses_the_start_and_a_rotation_does_not() {
    const FIRST: &str = "q7Vw2LkXz9RbT4mNc8YdF3hJs6GpA1eU";
    const SECOND: &str = "Zt5Ye8Qm1Wn4Rb7Vc2Xk9Lj6Hg3Fd0Sa";
    let folder = migrated().await;
    let start = |settings: Vec<(&'static str, &'static str)>| {
        let config = config(&folder, &settings);
        async move { Running::start(&config).await }
    };
    let peppered = start(vec![("KEY_PEPPER", FIRST)]).await.unwrap();
    let key = peppered.create_agent().await;
    peppered.stop().await;
    // Another one, and none at all.
    assert!(matches!(start(vec![("KEY_PEPPER", SECOND)]).await, Err(Error::Pepper)));
    assert!(matches!(start(vec![]).await, Err(Error::Pepper)));

    let rotated = start(vec![("KEY_PEPPER", SECOND), ("KEY_PEPPER_PREVIOUS", FIRST)]).await.unwrap();
    rotated.enforce(&key).await.unwrap();
    rotated.stop().await;
    // From now on it is the second that must be there; the first's keys have had their time.
    assert!(matches!(start(vec![("KEY_PEPPER", FIRST)]).await, Err(Error::Pepper)));
    let second = start(vec![("KEY_PEPPER", SECOND)]).await.unwrap();
    assert_eq!(second.enforce(&key).await.unwrap_err().code(), tonic::Code::Unauthenticated);
    second.stop().await;
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let folder = migrated().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = build(&config(&folder, &[("PORT", &port)]), Clock::System).await.unwrap_err();
    assert!(error.to_string().contains(&port), "{error}");
}
