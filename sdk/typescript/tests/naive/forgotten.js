// @ts-check
// Each line that ends with `act();` or a `throw` asks in a way that would be true whatever the server says. The
// shipped lint rule must refuse every one; the compiler refuses those that say TS2801.
import { AgentGuardClient } from "@agentguard/sdk";
const client = new AgentGuardClient();
const stream = client.stream();
const act = () => console.log("acted");
if (client.check("delete:file", "a.txt")) act(); // TS2801
if (stream.check("delete:file", "a.txt")) act(); // TS2801
if (client.decide("delete:file", "a.txt")) act(); // TS2801
client.check("delete:file", "a.txt") ? act() : undefined; // TS2801
client.check("delete:file", "a.txt") && act(); // TS2801
while (client.check("delete:file", "a.txt")) act();
if (!client.check("delete:file", "a.txt")) throw new Error("denied");
if (client?.check("delete:file", "a.txt") !== false) act();
if (Boolean(client.check("delete:file", "a.txt"))) act();
if (await client.decide("delete:file", "a.txt")) act();
const allowed = client.check("delete:file", "a.txt");
if (!allowed) throw new Error("denied");
const decision = await client.decide("delete:file", "a.txt");
if (decision) act();
