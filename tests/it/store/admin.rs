//! Agents, keys, policies: what a write leaves, and what is refused.

use agentguard::store::Error;
use agentguard::store::agents::AgentChange;
use agentguard::store::keys::MAX_LIVE_KEYS;
use agentguard::store::migrate::{BINARY, MIGRATIONS};

use super::*;

on_both! {
    a_database_is_migrated_once_and_then_fits,
    each_write_moves_the_revision_by_one_and_leaves_its_history,
    a_refused_write_leaves_nothing,
    a_policy_is_bound_to_its_etag,
    versions_go_on_after_a_deletion,
    the_eleventh_live_key_is_refused,
    a_deleted_agent_stays_readable_and_its_keys_are_dead,
    commit_order_is_revision_order,
}

async fn a_database_is_migrated_once_and_then_fits(bench: Bench) {
    let status = bench.store.schema().await.unwrap();
    assert_eq!(status.version, BINARY);
    status.fits().unwrap();
    assert_eq!(status.pending().count(), 0);
    assert!(bench.store.migrate(noon()).await.unwrap().is_empty());
    assert_eq!(bench.value("select count(*) from revision").await, "1");
    // Two replicas that start on one empty database: one of them migrates, neither fails.
    if let Place::Postgres(_) = bench.place {
        let empty = Database::create();
        let (one, two) = (options(&empty, true), options(&empty, true));
        let (one, two) = tokio::join!(Store::open(&one), Store::open(&two));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.schema().await.unwrap().version, 0);
        assert!(one.schema().await.unwrap().fits().is_err());
        let (first, second) = tokio::join!(one.migrate(noon()), two.migrate(noon()));
        assert_eq!(first.unwrap().len() + second.unwrap().len(), MIGRATIONS.len());
    }
}

async fn each_write_moves_the_revision_by_one_and_leaves_its_history(bench: Bench) {
    let store = &bench.store;
    let (reader, key) = agent("reader");
    let id = &reader.subject.id;
    let change =
        AgentChange { name: Some("writer".into()), is_active: Some(false), ..AgentChange::default() };
    let extra = super::key(id);
    let scope = Scope::Agent(id.clone());
    let acts: Vec<_> = ["1", "2", "3", "4", "5", "6", "7"].map(act).into();
    let mut stamps = vec![store.stamp().await.unwrap()];
    stamps.push(store.create_agent(&acts[0], &reader, &key).await.unwrap());
    assert_eq!(store.agent(id).await.unwrap().as_ref(), Some(&reader));
    let (changed, stamp) = store.update_agent(&acts[1], id, &change).await.unwrap();
    stamps.push(stamp);
    assert_eq!((changed.subject.name.as_str(), changed.subject.is_active), ("writer", false));
    assert_eq!(changed.subject.labels, reader.subject.labels, "what is not named is left alone");
    assert_eq!(store.agent(id).await.unwrap(), Some(changed));
    stamps.push(store.create_key(&acts[2], &extra).await.unwrap());
    let (revoked, stamp) = store.revoke_key(&acts[3], &extra.id).await.unwrap();
    stamps.push(stamp);
    assert_eq!(revoked.revoke_time, Some(noon()));
    let document = policy(&scope, "read:*");
    let (entry, stamp) =
        store.write_policy(&acts[4], &scope, Some(&document), None, &policy_id()).await.unwrap();
    stamps.push(stamp);
    assert_eq!(entry.document.as_ref(), Some(&document));
    assert_eq!(store.policy(&scope).await.unwrap().unwrap().document, Some(document));
    stamps.push(store.write_policy(&acts[5], &scope, None, None, &policy_id()).await.unwrap().1);
    stamps.push(store.delete_agent(&acts[6], id).await.unwrap());
    for (stamp, number) in stamps.iter().zip(0..) {
        assert_eq!(stamp.revision.number(), number);
        assert_eq!(stamp.revision.epoch(), stamps[0].revision.epoch());
    }
    assert_eq!(&store.stamp().await.unwrap(), stamps.last().unwrap());
    let history = store.history(0, 100).await.unwrap();
    assert_eq!(
        history.iter().map(|change| change.act.as_str()).collect::<Vec<_>>(),
        ["1", "2", "3", "4", "5", "6", "7"]
    );
    for (change, act) in history.iter().zip(&acts) {
        assert_eq!(
            (&change.actor, &change.target, &change.request_id),
            (&act.actor, &act.target, &act.request_id)
        );
        assert_eq!((&change.detail, change.at), (&act.detail, act.at));
        assert!(store.was_committed(&act.token).await.unwrap());
    }
    assert!(!store.was_committed(&[0xee; 16]).await.unwrap(), "an unknown token was no commit");
}

