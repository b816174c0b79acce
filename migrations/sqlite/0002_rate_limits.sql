-- An agent's own limit in place of the deployment's, as it is written (`100/second;5000/minute`), or `unlimited`; null
-- for the default. A column of the agent, so that a view follows it as it follows the agent. Binaries of schema 1
-- neither read nor write it, and may serve on beside newer ones.
alter table agents add column rate_limit text;
