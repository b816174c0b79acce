import { readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Client as GrpcClient, Metadata, status as Code } from "@grpc/grpc-js";
import type { ClientDuplexStream, ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { settingsOf, timeoutOf } from "./config.js";
import type { ClientOptions, Role } from "./config.js";
import { AgentGuardError, InvalidRequest, Unavailable, closedError, malformed } from "./errors.js";
import { uuid7 } from "./ids.js";
import { errorOf, pushbackPause } from "./status.js";
import type { Failure } from "./status.js";

/** The version of this package, as the user agent says it. */
const VERSION = (JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string }).version;

/** Tries of one call, the first among them. */
export const MOST_TRIES = 3;

/** What every call may be told. */
export interface CallOptions {
  /** The id under which the call stands in the server's log; else a new one. */
  requestId?: string | undefined;
  /** The deadline in milliseconds, all tries together; else the client's. */
  timeoutMs?: number | undefined;
  /** Gives the call up; it then throws the signal's own reason. */
  signal?: AbortSignal | undefined;
}

/** How one try ended. `pause` is the server's wish, `retry` whether the rules allow another try. */
export interface Ending {
  error: AgentGuardError;
  retry: boolean;
  pause: number | undefined;
}

export type Duplex = ClientDuplexStream<Uint8Array, Uint8Array>;

const written = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const asIs = (bytes: Buffer): Uint8Array => bytes;

/** One connection with its key, deadlines and tries. */
export class Transport {
  readonly timeoutMs: number;
  readonly #grpc: GrpcClient;
  readonly #key: string;
  readonly #header: string;
  /** What ends the calls that are under way when the client is closed. */
  readonly #open = new Set<() => void>();
  #closed = false;

