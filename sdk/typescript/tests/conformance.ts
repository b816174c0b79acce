// Plays the cases of sdk/conformance against the test server, as sdk/README.md says. Usage: conformance.js [FILE]
// AGENTGUARD_WRONG=1 plays them with a client that is wrong on purpose, which must fail.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fromJson, toJson } from "@bufbuild/protobuf";
import type { DescMessage, DescMethod, Message } from "@bufbuild/protobuf";
import { AgentGuardAdminClient, AgentGuardClient, AgentGuardError } from "@agentguard/sdk";
import type { AskOptions, Check, ClientOptions, Decision } from "@agentguard/sdk";
import { AdminService, ReportOutcomeResponseSchema, ReportResponseSchema, WhoAmIResponseSchema } from "@agentguard/sdk/proto";

type Json = Record<string, any>;
interface Case {
  name: string;
  ways: string[];
  call: Json;
  expect: Json;
}
interface Setup {
  endpoint: string | null;
  key: string | null;
  timeout_ms: number | null;
  insecure: boolean | null;
  ca_file: string | null;
  cert_file: string | null;
  cert_key_file: string | null;
}
/** What one call gave: by the words of `expect.result`. */
interface Got {
  result: string;
  decision?: Decision;
  error?: unknown;
  value?: unknown;
  items?: number;
  results?: Got[];
}

const wrong = process.env.AGENTGUARD_WRONG === "1";
for (const name of Object.keys(process.env)) if (name.startsWith("AGENTGUARD_") && name !== "AGENTGUARD_TEST_SERVER") delete process.env[name];

/** A client whose `check` allows whatever is not denied, and whose errors allow: the negative control. */
class WrongClient extends AgentGuardClient {
  override async check(action: string, resource?: string, options?: AskOptions): Promise<boolean> {
    return (await this.decide(action, resource, options).catch(() => undefined))?.verdict !== "DENY";
  }
  override async guard<T>(action: string, resource: string | undefined, act: (decision: Decision) => T | PromiseLike<T>, options?: AskOptions): Promise<T> {
    return act(await this.decide(action, resource, options));
  }
}

let runs = 0;

async function perform(setup: Setup, way: string, call: Json): Promise<Got> {
  const options: ClientOptions = {
    endpoint: setup.endpoint ?? undefined,
    timeoutMs: setup.timeout_ms ?? undefined,
    insecure: setup.insecure ?? undefined,
    tls: { caFile: setup.ca_file ?? undefined, certFile: setup.cert_file ?? undefined, keyFile: setup.cert_key_file ?? undefined },
    onReportFailure: () => undefined,
  };
  const act = String(call.do);
  if (act.startsWith("admin.")) {
    await using admin = new AgentGuardAdminClient({ ...options, adminKey: setup.key ?? undefined });
    return await administer(admin, camel(act.slice("admin.".length)), call.request ?? {});
  }
  await using client = new (wrong ? WrongClient : AgentGuardClient)({ ...options, apiKey: setup.key ?? undefined });
  const ask = asked(call);
  switch (act) {
    case "construct":
      return { result: "value" };
    case "decide": {
      let got: Got = { result: "none" };
      for (let time = 0; time < (call.repeat ?? 1); time++) {
        const next = await oneWay(client, way, call.action, call.resource, ask);
        if (time > 0 && next.result !== got.result) return { result: `${got.result}, then ${next.result}` };
        got = next;
      }
      return got;
    }
    case "guard_failing": {
      class OwnError extends Error {}
      const own = new OwnError(call.secret);
      let ran = 0;
      const out = await client
        .guard(call.action, call.resource, () => {
          ran++;
          throw own;
        }, ask)
        .catch((error: unknown) => error);
      return { result: "value", value: { own_error: out === own, runs: ran } };
    }
    case "batch": {
      const results = await client.batch((call.checks as Json[]).map((check) => ({ ...asked(check), action: check.action, resource: check.resource }) as Check), ask);
      return {
        result: "results",
        results: results.map(({ allowed, decision, error }) => {
          if (decision === undefined) return { result: allowed ? "allowed" : "error", error };
          const got = judged(decision);
          return allowed === (got.result === "allowed") ? got : { result: "`allowed` of the result is wrong" };
        }),
      };
    }
    case "stream": {
      await using stream = client.stream();
      const one = async (check: Json): Promise<Got> => {
        try {
          return judged(await stream.decide(check.action, check.resource, asked(check)));
        } catch (error) {
          return { result: "error", error };
        }
      };
      const results: Got[] = [];
      if (call.parallel) results.push(...(await Promise.all((call.checks as Json[]).map(one))));
      else for (const check of call.checks as Json[]) results.push(await one(check));
      return { result: "results", results };
    }
    case "report_outcome":
      return value(ReportOutcomeResponseSchema, await client.reportOutcome(call.decision_id, call.success, { error: call.error, metadata: call.metadata }));
    case "report":
      return value(ReportResponseSchema, await client.report(call.action, call.resource, { ...ask, success: call.success, error: call.error, metadata: call.metadata }));
    case "who_am_i":
      return value(WhoAmIResponseSchema, await client.whoAmI());
    case "list_own_records":
      return await counted(client.listOwnRecords(call.filter));
    default:
      throw new Error(`the runner does not know \`${act}\``);
  }
}

