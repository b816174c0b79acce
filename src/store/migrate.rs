//! Brings a database to the schema this binary knows, and says whether a schema can be served.

use sqlx::{AssertSqlSafe, Row, Sqlite, SqlitePool};

use crate::clock::Timestamp;

use super::{Error, Store, sql, sql_as};

/// One step of the schema, the same number and name in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1 on.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// The oldest binary, by schema number, that may serve the result.
    pub min_binary: i64,
    postgres: &'static str,
    sqlite: &'static str,
}

/// Every migration, in order.
pub const MIGRATIONS: [Migration; 3] = [
    Migration {
        version: 1,
        name: "spine",
        min_binary: 1,
        postgres: include_str!("../../migrations/postgres/0001_spine.sql"),
        sqlite: include_str!("../../migrations/sqlite/0001_spine.sql"),
    },
    Migration {
        version: 2,
        name: "rate_limits",
        min_binary: 1,
        postgres: include_str!("../../migrations/postgres/0002_rate_limits.sql"),
        sqlite: include_str!("../../migrations/sqlite/0002_rate_limits.sql"),
    },
    Migration {
        version: 3,
        name: "kill_switches",
        min_binary: 3,
        postgres: include_str!("../../migrations/postgres/0003_kill_switches.sql"),
        sqlite: include_str!("../../migrations/sqlite/0003_kill_switches.sql"),
    },
];

/// The roles of a deployment on PostgreSQL, for a superuser's `psql`.
pub const ROLES: &str = include_str!("../../migrations/postgres/roles.sql");

/// What the owner runs at the end of every migration; `{schema}` stands for the schema of the tables.
const GRANTS: &str = include_str!("../../migrations/postgres/grants.sql");

/// This binary's own number: the newest migration it knows.
pub const BINARY: i64 = 3;

/// The oldest schema this binary can serve.
pub const NEEDS: i64 = 3;

/// Where a database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The schema's number; 0 for an empty database.
    pub version: i64,
    /// The oldest binary that may serve it.
    pub min_binary: i64,
}

const POSTGRES_TABLES: &str = "select table_name::text from information_schema.tables where table_schema = current_schema() and table_name in \
     ('schema_version', 'agents', 'policies', 'audit_logs', 'alembic_version')";
const SQLITE_TABLES: &str = "select name from sqlite_master where type = 'table' and name in \
     ('schema_version', 'agents', 'policies', 'audit_logs', 'alembic_version')";
const IS_OWNER: &str =
    "select pg_has_role(current_user, relowner, 'usage') from pg_class where oid = 'audit_logs'::regclass";
const SCHEMA: &str =
    "select quote_ident(relnamespace::regnamespace::text) from pg_class where oid = 'audit_logs'::regclass";
const STATUS: &str = "select version, min_binary from schema_version where id = 1";
const FIRST: &str = "insert into schema_version (id, version, min_binary, applied_at) values (1, $1, $2, $3)";
const NEXT: &str = "update schema_version set version = $1, min_binary = $2, applied_at = $3 where id = 1";
const REVISION: &str = "insert into revision (id, epoch, n, token) values (1, $1, 0, $2)";
const FIRST_TOKEN: &str = "insert into revisions (epoch, n, token, at, actor, act, target, request_id, detail, digest) \
     values ($1, 0, $2, $3, 'migrate', 'CreateDatabase', '', '', $4, $5)";

impl Status {
    /// Whether this binary may serve such a schema.
    ///
    /// # Errors
    /// What does not fit and what to do.
    pub fn fits(self) -> Result<(), Error> {
        if self.version < NEEDS {
            return Err(Error::Schema(format!(
                "the database has schema {}, this binary needs {NEEDS}; run `agentguard migrate up` first",
                self.version
            )));
        }
        if self.min_binary > BINARY {
            return Err(Error::Schema(format!(
                "the database has schema {}, which binaries below number {} must not serve; this one is number \
                 {BINARY}; deploy a newer agentguard",
                self.version, self.min_binary
            )));
        }
        Ok(())
    }

    /// The migrations that are still to be run.
    pub fn pending(self) -> impl Iterator<Item = &'static Migration> {
        MIGRATIONS.iter().filter(move |migration| migration.version > self.version)
    }
}