async fn a_refused_write_leaves_nothing(bench: Bench) {
    let store = &bench.store;
    let before = store.stamp().await.unwrap();
    let nobody = AgentId::new(noon(), fresh());
    let (acts, change) = (act("x"), AgentChange::default());
    assert!(matches!(store.update_agent(&acts, &nobody, &change).await, Err(Error::Missing { .. })));
    assert!(matches!(store.delete_agent(&acts, &nobody).await, Err(Error::Missing { .. })));
    assert!(matches!(store.create_key(&acts, &super::key(&nobody)).await, Err(Error::Missing { .. })));
    assert!(matches!(
        store.revoke_key(&acts, &KeyId::new(noon(), fresh())).await,
        Err(Error::Missing { .. })
    ));
    let scope = Scope::Team("t".into());
    assert!(matches!(
        store.write_policy(&acts, &scope, None, None, &policy_id()).await,
        Err(Error::Missing { .. })
    ));
    let document = policy(&scope, "a:b");
    assert!(matches!(
        store.write_policy(&acts, &scope, Some(&document), Some("wrong"), &policy_id()).await,
        Err(Error::EtagMismatch)
    ));
    assert_eq!(store.stamp().await.unwrap(), before);
    assert!(store.history(0, 10).await.unwrap().is_empty());
    assert!(!store.was_committed(&acts.token).await.unwrap());
}

async fn a_policy_is_bound_to_its_etag(bench: Bench) {
    let store = &bench.store;
    let scope = Scope::Team("data".into());
    let write = async |action: &str, etag: Option<String>| {
        let document = policy(&scope, action);
        let written = store
            .write_policy(&act("SetPolicy"), &scope, Some(&document), etag.as_deref(), &policy_id())
            .await;
        written.map(|(entry, _)| entry)
    };
    let first = write("a:1", Some(String::new())).await.unwrap();
    assert!(
        matches!(write("a:2", Some(String::new())).await, Err(Error::EtagMismatch)),
        "there is one already"
    );
    let second = write("a:2", Some(first.etag.clone())).await.unwrap();
    assert!(matches!(write("a:3", Some(first.etag.clone())).await, Err(Error::EtagMismatch)));
    assert_ne!(first.etag, second.etag);
    // The same text again is another version, and bound to it.
    let third = write("a:2", None).await.unwrap();
    assert_ne!(second.etag, third.etag);
    assert_eq!((first.version, second.version, third.version), (1, 2, 3));
    assert_eq!(store.policy(&scope).await.unwrap().unwrap().etag, third.etag);
}

async fn versions_go_on_after_a_deletion(bench: Bench) {
    let store = &bench.store;
    let scope = Scope::Everyone;
    let document = policy(&scope, "a:b");
    let set = async |document: Option<&Document>, etag: Option<&str>| {
        store
            .write_policy(&act("SetPolicy"), &scope, document, etag, &policy_id())
            .await
            .map(|(entry, _)| entry)
    };
    let first = set(Some(&document), None).await.unwrap();
    let gone = set(None, Some(&first.etag)).await.unwrap();
    assert_eq!((gone.version, &gone.document), (2, &None));
    assert!(matches!(set(None, None).await, Err(Error::Missing { .. })), "it cannot be deleted twice");
    assert!(store.policies(None, 10).await.unwrap().is_empty());
    let again = set(Some(&document), Some("")).await.unwrap();
    assert_eq!((again.version, &again.policy_id), (3, &first.policy_id));
    let versions = store.policy_versions(&again, None, 10).await.unwrap();
    let said: Vec<_> = versions.iter().map(|version| (version.version, version.document.is_some())).collect();
    assert_eq!(said, [(3, true), (2, false), (1, true)]);
    assert_eq!(versions[0].actor, "admin");
    for statement in ["update policy_versions set actor = 'x'", "delete from policy_versions"] {
        assert!(bench.try_sql(statement).await.is_err(), "{statement}");
    }
}

