import { decisionOf } from "./decision.js";
import type { Decision } from "./decision.js";
import { AgentGuardError, malformed } from "./errors.js";
import type { BatchEnforceResult, EnforceStreamResponse } from "./gen/agentguard/v1/enforcement_pb.js";
import { errorOfStatus } from "./status.js";

/** The answer to one check of a batch: a decision or an error. */
export class BatchResult {
  constructor(
    readonly decision: Decision | undefined,
    readonly error: AgentGuardError | undefined,
  ) {}

  /** Whether the act may be done: there is a decision and it is exactly ALLOW. */
  get allowed(): boolean {
    return this.decision?.allowed === true;
  }
}

/** The decision or error in one result of a batch or stream. */
export function resultOf({ result }: Pick<BatchEnforceResult | EnforceStreamResponse, "result">, requestId: string): BatchResult {
  try {
    switch (result.case) {
      case "decision":
        return new BatchResult(decisionOf(result.value, requestId), undefined);
      case "error":
        return new BatchResult(undefined, errorOfStatus(result.value, requestId));
      default:
        throw malformed("the answer holds neither a decision nor an error", requestId);
    }
  } catch (error) {
    return new BatchResult(undefined, error as AgentGuardError);
  }
}
