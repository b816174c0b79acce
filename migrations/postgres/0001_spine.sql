-- The spine: who may ask (agents, agent_keys), by which rules (policies), and what was decided (audit_logs).
-- Same number and meaning in migrations/postgres and migrations/sqlite. Times outside audit_logs are integer
-- microseconds since 1970 (UTC), so that one reader serves both dialects.

-- The schema's own number. A binary serves while version is at least what it needs and min_binary is at most
-- its own number, so that n-1 and n serve side by side.
create table schema_version (
  id bigint primary key check (id = 1),
  version bigint not null,
  min_binary bigint not null,
  applied_at bigint not null
);

-- Small values of the whole deployment: the keys under which digests are made, the pepper's sentinel.
create table settings (
  name text primary key,
  value bytea not null
);

-- One row, updated first in every admin transaction, so that commit order is revision order.
create table revision (
  id bigint primary key check (id = 1),
  epoch text not null,
  n bigint not null,
  token bytea not null
);

-- One row a change: the proof that a view's revision is of this history, and the outbox of the admin act's
-- audit record. detail is canonical JSON without secrets (as bytes: jsonb would reorder its keys).
create table revisions (
  epoch text not null,
  n bigint not null,
  token bytea not null,
  at bigint not null,
  actor text not null,
  act text not null,
  target text not null,
  request_id text not null,
  detail bytea not null,
  digest bytea not null,
  primary key (epoch, n)
);
-- An admin write whose COMMIT got no answer is looked up by its token.
create index idx_revisions_token on revisions (token);

-- Which audit record tells of a change; the key lets two replicas race without telling it twice.
create table revision_records (
  epoch text not null,
  n bigint not null,
  chain_id text not null,
  seq bigint not null,
  primary key (epoch, n)
);

create table agents (
  agent_id text primary key,
  name text not null,
  team text not null,
  environment text not null check (environment in ('development', 'staging', 'production')),
  labels text not null,
  is_active boolean not null,
  created_at bigint not null,
  updated_at bigint not null,
  deleted_at bigint,
  revision bigint not null
);
-- The seed's index: the agents that may act at all.
create index idx_agents_active on agents (is_active) where is_active = true;
-- A refresh reads what changed since the view's revision and nothing else.
create index idx_agents_revision on agents (revision);

create table agent_keys (
  key_id text primary key,
  agent_id text not null references agents (agent_id),
  hash bytea not null check (length(hash) = 32),
  pepper_id text,
  created_at bigint not null,
  expires_at bigint,
  revoked_at bigint,
  last_used_at bigint,
  revision bigint not null
);
-- Listing and counting an agent's keys.
create index idx_agent_keys_agent on agent_keys (agent_id);
create index idx_agent_keys_revision on agent_keys (revision);

-- The head of each scope's policy; document is null after a deletion, the id and the version go on.
create table policies (
  scope_kind text not null check (scope_kind in ('everyone', 'team', 'agent')),
  scope_id text not null,
  policy_id text not null unique,
  version bigint not null,
  document bytea,
  created_at bigint not null,
  updated_at bigint not null,
  revision bigint not null,
  primary key (scope_kind, scope_id)
);
create index idx_policies_revision on policies (revision);

-- Immutable: what each version said; a null document is a deletion.
create table policy_versions (
  policy_id text not null references policies (policy_id),
  version bigint not null,
  document bytea,
  created_at bigint not null,
  actor text not null,
  revision bigint not null,
  primary key (policy_id, version)
);

-- Work of which only one process may do a turn at a time: rows with an expiry and a fencing number.
create table leases (
  name text primary key,
  holder text not null,
  fencing bigint not null,
  expires_at bigint not null
);

-- One row, locked while a chain is opened, so that the chains form one list.
create table audit_list (
  id bigint primary key check (id = 1),
  next_chain_no bigint not null,
  last_chain_id text
);
insert into audit_list (id, next_chain_no, last_chain_id) values (1, 1, null);

-- A cursor a chain: where its writer appends. Nothing in it is believed by verification beyond the head.
create table audit_chains (
  chain_id text primary key,
  chain_no bigint not null unique,
  head_seq bigint not null,
  head_hash bytea not null,
  closed boolean not null,
  seen_at bigint not null
) with (fillfactor = 50);

-- Every decision and what came of it. docs/audit.md has the kinds and their columns. content and salt are the
-- erasable part; commitment stands for them in the hash. Partitioned by month from the start: retention drops
-- months, never rows.
create table audit_logs (
  chain_id text not null,
  chain_no bigint not null,
  seq bigint not null,
  timestamp timestamptz not null,
  form_version bigint not null,
  prev_hash bytea not null,
  hash bytea not null,
  kind text not null,
  decision_id text,
  agent_id text,
  agent_name text,
  team text,
  environment text,
  labels text,
  agent_active boolean,
  key_id text,
  action text,
  allowed boolean,
  verdict text,
  reason_code text,
  rule_id text,
  policies text,
  error_rule_ids text,
  revision text,
  decided_at bigint,
  request_id text,
  trace_id text,
  idempotency_key text,
  repeat_of text,
  supersedes text,
  approval_id text,
  outcome text,
  replayable boolean,
  detail text,
  commitment bytea,
  salt bytea,
  content bytea,
  primary key (chain_id, seq, timestamp)
) partition by range (timestamp);
-- The seed's: one agent's records newest first; by action; the denied ones.
create index idx_audit_logs_agent_timestamp on audit_logs (agent_id, timestamp desc);
create index idx_audit_logs_action on audit_logs (action);
create index idx_audit_logs_allowed on audit_logs (allowed);
-- Ours: an outcome finds its decision; a marked retry finds its first call (few records carry a key).
create index idx_audit_logs_decision on audit_logs (decision_id) where decision_id is not null;
create index idx_audit_logs_idempotency on audit_logs (agent_id, idempotency_key) where idempotency_key is not null;
-- A record whose month has no partition lands here rather than nowhere. The seed's autovacuum setting stands on
-- each partition, since a partitioned table cannot carry it.
create table audit_logs_default partition of audit_logs default;
alter table audit_logs_default set (autovacuum_vacuum_scale_factor = 0.05);

-- Append-only for everybody who may insert; the roles of the deployment refuse more.
create function agentguard_refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger audit_logs_no_change before update or delete on audit_logs
  for each row execute function agentguard_refuse_change();
create trigger policy_versions_no_change before update or delete on policy_versions
  for each row execute function agentguard_refuse_change();
create trigger audit_logs_no_truncate before truncate on audit_logs
  for each statement execute function agentguard_refuse_change();
create trigger policy_versions_no_truncate before truncate on policy_versions
  for each statement execute function agentguard_refuse_change();
