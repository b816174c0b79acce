//! The forms of Redis: with a password, behind sentinels through a failover, as a cluster.

use std::time::Duration;

use agentguard::clock::{Clock, Timestamp};
use agentguard::ids::AgentId;
use agentguard::rate_limit::storage::Storage;
use agentguard::rate_limit::{Limiter, OnError, Settings, Verdict};
use tokio::task::JoinSet;

use crate::harness::eventually;
use crate::redis::Redis;

/// A limiter with its task.
async fn limiter(uri: &str, limit: &str) -> (Limiter, JoinSet<()>) {
    let settings = Settings {
        default: Some(limit.parse().unwrap()),
        storage: Storage::parse(uri).unwrap(),
        // So that what is admitted was admitted by Redis.
        on_error: OnError::Deny,
        ..Settings::off()
    };
    let (limiter, task) = Limiter::start(settings, Clock::System).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(task.unwrap());
    (limiter, tasks)
}

async fn admits(limiter: &Limiter, number: u8) -> bool {
    let agent = AgentId::new(Timestamp::from_micros(0), [number; 16]);
    matches!(limiter.charge(&agent, None, 1).await, Verdict::Admitted(_))
}

/// Whether two replicas, each by its own connections, share one limit.
async fn share(uri: &str) {
    let ((one, _a), (other, _b)) = (limiter(uri, "2/day;3/hour").await, limiter(uri, "2/day;3/hour").await);
    for number in 0..20 {
        assert!(admits(&one, number).await && admits(&other, number).await, "{number} {uri}");
        assert!(!admits(&one, number).await && !admits(&other, number).await, "{number} {uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_database_are_used() {
    let app = ["--user", "app", "on", ">p@ss", "~*", "&*", "+@all"];
    let server = Redis::with(&[app.as_slice(), &["--user", "default", "off"]].concat()).await;
    share(&format!("redis://app:p%40ss@{}/3", server.address())).await;
    // The control: with the wrong one nothing is counted.
    let (stranger, _tasks) = limiter(&format!("redis://app:wrong@{}/3", server.address()), "2/day").await;
    assert!(!stranger.is_counting() && !admits(&stranger, 100).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_windows_of_an_agent_lie_in_one_slot_of_a_cluster() {
    let nodes = [cluster_node().await, cluster_node().await];
    let port = nodes[1].address().port().to_string();
    nodes[0].ask::<String>(&["CLUSTER", "MEET", "127.0.0.1", &port]).await.unwrap();
    for (node, [first, last]) in nodes.iter().zip([["0", "8191"], ["8192", "16383"]]) {
        node.ask::<String>(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await.unwrap();
    }
    for node in &nodes {
        eventually("the cluster is whole", async || {
            let info: String = node.ask(&["CLUSTER", "INFO"]).await.unwrap();
            let whole = info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:2");
            whole.then_some(())
        })
        .await;
    }
    // One node is named, the other found; keys are on both.
    share(&format!("redis+cluster://{}", nodes[0].address())).await;
    for node in &nodes {
        let keys: Vec<String> = node.ask(&["KEYS", "agentguard:limit:{agt_*"]).await.unwrap();
        assert!(!keys.is_empty() && keys.len().is_multiple_of(2), "{keys:?}");
    }
}

async fn cluster_node() -> Redis {
    Redis::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_is_followed_and_its_limits_hold() {
    let mut master = Redis::start().await;
    let port = master.address().port().to_string();
    let replica = Redis::with(&["--replicaof", "127.0.0.1", &port]).await;
    let sentinel = Redis::sentinel(&port).await;
    eventually("the sentinel knows the replica", async || {
        let known: Vec<redis::Value> = sentinel.ask(&["SENTINEL", "REPLICAS", "limits"]).await.unwrap();
        let linked: String = replica.ask(&["INFO", "replication"]).await.unwrap();
        (!known.is_empty() && linked.contains("master_link_status:up")).then_some(())
    })
    .await;
    let uri = format!("redis+sentinel://{}/limits", sentinel.address());
    share(&uri).await;
    let (limiter, _tasks) = limiter(&uri, "2/day").await;
    assert!(admits(&limiter, 200).await);
    eventually("the replica has it", async || {
        let keys: Vec<String> = replica.ask(&["KEYS", "agentguard:limit:{agt_*"]).await.unwrap();
        let there: Vec<String> = master.ask(&["KEYS", "agentguard:limit:{agt_*"]).await.unwrap();
        (keys.len() == there.len()).then_some(())
    })
    .await;
    master.kill();
    // Whoever is asked meanwhile is answered by the policy, at once.
    eventually("the new master counts", async || {
        let asked = tokio::time::timeout(Duration::from_secs(5), admits(&limiter, 201)).await;
        asked.expect("a call hangs").then_some(())
    })
    .await;
    assert!(limiter.is_counting());
    let role: (String, redis::Value, redis::Value) = replica.ask(&["ROLE"]).await.unwrap();
    assert_eq!(role.0, "master");
    // One was used before the failover.
    assert!(admits(&limiter, 200).await && !admits(&limiter, 200).await);
}
