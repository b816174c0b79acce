// The same with `await` compiles. Run, it prints what `check` gives for each verdict: only ALLOW acts.
import { FakeClient } from "@agentguard/sdk/testing";
const client = new FakeClient();
for (const verdict of ["ALLOW", "DENY", "REQUIRE_APPROVAL", "UNKNOWN"] as const) {
  client.answer("delete:file", "a.txt", { verdict });
  let acted = 0;
  if (await client.check("delete:file", "a.txt")) acted++;
  console.log(verdict, acted);
}
