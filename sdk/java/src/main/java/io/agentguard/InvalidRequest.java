package io.agentguard;

/** The request, or the client's construction, is wrong; trying again does not help. */
public final class InvalidRequest extends AgentGuardError {
  private static final long serialVersionUID = 1;

  InvalidRequest(Facts facts) {
    super(facts);
  }
}
