use super::*;

/// The admin acts on record, newest first, once there are `count`.
async fn acts(guard: &Guard, count: usize) -> Vec<v1::AuditRecord> {
    let kind = v1::RecordKind::Admin.into();
    for _ in 0..200 {
        let filter = Some(RecordFilter { kind, ..Default::default() });
        let list = v1::ListAuditRecordsRequest { filter, ..Default::default() };
        let records = call!(guard, list_audit_records, list).unwrap().records;
        if records.len() >= count {
            return records;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the acts never reached the audit");
}

#[tokio::test]
async fn every_write_is_on_record_without_its_secret() {
    let guard = Guard::start().await;
    let (agent_id, key) = guard.agent("reader").await;
    let deleted = call!(guard, delete_agent, v1::DeleteAgentRequest { agent_id: agent_id.clone() }).unwrap();
    let records = acts(&guard, 2).await;
    assert_eq!(
        (records[0].revision.as_str(), records[0].request_id.as_str()),
        (deleted.revision.as_str(), "req-1")
    );
    let shown = format!("{:?}", records[1].detail);
    assert!(shown.contains("CreateAgent") && shown.contains(&agent_id), "{shown}");
    assert!(!shown.contains(key.get(31..60).unwrap()), "the key's secret is on record");
}

#[tokio::test]
async fn records_come_in_pages_in_both_orders() {
    let guard = Guard::start().await;
    for at in 0..4 {
        guard.agent(&format!("agent {at}")).await;
    }
    let newest = acts(&guard, 4).await;
    let list = |oldest_first, page_token| v1::ListAuditRecordsRequest {
        filter: Some(RecordFilter { kind: v1::RecordKind::Admin.into(), ..Default::default() }),
        page_size: 3,
        page_token,
        oldest_first,
    };
    for oldest_first in [false, true] {
        let first = call!(guard, list_audit_records, list(oldest_first, String::new())).unwrap();
        let second =
            call!(guard, list_audit_records, list(oldest_first, first.next_page_token.clone())).unwrap();
        let mut seen: Vec<_> = first.records.into_iter().chain(second.records).collect();
        if oldest_first {
            seen.reverse();
        }
        assert_eq!((seen, second.next_page_token.as_str()), (newest.clone(), ""));
        let turned =
            call!(guard, list_audit_records, list(!oldest_first, first.next_page_token)).unwrap_err();
        assert_eq!(reason(&turned), "PAGE_TOKEN_INVALID");
    }
}

fn follow(position: &str) -> v1::FollowAuditRequest {
    v1::FollowAuditRequest { filter: None, position: position.into() }
}

/// The next `count` records of a stream, and the position after them.
async fn next(stream: &mut Answers<v1::FollowAuditResponse>, count: usize) -> (Vec<i64>, String) {
    let (mut seen, mut position) = (Vec::new(), String::new());
    while seen.len() < count {
        let answer = stream.next().await.unwrap().unwrap();
        seen.extend(answer.records.iter().map(|record| record.seq));
        position = answer.position;
    }
    (seen, position)
}

#[tokio::test]
async fn a_follower_gets_each_record_once_and_goes_on_where_it_stopped() {
    let guard = Guard::start().await;
    guard.agent("before").await;
    acts(&guard, 1).await;
    let mut stream = call!(guard, follow_audit, follow("")).unwrap();
    guard.agent("one").await;
    let (seen, position) = next(&mut stream, 1).await;
    // The first record opened the chain and the second told of `before`.
    assert_eq!(seen, [3]);
    drop(stream);

    guard.agent("two").await;
    guard.agent("three").await;
    let mut stream = call!(guard, follow_audit, follow(&position)).unwrap();
    assert_eq!(next(&mut stream, 2).await.0, [4, 5]);
}

#[tokio::test]
async fn a_position_belongs_to_its_filter_and_time_cannot_be_followed() {
    let guard = Guard::start().await;
    guard.agent("one").await;
    acts(&guard, 1).await;
    let refused = |request| async { reason(&call!(guard, follow_audit, request).map(|_| ()).unwrap_err()) };
    assert_eq!(refused(follow("00")).await, "PAGE_TOKEN_INVALID");
    let start_time = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
    let filter = Some(RecordFilter { start_time, ..Default::default() });
    assert_eq!(refused(v1::FollowAuditRequest { filter, position: String::new() }).await, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn there_are_64_followers_at_most() {
    let guard = Guard::start().await;
    let mut streams = Vec::new();
    for _ in 0..MAX_FOLLOWERS {
        streams.push(call!(guard, follow_audit, follow("")).unwrap());
    }
    let refused = call!(guard, follow_audit, follow("")).map(|_| ()).unwrap_err();
    assert_eq!(reason(&refused), "OVERLOADED");
    streams.pop();
    assert!(call!(guard, follow_audit, follow("")).is_ok());
}

#[tokio::test]
async fn a_follower_is_sent_elsewhere_when_the_server_closes() {
    let guard = Guard::start().await;
    let mut stream = call!(guard, follow_audit, follow("")).unwrap();
    let begun = stream.next().await.unwrap().unwrap();
    assert!(begun.records.is_empty() && !begun.position.is_empty(), "the beginning is told at once");
    guard.closing.cancel();
    let refused = stream.next().await.unwrap().unwrap_err();
    assert_eq!(reason(&refused), "SHUTTING_DOWN");
    assert!(stream.next().await.is_none());
}

async fn verify(guard: &Guard, chain_id: &str) -> Vec<v1::verify_audit_response::Event> {
    let request = v1::VerifyAuditRequest { chain_id: chain_id.into() };
    let stream = call!(guard, verify_audit, request).unwrap();
    stream.map(|answer| answer.unwrap().event.unwrap()).collect().await
}

#[tokio::test]
async fn an_untouched_audit_verifies_and_the_summary_comes_last() {
    let guard = Guard::start().await;
    guard.agent("reader").await;
    let records = acts(&guard, 1).await;
    for chain in ["", &records[0].chain_id] {
        let told = verify(&guard, chain).await;
        let Some(v1::verify_audit_response::Event::Summary(summary)) = told.last() else {
            panic!("{told:?}")
        };
        assert_eq!((summary.ok, summary.records, summary.chains), (true, 2, 1), "{told:?}");
    }
    let told = verify(&guard, "chn_01h455vb4pex5vsknk084sn02q").await;
    let Some(v1::verify_audit_response::Event::Summary(summary)) = told.last() else { panic!("{told:?}") };
    assert!(!summary.ok);
    let garbage = v1::VerifyAuditRequest { chain_id: "x".into() };
    assert_eq!(reason(&call!(guard, verify_audit, garbage).map(|_| ()).unwrap_err()), "INVALID_ARGUMENT");
}