async function oneWay(client: AgentGuardClient, way: string, action: string, resource: string | undefined, ask: AskOptions): Promise<Got> {
  switch (way) {
    case "check":
      return { result: (await client.check(action, resource, ask)) ? "allowed" : "not allowed" };
    case "decide":
      return judged(await client.decide(action, resource, ask));
    case "enforce":
      return judged(await client.enforce(action, resource, ask));
    default: {
      const token = {};
      const before = runs;
      const given = await client.guard(action, resource, () => (runs++, token), ask);
      return { result: given === token && runs === before + 1 ? "allowed" : "the function's value or number of runs is wrong" };
    }
  }
}

function judged(decision: Decision): Got {
  const result = { ALLOW: "allowed", REQUIRE_APPROVAL: "approval_required", DENY: "denied", UNKNOWN: "denied" }[decision.verdict];
  return { result: decision.allowed === (result === "allowed") ? result : "`allowed` is wrong", decision };
}

async function administer(admin: AgentGuardAdminClient, name: string, request: Json): Promise<Got> {
  const method = (AdminService.method as unknown as Record<string, DescMethod>)[name]!;
  const input = fromJson(method.input, request);
  const made: unknown = (admin as unknown as Record<string, (input: Message) => unknown>)[name]!(input);
  return made instanceof Promise ? value(method.output, (await made) as Message) : await counted(made as AsyncIterable<unknown>);
}

function value(schema: DescMessage, message: Message): Got {
  return { result: "value", value: toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true }) };
}

async function counted(all: AsyncIterable<unknown>): Promise<Got> {
  let items = 0;
  try {
    for await (const _ of all) items++;
    return { result: "value", items };
  } catch (error) {
    return { result: "error", error, items };
  }
}

const camel = (name: string): string => name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

function asked(call: Json): AskOptions {
  const names = ["arguments", "context", "session_id", "on_behalf_of", "approval_id", "idempotency_key", "min_revision", "request_id", "timeout_ms"];
  return Object.fromEntries(names.filter((name) => name in call).map((name) => [camel(name), call[name]]));
}

/** What is not as `expect` has it. */
function differences(way: string, expect: Json, got: Got): string[] {
  const problems: string[] = [];
  const denial = got.error instanceof AgentGuardError ? got.error.decision : undefined;
  const thrown = got.result === "error" && denial !== undefined;
  const result = thrown ? (got.error!.constructor.name === "ApprovalRequired" ? "approval_required" : "denied") : got.result;
  const isDenial = expect.result === "denied" || expect.result === "approval_required";
  if (way === "check" && isDenial) {
    if (result !== "not allowed") problems.push(`the result is ${result}, not a false`);
  } else if (result !== expect.result) {
    problems.push(`the result is ${result} (${String(got.error ?? "")}), not ${expect.result}`);
  }
  if ((way === "enforce" || way === "guard") && isDenial && !thrown) problems.push("no error was thrown");
  const decision = got.decision ?? denial;
  if (expect.decision && decision !== undefined) {
    const plain: Json = { allowed: decision.allowed };
    for (const [name, member] of Object.entries(decision)) plain[snake(name)] = member;
    unlike("decision", expect.decision, plain, problems);
  }
  if (expect.error && got.error !== undefined) unlikeError(expect.error, got.error, problems);
  if (expect.error && got.error === undefined && !isDenial) problems.push("there is no error");
  if (expect.value) unlike("value", expect.value, got.value, problems);
  if (expect.items !== undefined && expect.items !== got.items) problems.push(`${got.items} items, not ${expect.items}`);
  if (expect.results) {
    if (got.results?.length !== expect.results.length) problems.push(`${got.results?.length} results`);
    got.results?.forEach((one, index) => problems.push(...differences("decide", expect.results[index] ?? {}, one).map((text) => `results[${index}]: ${text}`)));
  }
  return problems;
}

