import { fromBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { AgentGuardError, InternalError, InvalidRequest, PermissionDenied, RateLimited, Unauthenticated, Unavailable } from "./errors.js";
import type { ErrorDetails, Violation } from "./errors.js";
import { Code } from "./gen/google/rpc/code_pb.js";
import { BadRequestSchema, ErrorInfoSchema, QuotaFailureSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";
import type { Status } from "./gen/google/rpc/status_pb.js";

/** How a call ended, if not well. */
export interface Failure {
  code: number;
  message: string;
  /** The bytes of `grpc-status-details-bin`, if there were any. */
  details?: Uint8Array | undefined;
  /** The text of `grpc-retry-pushback-ms`, if there was one. */
  pushback?: string | undefined;
}

/** The pause that a pushback wants in milliseconds; `"never"` if it forbids another try; absent if there is none. */
export function pushbackPause(text: string | undefined): number | "never" | undefined {
  if (text === undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : "never";
}

/** The error of a call that ended with `failure`. */
export function errorOf(failure: Failure, requestId: string): AgentGuardError {
  const pushback = pushbackPause(failure.pushback);
  const status = failure.details === undefined ? undefined : read(StatusSchema, failure.details);
  return build(failure.code, failure.message, status, typeof pushback === "number" ? pushback : undefined, requestId);
}

/** The error of one check of a batch or stream. A status that says OK beside no decision cannot be understood. */
export function errorOfStatus(status: Status, requestId: string): AgentGuardError {
  if (status.code === Code.OK) {
    return new InternalError("the answer holds an error that is none", { reason: "MALFORMED_ANSWER", requestId });
  }
  return build(status.code, status.message, status, undefined, requestId);
}

function build(code: number, message: string, status: Status | undefined, pushback: number | undefined, requestId: string): AgentGuardError {
  const name = Code[code] ?? "UNKNOWN";
  const details: ErrorDetails & { reason: string } = { code: name, reason: name, requestId, retryAfterMs: pushback };
  const violations: Violation[] = [];
  let ours = false;
  for (const any of status?.details ?? []) {
    switch (any.typeUrl.slice(any.typeUrl.lastIndexOf("/") + 1)) {
      case ErrorInfoSchema.typeName: {
        const info = read(ErrorInfoSchema, any.value);
        if (info?.domain !== "agentguard" || info.reason === "") break;
        ours = true;
        details.reason = info.reason;
        details.requestId = info.metadata["request_id"] || requestId;
        break;
      }
      case RetryInfoSchema.typeName: {
        const delay = read(RetryInfoSchema, any.value)?.retryDelay;
        if (delay !== undefined) details.retryAfterMs = Number(delay.seconds) * 1000 + delay.nanos / 1e6;
        break;
      }
      case BadRequestSchema.typeName:
        for (const { field, description } of read(BadRequestSchema, any.value)?.fieldViolations ?? []) violations.push({ field, description });
        break;
      case QuotaFailureSchema.typeName:
        for (const { subject, description } of read(QuotaFailureSchema, any.value)?.violations ?? []) violations.push({ field: subject, description });
        break;
    }
  }
  details.violations = violations;
  const text = message || `the server answered ${name}`;
  return new (classOf(code, details.reason, ours, details.retryAfterMs !== undefined))(text, details);
}

function classOf(code: number, reason: string, ours: boolean, hasPause: boolean): new (message: string, details: ErrorDetails) => AgentGuardError {
  switch (code) {
    case Code.UNAUTHENTICATED:
      return Unauthenticated;
    case Code.PERMISSION_DENIED:
      return PermissionDenied;
    case Code.INVALID_ARGUMENT:
    case Code.FAILED_PRECONDITION:
    case Code.NOT_FOUND:
    case Code.ALREADY_EXISTS:
    case Code.ABORTED:
      return InvalidRequest;
    case Code.UNAVAILABLE:
    case Code.DEADLINE_EXCEEDED:
    case Code.CANCELLED:
      return Unavailable;
    case Code.RESOURCE_EXHAUSTED:
      if (ours && reason === "MESSAGE_TOO_LARGE") return InvalidRequest;
      return (ours ? reason === "RATE_LIMITED" : hasPause) ? RateLimited : InternalError;
    default:
      return InternalError;
  }
}

/** The message in `bytes`; absent if they are none, since details take nothing from an error's code. */
function read<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> | undefined {
  try {
    return fromBinary(schema, bytes);
  } catch {
    return undefined;
  }
}
