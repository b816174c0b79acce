//! The roles of a deployment on PostgreSQL, statement by statement: what each may do is done, what it may not is refused
//! by its rights, and the server serves as a login that owns nothing.

use agentguard::pb::v1;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::cli;
use crate::harness::{Guard, admin};
use crate::postgres::{Cluster, Database, program};

/// The database at `url` as another role.
fn as_role(url: &str, role: &str) -> String {
    url.replacen("postgres@", &format!("{role}@"), 1)
}

/// Runs `agentguard migrate roles` through psql, as a database's administrator would.
fn make_roles(database: &Database) {
    let script = cli::run(&["migrate", "roles"], &[]);
    assert_eq!(script.code, 0, "{script:?}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script.stdout).unwrap();
    let run = program("psql", None)
        .args(["-X", "-q", "-d", &database.url(), "-f"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn migrate_as(database: &Database, role: &str) {
    let url = as_role(&database.url(), role);
    let run = cli::run(&["migrate", "up"], &[("DATABASE_URL", &url), ("DATABASE_MIGRATE_URL", &url)]);
    assert_eq!(run.code, 0, "{run:?}");
}

/// Why a statement did not pass, in a transaction that is rolled back.
async fn refusal(connection: &mut PgConnection, statement: &str) -> Option<(String, String)> {
    sqlx::raw_sql("begin").execute(&mut *connection).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *connection).await;
    sqlx::raw_sql("rollback").execute(&mut *connection).await.unwrap();
    let error = done.err()?;
    let error = error.as_database_error().expect("the database's own error");
    Some((error.code().unwrap_or_default().into_owned(), error.message().to_owned()))
}

/// Runs statements as `role`; every one must end as its list says. `MONTH` in a statement is a month that is attached.
async fn holds(database: &Database, role: &str, allowed: &[&str], refused: &[&str]) {
    let month = database.sql(
        "select min(inhrelid::regclass::text) from pg_inherits \
         where inhparent = 'audit_logs'::regclass and inhrelid <> 'audit_logs_default'::regclass",
    );
    let mut connection = PgConnection::connect(&as_role(&database.url(), role)).await.unwrap();
    for statement in allowed {
        let statement = statement.replace("MONTH", &month);
        let refusal = refusal(&mut connection, &statement).await;
        assert_eq!(refusal, None, "{role} may: {statement}");
    }
    for statement in refused {
        let statement = statement.replace("MONTH", &month);
        let refusal = refusal(&mut connection, &statement).await;
        let Some((code, message)) = refusal else { panic!("{role} may not: {statement}") };
        // By its rights, and not because the statement makes no sense or the trigger stands in the way.
        let by_rights = code == "42501" && !message.contains("append-only");
        assert!(by_rights, "{role}, {statement}: {code} {message}");
    }
}

const CHAIN: &str = "insert into audit_chains (chain_id, chain_no, head_seq, head_hash, closed, seen_at) \
     values ('c', 7, 0, '', false, 0)";

const APP_MAY: &[&str] = &[
    "insert into audit_logs (chain_id, chain_no, seq, timestamp, form_version, prev_hash, hash, kind) \
     values ('c', 1, 1, now(), 1, '', '', 'decision'), ('c', 1, 2, '9000-01-01', 1, '', '', 'decision')",
    "select count(*) from audit_logs",
    CHAIN,
    "update audit_chains set head_seq = 1, head_hash = '', closed = true, seen_at = 1",
    "select * from audit_chains for update",
    "update audit_list set next_chain_no = 2, last_chain_id = 'c'",
    "update revision set n = n + 1, token = '', epoch = 'e'",
    "insert into revisions values ('e', 1, '', 1, 'a', 'b', 'c', 'd', '', '')",
    "insert into revision_records values ('e', 1, 'c', 1)",
    "insert into settings values ('s', ''); update settings set value = 'x' where name = 's'",
    "insert into agents values ('a', 'n', 't', 'staging', '{}', true, 1, 1, null, 1); \
     update agents set name = 'm', is_active = false, deleted_at = 2, updated_at = 2, revision = 2, rate_limit = 'x'; \
     insert into agent_keys values ('k', 'a', decode(repeat('00', 32), 'hex'), null, 1, null, null, null, 1); \
     update agent_keys set revoked_at = 1, last_used_at = 1, revision = 2",
    "insert into policies values ('everyone', '', 'p', 1, '', 1, 1, 1); \
     update policies set version = 2, document = null, updated_at = 2, revision = 2; \
     insert into policy_versions values ('p', 1, '', 1, 'a', 1)",
    "insert into leases values ('l', 'h', 1, 1) on conflict (name) do update set holder = 'i', fencing = 2, expires_at = 2",
    "select * from schema_version",
    "select agentguard_make_month(extract(year from now() + interval '9 months')::int, \
     extract(month from now() + interval '9 months')::int)",
];

const APP_MAY_NOT: &[&str] = &[
    "update audit_logs set action = 'x'",
    "update audit_logs set content = null, salt = null",
    "delete from audit_logs",
    "truncate audit_logs",
    "lock table audit_logs in access exclusive mode",
    // A month, and what lies in none, only through the whole.
    "select count(*) from MONTH",
    "insert into MONTH select * from audit_logs",
    "update MONTH set action = 'x'",
    "delete from MONTH",
    "truncate MONTH",
    "drop table MONTH",
    "select count(*) from audit_logs_default",
    "insert into audit_logs_default select * from audit_logs",
    "update audit_logs_default set action = 'x'",
    "delete from audit_logs_default",
    "truncate audit_logs_default",
    "alter table audit_logs detach partition MONTH",
    "alter table audit_logs disable trigger all",
    "alter table audit_logs add column x text",
    "alter table audit_logs owner to agentguard",
    "drop table audit_logs",
    "create index on audit_logs (kind)",
    "drop trigger audit_logs_no_change on audit_logs",
    "create or replace function agentguard_refuse_change() returns trigger language plpgsql as 'begin return null; end'",
    "drop function agentguard_make_month(integer, integer)",
    "delete from audit_chains",
    "truncate audit_chains",
    "update audit_chains set chain_id = 'x'",
    "update audit_chains set chain_no = 9",
    "alter table audit_chains add column x text",
    "insert into audit_list values (2, 1, null)",
    "delete from audit_list",
    "insert into revision values (2, 'e', 1, '')",
    "delete from revision",
    "update revisions set actor = 'x'",
    "delete from revisions",
    "delete from revision_records",
    "update policy_versions set document = null",
    "delete from policy_versions",
    "truncate policy_versions",
    "delete from policies",
    "update policies set policy_id = 'x'",
    "delete from agents",
    "update agents set agent_id = 'x'",
    "delete from agent_keys",
    "update agent_keys set hash = decode(repeat('00', 32), 'hex')",
    "update agent_keys set agent_id = 'x'",
    "delete from leases",
    "delete from settings",
    "update settings set name = 'x'",
    "update schema_version set version = 9",
    "create table mine (x int)",
    "create temporary table mine (x int)",
    "create schema mine",
    "create function mine() returns int language sql as 'select 1'",
    "set role agentguard_migrate",
    "set session authorization agentguard_migrate",
    "set session_replication_role = replica",
    "create role mine",
    "copy audit_logs to program 'cat'",
];

const READ_MAY: &[&str] = &[
    "select count(*) from audit_logs",
    "select count(*) from audit_chains",
    "select count(*) from audit_list",
    "select count(*) from revisions",
    "select count(*) from revision_records",
    "select count(*) from revision",
    "select count(*) from agents",
    "select key_id, agent_id, pepper_id, created_at, expires_at, revoked_at, last_used_at from agent_keys",
    "select count(*) from policies",
    "select count(*) from policy_versions",
    "select count(*) from leases",
    "select count(*) from schema_version",
];

const READ_MAY_NOT: &[&str] = &[
    "select * from settings",
    "select hash from agent_keys",
    "select * from agent_keys",
    "select count(*) from MONTH",
    "select count(*) from audit_logs_default",
    "insert into audit_logs select * from audit_logs",
    "update audit_logs set action = 'x'",
    "delete from audit_logs",
    "truncate audit_logs",
    CHAIN,
    "update audit_chains set head_seq = 1",
    "update audit_list set next_chain_no = 2",
    "update revision set n = 1",
    "insert into revisions values ('e', 1, '', 1, 'a', 'b', 'c', 'd', '', '')",
    "insert into agents values ('a', 'n', 't', 'staging', '{}', true, 1, 1, null, 1)",
    "update agents set is_active = true",
    "update policies set document = null",
    "insert into leases values ('l', 'h', 1, 1)",
    "select agentguard_make_month(2026, 1)",
    "create table mine (x int)",
    "create temporary table mine (x int)",
    "set role agentguard_app",
    "set role agentguard_migrate",
];

const OWNER_MAY: &[&str] = &[
    "create table mine (x int)",
    "alter table agents add column x text",
    "alter table audit_logs detach partition MONTH; drop table MONTH",
    "select agentguard_make_month(2099, 1)",
    "grant select on audit_logs to agentguard_read",
];

const OWNER_MAY_NOT: &[&str] = &["create role mine", "set role postgres", "copy audit_logs to program 'cat'"];

async fn all_hold(database: &Database) {
    holds(database, "agentguard", APP_MAY, APP_MAY_NOT).await;
    holds(database, "reader", READ_MAY, READ_MAY_NOT).await;
    holds(database, "agentguard_migrate", OWNER_MAY, OWNER_MAY_NOT).await;
    // Also the owner is stopped by the triggers, which it may only remove.
    let mut owner = PgConnection::connect(&as_role(&database.url(), "agentguard_migrate")).await.unwrap();
    let (_, message) = refusal(&mut owner, "truncate audit_logs").await.unwrap();
    assert!(message.contains("append-only"), "{message}");
    // Somebody far away is not the owner's function's business.
    let mut app = PgConnection::connect(&as_role(&database.url(), "agentguard")).await.unwrap();
    let (_, message) = refusal(&mut app, "select agentguard_make_month(2099, 1)").await.unwrap();
    assert!(message.contains("too far away"), "{message}");
    let owned = "select count(*) from pg_shdepend where refobjid = 'agentguard'::regrole and deptype = 'o'";
    assert_eq!(database.sql(owned), "0", "the login owns something");
    // Every table has its lines in grants.sql: the service reads all of them.
    let forgotten = database.sql(
        "select string_agg(relname, ', ') from pg_class where relkind in ('r', 'p') and not relispartition \
         and relnamespace = 'public'::regnamespace and not has_table_privilege('agentguard_app', oid, 'select')",
    );
    assert_eq!(forgotten, "", "migrations/postgres/grants.sql says nothing of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_its_list_says_and_nothing_else() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    make_roles(&database);
    database.sql("create role reader login in role agentguard_read");
    migrate_as(&database, "agentguard_migrate");
    all_hold(&database).await;
    // Again changes nothing, and undoes what somebody granted by hand; a month that was granted, too.
    database.sql("grant all on all tables in schema public to agentguard_app, agentguard_read, public");
    let mut app = PgConnection::connect(&as_role(&database.url(), "agentguard")).await.unwrap();
    assert_eq!(refusal(&mut app, "select count(*) from audit_logs_default").await, None, "the control");
    make_roles(&database);
    migrate_as(&database, "agentguard_migrate");
    all_hold(&database).await;
}

/// As the deployment guide begins: one login that made everything itself.
#[tokio::test(flavor = "multi_thread")]
async fn tables_that_the_login_made_itself_are_handed_to_the_owner() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let name = database.sql("select current_database()");
    database.sql(&format!(
        "create user agentguard; grant all privileges on database {name} to agentguard; \
         grant all on schema public to agentguard; alter database {name} owner to agentguard"
    ));
    migrate_as(&database, "agentguard");
    let mut app = PgConnection::connect(&as_role(&database.url(), "agentguard")).await.unwrap();
    assert_eq!(refusal(&mut app, "drop table audit_logs").await, None, "the control: it may do everything");
    make_roles(&database);
    database.sql("create role reader login in role agentguard_read");
    migrate_as(&database, "agentguard_migrate");
    all_hold(&database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_serves_as_a_login_that_owns_nothing_and_keeps_months_ahead() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    make_roles(&database);
    let (login, owner) =
        (as_role(&database.url(), "agentguard"), as_role(&database.url(), "agentguard_migrate"));
    let settings = [("DATABASE_MIGRATE_URL", owner.as_str()), ("DATABASE_DIRECT_URL", login.as_str())];
    let mut guard = Guard::on_postgres(&login, &[settings[0]]);
    for round in 0..2 {
        let mut operator = guard.admin().await;
        let agent = operator.agent("caller").await;
        operator.set_policy(&agent.id, &["read:*"], &["delete:*"]).await;
        operator.set_policy(&agent.id, &["read:*"], &[]).await;
        let (_, key_id) = operator.key(&agent.id).await;
        operator.revoke(&key_id).await;
        operator.set_active(&agent.id, true).await;
        let mut caller = guard.caller(&agent.key).await;
        let check = v1::EnforceRequest {
            action: "read:file".to_owned(),
            idempotency_key: format!("key-{round}"),
            ..v1::EnforceRequest::default()
        };
        let decision = caller.enforce(check.clone()).await.unwrap();
        assert!(decision.allowed, "{decision:?}");
        let again = caller.retry(check).await.unwrap();
        assert_eq!(again.decision_id, decision.decision_id);
        let outcome = v1::ReportOutcomeRequest {
            decision_id: decision.decision_id,
            outcome: Some(v1::Outcome { success: Some(true), ..v1::Outcome::default() }),
        };
        let request = caller.request(outcome);
        caller.client().report_outcome(request).await.unwrap();
        assert_eq!(operator.stats().await.database, "postgresql");
        let delete = v1::DeleteAgentRequest { agent_id: agent.id.clone() };
        operator.client().delete_agent(admin(delete)).await.unwrap();
        let verified = guard.cli(&["audit", "verify"]);
        assert_eq!(verified.code, 0, "{verified:?}");
        // A month that is missing is made by the server itself when it starts, and belongs to the owner.
        let last = "select max(inhrelid::regclass::text) from pg_inherits where inhparent = 'audit_logs'::regclass \
             and inhrelid <> 'audit_logs_default'::regclass";
        let month = database.sql(last);
        database.sql(&format!("alter table audit_logs detach partition {month}; drop table {month}"));
        assert_ne!(database.sql(last), month, "the control: it is gone");
        guard.stop();
        guard.restart();
        assert_eq!(database.sql(last), month, "{}", guard.log());
        assert_eq!(
            database.sql(&format!("select tableowner from pg_tables where tablename = '{month}'")),
            "agentguard_migrate"
        );
        if round == 0 {
            // The same with the writer and the poll on a direct way.
            guard.stop();
            guard = Guard::on_postgres(&login, &settings);
        }
    }
    assert!(!guard.log().contains("permission denied"), "{}", guard.log());
}
