//! How a view follows: what changed since, and that a database put back to a copy is never taken for the same one.

use agentguard::store::agents::AgentChange;
use agentguard::store::changes::{Changes, Rows};
use agentguard::store::revision::Stamp;

use super::*;

on_both! {
    changes_are_read_by_increments,
    a_database_put_back_to_a_copy_is_read_whole,
    a_restored_database_that_reached_the_same_number_is_read_whole,
    one_of_two_openers_opens_the_epoch,
}

fn since(changes: Changes) -> (Stamp, Rows) {
    match changes {
        Changes::Since(stamp, rows) => (stamp, rows),
        other => panic!("not since: {other:?}"),
    }
}

fn is_whole(changes: &Changes) -> bool {
    matches!(changes, Changes::Whole(..))
}

async fn changes_are_read_by_increments(bench: Bench) {
    let store = &bench.store;
    let (one, one_key) = agent("one");
    let (two, two_key) = agent("two");
    let first = store.create_agent(&act("CreateAgent"), &one, &one_key).await.unwrap();
    let Changes::Whole(stamp, rows) = store.changes(None).await.unwrap() else { panic!("not whole") };
    assert_eq!((&stamp, rows.agents.len(), rows.keys.len(), rows.policies.len()), (&first, 1, 1, 0));
    assert!(matches!(store.changes(Some(&first)).await.unwrap(), Changes::None(same) if same == first));
    store.create_agent(&act("CreateAgent"), &two, &two_key).await.unwrap();
    let scope = Scope::Everyone;
    let document = policy(&scope, "a:b");
    store.write_policy(&act("SetPolicy"), &scope, Some(&document), None, &policy_id()).await.unwrap();
    let (stamp, rows) = since(store.changes(Some(&first)).await.unwrap());
    assert_eq!(stamp, store.stamp().await.unwrap());
    assert_eq!(rows.agents, std::slice::from_ref(&two));
    assert_eq!((rows.keys.len(), rows.policies.len()), (1, 1));
    // Deletions are rows too.
    store.delete_agent(&act("DeleteAgent"), &two.subject.id).await.unwrap();
    store.write_policy(&act("DeletePolicy"), &scope, None, None, &policy_id()).await.unwrap();
    let (_, rows) = since(store.changes(Some(&stamp)).await.unwrap());
    assert!(rows.agents[0].delete_time.is_some() && rows.keys[0].revoke_time.is_some());
    assert_eq!(rows.policies[0].document, None);
    assert_eq!((rows.agents.len(), rows.keys.len(), rows.policies.len()), (1, 1, 1));
}

/// Puts the database back to what it was at revision `n`, as a copied file or a point-in-time recovery does.
async fn put_back(bench: &Bench, n: i64) {
    bench
        .sql(&format!(
            "delete from revisions where n > {n}; \
             update revision set n = {n}, token = (select token from revisions where n = {n})"
        ))
        .await;
}

async fn a_database_put_back_to_a_copy_is_read_whole(bench: Bench) {
    let store = &bench.store;
    let (one, key) = agent("one");
    store.create_agent(&act("CreateAgent"), &one, &key).await.unwrap();
    let change = AgentChange { is_active: Some(false), ..AgentChange::default() };
    let (_, seen) = store.update_agent(&act("UpdateAgent"), &one.subject.id, &change).await.unwrap();
    put_back(&bench, 1).await;
    assert!(is_whole(&store.changes(Some(&seen)).await.unwrap()), "the revision is behind the one known");
    let first = store.stamp().await.unwrap();
    assert_eq!(first.revision.number(), 1);
    // The control: who knew no more than the copy goes on by increments.
    store.update_agent(&act("UpdateAgent"), &one.subject.id, &change).await.unwrap();
    since(store.changes(Some(&first)).await.unwrap());
}

async fn a_restored_database_that_reached_the_same_number_is_read_whole(bench: Bench) {
    let store = &bench.store;
    let (one, key) = agent("one");
    store.create_agent(&act("CreateAgent"), &one, &key).await.unwrap();
    let change = AgentChange { is_active: Some(false), ..AgentChange::default() };
    let (_, seen) = store.update_agent(&act("UpdateAgent"), &one.subject.id, &change).await.unwrap();
    put_back(&bench, 1).await;
    let other = AgentChange { name: Some("other".into()), ..AgentChange::default() };
    let (_, same) = store.update_agent(&act("UpdateAgent"), &one.subject.id, &other).await.unwrap();
    assert_eq!(same.revision, seen.revision, "epoch and number alone cannot tell");
    assert_ne!(same.token, seen.token);
    assert!(is_whole(&store.changes(Some(&seen)).await.unwrap()));
    store.update_agent(&act("UpdateAgent"), &one.subject.id, &change).await.unwrap();
    assert!(is_whole(&store.changes(Some(&seen)).await.unwrap()), "nor can it once the number is beyond");
}

async fn one_of_two_openers_opens_the_epoch(bench: Bench) {
    let seen = bench.store.stamp().await.unwrap();
    let other = bench.replica().await;
    let (one, two) = (act("OpenEpoch"), act("OpenEpoch"));
    let (first, second) =
        tokio::join!(bench.store.open_epoch(&seen, "aaaa", &one), other.open_epoch(&seen, "bbbb", &two));
    first.unwrap();
    second.unwrap();
    let now = bench.store.stamp().await.unwrap();
    assert_eq!(now.revision.number(), seen.revision.number() + 1);
    assert!(["aaaa", "bbbb"].contains(&now.revision.epoch()), "{}", now.revision);
    assert_eq!(bench.store.history(0, 10).await.unwrap().len(), 1, "told once");
    // It stands on top of what was seen, so that nobody who knows that opens another.
    let (stamp, _) = since(bench.store.changes(Some(&seen)).await.unwrap());
    assert_eq!(stamp, now);
}
