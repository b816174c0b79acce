//! `FollowAudit`: records as they are committed, each exactly once.
//!
//! A position is the newest chain it knows and, for every chain up to there that is not finished, the last record
//! sent. So it stays small however many chains have lived, and going on from it neither repeats nor skips.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::{AdminService, Answers, Caller};
use crate::audit::Record;
use crate::pb::v1;
use crate::service::call::Call;
use crate::service::convert::{self, Faults};
use crate::service::page::Listing;
use crate::service::{Error, convert::NoPlace};
use crate::store::records::RecordFilter;
use crate::store::{self, Store};

/// Between two looks for new records; short against a person's patience, long against the database's work.
const POLL: Duration = Duration::from_millis(500);

/// Records read and sent at once.
const BATCH: i64 = 100;

/// Chains read at once.
const CHAINS: i64 = 1_000;

impl AdminService {
    pub(super) async fn follow(
        &self,
        caller: &Caller,
        message: v1::FollowAuditRequest,
    ) -> Result<Answers<v1::FollowAuditResponse>, Error> {
        let mut faults = Faults::default();
        let listing = Listing::new("FollowAudit", &message.filter.clone().unwrap_or_default());
        let filter = convert::filter("filter", message.filter, &mut faults);
        for (field, time) in [("filter.start_time", filter.from), ("filter.end_time", filter.until)] {
            if time.is_some() {
                faults.add(field, "cannot be followed by");
            }
        }
        let filter = faults.or(Some(filter))?;
        let known: Option<Position> = listing.parsed(&message.position)?;
        let permit = self.followers.clone().try_acquire_owned().map_err(|_| Error::Overloaded)?;
        let position = match known {
            Some(position) => position,
            None => Position::newest(&self.store).await?,
        };
        let follower = Follower {
            store: self.store.clone(),
            listing,
            filter,
            position,
            is_begun: false,
            call: caller.call.clone(),
            _permit: permit,
        };
        Ok(Box::pin(stream::unfold(Some(follower), async |follower| {
            let mut follower = follower?;
            let closing = follower.call.closing.clone();
            let answer = tokio::select! {
                answer = follower.next() => answer,
                // The caller goes on at another replica, from its position.
                () = closing.cancelled() => Err(Error::ShuttingDown),
            };
            match answer {
                Ok(answer) => Some((Ok(answer), Some(follower))),
                Err(error) => Some((Err(follower.call.refuse(&error)), None)),
            }
        })))
    }
}

struct Follower {
    store: Store,
    listing: Listing,
    filter: RecordFilter,
    position: Position,
    /// Whether the caller knows where it began.
    is_begun: bool,
    call: Call,
    _permit: OwnedSemaphorePermit,
}

