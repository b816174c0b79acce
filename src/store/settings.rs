//! Small values of the whole deployment, made once; one of them (the pepper's sentinel) follows a rotation.

use super::{Error, Store, on_pool, sql, sql_as};

const READ: &str = "select value from settings where name = $1";
const MAKE: &str = "insert into settings (name, value) values ($1, $2) on conflict (name) do nothing";
const CHANGE: &str = "update settings set value = $3 where name = $1 and value = $2";

impl Store {
    /// The setting `name`, if it was ever made.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn setting(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let row: Option<(Vec<u8>,)> =
            on_pool!(self, admin, |tx, keep| Ok(sql_as!(keep, (Vec<u8>,), READ, name)
                .fetch_optional(&mut *tx)
                .await?))?;
        Ok(row.map(|(value,)| value))
    }

    /// The setting `name`; made from `fresh` if it was absent. Whoever makes it first wins, everywhere.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn setting_or_make(&self, name: &str, fresh: &[u8]) -> Result<Vec<u8>, Error> {
        if let Some(value) = self.setting(name).await? {
            return Ok(value);
        }
        match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_WRITE).await?;
                    sql!(false, MAKE, name, fresh).execute(&mut *tx).await?;
                    Ok(tx.commit().await?)
                });
                whole.await?;
            }
            Self::Sqlite(store) => {
                let mut tx = store.admin.begin_with("begin immediate").await?;
                sql!(true, MAKE, name, fresh).execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
        self.setting(name).await?.ok_or_else(|| Error::Missing { what: "setting", id: name.to_owned() })
    }

    /// Changes the setting `name` from `old` to `new`; whoever else changed it first wins.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn change_setting(&self, name: &str, old: &[u8], new: &[u8]) -> Result<(), Error> {
        match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_WRITE).await?;
                    sql!(false, CHANGE, name, old, new).execute(&mut *tx).await?;
                    Ok(tx.commit().await?)
                });
                whole.await?;
            }
            Self::Sqlite(store) => {
                let mut tx = store.admin.begin_with("begin immediate").await?;
                sql!(true, CHANGE, name, old, new).execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }
}