impl Migration {
    /// The statements it runs on this kind of database.
    pub const fn sql(&self, store: &Store) -> &'static str {
        match store {
            Store::Postgres(_) => self.postgres,
            Store::Sqlite(_) => self.sqlite,
        }
    }
}

impl Store {
    /// Where the database stands.
    ///
    /// # Errors
    /// When it is away, or holds the tables of another program.
    pub async fn schema(&self) -> Result<Status, Error> {
        let (tables, found): (Vec<String>, Option<(i64, i64)>) = match self {
            Self::Postgres(store) => {
                let whole = store.admin.whole(async {
                    let mut tx = store.admin.begin(super::BEGIN_READ).await?;
                    let tables = sqlx::query(POSTGRES_TABLES).persistent(false).fetch_all(&mut *tx).await?;
                    let tables =
                        tables.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
                    let ours = tables.iter().any(|table| table == "schema_version");
                    let found = if ours {
                        sql_as!(false, (i64, i64), STATUS).fetch_optional(&mut *tx).await?
                    } else {
                        None
                    };
                    tx.commit().await?;
                    Ok((tables, found))
                });
                whole.await?
            }
            Self::Sqlite(store) => {
                let tables: Vec<(String,)> =
                    sql_as!(true, (String,), SQLITE_TABLES).fetch_all(&store.main).await?;
                let tables: Vec<String> = tables.into_iter().map(|(table,)| table).collect();
                let ours = tables.iter().any(|table| table == "schema_version");
                let found = if ours {
                    sql_as!(true, (i64, i64), STATUS).fetch_optional(&store.main).await?
                } else {
                    None
                };
                (tables, found)
            }
        };
        match found {
            Some((version, min_binary)) => Ok(Status { version, min_binary }),
            None if tables.is_empty() => Ok(Status { version: 0, min_binary: 0 }),
            None => Err(Error::Schema(format!(
                "the database holds the tables of another program ({}), perhaps of the Python AgentGuard; give \
                 agentguard a database or a schema of its own",
                tables.join(", ")
            ))),
        }
    }

    /// Runs every pending migration, each in one transaction; answers those that were run.
    ///
    /// # Errors
    /// When the database is away or refuses; what was committed before stays.
    pub async fn migrate(&self, now: Timestamp) -> Result<Vec<&'static Migration>, Error> {
        let mut done = Vec::new();
        loop {
            let status = self.schema().await?;
            let Some(migration) = status.pending().next() else { break };
            match self.run(migration, now).await {
                Ok(()) => done.push(migration),
                // Another process ran it meanwhile: two creations of one table cannot both succeed.
                Err(error) if self.schema().await?.version < migration.version => return Err(error),
                Err(_) => {}
            }
        }
        self.grant().await?;
        Ok(done)
    }

    /// What the owner of PostgreSQL's tables provides for whoever is not: a function that makes months, and the rights
    /// of the roles where there are any. Nothing where the tables are another role's.
    async fn grant(&self) -> Result<(), Error> {
        let Self::Postgres(store) = self else { return Ok(()) };
        let mut tx = store.admin.begin("begin").await?;
        let (is_owner,): (bool,) = sql_as!(false, (bool,), IS_OWNER).fetch_one(&mut *tx).await?;
        if is_owner {
            // One at a time: two that replace one function disturb each other.
            sqlx::raw_sql("lock table schema_version in share row exclusive mode").execute(&mut *tx).await?;
            let (schema,): (String,) = sql_as!(false, (String,), SCHEMA).fetch_one(&mut *tx).await?;
            let grants = AssertSqlSafe(GRANTS.replace("{schema}", &schema));
            sqlx::raw_sql(grants).execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn run(&self, migration: &Migration, now: Timestamp) -> Result<(), Error> {
        let epoch = new_epoch();
        let token: [u8; 16] = crate::entropy::bytes();
        macro_rules! note {
            ($tx:ident) => {{
                if migration.version == 1 {
                    sql!(false, FIRST, migration.version, migration.min_binary, now.as_micros())
                        .execute(&mut *$tx)
                        .await?;
                    sql!(false, REVISION, epoch.as_str(), token.as_slice()).execute(&mut *$tx).await?;
                    let detail = b"{}".as_slice();
                    let digest = super::revision::digest(detail);
                    sql!(
                        false,
                        FIRST_TOKEN,
                        epoch.as_str(),
                        token.as_slice(),
                        now.as_micros(),
                        detail,
                        digest
                    )
                    .execute(&mut *$tx)
                    .await?;
                } else {
                    sql!(false, NEXT, migration.version, migration.min_binary, now.as_micros())
                        .execute(&mut *$tx)
                        .await?;
                }
                $tx.commit().await?;
            }};
        }
        match self {
            Self::Postgres(store) => {
                let mut tx = store.admin.begin("begin").await?;
                sqlx::raw_sql(migration.postgres).execute(&mut *tx).await?;
                note!(tx);
            }
            Self::Sqlite(store) => {
                let mut tx = begin_sqlite(&store.main).await?;
                sqlx::raw_sql(migration.sqlite).execute(&mut *tx).await?;
                note!(tx);
            }
        }
        Ok(())
    }
}

async fn begin_sqlite(pool: &SqlitePool) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
    pool.begin_with("begin immediate").await
}

