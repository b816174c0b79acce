//! The bounds of the front door, at n and beyond.

use super::*;

#[tokio::test]
async fn a_check_may_be_as_large_as_its_bound_and_no_larger() {
    let limits = Limits { max_enforce_size: 8_192, max_request_size: 65_536, ..Limits::default() };
    let front = Front::with(limits).await;
    let client = front.http2().await;
    let sized = |size: usize| {
        let empty = asking("").len();
        // A tag and a length of two bytes stand before the text.
        let message = asking(&"x".repeat(size - empty - 3));
        assert_eq!(message.len(), size);
        message
    };
    assert_eq!(client.call(ENFORCE, &sized(8_192)).await.code(), Some("0"));
    let large = client.call(ENFORCE, &sized(8_193)).await;
    assert_eq!((large.code(), large.reason()), (Some("8"), Some(ErrorReason::MessageTooLarge)));
    // A batch of checks may be larger than one of them.
    let batch = "/agentguard.v1.EnforcementService/BatchEnforce";
    let message = v1::BatchEnforceRequest {
        checks: vec![v1::EnforceRequest { action: "x".repeat(9_000), ..Default::default() }],
        ..Default::default()
    };
    assert_eq!(client.call(batch, &message.encode_to_vec()).await.code(), Some("0"));
}

#[tokio::test]
async fn one_message_more_than_may_be_in_flight_is_shed_but_health_answers() {
    let front = Front::with(Limits { max_in_flight: 1, ..Limits::default() }).await;
    let client = front.http2().await;
    let busy = client.enforce("sleep:300");
    let later = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let shed = client.enforce("read:file").await;
        assert_eq!((shed.code(), shed.reason()), (Some("14"), Some(ErrorReason::Overloaded)));
        assert!(shed.headers.contains_key("grpc-retry-pushback-ms"));
        assert_eq!(client.call("/grpc.health.v1.Health/Check", b"").await.code(), Some("0"));
    };
    let (busy, ()) = tokio::join!(busy, later);
    assert_eq!(busy.code(), Some("0"));
    assert_eq!(client.enforce("read:file").await.code(), Some("0"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused_on_either_protocol() {
    let front = Front::start().await;
    let large = "x".repeat(17 * 1024);
    let answer = front.http1(&format!("GET /health HTTP/1.1\r\nhost: x\r\nx-large: {large}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");

    let client = front.http2().await;
    let request = client.request(ENFORCE).header("x-large", &large).body(Full::default()).unwrap();
    match client.sender.clone().send_request(request).await {
        Ok(response) => assert_eq!(response.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        // The client keeps to the bound that the server announced.
        Err(error) => assert!(error.is_user() || error.to_string().contains("http2"), "{error:?}"),
    }
    assert_eq!(front.http2().await.enforce("read:file").await.code(), Some("0"));
}

#[tokio::test]
async fn a_silent_or_slow_socket_is_closed() {
    let front = Front::with(Limits { head_timeout: Duration::from_millis(50), ..Limits::default() }).await;
    for beginning in ["", "PRI * HTTP/2.0\r\n", "GET /health HTTP/1.1\r\nhost: x"] {
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "still open after `{beginning}`");
    }
}

#[tokio::test]
async fn a_connection_without_calls_is_closed_and_one_with_a_call_is_not() {
    let front = Front::with(Limits { idle_timeout: Duration::from_millis(100), ..Limits::default() }).await;
    let mut idle = front.http2().await;
    let busy = front.http2().await;
    let (answer, closed) = tokio::join!(
        busy.enforce("sleep:600"),
        tokio::time::timeout(Duration::from_secs(5), idle.task.join_next())
    );
    assert_eq!(answer.code(), Some("0"));
    assert!(closed.is_ok(), "the idle connection is still open");
}

#[tokio::test]
async fn one_address_has_only_its_share_of_connections() {
    let front = Front::with(Limits { max_connections_per_address: 2, ..Limits::default() }).await;
    let first = front.http2().await;
    assert_eq!(first.enforce("read:file").await.code(), Some("0"));
    let mut idle = TcpStream::connect(front.address).await.unwrap();
    let mut third = TcpStream::connect(front.address).await.unwrap();
    let closed = tokio::time::timeout(Duration::from_secs(5), third.read_u8()).await;
    assert!(closed.unwrap().is_err(), "a third connection got an answer");
    // Refusing one leaves the others alone, and a closed one makes room.
    idle.shutdown().await.unwrap();
    drop(idle);
    assert_eq!(first.enforce("read:file").await.code(), Some("0"));
    for _ in 0..500 {
        let mut fourth = TcpStream::connect(front.address).await.unwrap();
        fourth.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ok();
        let mut answer = Vec::new();
        if fourth.read_to_end(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 200") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no room was made");
}

#[tokio::test]
async fn many_cancelled_calls_do_not_end_an_honest_connection() {
    let front = Front::start().await;
    let client = front.http2().await;
    for _ in 0..40 {
        let calls: Vec<_> = (0..50)
            .map(|_| tokio::time::timeout(Duration::from_micros(200), client.enforce("sleep:1000")))
            .collect();
        futures_util::future::join_all(calls).await;
    }
    assert_eq!(client.enforce("read:file").await.code(), Some("0"));
}
