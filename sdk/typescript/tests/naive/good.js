// What the lint rule must not refuse.
import { AgentGuardClient } from "@agentguard/sdk";
const client = new AgentGuardClient();
const act = () => console.log("acted");
if (await client.check("read:file", "a.txt")) act();
if (!(await client.check("read:file", "a.txt"))) act();
if ((await client.decide("read:file", "a.txt")).allowed) act();
const decision = await client.decide("read:file", "a.txt");
if (decision.allowed) act();
const all = await Promise.all([client.check("read:file", "a.txt"), client.check("read:file", "b.txt")]);
if (all.every((allowed) => allowed)) act();
export const later = () => client.check("read:file", "a.txt");