/// A random epoch: 16 hexadecimal digits.
pub fn new_epoch() -> String {
    crate::entropy::bytes::<8>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn an_empty_database_is_migrated_once_and_then_fits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::sqlite(dir.path().join("a.db"))).await.unwrap();
        assert!(store.schema().await.unwrap().fits().is_err());
        let done = store.migrate(Timestamp::from_micros(1)).await.unwrap();
        assert_eq!(done.len(), MIGRATIONS.len());
        assert!(store.migrate(Timestamp::from_micros(2)).await.unwrap().is_empty());
        store.schema().await.unwrap().fits().unwrap();
    }

    #[tokio::test]
    async fn agents_of_an_older_schema_are_kept_and_have_no_limit_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::sqlite(dir.path().join("a.db"))).await.unwrap();
        let [first, ..] = &MIGRATIONS;
        store.run(first, Timestamp::from_micros(1)).await.unwrap();
        assert!(store.schema().await.unwrap().fits().unwrap_err().to_string().contains("migrate up"));
        let Store::Sqlite(sqlite) = &store else { panic!() };
        // As the binary of that schema writes an agent.
        let id = "agt_01h455vb4pex5vsknk084sn02q";
        let insert = "insert into agents (agent_id, name, team, environment, labels, is_active, created_at, \
                      updated_at, deleted_at, revision) values ($1, 'n', 't', 'production', '{}', true, 1, 1, null, 1)";
        sqlx::query(insert).bind(id).execute(&sqlite.main).await.unwrap();
        assert_eq!(store.migrate(Timestamp::from_micros(2)).await.unwrap().len(), MIGRATIONS.len() - 1);
        let agent = store.agent(&id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((agent.subject.name.as_str(), agent.limit), ("n", None));
    }

    #[test]
    fn a_binary_older_than_the_schema_allows_is_refused() {
        let status = Status { version: 9, min_binary: BINARY + 1 };
        assert!(status.fits().unwrap_err().to_string().contains("newer agentguard"));
        let served = Status { version: BINARY + 1, min_binary: BINARY };
        served.fits().unwrap();
    }

    #[test]
    fn the_numbers_are_those_of_the_newest_migration() {
        assert_eq!(MIGRATIONS.last().unwrap().version, BINARY);
        assert!(MIGRATIONS.iter().zip(1..).all(|(migration, number)| migration.version == number));
    }

    #[tokio::test]
    async fn another_programs_tables_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Options::sqlite(dir.path().join("a.db"))).await.unwrap();
        let Store::Sqlite(sqlite) = &store else { panic!() };
        sqlx::raw_sql("create table agents (id integer); create table alembic_version (v text)")
            .execute(&sqlite.main)
            .await
            .unwrap();
        assert!(
            store
                .migrate(Timestamp::from_micros(1))
                .await
                .unwrap_err()
                .to_string()
                .contains("Python AgentGuard")
        );
    }
}
