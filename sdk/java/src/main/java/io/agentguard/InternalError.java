package io.agentguard;

/** A fault of the server, or an answer that cannot be understood. */
public final class InternalError extends AgentGuardError {
  private static final long serialVersionUID = 1;

  InternalError(Facts facts) {
    super(facts);
  }
}
