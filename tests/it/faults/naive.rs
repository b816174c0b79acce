//! Writers as one would write them without the rules, under the same proxy and the same count: they lose, and they
//! write twice. So the count would have seen it.

use std::collections::HashMap;

use agentguard::audit::machine::{Batch, Outcome};
use agentguard::audit::{Entry, Kind, Position, Record};
use agentguard::clock::Clock;
use agentguard::ids::ChainId;
use agentguard::store::Store;
use agentguard::store::chains::Appender;

use super::proxy::{Act, Fault, Step};
use super::world::{Count, Way, World, decision};

/// What a naive writer does about a commit of which it knows nothing.
#[derive(Clone, Copy, Debug)]
pub enum Doubt {
    /// It has been sent, so it will be there.
    Believe,
    /// It was not answered, so it is sent again, behind the head that stands there now.
    Repeat,
}

pub struct Naive {
    appender: Appender,
    chain: ChainId,
    doubt: Doubt,
    last: (i64, [u8; 32]),
}

impl Naive {
    pub async fn open(store: &Store, doubt: Doubt) -> Self {
        let chain = ChainId::new(Clock::System.now(), agentguard::entropy::id());
        let appender = Appender::new(store);
        let mut opening = Entry::new(Kind::Chain);
        opening.detail = Some(r#"{"event":"opened","mode":"durable"}"#.into());
        let batch = batch(&chain, (0, [0; 32]), opening);
        let (_, opened) = appender.begin_opening(&chain).await.unwrap().unwrap();
        assert!(matches!(appender.finish_opening(opened, &batch).await, Outcome::Committed(_)));
        let last = batch.head().unwrap();
        Self { appender, chain, doubt, last }
    }

    /// Answers once it takes `entry` for written.
    pub async fn record(&mut self, entry: Entry) {
        loop {
            let batch = batch(&self.chain, self.last, entry.clone());
            match (self.appender.append(&batch).await, self.doubt) {
                (Outcome::Committed(_), _) => {
                    self.last = batch.head().unwrap();
                    return;
                }
                (_, Doubt::Believe) => return,
                (_, Doubt::Repeat) => {
                    if let Ok(Some(head)) = self.appender.head(&self.chain, 0).await {
                        self.last = (head.seq, head.hash);
                    }
                }
            }
        }
    }
}

fn batch(chain: &ChainId, head: (i64, [u8; 32]), entry: Entry) -> Batch {
    let position = Position {
        chain_id: chain.clone(),
        chain_no: 1,
        seq: head.0 + 1,
        timestamp: Clock::System.now(),
        prev_hash: head.1,
    };
    Batch {
        chain_id: chain.clone(),
        chain_no: 1,
        prev_seq: head.0,
        prev_hash: head.1,
        records: vec![Record::new(position, entry)],
        closes: false,
    }
}

/// A naive writer whose connection is cut at `step` of each commit.
async fn cut(way: Way, step: Step, doubt: Doubt) -> Count {
    let world = World::new(way).await;
    let mut writer = Naive::open(&world.through, doubt).await;
    let mut answers = HashMap::new();
    for number in 0..3 {
        world.proxy.arm([Fault { step, act: Act::Cut }]);
        let name = format!("naive/{number}");
        writer.record(decision(&name)).await;
        answers.insert(name, true);
    }
    let mut count = Count { cases: 3, ..Count::default() };
    count.look_up(&world.ledger().await, &answers);
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_believes_what_it_sent_is_seen_to_lose() {
    for way in [Way::Direct, Way::Pooler] {
        for step in [Step::Begin, Step::Statement, Step::Commit] {
            let count = cut(way, step, Doubt::Believe).await;
            assert_eq!((count.lost, count.found, count.twice), (3, 0, 0), "{way:?} {step:?} {count:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_sends_again_behind_the_new_head_is_seen_to_write_twice() {
    for way in [Way::Direct, Way::Pooler] {
        let count = cut(way, Step::Answer, Doubt::Repeat).await;
        assert_eq!((count.lost, count.found, count.twice), (0, 0, 3), "{way:?} {count:?}");
    }
}
