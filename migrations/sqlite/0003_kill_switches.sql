-- Switches above every rule, one row a scope, kept when switched off so that views see the change. A binary that does
-- not know them would let stopped agents act, so none of schema 2 may serve beside this.
create table kill_switches (
  scope_kind text not null check (scope_kind in ('everyone', 'team', 'agent')),
  scope_id text not null,
  is_on integer not null check (is_on in (0, 1)),
  reason text not null,
  actor text not null,
  changed_at integer not null,
  revision integer not null,
  primary key (scope_kind, scope_id)
) strict;
-- A refresh reads what changed since the view's revision and nothing else.
create index idx_kill_switches_revision on kill_switches (revision);
