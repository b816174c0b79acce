import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import { Guarding, actMessage, checkMessage, given } from "./asking.js";
import type { ActOptions, AskOptions, Check, OutcomeOptions } from "./asking.js";
import { BatchResult, resultOf } from "./batch.js";
import { AGENT } from "./config.js";
import type { ClientOptions } from "./config.js";
import { decisionOf } from "./decision.js";
import type { Decision } from "./decision.js";
import { AgentGuardError, malformed } from "./errors.js";
import type { AuditRecord, RecordFilterSchema } from "./gen/agentguard/v1/audit_pb.js";
import { EnforcementService } from "./gen/agentguard/v1/enforcement_pb.js";
import type { ReportOutcomeResponse, ReportResponse, WhoAmIResponse } from "./gen/agentguard/v1/enforcement_pb.js";
import { claimed } from "./json.js";
import { items } from "./pages.js";
import { DecisionStream } from "./stream.js";
import { Transport } from "./transport.js";
import type { CallOptions } from "./transport.js";

/** The options of a batch; `minRevision` holds for all its checks. */
export interface BatchOptions extends CallOptions {
  minRevision?: string | undefined;
}

/** The options of a report. */
export interface ReportOptions extends Omit<ActOptions, "resource">, CallOptions {
  /** Whether the act succeeded; left out: not known. */
  success?: boolean | undefined;
  error?: string | undefined;
  metadata?: JsonObject | undefined;
}

/** The options of listing. */
export interface ListOptions extends CallOptions {
  pageSize?: number | undefined;
  oldestFirst?: boolean | undefined;
}

const { enforce, batchEnforce, reportOutcome, report, listOwnRecords, whoAmI } = EnforcementService.method;

/** One agent's connection. Make it once, and close it at the end (`await using` does). */
export class AgentGuardClient extends Guarding implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #onReportFailure: (decisionId: string, error: AgentGuardError) => void;

  /** Checks its options and connects with the first call. What is not given comes from the environment. */
  constructor(options: ClientOptions = {}) {
    super();
    this.#transport = new Transport(options, AGENT);
    this.#onReportFailure =
      options.onReportFailure ?? ((decisionId, error) => console.warn(`agentguard: the outcome of ${decisionId} could not be reported: ${error.code} ${error.reason}`));
  }

  override async decide(action: string, resource?: string, options: AskOptions = {}): Promise<Decision> {
    const request = checkMessage({ ...options, action, resource }, options.minRevision);
    const { answer, requestId } = await this.#transport.unary(enforce, request, options, true);
    return decisionOf(answer.decision, requestId);
  }

  /** One result a check, in their order. Throws if the batch as a whole was not answered. */
  async batch(checks: readonly Check[], options: BatchOptions = {}): Promise<BatchResult[]> {
    const request = { checks: checks.map((check) => checkMessage(check)), ...given({ minRevision: options.minRevision }) };
    const { answer, requestId } = await this.#transport.unary(batchEnforce, request, options, true);
    if (answer.results.length !== checks.length) {
      throw malformed(`${answer.results.length} results answer ${checks.length} checks`, requestId);
    }
    return answer.results.map((result) => resultOf(result, requestId));
  }

  /** A stream of checks for hot loops. Close it at the end. */
  stream(): DecisionStream {
    return new DecisionStream(this.#transport);
  }

  override async reportOutcome(decisionId: string, success: boolean, options: OutcomeOptions = {}): Promise<ReportOutcomeResponse> {
    const outcome = { success, ...given({ error: options.error, metadata: claimed("metadata", options.metadata) }) };
    return (await this.#transport.unary(reportOutcome, { decisionId, outcome }, options, true)).answer;
  }

  /** Puts on record an act that was never asked about. */
  async report(action: string, resource?: string, options: ReportOptions = {}): Promise<ReportResponse> {
    const { success, error, metadata } = options;
    const outcome = success === undefined ? undefined : { success, ...given({ error, metadata: claimed("metadata", metadata) }) };
    const request = { ...actMessage({ ...options, action, resource }), ...given({ outcome }) };
    return (await this.#transport.unary(report, request, options, false)).answer;
  }

  /** The agent's own records, all pages, the newest first unless said. */
  listOwnRecords(filter?: MessageInitShape<typeof RecordFilterSchema>, options: ListOptions = {}): AsyncGenerator<AuditRecord, void, undefined> {
    const { pageSize, oldestFirst } = options;
    return items(this.#transport, listOwnRecords, { ...given({ filter, pageSize, oldestFirst }) }, options, (page) => page.records);
  }

  /** The agent that the key belongs to, and the key. */
  async whoAmI(options: CallOptions = {}): Promise<WhoAmIResponse> {
    return (await this.#transport.unary(whoAmI, {}, options, true)).answer;
  }

  protected override reportFailed(decisionId: string, error: AgentGuardError): void {
    this.#onReportFailure(decisionId, error);
  }

  /** Closes the connection. Calls under way fail with `Unavailable`, reason `CLIENT_CLOSED`, as later ones do. */
  async close(): Promise<void> {
    this.#transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