impl Follower {
    /// The next records; waits until there are some, or some were passed over. The first answer only says where it
    /// begins: a caller that loses a quiet stream could not go on without missing records otherwise.
    async fn next(&mut self) -> Result<v1::FollowAuditResponse, Error> {
        if !self.is_begun {
            self.is_begun = true;
            let position = self.listing.token(&self.position.to_string());
            return Ok(v1::FollowAuditResponse { records: Vec::new(), position });
        }
        loop {
            let (records, moved) = self.position.advance(&self.store).await?;
            let wanted = records.iter().filter(|record| is_wanted(&self.filter, record));
            let records: Vec<_> = wanted.map(convert::record).collect();
            if moved {
                return Ok(v1::FollowAuditResponse {
                    records,
                    position: self.listing.token(&self.position.to_string()),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn is_wanted(filter: &RecordFilter, record: &Record) -> bool {
    let entry = &record.entry;
    let RecordFilter { agent, action, allowed, kind, from: _, until: _, decision } = filter;
    agent.as_ref().is_none_or(|agent| entry.agent_id.as_deref() == Some(agent.as_str()))
        && action.as_ref().is_none_or(|action| entry.action.as_ref() == Some(action))
        && allowed.is_none_or(|allowed| entry.allowed == Some(allowed))
        && kind.is_none_or(|kind| entry.kind == kind)
        && decision.as_ref().is_none_or(|decision| entry.decision_id.as_ref() == Some(decision))
}

/// How far a follower has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Position {
    /// The newest chain known; every chain up to it that is not in `open` is finished.
    newest: i64,
    /// The last record sent of each chain that may go on.
    open: BTreeMap<i64, i64>,
    /// The chain served last. The next comes first then, so that one that never rests does not keep the others back.
    /// No part of the token.
    served: i64,
}

impl Position {
    /// After everything there is.
    async fn newest(store: &Store) -> Result<Self, store::Error> {
        let mut position = Self::default();
        loop {
            let chains = store.chains(position.newest, CHAINS).await?;
            let Some(last) = chains.last() else { return Ok(position) };
            position.newest = last.chain_no;
            let open = chains.iter().filter(|chain| !chain.closed);
            position.open.extend(open.map(|chain| (chain.chain_no, chain.head_seq)));
        }
    }

    /// Reads up to a batch of records and moves on beyond them; says whether it moved.
    async fn advance(&mut self, store: &Store) -> Result<(Vec<Record>, bool), store::Error> {
        for chain in store.chains(self.newest, CHAINS).await? {
            self.newest = chain.chain_no;
            self.open.insert(chain.chain_no, 0);
        }
        let open = self.open.clone();
        let later = open.range(self.served.saturating_add(1)..);
        for (&chain_no, &sent) in later.chain(open.range(..=self.served)) {
            // The head first, then records up to it.
            let chain = store.chains(chain_no - 1, 1).await?.into_iter().next();
            let Some(chain) = chain.filter(|chain| chain.chain_no == chain_no) else {
                // Its row is gone with its records (retention): nothing will come of it.
                self.open.remove(&chain_no);
                continue;
            };
            if sent >= chain.head_seq {
                if chain.closed {
                    self.open.remove(&chain_no);
                }
                continue;
            }
            let until = chain.head_seq.min(sent.saturating_add(BATCH));
            let rows = store.chain_records(&chain.chain_id, sent, until, BATCH).await?;
            self.open.insert(chain_no, until);
            self.served = chain_no;
            let readable = rows.into_iter().filter_map(|row| {
                let broken = |broken: store::records::Broken| {
                    tracing::error!(
                        chain = broken.chain_id,
                        seq = broken.seq,
                        "a record cannot be read; verify the audit"
                    );
                };
                row.map_err(broken).ok()
            });
            return Ok((readable.collect(), true));
        }
        Ok((Vec::new(), false))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.newest)?;
        self.open.iter().try_for_each(|(chain, seq)| write!(f, " {chain}:{seq}"))
    }
}

impl FromStr for Position {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0).ok_or(NoPlace);
        let mut words = text.split(' ');
        let newest = number(words.next().unwrap_or_default())?;
        let open = words.map(|word| {
            let (chain, seq) = word.split_once(':').ok_or(NoPlace)?;
            Ok((number(chain)?, number(seq)?))
        });
        let open: BTreeMap<i64, i64> = open.collect::<Result<_, NoPlace>>()?;
        if open.last_key_value().is_some_and(|(chain, _)| *chain > newest) {
            Err(NoPlace)
        } else {
            Ok(Self { newest, open, served: 0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Kind;

    #[test]
    fn a_position_reads_back() {
        for position in
            [Position::default(), Position { newest: 9, open: [(3, 17), (9, 0)].into(), served: 0 }]
        {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[tokio::test]
    async fn a_chain_that_never_rests_does_not_keep_the_others_back() {
        use crate::audit::{Entry, Mode, Writer, writer};
        use crate::clock::{Clock, Timestamp};
        let folder = tempfile::tempdir().unwrap();
        let options = crate::store::Options::sqlite(folder.path().join("a.db"));
        let store = Store::open(&options).await.unwrap();
        store.migrate(Timestamp::from_micros(0)).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        let mut writers = Vec::new();
        for name in ["busy", "quiet", "other"] {
            let (writer, task) =
                Writer::start(&store, writer::settings(Mode::Durable, "0", name), Clock::System);
            tasks.spawn(task);
            writer.record(vec![Entry::new(Kind::Report)]).await.unwrap();
            writers.push(writer);
        }
        let mut position = Position::default();
        let mut served = Vec::new();
        for _ in 0..6 {
            writers[0].record(vec![Entry::new(Kind::Report)]).await.unwrap();
            let (records, moved) = position.advance(&store).await.unwrap();
            assert!(moved);
            served.push(records.last().unwrap().position.chain_no);
        }
        assert_eq!(served, [1, 2, 3, 1, 1, 1]);
    }

    #[test]
    fn garbage_is_no_position() {
        for bad in ["", "x", "-1", "3 4", "3 4:1", "3 2:-1", "3  2:1"] {
            assert_eq!(bad.parse::<Position>(), Err(NoPlace), "{bad}");
        }
    }
}
