// A server of this language's own library, for what the test server does not play: many calls, and its own restarts.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import type { MethodDefinition } from "@grpc/grpc-js";
import { EnforceRequestSchema, EnforceResponseSchema, EnforceStreamRequestSchema, EnforceStreamResponseSchema, ReportOutcomeRequestSchema, ReportOutcomeResponseSchema, Verdict } from "@agentguard/sdk/proto";
import type { DescMessage, Message } from "@bufbuild/protobuf";

function method(name: string, input: DescMessage, output: DescMessage, streams: boolean): MethodDefinition<Message, Message> {
  return {
    path: `/agentguard.v1.EnforcementService/${name}`,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

export const ENFORCE = method("Enforce", EnforceRequestSchema, EnforceResponseSchema, false);

/** Allows everything, after `delayMs`; `most` is how many checks of streams were outstanding at a time. */
export class Allowing {
  readonly #server = new Server();
  most = 0;
  answered = 0;
  #outstanding = 0;

  constructor(delayMs = 0) {
    const decision = { verdict: Verdict.ALLOW, allowed: true, decisionId: "dec_1" };
    const later = (act: () => void): void => void (delayMs === 0 ? act() : setTimeout(act, delayMs));
    this.#server.addService(
      {
        enforce: ENFORCE,
        stream: method("EnforceStream", EnforceStreamRequestSchema, EnforceStreamResponseSchema, true),
        reportOutcome: method("ReportOutcome", ReportOutcomeRequestSchema, ReportOutcomeResponseSchema, false),
      },
      {
        enforce: (_: unknown, answer: (error: null, message: Message) => void) => later(() => answer(null, create(EnforceResponseSchema, { decision }))),
        reportOutcome: (_: unknown, answer: (error: null, message: Message) => void) => answer(null, create(ReportOutcomeResponseSchema)),
        stream: (call: any) => {
          call.on("data", ({ sequence }: { sequence: bigint }) => {
            this.most = Math.max(this.most, ++this.#outstanding);
            later(() => {
              this.#outstanding--;
              this.answered++;
              call.write(create(EnforceStreamResponseSchema, { sequence, result: { case: "decision", value: create(EnforceResponseSchema, { decision }).decision! } }));
            });
          });
          call.on("end", () => call.end());
          call.on("error", () => undefined);
        },
      },
    );
  }

  listen(port = 0): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}
