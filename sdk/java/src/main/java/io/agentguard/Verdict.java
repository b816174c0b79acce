package io.agentguard;

/** What a decision says. Only {@link #ALLOW} allows. */
public enum Verdict {
  ALLOW,
  DENY,
  REQUIRE_APPROVAL,
  /** A verdict that this client does not know; it forbids. */
  UNKNOWN
}
