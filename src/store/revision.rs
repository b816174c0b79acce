//! The revision row, the history of changes, and the frame of every admin write.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::ids::Revision;
pub use crate::ids::{Stamp, Token};

use super::{Error, Store, on_pool, sql, sql_as};

/// An admin act: who did what to what. It stands in the history and, through the outbox, in the audit.
#[derive(Clone, Debug)]
pub struct Act {
    /// Who, such as `admin`.
    pub actor: String,
    /// The RPC, such as `SetPolicy`.
    pub act: &'static str,
    /// The id or scope it was done to.
    pub target: String,
    /// The call's correlation id.
    pub request_id: String,
    /// What was asked for, as canonical JSON without secrets.
    pub detail: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// Names this write; an unknown COMMIT is resolved by it.
    pub token: Token,
}

/// A change that has no audit record yet.
#[derive(Clone, Debug)]
pub struct Unrecorded {
    /// Its revision.
    pub revision: Revision,
    /// When it was made.
    pub at: Timestamp,
    /// Who made it.
    pub actor: String,
    /// The RPC.
    pub act: String,
    /// The id or scope.
    pub target: String,
    /// The call's correlation id.
    pub request_id: String,
    /// What was asked for, canonical JSON.
    pub detail: Vec<u8>,
    /// SHA-256 of `detail`.
    pub digest: Vec<u8>,
}

pub(crate) const READ: &str = "select epoch, n, token from revision where id = 1";
pub(crate) const BUMP: &str =
    "update revision set n = n + 1, token = $1 where id = 1 returning epoch, n, token";
pub(crate) const LOG: &str = "insert into revisions (epoch, n, token, at, actor, act, target, request_id, detail, digest) \
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const BY_TOKEN: &str = "select epoch, n from revisions where token = $1";
const SETTLE: &str = "update revision set n = n where id = 1";
const NEW_EPOCH: &str = "update revision set epoch = $1, n = n + 1, token = $2 where id = 1 and epoch = $3 and n = $4 and token = $5 returning n";
const EPOCH_DETAIL: &str =
    "select detail from revisions where epoch = $1 and act = 'OpenEpoch' order by n limit 1";
const UNRECORDED: &str = "select r.epoch, r.n, r.at, r.actor, r.act, r.target, r.request_id, r.detail, r.digest \
     from revisions r left join revision_records x on x.epoch = r.epoch and x.n = r.n \
     where x.n is null and r.n > $1 and r.at <= $2 order by r.n limit 100";

pub(crate) type StampRow = (String, i64, Vec<u8>);

pub(crate) fn stamp((epoch, n, token): StampRow) -> Result<Stamp, Error> {
    let token = Token::try_from(token.as_slice()).map_err(|_| Error::Corrupt {
        table: "revision",
        key: n.to_string(),
        fault: "the token is not 16 bytes".into(),
    })?;
    Ok(Stamp { revision: Revision::new(epoch, n), token })
}

const HISTORY: &str = "select epoch, n, at, actor, act, target, request_id, detail, digest \
     from revisions where n > $1 order by n limit $2";

type UnrecordedRow = (String, i64, i64, String, String, String, String, Vec<u8>, Vec<u8>);

/// Frames an admin write: the revision row first (so that commit order is revision order), the body, the history
/// row, and an answer also when COMMIT got none. In the body `$tx` is the transaction, `$keep` whether statements
/// may be named and `$n` the new number; the whole is `Result<(T, Stamp), Error>`.
macro_rules! admin_write {
    ($store:expr, $act:expr, |$tx:ident, $keep:ident, $n:ident| $body:expr) => {{
        let act: &$crate::store::revision::Act = $act;
        match $store {
            $crate::store::Store::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut $tx = store.admin.begin($crate::store::BEGIN_WRITE).await?;
                    $crate::store::revision::admin_write!(
                        @run $store, act, $tx, $keep, false, $crate::store::pool::Tx::refuse, $n, $body
                    )
                });
                whole.await
            }
            $crate::store::Store::Sqlite(store) => {
                let mut $tx = store.admin.begin_with("begin immediate").await?;
                $crate::store::revision::admin_write!(
                    @run $store, act, $tx, $keep, true, $crate::store::refuse_sqlite, $n, $body
                )
            }
        }
    }};
    (@run $store:expr, $act:ident, $tx:ident, $keep:ident, $named:literal, $refuse:path, $n:ident, $body:expr) => {{
        let $keep: bool = $named;
        let stamp = $crate::store::revision::stamp(
            $crate::store::sql_as!($keep, $crate::store::revision::StampRow, $crate::store::revision::BUMP, $act.token.as_slice())
                .fetch_one(&mut *$tx)
                .await?,
        )?;
        let $n: i64 = stamp.revision.number();
        let out: Result<_, $crate::store::Error> = async { $body }.await;
        let out = match out {
            Ok(out) => out,
            Err(error) => return Err($refuse($tx, error).await),
        };
        $crate::store::sql!(
            $keep,
            $crate::store::revision::LOG,
            stamp.revision.epoch(),
            $n,
            $act.token.as_slice(),
            $act.at.as_micros(),
            $act.actor.as_str(),
            $act.act,
            $act.target.as_str(),
            $act.request_id.as_str(),
            $act.detail.as_slice(),
            $crate::store::revision::digest(&$act.detail),
        )
        .execute(&mut *$tx)
        .await?;
        if !$named {
            let revision = stamp.revision.to_string();
            $crate::store::sql!($keep, $crate::store::listen::NOTIFY, revision).execute(&mut *$tx).await?;
        }
        match $tx.commit().await {
            Ok(()) => Ok::<_, $crate::store::Error>((out, stamp)),
            Err(error) if $store.was_committed(&$act.token).await? => {
                tracing::warn!(%error, "a commit got no answer; its token shows that it took place");
                Ok((out, stamp))
            }
            Err(error) => Err($crate::store::Error::from(error)),
        }
    }};
}
pub(crate) use admin_write;

