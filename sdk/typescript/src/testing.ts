import { create } from "@bufbuild/protobuf";
import { Asking, Guarding } from "./asking.js";
import type { AskOptions, Check, OutcomeOptions } from "./asking.js";
import { BatchResult } from "./batch.js";
import type { BatchOptions, ReportOptions } from "./client.js";
import { Decision } from "./decision.js";
import type { DecisionFields, VerdictName } from "./decision.js";
import { AgentGuardError, closedError } from "./errors.js";
import type { AuditRecord } from "./gen/agentguard/v1/audit_pb.js";
import { ReportOutcomeResponseSchema, ReportResponseSchema, WhoAmIResponseSchema } from "./gen/agentguard/v1/enforcement_pb.js";
import type { ReportOutcomeResponse, ReportResponse, WhoAmIResponse } from "./gen/agentguard/v1/enforcement_pb.js";

/** What a fake was asked. */
export interface Asked extends AskOptions {
  action: string;
  resource?: string | undefined;
}

/** An outcome that a fake was told of. */
export interface ReportedOutcome extends Omit<OutcomeOptions, "requestId" | "timeoutMs" | "signal"> {
  decisionId: string;
  success: boolean;
}

/** A stream of a fake: the same answers. */
export class FakeStream extends Asking implements AsyncDisposable {
  #open = true;
  readonly #fake: FakeClient;
  /** @internal Made by `stream()`. */
  constructor(fake: FakeClient) {
    super();
    this.#fake = fake;
  }
  override async decide(action: string, resource?: string, options: AskOptions = {}): Promise<Decision> {
    if (!this.#open) throw closedError(options.requestId ?? "");
    return this.#fake.decide(action, resource, options);
  }
  async close(): Promise<void> {
    this.#open = false;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** A client for tests, without a server. It denies what it was not told to allow, and compares actions and resources letter by letter. */
export class FakeClient extends Guarding implements AsyncDisposable {
  /** What was asked, in order, by whichever way. */
  readonly asked: Asked[] = [];
  /** The outcomes that were reported, in order. */
  readonly outcomes: ReportedOutcome[] = [];
  /** The acts that were reported without having been asked about. */
  readonly reports: (ReportOptions & Asked)[] = [];
  /** The records that `listOwnRecords` gives. */
  readonly records: AuditRecord[] = [];
  readonly #answers = new Map<string, DecisionFields>();
  #error: AgentGuardError | undefined;
  #closed = false;
  #number = 0;

  /** Allows an action on one resource, or on every one. */
  allow(action: string, resource?: string): this {
    return this.answer(action, resource, { verdict: "ALLOW", reasonCode: "ALLOWED_BY_RULE", reason: "Allowed by rule `fake`", ruleId: "fake" });
  }

  /** Denies an action on one resource, or on every one. */
  deny(action: string, resource?: string): this {
    return this.answer(action, resource, { verdict: "DENY", reasonCode: "DENIED_BY_RULE", reason: "Denied by rule `fake`", ruleId: "fake" });
  }

  /** Wants an approval for an action on one resource, or on every one. */
  requireApproval(action: string, resource?: string): this {
    return this.answer(action, resource, { verdict: "REQUIRE_APPROVAL", reasonCode: "APPROVAL_REQUIRED", reason: "Approval is required by rule `fake`", ruleId: "fake" });
  }

  /** Answers with a decision of the test's own. The answer for one resource goes before that for every one. */
  answer(action: string, resource: string | undefined, decision: DecisionFields & { verdict: VerdictName }): this {
    this.#answers.set(JSON.stringify([action, resource]), decision);
    return this;
  }

  /** From now on every call throws `error`; without one, none does. */
  fail(error?: AgentGuardError): this {
    this.#error = error;
    return this;
  }

  override async decide(action: string, resource?: string, options: AskOptions = {}): Promise<Decision> {
    this.#enter(options.signal);
    this.asked.push({ ...options, action, resource });
    if (this.#error !== undefined) throw this.#error;
    const answer = this.#answers.get(JSON.stringify([action, resource])) ?? this.#answers.get(JSON.stringify([action, undefined]));
    const decision: DecisionFields = answer ?? { verdict: "DENY", reasonCode: "DENIED_DEFAULT", reason: "default deny" };
    return new Decision({ action, decisionId: `dec_fake_${++this.#number}`, decidedAt: new Date(), ...decision });
  }

  async batch(checks: readonly Check[], options: BatchOptions = {}): Promise<BatchResult[]> {
    const results: BatchResult[] = [];
    for (const { action, resource, ...rest } of checks) results.push(new BatchResult(await this.decide(action, resource, { ...rest, ...options }), undefined));
    return results;
  }

  stream(): FakeStream {
    return new FakeStream(this);
  }

  override async reportOutcome(decisionId: string, success: boolean, options: OutcomeOptions = {}): Promise<ReportOutcomeResponse> {
    this.#answering(options.signal);
    this.outcomes.push({ decisionId, success, error: options.error, metadata: options.metadata });
    return create(ReportOutcomeResponseSchema);
  }

  async report(action: string, resource?: string, options: ReportOptions = {}): Promise<ReportResponse> {
    this.#answering(options.signal);
    this.reports.push({ ...options, action, resource });
    return create(ReportResponseSchema, { reportId: `rep_fake_${++this.#number}` });
  }

  async *listOwnRecords(): AsyncGenerator<AuditRecord, void, undefined> {
    this.#answering(undefined);
    yield* this.records;
  }

  async whoAmI(): Promise<WhoAmIResponse> {
    this.#answering(undefined);
    return create(WhoAmIResponseSchema, { agent: { agentId: "agt_fake", name: "fake", team: "fake", environment: "development", isActive: true }, key: { keyId: "key_fake", isLive: true } });
  }

  protected override reportFailed(): void {
    // The test that told the fake to fail knows.
  }

  #enter(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closed) throw closedError("");
  }

  #answering(signal: AbortSignal | undefined): void {
    this.#enter(signal);
    if (this.#error !== undefined) throw this.#error;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
