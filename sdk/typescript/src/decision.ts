import { timestampDate } from "@bufbuild/protobuf/wkt";
import { malformed } from "./errors.js";
import { ReasonCode, Verdict } from "./gen/agentguard/v1/decision_pb.js";
import type { Decision as DecisionMessage } from "./gen/agentguard/v1/decision_pb.js";

/** What was decided; `UNKNOWN` is a verdict of a later version, and forbids. */
export type VerdictName = "ALLOW" | "DENY" | "REQUIRE_APPROVAL" | "UNKNOWN";

/** The members of a decision that may be given when one is made for a test. */
export type DecisionFields = Partial<Omit<Decision, "allowed">> & { verdict: VerdictName };

/** The answer to one check. Only `allowed` permits the act: an object is always true in an `if`. */
export class Decision {
  readonly verdict: VerdictName;
  /** Why, for people. */
  readonly reason: string;
  /** Why, for programs, such as `DENIED_BY_RULE`; `UNKNOWN` where this client does not know it. */
  readonly reasonCode: string;
  /** The decision's id, `dec_…`, under which its record stands in the audit. */
  readonly decisionId: string;
  /** The action in its canonical form, such as `read:file`. */
  readonly action: string;
  /** The deciding rule; empty if no rule decided or the server does not show it. */
  readonly ruleId: string;
  /** What the deciding rule's writer gave as its reason. */
  readonly ruleReason: string;
  /** The deciding rule's policy, `pol_…`. */
  readonly policyId: string;
  /** The version of that policy, from 1; 0 if no rule decided. */
  readonly policyVersion: number;
  /** The revision that was decided with, `epoch.n`. */
  readonly policyRevision: string;
  /** Whether the deciding rule decided because its condition failed to evaluate. */
  readonly ruleError: boolean;
  /** When it was decided, to the millisecond. */
  readonly decidedAt: Date | undefined;
  /** Whether an earlier decision is answered again. */
  readonly idempotentRepeat: boolean;
  /** The earlier decision, if deciding anew was stricter. */
  readonly repeatOf: string;

  constructor(fields: DecisionFields) {
    this.verdict = fields.verdict;
    this.reason = fields.reason ?? "";
    this.reasonCode = fields.reasonCode ?? "UNKNOWN";
    this.decisionId = fields.decisionId ?? "";
    this.action = fields.action ?? "";
    this.ruleId = fields.ruleId ?? "";
    this.ruleReason = fields.ruleReason ?? "";
    this.policyId = fields.policyId ?? "";
    this.policyVersion = fields.policyVersion ?? 0;
    this.policyRevision = fields.policyRevision ?? "";
    this.ruleError = fields.ruleError ?? false;
    this.decidedAt = fields.decidedAt;
    this.idempotentRepeat = fields.idempotentRepeat ?? false;
    this.repeatOf = fields.repeatOf ?? "";
  }

  /** Whether the act may be done: the verdict is exactly ALLOW. */
  get allowed(): boolean {
    return this.verdict === "ALLOW";
  }
}

/** The decision in an answer; throws if there is none, or one without verdict. */
export function decisionOf(message: DecisionMessage | undefined, requestId: string): Decision {
  if (message === undefined) throw malformed("the answer holds no decision", requestId);
  if (message.verdict === Verdict.UNSPECIFIED) throw malformed("the decision has no verdict", requestId);
  const { reasonCode, decidedAt } = message;
  return new Decision({
    verdict: verdictName(message.verdict),
    reason: message.reason,
    reasonCode: reasonCode === ReasonCode.UNSPECIFIED ? "UNKNOWN" : (ReasonCode[reasonCode] ?? "UNKNOWN"),
    decisionId: message.decisionId,
    action: message.action,
    ruleId: message.ruleId,
    ruleReason: message.ruleReason,
    policyId: message.policyId,
    policyVersion: message.policyVersion,
    policyRevision: message.policyRevision,
    ruleError: message.ruleError,
    decidedAt: decidedAt === undefined ? undefined : timestampDate(decidedAt),
    idempotentRepeat: message.idempotentRepeat,
    repeatOf: message.repeatOf,
  });
}

function verdictName(verdict: Verdict): VerdictName {
  switch (verdict) {
    case Verdict.ALLOW:
      return "ALLOW";
    case Verdict.DENY:
      return "DENY";
    case Verdict.REQUIRE_APPROVAL:
      return "REQUIRE_APPROVAL";
    default:
      return "UNKNOWN";
  }
}
