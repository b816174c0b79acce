-- The roles of a deployment on PostgreSQL: run once in AgentGuard's database by a superuser, before the first
-- `agentguard migrate up` or at any later time; running it again changes nothing.
--
--   agentguard_migrate  owns the tables; `agentguard migrate up` runs as it (DATABASE_MIGRATE_URL)
--   agentguard_app      what a server may do: add to the audit, never change it; no DELETE, no TRUNCATE, no DDL
--   agentguard_read     what an auditor may do: read everything but secrets
--   agentguard          the server's login (DATABASE_URL): a member of agentguard_app that owns nothing
--
-- Logins are made without a password: set one by psql's `\password agentguard` and `\password agentguard_migrate`.
-- What exactly each may do to which table is granted by `agentguard migrate up`, which is to be run afterwards.
\set ON_ERROR_STOP on
begin;

do $$
declare
  own constant text[] := array['schema_version', 'settings', 'revision', 'revisions', 'revision_records', 'agents',
    'agent_keys', 'policies', 'policy_versions', 'leases', 'audit_list', 'audit_chains', 'audit_logs', 'kill_switches'];
  here constant text := current_schema();
  name text;
begin
  foreach name in array array['agentguard_migrate', 'agentguard'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I login', name);
    end if;
  end loop;
  foreach name in array array['agentguard_app', 'agentguard_read'] loop
    if not exists (select from pg_roles where rolname = name) then
      execute format('create role %I nologin', name);
    end if;
  end loop;
  grant agentguard_app to agentguard;

  -- A database that was made for the login, or tables that it migrated itself, go to the owner.
  if (select datdba = 'agentguard'::regrole from pg_database where datname = current_database()) then
    execute format('alter database %I owner to agentguard_migrate', current_database());
  end if;
  if (select nspowner = 'agentguard'::regrole from pg_namespace where nspname = here) then
    execute format('alter schema %I owner to agentguard_migrate', here);
  end if;
  for name in
    select c.oid::regclass::text from pg_class c
    where c.relnamespace = here::regnamespace and c.relkind in ('r', 'p')
      and (c.relname = any (own) or c.oid in (select inhrelid from pg_inherits where inhparent = to_regclass('audit_logs')))
  loop
    execute format('alter table %s owner to agentguard_migrate', name);
    execute format('revoke all on %s from agentguard', name);
  end loop;
  for name in
    select p.oid::regprocedure::text from pg_proc p
    where p.pronamespace = here::regnamespace and p.proname in ('agentguard_refuse_change', 'agentguard_make_month', 'agentguard_default_month_in_use')
  loop
    execute format('alter function %s owner to agentguard_migrate', name);
    execute format('revoke all on function %s from agentguard', name);
  end loop;

  -- Nobody but the owner makes anything here.
  execute format('revoke create, temporary on database %I from public, agentguard', current_database());
  execute format('grant connect on database %I to agentguard_migrate, agentguard_app, agentguard_read', current_database());
  execute format('revoke all on schema %I from public, agentguard', here);
  execute format('grant usage on schema %I to agentguard_app, agentguard_read', here);
  execute format('grant usage, create on schema %I to agentguard_migrate', here);

  if exists (select from pg_roles where rolname = 'agentguard' and (rolsuper or rolbypassrls or rolcreaterole))
    or pg_has_role('agentguard', 'agentguard_migrate', 'member')
  then
    raise exception 'the login agentguard is more than a member of agentguard_app; take that from it first';
  end if;
end $$;

commit;
