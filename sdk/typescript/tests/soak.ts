// Calls in a loop, alternately alone and on a stream, must leave no memory, descriptors or timers behind. The server is
// a process of its own. Usage: node --expose-gc soak.js CALLS; prints one line, and exits with 1 if something grew.
import { fork } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { AgentGuardClient } from "@agentguard/sdk";
import { Allowing } from "./server.js";

if (process.send !== undefined) {
  process.send(await new Allowing().listen());
  process.once("disconnect", () => process.exit());
} else {
  const calls = Number(process.argv[2] ?? 50_000);
  const server = fork(fileURLToPath(import.meta.url), { execArgv: [] });
  const port = await new Promise<number>((resolve) => server.once("message", (message) => resolve(Number(message))));
  const client = new AgentGuardClient({ endpoint: `127.0.0.1:${port}`, apiKey: "agk_key", timeoutMs: 60_000 });
  const stream = client.stream();
  const descriptors = (): number => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  async function loop(count: number): Promise<void> {
    for (let done = 0; done < count; done += 128) {
      const all = Array.from({ length: 64 }, () => [client.check("read:file", "a.txt"), stream.check("read:file", "a.txt")]).flat();
      if (!(await Promise.all(all)).every((allowed) => allowed === true)) throw new Error("a call was not allowed");
    }
  }
  const heap = (): number => {
    globalThis.gc!();
    return process.memoryUsage().heapUsed / 1024;
  };
  await loop(calls / 5); // until caches and compiled code are there
  const before = { heap: heap(), descriptors: descriptors(), timers: timers() };
  await loop(calls);
  const grown = { heap: heap() - before.heap, descriptors: descriptors() - before.descriptors, timers: timers() - before.timers };
  await stream.close();
  await client.close();
  server.disconnect();
  console.log(`${calls} calls, heap ${grown.heap.toFixed(0)} KiB, descriptors ${grown.descriptors}, timers ${grown.timers}`);
  // 50,000 calls that each left an object of 64 bytes would be above it.
  if (grown.heap > 2_048 || grown.descriptors > 0 || grown.timers > 8) process.exitCode = 1;
}
