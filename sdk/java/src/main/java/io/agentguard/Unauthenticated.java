package io.agentguard;

/** The key opens nothing. */
public final class Unauthenticated extends AgentGuardError {
  private static final long serialVersionUID = 1;

  Unauthenticated(Facts facts) {
    super(facts);
  }
}
