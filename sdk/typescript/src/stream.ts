import { Asking, checkMessage } from "./asking.js";
import type { AskOptions } from "./asking.js";
import { resultOf } from "./batch.js";
import { timeoutOf } from "./config.js";
import type { Decision } from "./decision.js";
import { AgentGuardError, Unavailable, closedError } from "./errors.js";
import { EnforceStreamRequestSchema, EnforceStreamResponseSchema, EnforcementService } from "./gen/agentguard/v1/enforcement_pb.js";
import type { EnforceStreamResponse } from "./gen/agentguard/v1/enforcement_pb.js";
import { uuid7 } from "./ids.js";
import { Deadline, deadlineExceeded, decode, encode, ending } from "./transport.js";
import type { Duplex, Ending, Transport } from "./transport.js";

/** Checks that may be outstanding at a time; more wait. */
const MOST_OUTSTANDING = 64;

/** One open call, and the checks that wait for its answers. */
interface Line {
  call: Duplex;
  requestId: string;
  waiting: Map<bigint, (end: EnforceStreamResponse | Ending) => void>;
}

/** Whether a check's caller still waits; `free` gives its place up once that is over. */
interface Patience {
  over: boolean;
  free: (() => void) | undefined;
}

/**
 * Checks over one open stream, for loops that ask often. It opens with the first check and anew whenever it ends;
 * many tasks may use it at once. Close it at the end: an open stream keeps the process alive.
 */
export class DecisionStream extends Asking implements AsyncDisposable {
  readonly #transport: Transport;
  readonly #forget: () => void;
  #line: Line | undefined;
  #sequence = 0n;
  #free = MOST_OUTSTANDING;
  readonly #queue: (() => void)[] = [];
  readonly #enders = new Set<() => void>();
  #closed = false;

  /** @internal Made by `stream()`. */
  constructor(transport: Transport) {
    super();
    this.#transport = transport;
    this.#forget = transport.whileOpen(() => this.#end());
    if (transport.closed) this.#end();
  }

  override async decide(action: string, resource?: string, options: AskOptions = {}): Promise<Decision> {
    const timeoutMs = timeoutOf(options.timeoutMs) ?? this.#transport.timeoutMs;
    const deadline = new Deadline(timeoutMs);
    const requestId = options.requestId ?? uuid7();
    const { signal } = options;
    signal?.throwIfAborted();
    if (this.#closed) throw closedError(requestId);
    const request = checkMessage({ ...options, action, resource }, options.minRevision);
    const patience: Patience = { over: false, free: undefined };
    return new Promise<Decision>((resolve, reject) => {
      const finish = (settle: () => void): void => {
        if (patience.over) return;
        patience.over = true;
        patience.free?.();
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#enders.delete(close);
        settle();
      };
      const abort = (): void => finish(() => reject(signal?.reason));
      const close = (): void => finish(() => reject(closedError(requestId)));
      const timer = setTimeout(() => finish(() => reject(deadlineExceeded(requestId))), Math.max(1, timeoutMs));
      signal?.addEventListener("abort", abort);
      this.#enders.add(close);
      this.#ask(request, deadline, signal, requestId, patience).then(
        (decision) => finish(() => resolve(decision)),
        (error: unknown) => finish(() => reject(error as Error)),
      );
    });
  }

  /** Asks until there is an answer or no try is left; gives up early once the caller no longer waits (`patience.over`). */
  async #ask(request: ReturnType<typeof checkMessage>, deadline: Deadline, signal: AbortSignal | undefined, requestId: string, patience: Patience): Promise<Decision> {
    await this.#place();
    try {
      for (let attempt = 0; ; attempt++) {
        if (patience.over) throw deadlineExceeded(requestId);
        const end = await this.#send(request, requestId, patience);
        if (!("sequence" in end)) {
          await this.#transport.pauseOrThrow(end, attempt, deadline, signal, requestId);
          continue;
        }
        const result = resultOf(end, requestId);
        if (result.decision !== undefined) return result.decision;
        const error = result.error!;
        await this.#transport.pauseOrThrow({ error, retry: error.code === "UNAVAILABLE", pause: undefined }, attempt, deadline, signal, requestId);
      }
    } finally {
      this.#leave();
    }
  }

  /** Sends one check and waits for its answer, the end of the stream, or the end of the caller's patience. */
  #send(request: ReturnType<typeof checkMessage>, requestId: string, patience: Patience): Promise<EnforceStreamResponse | Ending> {
    return new Promise((resolve, reject) => {
      const sequence = ++this.#sequence;
      const bytes = encode(EnforceStreamRequestSchema, { sequence, request }, requestId);
      const line = (this.#line ??= this.#open());
      patience.free = () => {
        line.waiting.delete(sequence);
        reject(deadlineExceeded(requestId)); // told to nobody: the caller has its error
      };
      line.waiting.set(sequence, (end) => {
        line.waiting.delete(sequence);
        resolve(end);
      });
      line.call.write(bytes);
    });
  }

  #open(): Line {
    const requestId = uuid7();
    const call = this.#transport.duplex(EnforcementService.method.enforceStream, requestId);
    const line: Line = { call, requestId, waiting: new Map() };
    const over = (end: Ending): void => {
      if (this.#line === line) this.#line = undefined;
      for (const tell of [...line.waiting.values()]) tell(end);
    };
    call.on("data", (bytes: Uint8Array) => {
      try {
        const answer = decode(EnforceStreamResponseSchema, bytes, requestId);
        line.waiting.get(answer.sequence)?.(answer);
      } catch (error) {
        over({ error: error as AgentGuardError, retry: false, pause: undefined });
        call.cancel();
      }
    });
    call.on("error", () => undefined); // told by `status`
    call.on("status", (status) => {
      // A normal end leaves those outstanding without an answer, which another stream may give.
      if (status.code === 0) over({ error: new Unavailable("the server ended the stream", { requestId }), retry: true, pause: undefined });
      else over(ending(status, requestId));
    });
    return line;
  }

  async #place(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const close of [...this.#enders]) close();
    this.#line?.call.cancel();
    this.#line = undefined;
  }

  /** Closes the stream; what is outstanding fails with `Unavailable`, reason `CLIENT_CLOSED`. */
  async close(): Promise<void> {
    this.#forget();
    this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