async fn the_eleventh_live_key_is_refused(bench: Bench) {
    let store = &bench.store;
    let (reader, first) = agent("reader");
    let id = &reader.subject.id;
    store.create_agent(&act("CreateAgent"), &reader, &first).await.unwrap();
    let expired = NewKey { expire_time: Some(noon()), ..key(id) };
    store.create_key(&act("CreateAgentKey"), &expired).await.unwrap();
    for _ in 1..MAX_LIVE_KEYS {
        store.create_key(&act("CreateAgentKey"), &key(id)).await.unwrap();
    }
    let before = store.stamp().await.unwrap();
    assert!(matches!(store.create_key(&act("CreateAgentKey"), &key(id)).await, Err(Error::Bound(_))));
    assert_eq!(store.stamp().await.unwrap(), before);
    store.revoke_key(&act("RevokeAgentKey"), &first.id).await.unwrap();
    store.create_key(&act("CreateAgentKey"), &key(id)).await.unwrap();
    let all = store.keys(id, None, 100).await.unwrap();
    assert_eq!(all.len(), 12, "the dead ones are shown");
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    // Racing creations cannot pass the bound together.
    let live = all.iter().find(|key| key.expire_time.is_none() && key.revoke_time.is_none()).unwrap();
    store.revoke_key(&act("RevokeAgentKey"), &live.id).await.unwrap();
    let (one, two) = (key(id), key(id));
    let (acts_one, acts_two) = (act("CreateAgentKey"), act("CreateAgentKey"));
    let other = bench.replica().await;
    let (one, two) = tokio::join!(store.create_key(&acts_one, &one), other.create_key(&acts_two, &two));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
}

async fn a_deleted_agent_stays_readable_and_its_keys_are_dead(bench: Bench) {
    let store = &bench.store;
    let (reader, first) = agent("reader");
    let id = &reader.subject.id;
    store.create_agent(&act("CreateAgent"), &reader, &first).await.unwrap();
    store.touch_keys(&[(first.id.clone(), noon())]).await.unwrap();
    store.delete_agent(&act("DeleteAgent"), id).await.unwrap();
    let gone = store.agent(id).await.unwrap().unwrap();
    assert_eq!((gone.delete_time, gone.subject.is_active), (Some(noon()), false));
    let keys = store.keys(id, None, 10).await.unwrap();
    assert_eq!((keys[0].revoke_time, keys[0].last_used_time), (Some(noon()), Some(noon())));
    let change = AgentChange { is_active: Some(true), ..AgentChange::default() };
    assert!(matches!(store.update_agent(&act("UpdateAgent"), id, &change).await, Err(Error::Missing { .. })));
    assert!(matches!(store.delete_agent(&act("DeleteAgent"), id).await, Err(Error::Missing { .. })));
    assert!(matches!(store.create_key(&act("CreateAgentKey"), &key(id)).await, Err(Error::Missing { .. })));
}

async fn commit_order_is_revision_order(bench: Bench) {
    let (reader, first) = agent("reader");
    let id = reader.subject.id.clone();
    bench.store.create_agent(&act("CreateAgent"), &reader, &first).await.unwrap();
    let other = bench.replica().await;
    let writes: Vec<_> = (0..30)
        .map(|at| {
            let (store, id) = (if at % 2 == 0 { bench.store.clone() } else { other.clone() }, id.clone());
            tokio::spawn(async move {
                let change = AgentChange { name: Some(format!("name {at}")), ..AgentChange::default() };
                let (agent, stamp) = store.update_agent(&act("UpdateAgent"), &id, &change).await.unwrap();
                (stamp.revision.number(), agent.subject.name)
            })
        })
        .collect();
    let mut done = Vec::new();
    for write in writes {
        done.push(write.await.unwrap());
    }
    done.sort();
    assert_eq!(done.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (2..32).collect::<Vec<_>>());
    let last = bench.store.agent(&id).await.unwrap().unwrap();
    assert_eq!(last.subject.name, done.last().unwrap().1, "the highest revision is the last to have written");
}
