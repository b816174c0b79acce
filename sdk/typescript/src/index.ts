/// <reference lib="esnext.disposable" preserve="true" />
/** Ask AgentGuard before an agent acts: only an exact ALLOW lets an act happen. */
export { AgentGuardAdminClient } from "./admin.js";
export type { AdminClientOptions } from "./admin.js";
export { Asking, Guarding } from "./asking.js";
export type { ActOptions, AskOptions, Check, OutcomeOptions } from "./asking.js";
export { BatchResult } from "./batch.js";
export { AgentGuardClient } from "./client.js";
export type { BatchOptions, ListOptions, ReportOptions } from "./client.js";
export type { ClientOptions, Pem, TlsOptions } from "./config.js";
export { Decision } from "./decision.js";
export type { DecisionFields, VerdictName } from "./decision.js";
export {
  ActionDenied,
  AgentGuardError,
  ApprovalRequired,
  InternalError,
  InvalidRequest,
  PermissionDenied,
  RateLimited,
  Unauthenticated,
  Unavailable,
} from "./errors.js";
export type { ErrorDetails, Violation } from "./errors.js";
export type { DecisionStream } from "./stream.js";
export type { CallOptions } from "./transport.js";
