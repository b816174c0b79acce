import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ActionDenied, AgentGuardAdminClient, AgentGuardClient, ApprovalRequired, Decision, InternalError, InvalidRequest, PermissionDenied, RateLimited, Unauthenticated, Unavailable } from "@agentguard/sdk";
import type { ClientOptions, VerdictName } from "@agentguard/sdk";
import { FakeClient } from "@agentguard/sdk/testing";
import { Allowing } from "./server.js";

for (const name of Object.keys(process.env)) if (name.startsWith("AGENTGUARD_")) delete process.env[name];

async function made(options: ClientOptions): Promise<string> {
  try {
    await new AgentGuardClient({ apiKey: "agk_key", ...options }).close();
    return "made";
  } catch (error) {
    assert.ok(error instanceof InvalidRequest, String(error));
    assert.equal(error.reason, "CLIENT_CONFIGURATION");
    assert.ok(!error.message.includes("agk_"), error.message);
    return error.message;
  }
}

test("every form of endpoint that is named is taken, and no other", async () => {
  for (const endpoint of ["https://a.example", "https://a.example:8443", "http://127.0.0.1:1", "http://localhost", "http://[::1]:8000", "127.9.9.9:80", "localhost:80", "[::1]:80", "a.example:80", "dns:///a.example:80", "[2001:db8::1]:443"]) {
    assert.equal(await made({ endpoint }), "made", endpoint);
  }
  for (const endpoint of ["", "a.example", "https://", "https://a/", "https://a/v1", "https://a?q", "https://a#f", "https://u:p@a", "ftp://a", "HTTP//a", "unix:/x", "dns://1.1.1.1/a:80", "dns:///a", "a:0", "a:65536", "a:x", "http://[::1", "https://[zz]:1", "a b:80", "https://a\n:80"]) {
    assert.match(await made({ endpoint }), /endpoint must be/, endpoint);
  }
});

test("a key goes in plain text to loopback addresses alone, unless that is said", async () => {
  for (const endpoint of ["http://a.example", "http://128.0.0.1", "http://localhost.example", "http://127.example", "http://[::2]"]) {
    assert.match(await made({ endpoint }), /insecure/, endpoint);
    assert.equal(await made({ endpoint, insecure: true }), "made", endpoint);
  }
});

test("keys, files and the environment are read in their order, and empty variables count as unset", async () => {
  const file = join(mkdtempSync(join(tmpdir(), "agentguard-")), "key");
  writeFileSync(file, "agk_file\n");
  const options = { apiKey: undefined };
  try {
    process.env.AGENTGUARD_API_KEY = "";
    assert.match(await made(options), /AGENTGUARD_API_KEY_FILE/);
    process.env.AGENTGUARD_API_KEY_FILE = file;
    assert.equal(await made(options), "made");
    process.env.AGENTGUARD_API_KEY = "two words";
    assert.match(await made(options), /visible ASCII/);
    assert.equal(await made({ apiKey: "agk_given" }), "made");
    process.env.AGENTGUARD_ENDPOINT = "http://other.example";
    assert.match(await made({}), /insecure/);
    assert.equal(await made({ endpoint: "127.0.0.1:1" }), "made");
    assert.throws(() => new AgentGuardAdminClient({ endpoint: "127.0.0.1:1" }), /AGENTGUARD_ADMIN_KEY/);
  } finally {
    for (const name of ["AGENTGUARD_API_KEY", "AGENTGUARD_API_KEY_FILE", "AGENTGUARD_ENDPOINT"]) delete process.env[name];
  }
});

test("certificates that are none, or half given, are refused when the client is made", async () => {
  const endpoint = "https://a.example";
  assert.match(await made({ endpoint, tls: { ca: "no certificate", cert: "x", key: "y" } }), /PEM/);
  assert.match(await made({ endpoint, tls: { cert: "x" } }), /certificate/);
  assert.match(await made({ endpoint, tls: { caFile: "/nowhere/ca.pem" } }), /cannot be read/);
});

