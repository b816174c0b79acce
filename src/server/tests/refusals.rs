//! What is refused, in which words and in which form.

use super::*;

#[tokio::test]
async fn an_agents_call_is_answered_under_its_request_id() {
    let front = Front::start().await;
    let client = front.http2().await;
    let request = client.request(ENFORCE).header("x-request-id", "req-of-mine");
    let answer = client.send(request.body(Full::new(frame(&asking("read:file")))).unwrap()).await;
    assert_eq!((answer.http, answer.code()), (StatusCode::OK, Some("0")));
    assert_eq!(answer.headers["x-request-id"], "req-of-mine");
    let decision = v1::EnforceResponse::decode(&answer.body[5..]).unwrap().decision.unwrap();
    assert_eq!(decision.action, "read:file");

    let other = client.enforce("read:file").await;
    assert!(other.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
}

#[tokio::test]
async fn a_refusal_carries_the_request_id_where_tools_look_for_it() {
    let front = Front::start().await;
    let client = front.http2().await;
    let request = client.request("/agentguard.v1.EnforcementService/Nothing").header("x-request-id", "req-7");
    let answer = client.send(request.body(Full::default()).unwrap()).await;
    assert_eq!((answer.code(), answer.reason()), (Some("12"), Some(ErrorReason::Unimplemented)));
    assert_eq!(answer.headers["x-request-id"], "req-7");
    let sent = Status::from_header_map(&answer.headers).unwrap();
    assert!(sent.details().windows(5).any(|bytes| bytes == b"req-7"));
}

#[tokio::test]
async fn each_kind_of_key_opens_its_own_service_only() {
    let front = Front::start().await;
    let client = front.http2().await;
    let admin = "/agentguard.v1.AdminService/GetStats";
    let bare =
        |path: &str| Request::post(format!("http://x{path}")).header("content-type", "application/grpc");
    let agent_key = front.agent_key.as_str();
    let (front_of_key, last) = agent_key.split_at(agent_key.len() - 1);
    let wrong = format!("{front_of_key}{}", if last == "x" { "y" } else { "x" });
    let two = format!("Bearer {agent_key}");
    let ok = Some("0");
    let (unauthenticated, denied) = (Some("16"), Some("7"));
    for (path, headers, expected) in [
        (ENFORCE, vec![("x-agent-key", agent_key)], ok),
        (ENFORCE, vec![("x-admin-key", agent_key)], ok),
        (ENFORCE, vec![("authorization", two.as_str())], ok),
        (ENFORCE, vec![], unauthenticated),
        (ENFORCE, vec![("x-agent-key", "garbage")], unauthenticated),
        (ENFORCE, vec![("x-agent-key", wrong.as_str())], unauthenticated),
        (ENFORCE, vec![("x-agent-key", agent_key), ("authorization", two.as_str())], unauthenticated),
        (ENFORCE, vec![("x-agent-key", agent_key), ("x-agent-key", agent_key)], unauthenticated),
        (ENFORCE, vec![("x-agent-key", ADMIN_KEY)], denied),
        (admin, vec![("x-agent-key", ADMIN_KEY)], ok),
        (admin, vec![("x-admin-key", agent_key)], denied),
        (admin, vec![("x-admin-key", "an-admin-key")], unauthenticated),
        (admin, vec![], unauthenticated),
    ] {
        let request = headers.iter().fold(bare(path), |request, (name, value)| request.header(*name, *value));
        let answer = client.send(request.body(Full::new(frame(&asking("read:file")))).unwrap()).await;
        assert_eq!(answer.code(), expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn another_method_or_content_type_is_an_http_error() {
    let front = Front::start().await;
    let client = front.http2().await;
    let get = Request::get(format!("http://x{ENFORCE}")).header("content-type", "application/grpc");
    let answer = client.send(get.body(Full::default()).unwrap()).await;
    assert_eq!(
        (answer.http, &answer.headers["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap())
    );
    for kind in ["application/json", "text/html", "application/grpc-web+json", "application/grpc+json"] {
        let post = Request::post(format!("http://x{ENFORCE}")).header("content-type", kind);
        let answer = client.send(post.body(Full::default()).unwrap()).await;
        assert_eq!(answer.http, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(body["code"], "UNSUPPORTED_MEDIA_TYPE");
        assert_eq!(body["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    }
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let front = Front::start().await;
    let client = front.http2().await;
    for path in ["/agentguard.v9.Nothing/Call", "/", "/enforce"] {
        let answer = client.call(path, b"").await;
        assert_eq!(
            (answer.code(), answer.reason()),
            (Some("12"), Some(ErrorReason::Unimplemented)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_error_everywhere() {
    let front = Front::start().await;
    let client = front.http2().await;
    for path in [
        ENFORCE,
        STREAM,
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        let answer = client.call(path, b"\x0a\xff").await;
        if path.contains("reflection") {
            // tonic's reflection ends the stream without a word; no INTERNAL at least.
            assert_eq!(answer.code(), Some("0"), "{answer:?}");
            continue;
        }
        assert_eq!(answer.code(), Some("3"), "{path} {answer:?}");
        assert_eq!(answer.reason(), Some(ErrorReason::MalformedMessage), "{path}");
    }
}

#[tokio::test]
async fn a_bad_grpc_timeout_is_named() {
    let front = Front::start().await;
    let client = front.http2().await;
    for bad in ["soon", "1", "-1S", "123456789S", ""] {
        let request = client.request(ENFORCE).header("grpc-timeout", bad);
        let answer = client.send(request.body(Full::new(frame(&asking("read:file")))).unwrap()).await;
        assert_eq!(
            (answer.code(), answer.reason()),
            (Some("3"), Some(ErrorReason::InvalidArgument)),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn the_callers_deadline_and_the_servers_own_are_kept() {
    let limits = Limits { request_timeout: Duration::from_millis(150), ..Limits::default() };
    let front = Front::with(limits).await;
    let client = front.http2().await;
    for timeout in [Some("20m"), Some("0S"), Some("1H"), None] {
        let request = client.request(ENFORCE);
        let request =
            timeout.into_iter().fold(request, |request, value| request.header("grpc-timeout", value));
        let answer = client.send(request.body(Full::new(frame(&asking("sleep:5000")))).unwrap()).await;
        assert_eq!(answer.reason(), Some(ErrorReason::DeadlineExceeded), "{timeout:?}");
        assert_eq!(answer.code(), Some("4"));
    }
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_its_connection_lives_on() {
    let front = Front::start().await;
    let client = front.http2().await;
    let (slow, panicked) = tokio::join!(client.enforce("sleep:100"), client.enforce("panic"));
    assert_eq!((panicked.code(), panicked.reason()), (Some("13"), Some(ErrorReason::Internal)));
    assert!(panicked.headers.contains_key("x-request-id"));
    assert_eq!(slow.code(), Some("0"));

    let message = v1::EnforceStreamRequest {
        sequence: 1,
        request: Some(v1::EnforceRequest { action: "panic".into(), ..Default::default() }),
    };
    let streamed = client.call(STREAM, &message.encode_to_vec()).await;
    assert_eq!(streamed.reason(), Some(ErrorReason::Internal));
    assert_eq!(client.enforce("read:file").await.code(), Some("0"));
}
