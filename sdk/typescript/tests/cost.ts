// What the client costs beside the bare generated stub, on loopback: sequential, and with 64 in flight. The server is a
// process of its own; rounds are interleaved. Usage: node cost.js [ROUNDS [CALLS]]; prints one JSON line. The client
// adds the idempotency key, the request id, the deadline, tries, and its reading of the decision.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import { AgentGuardClient } from "@agentguard/sdk";
import { EnforceRequestSchema, Verdict } from "@agentguard/sdk/proto";
import type { EnforceResponse } from "@agentguard/sdk/proto";
import { Allowing, ENFORCE } from "./server.js";

if (process.send !== undefined) {
  process.send(await new Allowing().listen());
  process.once("disconnect", () => process.exit());
} else {
  const rounds = Number(process.argv[2] ?? 9);
  const calls = Number(process.argv[3] ?? 2_000);
  const server = fork(fileURLToPath(import.meta.url), { execArgv: [] });
  const port = await new Promise<number>((resolve) => server.once("message", (message) => resolve(Number(message))));
  const client = new AgentGuardClient({ endpoint: `127.0.0.1:${port}`, apiKey: "agk_key", timeoutMs: 10_000 });
  const bare = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set("x-agent-key", "agk_key");
  const kinds = {
    bare: (): Promise<boolean> =>
      new Promise((resolve, reject) => {
        const request = create(EnforceRequestSchema, { action: "read:file", resource: "report.txt" });
        bare.makeUnaryRequest(ENFORCE.path, ENFORCE.requestSerialize, ENFORCE.responseDeserialize, request, metadata, { deadline: Date.now() + 10_000 }, (error, answer) =>
          error ? reject(error) : resolve((answer as EnforceResponse).decision?.verdict === Verdict.ALLOW),
        );
      }),
    client: (): Promise<boolean> => client.check("read:file", "report.txt"),
  };
  async function round(call: () => Promise<boolean>, flight: number): Promise<number[]> {
    const took: number[] = [];
    let left = calls;
    await Promise.all(
      Array.from({ length: flight }, async () => {
        while (left-- > 0) {
          const start = performance.now();
          if (!(await call())) throw new Error("not allowed");
          took.push(performance.now() - start);
        }
      }),
    );
    return took.sort((a, b) => a - b);
  }
  const at = (sorted: number[], share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  const median = (values: number[]): number => at([...values].sort((a, b) => a - b), 0.5);
  const result: Record<string, unknown> = { language: "typescript", rounds, calls };
  for (const flight of [1, 64]) {
    const p50: Record<string, number[]> = { bare: [], client: [] };
    const p99: Record<string, number[]> = { bare: [], client: [] };
    for (let number = -2; number < rounds; number++) {
      for (const kind of number % 2 === 0 ? (["bare", "client"] as const) : (["client", "bare"] as const)) {
        const took = await round(kinds[kind], flight);
        if (number < 0) continue; // warming up
        p50[kind]!.push(at(took, 0.5));
        p99[kind]!.push(at(took, 0.99));
      }
    }
    const us = (values: number[]): number => Math.round(median(values) * 1000);
    result[`in_flight_${flight}`] = {
      bare_us: { p50: us(p50.bare!), p99: us(p99.bare!) },
      client_us: { p50: us(p50.client!), p99: us(p99.client!) },
      added_percent: Number(((median(p50.client!) / median(p50.bare!) - 1) * 100).toFixed(1)),
    };
  }
  await client.close();
  bare.close();
  server.disconnect();
  console.log(JSON.stringify(result));
}
