package io.agentguard;

/** The limit is reached; {@code retryAfter} says when the next call fits. */
public final class RateLimited extends AgentGuardError {
  private static final long serialVersionUID = 1;

  RateLimited(Facts facts) {
    super(facts);
  }
}
