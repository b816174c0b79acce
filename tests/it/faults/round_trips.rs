//! How often the writer and PostgreSQL speak with each other for a batch.

use super::world::{Way, World, decision};

const BATCHES: u64 = 20;

/// Calls that are made at once, so that batches hold several records.
const CALLS: usize = 16;

/// Commits, records and round trips of some batches, after those that open the chain and prepare the statement.
async fn spoken(way: Way) -> (u64, u64, u64) {
    let world = World::new(way).await;
    let (writer, task) = world.writer("counted");
    for number in 0..2 {
        writer.record(vec![decision(&format!("first {number}"))]).await.unwrap();
    }
    let (before, trips) = (writer.figures(), world.proxy.round_trips());
    for batch in 0..BATCHES {
        let calls = (0..CALLS).map(|call| {
            let (writer, entry) = (writer.clone(), decision(&format!("{batch} {call}")));
            tokio::spawn(async move { writer.record(vec![entry]).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
    }
    let (after, trips) = (writer.figures(), world.proxy.round_trips() - trips);
    writer.close().await;
    task.await.unwrap();
    (after.commits - before.commits, after.records - before.records, trips)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_one_round_trip_on_a_direct_connection() {
    let (commits, records, trips) = spoken(Way::Direct).await;
    println!("{records} records in {commits} commits: {trips} round trips");
    assert_eq!(trips, commits);
    // Batches, not calls: otherwise a commit a call would be as good.
    assert!(commits < records, "{records} records in {commits} commits");
}

/// The control: what begins and commits a transaction is seen.
#[tokio::test(flavor = "multi_thread")]
async fn round_trips_of_an_explicit_transaction_are_counted() {
    let (commits, _, trips) = spoken(Way::Pooler).await;
    assert!(trips >= 3 * commits, "{trips} round trips for {commits} commits");
}
