// An agent with three tools. It asks before each step of its plan, does what is allowed, and tells its model why a
// step was not done. Endpoint and key come from AGENTGUARD_ENDPOINT and AGENTGUARD_API_KEY. Usage: agent.js FOLDER
import { readFile, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { ActionDenied, AgentGuardClient, AgentGuardError, ApprovalRequired } from "@agentguard/sdk";

const folder = process.argv[2] ?? ".";
await using guard = new AgentGuardClient();

const tools = {
  read: guard.wrap("read:file", (path: string) => path, (path) => readFile(join(folder, path), "utf8")),
  remove: guard.wrap("delete:file", (path: string) => path, (path) => unlink(join(folder, path))),
  deploy: guard.wrap("deployApp", (name: string) => ({ resource: name, context: { ticket: "T-17" } }), (name) => `${name} is deployed`),
};

/** Runs one step; the answer goes back to the model. */
async function step(tool: keyof typeof tools, target: string): Promise<string> {
  try {
    return `done: ${(await tools[tool](target)) ?? ""}`.trim();
  } catch (error) {
    if (error instanceof ApprovalRequired) return `a person must approve of this first (${error.reason})`;
    if (error instanceof ActionDenied) return `not allowed (${error.reason})`;
    if (error instanceof AgentGuardError) return `not decided, so not done (${error.reason})`;
    return `failed (${(error as Error).constructor.name})`;
  }
}

const { agent } = await guard.whoAmI();
console.log(`I am ${agent?.name}`);

// A hot loop: which of the files here may be read at all?
await using stream = guard.stream();
for (const file of (await readdir(folder)).sort()) {
  console.log(`${file}: ${(await stream.check("read:file", file)) ? "may be read" : "may not be read"}`);
}

console.log(`read report.txt: ${await step("read", "report.txt")}`);
console.log(`read missing.txt: ${await step("read", "missing.txt")}`);
console.log(`delete report.txt: ${await step("remove", "report.txt")}`);
console.log(`deploy shop: ${await step("deploy", "shop")}`);

let failures = 0;
for await (const record of guard.listOwnRecords({ action: "read:file" })) if (record.outcome?.success === false) failures++;
console.log(`${failures} of my reads failed`);