test("only the verdict ALLOW allows", () => {
  for (const verdict of ["ALLOW", "DENY", "REQUIRE_APPROVAL", "UNKNOWN"] as VerdictName[]) {
    assert.equal(new Decision({ verdict }).allowed, verdict === "ALLOW");
  }
});

test("a fake denies what it was not told to allow, and guards as a client does", async () => {
  await using fake = new FakeClient();
  fake.allow("read:file").deny("read:file", "secret.txt").requireApproval("deploy");
  let runs = 0;
  const act = (): number => ++runs;
  assert.equal(await fake.guard("read:file", "a.txt", act), 1);
  await assert.rejects(fake.guard("read:file", "secret.txt", act), (error: unknown) => error instanceof ActionDenied && error.reason === "DENIED_BY_RULE" && error.decision.decisionId === error.decisionId);
  await assert.rejects(fake.guard("deploy", undefined, act), ApprovalRequired);
  await assert.rejects(fake.guard("never:named", "x", act), ActionDenied);
  assert.equal(await fake.check("read:file", "secret.txt"), false);
  assert.equal(await fake.stream().check("read:file", "b.txt"), true);
  assert.deepEqual((await fake.batch([{ action: "read:file" }, { action: "write" }])).map((result) => result.allowed), [true, false]);
  for (const Kind of [Unavailable, Unauthenticated, PermissionDenied, InvalidRequest, RateLimited, InternalError]) {
    fake.fail(new Kind("as told"));
    for (const ask of [fake.check("read:file"), fake.decide("read:file"), fake.enforce("read:file"), fake.guard("read:file", "a.txt", act), fake.whoAmI()]) await assert.rejects(ask, Kind);
  }
  assert.equal(runs, 1);
  assert.deepEqual(fake.outcomes.map(({ success }) => success), [true]);
});

test("a guarded function's own error comes out unchanged, and its class alone is reported", async () => {
  class DiskFull extends Error {
    override name = "the password is swordfish";
  }
  await using fake = new FakeClient();
  fake.allow("write");
  const own = new DiskFull("the password is swordfish");
  const write = fake.wrap("write", (path: string, text: string) => ({ resource: path, arguments: { bytes: text.length } }), async (path, text) => {
    if (text === "") throw own;
    return `${path}: ${text}`;
  });
  assert.equal(await write("a", "b"), "a: b");
  await assert.rejects(write("a", ""), (error) => error === own);
  await assert.rejects(fake.guard("write", "a", () => { throw "text"; }), (error) => error === "text");
  assert.deepEqual(fake.outcomes.map(({ success, error }) => [success, error]), [[true, undefined], [false, "DiskFull"], [false, "string"]]);
  assert.deepEqual(fake.asked[0]?.arguments, { bytes: 1 });
});

test("an outcome that cannot be reported is told, and changes nothing for the caller", async () => {
  const told: string[] = [];
  class Mute extends AgentGuardClient {
    override async decide(): Promise<Decision> {
      return new Decision({ verdict: "ALLOW", decisionId: "dec_7" });
    }
  }
  const port = await new Promise<number>((resolve) => { const held = createServer().listen(0, "127.0.0.1", () => { const { port } = held.address() as AddressInfo; held.close(() => resolve(port)); }); });
  await using client = new Mute({ endpoint: `127.0.0.1:${port}`, apiKey: "agk_key", onReportFailure: (id, error) => told.push(`${id} ${error.code}`) });
  assert.equal(await client.guard("read", undefined, () => 5), 5);
  assert.deepEqual(told, ["dec_7 UNAVAILABLE"]);
});