function unlikeError(expect: Json, error: unknown, problems: string[]): void {
  if (!(error instanceof AgentGuardError)) return void problems.push(`the error is not of this package: ${String(error)}`);
  const text = `${error.message}\n${error.stack}`;
  const plain: Json = {
    kind: error.constructor.name,
    code: error.code,
    reason: error.reason,
    decision_id: error.decisionId,
    retry_after_ms: error.retryAfterMs,
    violations: error.violations,
    request_id: expect.request_id === "any" && error.requestId !== "" ? "any" : error.requestId,
  };
  for (const [name, wanted] of Object.entries(expect)) {
    if (name === "message") {
      if (!error.message.includes(wanted)) problems.push(`the message \`${error.message}\` lacks \`${wanted}\``);
    } else if (name === "not_in_message") {
      if (text.includes(wanted)) problems.push(`the message holds \`${wanted}\``);
    } else unlike(`error.${name}`, wanted, plain[name], problems);
  }
  if (error.name !== error.constructor.name) problems.push(`the error's name is ${error.name}`);
}

function unlike(place: string, wanted: unknown, found: unknown, problems: string[]): void {
  if (Array.isArray(wanted)) {
    if (!Array.isArray(found) || found.length !== wanted.length) return void problems.push(`${place} is ${JSON.stringify(found)}`);
    wanted.forEach((item, index) => unlike(`${place}[${index}]`, item, found[index], problems));
  } else if (typeof wanted === "object" && wanted !== null) {
    for (const [name, member] of Object.entries(wanted)) unlike(`${place}.${name}`, member, (found as Json | undefined)?.[name], problems);
  } else if (wanted !== found) problems.push(`${place} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

const program = process.env.AGENTGUARD_TEST_SERVER ?? "target/debug/examples/agentguard-test-server";
const server = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
const first = await new Promise<string>((resolve, reject) => {
  createInterface({ input: server.stdout }).once("line", resolve);
  server.once("error", reject);
  server.once("exit", (code) => reject(new Error(`the test server ended with ${code}`)));
});
const { control } = JSON.parse(first) as { control: string };
async function ask(method: string, path: string): Promise<any> {
  const answer = await fetch(new URL(path, control.includes("://") ? control : `http://${control}`), { method });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const { cases } = (await ask("GET", "/cases")) as { cases: Case[] };
const failures: { case: string; way: string; problem: string }[] = [];
let plays = 0;
let unguarded = 0;
for (const one of cases) {
  for (const way of one.ways) {
    plays++;
    const { play, client } = (await ask("POST", `/play/${one.name}/${way}`)) as { play: number; client: Setup };
    const before = runs;
    const start = performance.now();
    const got = await perform(client, way, one.call).catch((error: unknown): Got => ({ result: "error", error }));
    const took = performance.now() - start;
    const problems = differences(way, one.expect, got);
    if (one.expect.result !== "allowed") unguarded += runs - before;
    const [least, most] = one.expect.within_ms ?? [0, Infinity];
    if (took < least || took > most) problems.push(`it took ${took.toFixed(0)} ms`);
    const end = (await ask("POST", `/end/${play}`)) as { problems: string[]; seen: Json[] };
    problems.push(...end.problems);
    if (one.call.do === "guard_failing") {
      if (JSON.stringify(end.seen).includes(one.call.secret)) problems.push("the secret was sent");
      if (!end.seen.some((call) => call.rpc === "ReportOutcome" && call.message?.outcome?.error)) problems.push("no error's class was reported");
    }
    for (const problem of problems) failures.push({ case: one.name, way, problem });
    if (problems.length > 0 && process.env.DEBUG) console.error(one.name, way, problems, got, JSON.stringify(end.seen));
  }
}
server.stdin.end();
const failed = new Set(failures.map((failure) => failure.case)).size;
const summary = { language: "typescript", total: cases.length, passed: cases.length - failed, plays, guarded_runs_without_allow: unguarded, failures };
if (process.argv[2] !== undefined) writeFileSync(process.argv[2], JSON.stringify(summary));
for (const { case: name, way, problem } of failures) console.log(`${name} (${way}): ${problem}`);
console.log(`${summary.passed} of ${summary.total} cases, ${plays} plays`);
process.exitCode = failed > 0 || unguarded > 0 ? 1 : 0;
