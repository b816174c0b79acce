import type { Decision } from "./decision.js";

/** One thing that is wrong with a request: a field or, for limits, a subject; and what is wrong with it. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** What an error tells beside its message. What is left out is empty. */
export interface ErrorDetails {
  /** The gRPC code's name, such as `UNAVAILABLE`; `OK` for denials. */
  code?: string;
  /** The server's reason, the denial's reason code, or the code's name. */
  reason?: string;
  /** The id of the request, to find it in the server's log. */
  requestId?: string;
  /** When the server suggests to come again, in milliseconds from now. */
  retryAfterMs?: number | undefined;
  violations?: readonly Violation[];
  cause?: unknown;
}

/** Whatever went wrong: nothing was allowed. */
export class AgentGuardError extends Error {
  /** The gRPC code's name, such as `UNAVAILABLE`; `OK` for `ActionDenied` and `ApprovalRequired`. */
  readonly code: string;
  /** Why, for programs: the server's reason, a denial's reason code, or the code's name. */
  readonly reason: string;
  /** The id of the request, to find it in the server's log. */
  readonly requestId: string;
  /** The denial's decision, `dec_…`; else empty. */
  readonly decisionId: string = "";
  /** The denial; else absent. */
  readonly decision: Decision | undefined = undefined;
  /** When the server suggests to come again, in milliseconds from the answer; absent if it did not say. */
  readonly retryAfterMs: number | undefined;
  /** What is wrong with which field of the request; may be empty. */
  readonly violations: readonly Violation[];

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code ?? "UNKNOWN";
    this.reason = details.reason ?? this.code;
    this.requestId = details.requestId ?? "";
    this.retryAfterMs = details.retryAfterMs;
    this.violations = details.violations ?? [];
  }
}

/** A decision that does not allow, thrown by `enforce` and `guard`. */
abstract class Denial extends AgentGuardError {
  override readonly decisionId: string;
  override readonly decision: Decision;

  constructor(message: string, decision: Decision, requestId = "") {
    super(message, { code: "OK", reason: decision.reasonCode, requestId });
    this.decisionId = decision.decisionId;
    this.decision = decision;
  }
}

/** The act must not be done. */
export class ActionDenied extends Denial {
  override readonly name = "ActionDenied";
}

/** The act must not be done unless a person approves of it first. */
export class ApprovalRequired extends Denial {
  override readonly name = "ApprovalRequired";
}

/** The key opens nothing. */
export class Unauthenticated extends AgentGuardError {
  override readonly name = "Unauthenticated";
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: "UNAUTHENTICATED", ...details });
  }
}

/** The key does not open this. */
export class PermissionDenied extends AgentGuardError {
  override readonly name = "PermissionDenied";
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: "PERMISSION_DENIED", ...details });
  }
}

/** The request, or the client's construction, is wrong; the same again will fail again. */
export class InvalidRequest extends AgentGuardError {
  override readonly name = "InvalidRequest";
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: "INVALID_ARGUMENT", ...details });
  }
}

/** A limit is reached; `retryAfterMs` says when the next call fits. */
export class RateLimited extends AgentGuardError {
  override readonly name = "RateLimited";
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: "RESOURCE_EXHAUSTED", ...details });
  }
}

/** The server is away, too slow or closing; or this client is closed. */
export class Unavailable extends AgentGuardError {
  override readonly name = "Unavailable";
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: "UNAVAILABLE", ...details });
  }
}

/** The server failed, or its answer cannot be understood. */
export class InternalError extends AgentGuardError {
  override readonly name = "InternalError";
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { code: "INTERNAL", ...details });
  }
}

/** The client cannot be built so. The message must hold neither key nor password. */
export function misconfigured(message: string): InvalidRequest {
  return new InvalidRequest(message, { reason: "CLIENT_CONFIGURATION" });
}

/** An answer that cannot be understood, which is none. */
export function malformed(message: string, requestId: string, cause?: unknown): InternalError {
  return new InternalError(message, { code: "INTERNAL", reason: "MALFORMED_ANSWER", requestId, cause });
}

/** What a call of a closed client gets. */
export function closedError(requestId: string): Unavailable {
  return new Unavailable("this client is closed", { reason: "CLIENT_CLOSED", requestId });
}