test("what cannot be written as a message is refused before it is sent", async () => {
  await using client = new AgentGuardClient({ endpoint: "127.0.0.1:1", apiKey: "agk_key" });
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  for (const odd of [NaN, Infinity, 1n, new Date(), new Map(), () => 1, [undefined], { deep: [{ odd: Symbol("a") }] }, circle]) {
    for (const asker of [client, client.stream()]) await assert.rejects(asker.check("read", "a", { arguments: { odd: odd as never } }), InvalidRequest);
    await assert.rejects(client.reportOutcome("dec_1", true, { metadata: { odd: odd as never } }), InvalidRequest);
  }
  for (const odd of [7 as never, "half \ud83d"]) {
    await assert.rejects(client.check(odd), InvalidRequest);
    await assert.rejects(client.check("read", odd), InvalidRequest);
    await assert.rejects(client.check("read", "a", { context: { [odd]: 1, a: odd } }), (error) => error instanceof InvalidRequest || typeof odd === "number");
  }
  await assert.rejects(client.check("read", "a", { requestId: "a\nb" }), InvalidRequest);
  await assert.rejects(client.check("read", "a", { timeoutMs: -1 }), InvalidRequest);
});

test("giving up and closing end the calls under way, each with its own error", async () => {
  const sockets = new Set<{ destroy(): void }>();
  const silent = createServer((socket) => sockets.add(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const client = new AgentGuardClient({ endpoint: `127.0.0.1:${(silent.address() as AddressInfo).port}`, apiKey: "agk_key", timeoutMs: 60_000 });
  const stream = client.stream();
  for (const asker of [client, stream]) {
    const controller = new AbortController();
    const given = asker.check("read", "a", { signal: controller.signal });
    controller.abort();
    await assert.rejects(given, { name: "AbortError" });
    await assert.rejects(asker.check("read", "a", { signal: controller.signal }), { name: "AbortError" });
  }
  const isClosed = (error: unknown): boolean => error instanceof Unavailable && error.reason === "CLIENT_CLOSED";
  const under = [client.check("read", "a"), stream.check("read", "a"), client.guard("read", "a", () => assert.fail("ran"))].map((ask) => assert.rejects(ask, isClosed));
  await client.close();
  await Promise.all(under);
  for (const ask of [client.check("read"), stream.check("read"), client.stream().check("read"), client.whoAmI()]) await assert.rejects(ask, isClosed);
  await assert.rejects(client.listOwnRecords().next(), isClosed);
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test("a stream has 64 checks outstanding and no more, and frees the place of one that gave up", async () => {
  const server = new Allowing(30);
  await using client = new AgentGuardClient({ endpoint: `127.0.0.1:${await server.listen()}`, apiKey: "agk_key", timeoutMs: 60_000 });
  await using stream = client.stream();
  const early = Array.from({ length: 64 }, () => assert.rejects(stream.check("read", "a", { timeoutMs: 1 }), Unavailable));
  const all = await Promise.all(Array.from({ length: 300 }, () => stream.check("read", "a")));
  await Promise.all(early);
  assert.ok(all.every((allowed) => allowed === true));
  assert.ok(server.answered >= 300 && server.most <= 128, `${server.most} outstanding`);
  server.most = 0;
  await Promise.all(Array.from({ length: 300 }, () => stream.check("read", "a")));
  assert.equal(server.most, 64);
  server.stop();
});

test("client and stream find a server again that was started anew", async () => {
  let server = new Allowing();
  const port = await server.listen();
  await using client = new AgentGuardClient({ endpoint: `127.0.0.1:${port}`, apiKey: "agk_key", timeoutMs: 5_000 });
  await using stream = client.stream();
  for (const asker of [client, stream]) assert.equal(await asker.check("read"), true);
  server.stop();
  for (const asker of [client, stream]) await assert.rejects(asker.check("read"), Unavailable);
  server = new Allowing();
  await server.listen(port);
  for (const asker of [client, stream]) {
    const until = Date.now() + 30_000;
    while (!(await asker.check("read").catch(() => false))) assert.ok(Date.now() < until, "not found again");
  }
  server.stop();
});
