//! How connections, streams and the server end.

use tokio_stream::wrappers::ReceiverStream;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;
use crate::pb::v1::enforcement_service_client::EnforcementServiceClient;

async fn channel(front: &Front) -> tonic::transport::Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", front.address)).unwrap();
    endpoint.connect().await.unwrap()
}

async fn health(front: &Front) -> HealthClient<tonic::transport::Channel> {
    HealthClient::new(channel(front).await)
}

fn status_of(answer: Option<Result<HealthCheckResponse, Status>>) -> ServingStatus {
    answer.unwrap().unwrap().status()
}

#[tokio::test]
async fn calls_in_flight_finish_and_new_connections_are_refused() {
    let mut front = Front::start().await;
    let client = front.http2().await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        front.stopper.stop();
    };
    let (answer, ()) = tokio::join!(client.enforce("sleep:500"), stop);
    assert_eq!(answer.code(), Some("0"));
    front.ended().await.unwrap();
    assert!(TcpStream::connect(front.address).await.is_err());
}

#[tokio::test]
async fn health_says_not_serving_before_connections_are_refused() {
    let mut front =
        Front::with(Limits { drain_delay: Duration::from_millis(300), ..Limits::default() }).await;
    let request = HealthCheckRequest { service: "agentguard.v1.EnforcementService".into() };
    let mut watch = health(&front).await.watch(request).await.unwrap().into_inner();
    assert_eq!(status_of(watch.next().await), ServingStatus::Serving);
    front.stopper.stop();
    assert_eq!(status_of(watch.next().await), ServingStatus::NotServing);
    // The drain delay: whoever comes before the load balancer looked is still answered.
    let answer = front.http2().await.enforce("read:file").await;
    assert_eq!(answer.code(), Some("0"));
    let ready = front.http1("GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(ready.starts_with("HTTP/1.1 503 "), "{ready}");
    // A watcher does not hold the server up.
    assert_eq!(watch.next().await.unwrap().unwrap_err().code(), tonic::Code::Unavailable);
    front.ended().await.unwrap();
}

#[tokio::test]
async fn health_follows_the_parts_behind() {
    let front = Front::start().await;
    let mut client = health(&front).await;
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(status_of(watch.next().await), ServingStatus::Serving);
    front.health.send_replace(Health { policies: false, audit: true, ..well() });
    assert_eq!(status_of(watch.next().await), ServingStatus::NotServing);
    front.health.send_replace(Health { policies: true, audit: false, ..well() });
    assert_eq!(status_of(watch.next().await), ServingStatus::Serving);
    let unknown = client.check(HealthCheckRequest { service: "nothing".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), tonic::Code::NotFound);
}

#[tokio::test]
async fn an_open_stream_ends_well_when_the_server_does() {
    let mut front = Front::start().await;
    let mut client = EnforcementServiceClient::connect(format!("http://{}", front.address)).await.unwrap();
    let (questions, receiver) = tokio::sync::mpsc::channel(4);
    let mut request = tonic::Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("x-agent-key", front.agent_key.parse().unwrap());
    let question = |sequence: u64, action: &str| v1::EnforceStreamRequest {
        sequence,
        request: Some(v1::EnforceRequest { action: action.into(), ..Default::default() }),
    };
    questions.send(question(1, "read:file")).await.unwrap();
    let mut answers = client.enforce_stream(request).await.unwrap().into_inner();
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 1);
    questions.send(question(2, "sleep:300")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    front.stopper.stop();
    // What was asked before the end is answered, then the stream ends without an error.
    assert_eq!(answers.message().await.unwrap().unwrap().sequence, 2);
    assert_eq!(answers.message().await.unwrap(), None);
    front.ended().await.unwrap();
}

#[tokio::test]
async fn calls_beyond_the_grace_are_cut() {
    let limits =
        Limits { drain_delay: Duration::ZERO, drain_grace: Duration::from_millis(100), ..Limits::default() };
    let mut front = Front::with(limits).await;
    let client = front.http2().await;
    let request = client.request(ENFORCE).body(Full::new(frame(&asking("sleep:20000")))).unwrap();
    let mut sender = client.sender.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        front.stopper.stop();
    };
    let (answer, ()) = tokio::join!(sender.send_request(request), stop);
    assert!(answer.is_err());
    front.ended().await.unwrap();
}

#[tokio::test]
async fn asking_twice_ends_at_once() {
    let mut front = Front::with(Limits { drain_delay: Duration::from_secs(60), ..Limits::default() }).await;
    front.stopper.stop();
    front.stopper.stop();
    front.ended().await.unwrap();
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_its_call_finishes() {
    let limits = Limits { connection_age: Duration::from_millis(100), ..Limits::default() };
    let front = Front::with(limits).await;
    let mut client = front.http2().await;
    let answer = client.enforce("sleep:400").await;
    assert_eq!(answer.code(), Some("0"));
    let closed = tokio::time::timeout(Duration::from_secs(5), client.task.join_next()).await;
    assert!(closed.is_ok(), "the old connection is still open");
}

#[tokio::test]
async fn reflection_shows_the_contract_without_a_key_unless_it_is_off() {
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

    for on in [true, false] {
        let front = Front::with(Limits { reflection: on, ..Limits::default() }).await;
        let mut client = ServerReflectionClient::new(channel(&front).await);
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let asked = client.server_reflection_info(tokio_stream::once(request)).await;
        if on {
            let answer = asked.unwrap().into_inner().message().await.unwrap().unwrap();
            let shown = format!("{answer:?}");
            for service in
                ["agentguard.v1.EnforcementService", "agentguard.v1.AdminService", "grpc.health.v1.Health"]
            {
                assert!(shown.contains(service), "{service} is missing: {shown}");
            }
        } else {
            assert_eq!(asked.unwrap_err().code(), tonic::Code::Unimplemented);
        }
    }
}
