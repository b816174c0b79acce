import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { Decision } from "./decision.js";
import { ActionDenied, AgentGuardError, ApprovalRequired } from "./errors.js";
import type { EnforceRequestSchema } from "./gen/agentguard/v1/enforcement_pb.js";
import { uuid7 } from "./ids.js";
import { claimed, text } from "./json.js";
import type { CallOptions } from "./transport.js";

/** What may be said of an act beside its name. What is not given is not sent. */
export interface ActOptions {
  /** What the act is done to: a path, a URL, a name. */
  resource?: string | undefined;
  /** The tool's arguments, as claimed. */
  arguments?: JsonObject | undefined;
  /** Anything else that rules may go by, as claimed. */
  context?: JsonObject | undefined;
  sessionId?: string | undefined;
  /** The person or system that the agent acts for. */
  onBehalfOf?: string | undefined;
}

/** One check of a batch. */
export interface Check extends ActOptions {
  /** The tool's name as it is; the server brings it to canonical form. */
  action: string;
  approvalId?: string | undefined;
  /** Makes a retry safe; else a new UUIDv7, the same in all tries. */
  idempotencyKey?: string | undefined;
}

/** The options of one question. */
export interface AskOptions extends Omit<Check, "action" | "resource">, CallOptions {
  /** Decide with this revision (`epoch.n`) or a later one. */
  minRevision?: string | undefined;
}

/** The check as the message that is sent; the idempotency key is always set. */
export function checkMessage(check: Check, minRevision?: string): MessageInitShape<typeof EnforceRequestSchema> {
  return {
    ...actMessage(check),
    ...given({ approvalId: check.approvalId, minRevision }),
    idempotencyKey: check.idempotencyKey ?? uuid7(),
  };
}

/** What is told of an act, as fields of a message. */
export function actMessage(act: ActOptions & { action: string }): { action: string } & Given<ActOptions> {
  const { action, resource, arguments: args, context, sessionId, onBehalfOf } = act;
  return { action: text("action", action), ...given({ resource: text("resource", resource), arguments: claimed("arguments", args), context: claimed("context", context), sessionId, onBehalfOf }) };
}

/** The members of `T`, each there or not, but never there and undefined. */
type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The members that are given. */
export function given<T extends object>(members: T): Given<T> {
  const there: Given<T> = {};
  for (const name in members) if (members[name] !== undefined) there[name] = members[name] as Exclude<T[typeof name], undefined>;
  return there;
}

/** The ways to ask that a connection and a stream have in common. */
export abstract class Asking {
  /** The decision, whichever it is: look at its `allowed`. Throws if nothing was decided. */
  abstract decide(action: string, resource?: string, options?: AskOptions): Promise<Decision>;

  /** Whether the act may be done: true only for an exact ALLOW. Throws if nothing was decided. Await it. */
  async check(action: string, resource?: string, options?: AskOptions): Promise<boolean> {
    return (await this.decide(action, resource, options)).allowed;
  }

  /** The decision, if it allows; else throws `ApprovalRequired` or `ActionDenied`. */
  async enforce(action: string, resource?: string, options: AskOptions = {}): Promise<Decision> {
    const requestId = options.requestId ?? uuid7();
    const decision = await this.decide(action, resource, { ...options, requestId });
    if (decision.allowed) return decision;
    const why = decision.reason || decision.reasonCode;
    if (decision.verdict === "REQUIRE_APPROVAL") throw new ApprovalRequired(why, decision, requestId);
    throw new ActionDenied(why, decision, requestId);
  }
}

/** What came of a decision. */
export interface OutcomeOptions extends CallOptions {
  /** What went wrong, if it did not succeed: an error's class, not its words, which may hold secrets. */
  error?: string | undefined;
  metadata?: JsonObject | undefined;
}

/** Asking, acting and reporting in one: what real and fake clients have in common. */
export abstract class Guarding extends Asking {
  /** Reports what came of a decision of one's own; `guard` does it by itself. */
  abstract reportOutcome(decisionId: string, success: boolean, options?: OutcomeOptions): Promise<unknown>;

  protected abstract reportFailed(decisionId: string, error: AgentGuardError): void;

  /**
   * Runs `act` if the server allows it, and reports what came of it. If it does not allow, or nothing was decided,
   * this throws and `act` does not run. An error of `act` reaches the caller unchanged.
   */
  async guard<T>(action: string, resource: string | undefined, act: (decision: Decision) => T | PromiseLike<T>, options?: AskOptions): Promise<T> {
    const decision = await this.enforce(action, resource, options);
    let value: T;
    try {
      value = await act(decision);
    } catch (error) {
      await this.#report(decision.decisionId, false, { error: className(error) });
      throw error;
    }
    await this.#report(decision.decisionId, true, {});
    return value;
  }

  /** `act`, guarded: a function with the same arguments, of which `describe` tells the resource and the rest. */
  wrap<A extends unknown[], T>(
    action: string,
    describe: (...args: A) => string | (AskOptions & { resource?: string }),
    act: (...args: A) => T | PromiseLike<T>,
  ): (...args: A) => Promise<T> {
    return async (...args) => {
      const told = describe(...args);
      const { resource, ...options } = typeof told === "string" ? { resource: told } : told;
      return this.guard(action, resource, () => act(...args), options);
    };
  }

  async #report(decisionId: string, success: boolean, options: OutcomeOptions): Promise<void> {
    try {
      await this.reportOutcome(decisionId, success, options);
    } catch (error) {
      this.reportFailed(decisionId, error as AgentGuardError);
    }
  }
}

/** The class of what was thrown; its `name` could be any text. */
function className(error: unknown): string {
  if (typeof error !== "object" || error === null) return typeof error;
  const maker: unknown = (error as { constructor?: unknown }).constructor;
  return (typeof maker === "function" && maker.name.slice(0, 256)) || "Error";
}
