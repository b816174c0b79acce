-- Run by the owner of the tables at the end of every `agentguard migrate up`, again and again: what only the owner may
-- do, made available in one narrow form, and exactly what each role of `agentguard migrate roles` may do. A later
-- migration that makes a table adds its lines here; a test finds a table without them.
-- {schema} is the schema of the tables.

-- Makes a month of audit_logs and attaches it, for a server whose role may not. It does nothing else, looks nothing up
-- outside the schema, and whoever is not the owner gets no month further than two years from now. What came before its
-- month was made lies in the default partition, where it would forbid the attachment: it is moved, the one way past the
-- append-only trigger. The caller says how long locks may be waited for.
create or replace function agentguard_make_month(year integer, month integer) returns void
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  first constant timestamptz := make_timestamptz(year, month, 1, 0, 0, 0, 'UTC');
  -- Months are added to a time without a zone: the session's own zone must not count.
  after constant timestamptz := ((first at time zone 'UTC') + interval '1 month') at time zone 'UTC';
  name constant text := 'audit_logs_' || to_char(first at time zone 'UTC', 'YYYY_MM');
begin
  if not pg_has_role(session_user, current_user, 'usage')
    and not first between now() - interval '2 years' and now() + interval '2 years'
  then
    raise exception 'the month % is too far away', name using errcode = 'invalid_parameter_value';
  end if;
  execute format(
    'create table if not exists %I (like audit_logs including defaults including constraints including storage)', name);
  execute format('alter table %I set (autovacuum_vacuum_scale_factor = 0.05)', name);
  alter table audit_logs_default disable trigger user;
  execute format(
    'with moved as (delete from audit_logs_default where timestamp >= $1 and timestamp < $2 returning *) '
    'insert into %I select * from moved', name) using first, after;
  alter table audit_logs_default enable trigger user;
  execute format('alter table audit_logs attach partition %I for values from (%L) to (%L)', name, first, after);
end $$;
revoke all on function agentguard_make_month(integer, integer) from public;

-- Whether records lie in no month, for whoever has no right on what is not a month.
create or replace function agentguard_default_month_in_use() returns boolean
language sql stable security definer set search_path = {schema}, pg_temp as $$
  select exists (select 1 from audit_logs_default limit 1)
$$;
revoke all on function agentguard_default_month_in_use() from public;

do $$
declare
  own constant text[] := array['schema_version', 'settings', 'revision', 'revisions', 'revision_records', 'agents',
    'agent_keys', 'policies', 'policy_versions', 'leases', 'audit_list', 'audit_chains', 'audit_logs', 'kill_switches'];
  name text;
begin
  if not exists (select from pg_roles where rolname = 'agentguard_app')
    or not exists (select from pg_roles where rolname = 'agentguard_read')
  then
    return;
  end if;

  -- Nothing but what is said below, also after somebody's `grant all`. A month gets no grant at all: records go in and
  -- out through audit_logs, and a right on a month would go past whatever is said of the whole.
  foreach name in array own loop
    execute format('revoke all on %I from public, agentguard_app, agentguard_read', name);
  end loop;
  for name in select inhrelid::regclass::text from pg_inherits where inhparent = 'audit_logs'::regclass loop
    execute format('revoke all on %s from public, agentguard_app, agentguard_read', name);
  end loop;

  -- The service: adds to the audit and never changes it. Of a chain it moves the head, of the list the end.
  grant select, insert on audit_logs, revisions, revision_records, policy_versions to agentguard_app;
  grant select, insert, update (head_seq, head_hash, closed, seen_at) on audit_chains to agentguard_app;
  grant select, update (next_chain_no, last_chain_id) on audit_list to agentguard_app;
  grant select, update (epoch, n, token) on revision to agentguard_app;
  grant select on schema_version to agentguard_app;
  -- Rows of these are never deleted, and who or what they are of never changes.
  grant select, insert, update (value) on settings to agentguard_app;
  grant select, insert, update (name, team, environment, labels, is_active, updated_at, deleted_at, revision, rate_limit)
    on agents to agentguard_app;
  grant select, insert, update (revoked_at, last_used_at, revision) on agent_keys to agentguard_app;
  grant select, insert, update (version, document, updated_at, revision) on policies to agentguard_app;
  grant select, insert, update (holder, fencing, expires_at) on leases to agentguard_app;
  grant select, insert, update (is_on, reason, actor, changed_at, revision) on kill_switches to agentguard_app;
  grant execute on function agentguard_make_month(integer, integer), agentguard_default_month_in_use() to agentguard_app;

  -- Who reads: everything but the deployment's own secrets (settings) and the hashes of keys.
  grant select on schema_version, revision, revisions, revision_records, agents, policies, policy_versions, leases, kill_switches,
    audit_list, audit_chains, audit_logs to agentguard_read;
  grant select (key_id, agent_id, pepper_id, created_at, expires_at, revoked_at, last_used_at, revision)
    on agent_keys to agentguard_read;
end $$;