  constructor(options: ClientOptions, role: Role) {
    const settings = settingsOf(options, role);
    this.timeoutMs = settings.timeoutMs;
    this.#key = settings.key;
    this.#header = role.header;
    this.#grpc = new GrpcClient(settings.target, settings.credentials, {
      "grpc.primary_user_agent": `agentguard-typescript/${VERSION}`,
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      "grpc.service_config_disable_resolution": 1,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.min_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
      "grpc.dns_min_time_between_resolutions_ms": 2_000,
      "grpc.max_receive_message_length": role.maxAnswer,
      "grpc.max_send_message_length": -1,
      // A closed client leaves nothing open, and two clients share nothing.
      "grpc.use_local_subchannel_pool": 1,
      // A plain key goes to the host that was named, and to no proxy that the environment names.
      "grpc.enable_http_proxy": settings.plain ? 0 : 1,
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of [...this.#open]) end();
    this.#grpc.close();
  }

  /** Registers what to end at closing; the answer takes it off again. */
  whileOpen(end: () => void): () => void {
    this.#open.add(end);
    return () => this.#open.delete(end);
  }

  /** Calls `method`, again if `retried` and the server was away, until the deadline. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { input: I; output: O },
    request: MessageInitShape<I>,
    options: CallOptions,
    retried: boolean,
  ): Promise<{ answer: MessageShape<O>; requestId: string }> {
    const requestId = options.requestId ?? uuid7();
    const deadline = new Deadline(timeoutOf(options.timeoutMs) ?? this.timeoutMs);
    const bytes = encode(method.input, request, requestId);
    for (let attempt = 0; ; attempt++) {
      const ended = await this.#try(method, bytes, this.#metadata(requestId, attempt), deadline, options.signal, requestId);
      if (ended instanceof Uint8Array) return { answer: decode(method.output, ended, requestId), requestId };
      await this.pauseOrThrow(ended, retried ? attempt : MOST_TRIES, deadline, options.signal, requestId);
    }
  }

  /** Waits before the next try, or throws the error of the last if there is none. */
  async pauseOrThrow(ended: Ending, attempt: number, deadline: Deadline, signal: AbortSignal | undefined, requestId: string): Promise<void> {
    const pause = ended.pause ?? 25 + Math.random() * 225;
    if (!ended.retry || attempt + 1 >= MOST_TRIES || pause >= deadline.left()) throw ended.error;
    await this.#pause(pause, signal, requestId);
  }

  #pause(ms: number, signal: AbortSignal | undefined, requestId: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => () => {
        clearTimeout(timer);
        forget();
        signal?.removeEventListener("abort", abort);
        settle();
      };
      const abort = done(() => reject(signal?.reason));
      const forget = this.whileOpen(done(() => reject(closedError(requestId))));
      const timer = setTimeout(done(resolve), Math.ceil(ms));
      signal?.addEventListener("abort", abort);
      if (signal?.aborted) abort();
    });
  }

  #try(method: DescMethod, bytes: Uint8Array, metadata: Metadata, deadline: Deadline, signal: AbortSignal | undefined, requestId: string): Promise<Uint8Array | Ending> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#closed) return reject(closedError(requestId));
      const call = this.#grpc.makeUnaryRequest(pathOf(method), written, asIs, bytes, metadata, { deadline: deadline.date() }, (error, answer) => {
        forget();
        signal?.removeEventListener("abort", cancel);
        if (signal?.aborted) reject(signal.reason);
        else if (this.#closed) reject(closedError(requestId));
        else if (error) resolve(ending(error, requestId));
        else if (answer === undefined) reject(malformed("the server sent no message", requestId));
        else resolve(answer);
      });
      const cancel = (): void => call.cancel();
      const forget = this.whileOpen(cancel);
      signal?.addEventListener("abort", cancel);
    });
  }

  /** The messages of a server's stream, one after the other. There is a deadline only if it is given. */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethod & { input: I; output: O },
    request: MessageInitShape<I>,
    options: CallOptions,
  ): AsyncGenerator<MessageShape<O>, void, undefined> {
    const requestId = options.requestId ?? uuid7();
    const timeoutMs = timeoutOf(options.timeoutMs);
    const bytes = encode(method.input, request, requestId);
    options.signal?.throwIfAborted();
    if (this.#closed) throw closedError(requestId);
    const limit = timeoutMs === undefined ? {} : { deadline: new Deadline(timeoutMs).date() };
    const call: ClientReadableStream<Uint8Array> = this.#grpc.makeServerStreamRequest(pathOf(method), written, asIs, bytes, this.#metadata(requestId, 0), limit);
    const cancel = (): void => call.cancel();
    const forget = this.whileOpen(cancel);
    options.signal?.addEventListener("abort", cancel);
    try {
      for await (const message of call as AsyncIterable<Uint8Array>) yield decode(method.output, message, requestId);
    } catch (error) {
      if (error instanceof AgentGuardError) throw error;
      options.signal?.throwIfAborted();
      if (this.#closed) throw closedError(requestId);
      throw ending(error as ServiceError, requestId).error;
    } finally {
      forget();
      options.signal?.removeEventListener("abort", cancel);
      call.on("error", () => undefined);
      call.cancel();
    }
  }

  /** Opens a stream in both directions, without a deadline. */
  duplex(method: DescMethod, requestId: string): Duplex {
    if (this.#closed) throw closedError(requestId);
    return this.#grpc.makeBidiStreamRequest(pathOf(method), written, asIs, this.#metadata(requestId, 0));
  }

  #metadata(requestId: string, attempt: number): Metadata {
    const metadata = new Metadata();
    metadata.set(this.#header, this.#key);
    if (!/^[\x21-\x7e]+$/.test(requestId)) throw new InvalidRequest("the request id must be one or more visible ASCII characters");
    metadata.set("x-request-id", requestId);
    if (attempt > 0) metadata.set("x-agentguard-attempt", String(attempt));
    return metadata;
  }
}

/** A point in time that does not move with the clock on the wall. */
export class Deadline {
  readonly #at: number;
  constructor(timeoutMs: number) {
    this.#at = performance.now() + timeoutMs;
  }
  /** What is left, in milliseconds; below 0 once it has passed. */
  left(): number {
    return this.#at - performance.now();
  }
  date(): number {
    return Date.now() + Math.floor(this.left());
  }
}

/** The error of a deadline that passed here. */
export function deadlineExceeded(requestId: string): Unavailable {
  return new Unavailable("no answer within the deadline", { code: "DEADLINE_EXCEEDED", requestId });
}

/** How the library says that a connection broke where its code does not. */
const BROKEN = /ECONNRESET|ECONNREFUSED|EPIPE|ECONNABORTED|ETIMEDOUT|socket hang up|GOAWAY|ERR_HTTP2_(SESSION_ERROR|GOAWAY_SESSION|INVALID_SESSION|STREAM_CANCEL)|REFUSED_STREAM|Connection dropped|RST_STREAM with code 7/i;

/** What the end of a try means. */
export function ending(error: Pick<ServiceError, "code" | "details" | "metadata">, requestId: string): Ending {
  const metadata = error.metadata as Metadata | undefined;
  const pushback = metadata?.get("grpc-retry-pushback-ms")[0]?.toString();
  const details = metadata?.get("grpc-status-details-bin")[0];
  const hasStatus = metadata !== undefined && metadata.get("grpc-status").length > 0;
  const broken = error.code === Code.INTERNAL && details === undefined && !hasStatus && BROKEN.test(error.details ?? "");
  const failure: Failure = {
    code: broken ? Code.UNAVAILABLE : error.code,
    message: error.details ?? "",
    details: typeof details === "string" ? undefined : details,
    pushback,
  };
  const pause = pushbackPause(pushback);
  return {
    error: errorOf(failure, requestId),
    retry: failure.code === Code.UNAVAILABLE && pause !== "never",
    pause: typeof pause === "number" ? pause : undefined,
  };
}

export function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The bytes of a request; what cannot be written is refused. */
export function encode<D extends DescMessage>(schema: D, request: MessageInitShape<D>, requestId: string): Uint8Array {
  try {
    return toBinary(schema, create(schema, request));
  } catch (cause) {
    throw new InvalidRequest("the request cannot be written as a message", { requestId, cause });
  }
}

export function decode<D extends DescMessage>(schema: D, bytes: Uint8Array, requestId: string): MessageShape<D> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw malformed("the answer is no message", requestId, cause);
  }
}