/// SHA-256.
pub(crate) fn digest(bytes: &[u8]) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).to_vec()
}

impl Store {
    /// The revision now.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn stamp(&self) -> Result<Stamp, Error> {
        let row: StampRow =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, StampRow, READ).fetch_one(&mut *tx).await?))?;
        stamp(row)
    }

    /// Whether the write named `token` took place. Waits for the revision row's lock first, so that a COMMIT still
    /// under way is settled by then.
    ///
    /// # Errors
    /// When the database is away: then nothing is known.
    pub async fn was_committed(&self, token: &Token) -> Result<bool, Error> {
        let row: Option<(String, i64)> = match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_WRITE).await?;
                    sql!(false, SETTLE).execute(&mut *tx).await?;
                    let row = sql_as!(false, (String, i64), BY_TOKEN, token.as_slice())
                        .fetch_optional(&mut *tx)
                        .await?;
                    tx.rollback().await?;
                    Ok(row)
                });
                whole.await?
            }
            Self::Sqlite(store) => {
                sql_as!(true, (String, i64), BY_TOKEN, token.as_slice()).fetch_optional(&store.admin).await?
            }
        };
        Ok(row.is_some())
    }

    /// Opens a new epoch, provided that the revision row is still `seen`: called by whoever finds that the database
    /// is another history than its own. Losing the race is no error: somebody else opened one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn open_epoch(&self, seen: &Stamp, epoch: &str, act: &Act) -> Result<(), Error> {
        let (old, n) = (seen.revision.epoch(), seen.revision.number());
        macro_rules! run {
            ($tx:ident, $keep:literal) => {{
                let moved = sql_as!(
                    $keep,
                    (i64,),
                    NEW_EPOCH,
                    epoch,
                    act.token.as_slice(),
                    old,
                    n,
                    seen.token.as_slice()
                )
                .fetch_optional(&mut *$tx)
                .await?;
                if let Some((n,)) = moved {
                    sql!(
                        $keep,
                        LOG,
                        epoch,
                        n,
                        act.token.as_slice(),
                        act.at.as_micros(),
                        act.actor.as_str(),
                        act.act,
                        act.target.as_str(),
                        act.request_id.as_str(),
                        act.detail.as_slice(),
                        digest(&act.detail)
                    )
                    .execute(&mut *$tx)
                    .await?;
                    if !$keep {
                        let revision = Revision::new(epoch, n).to_string();
                        sql!($keep, super::listen::NOTIFY, revision).execute(&mut *$tx).await?;
                    }
                }
                $tx.commit().await?;
            }};
        }
        match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_WRITE).await?;
                    run!(tx, false);
                    Ok(())
                });
                whole.await?;
            }
            Self::Sqlite(store) => {
                let mut tx = store.admin.begin_with("begin immediate").await?;
                run!(tx, true);
            }
        }
        Ok(())
    }

    /// What was said when `epoch` was opened; `None` for the epoch of the first migration.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn epoch_detail(&self, epoch: &str) -> Result<Option<Vec<u8>>, Error> {
        let row: Option<(Vec<u8>,)> =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, (Vec<u8>,), EPOCH_DETAIL, epoch)
                .fetch_optional(&mut *tx)
                .await?))?;
        Ok(row.map(|(detail,)| detail))
    }

    /// Up to 100 changes numbered above `after`, made at or before `until`, of which no audit record tells yet.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn unrecorded(&self, after: i64, until: Timestamp) -> Result<Vec<Unrecorded>, Error> {
        let rows: Vec<UnrecordedRow> = on_pool!(self, admin, |tx, keep| Ok(sql_as!(
            keep,
            UnrecordedRow,
            UNRECORDED,
            after,
            until.as_micros()
        )
        .fetch_all(&mut *tx)
        .await?))?;
        Ok(rows.into_iter().map(change).collect())
    }

    /// Up to `limit` changes numbered above `after`, in order.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn history(&self, after: i64, limit: i64) -> Result<Vec<Unrecorded>, Error> {
        let rows: Vec<UnrecordedRow> =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, UnrecordedRow, HISTORY, after, limit)
                .fetch_all(&mut *tx)
                .await?))?;
        Ok(rows.into_iter().map(change).collect())
    }
}

fn change((epoch, n, at, actor, act, target, request_id, detail, digest): UnrecordedRow) -> Unrecorded {
    Unrecorded {
        revision: Revision::new(Arc::<str>::from(epoch), n),
        at: Timestamp::from_micros(at),
        actor,
        act,
        target,
        request_id,
        detail,
        digest,
    }
}
