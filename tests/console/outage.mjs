//! What goes wrong is seen as it happens: a broker that goes away, and the gateway itself.

import { CONSOLE, ask, done, event, open, send, shoot } from "./browser.mjs";

const page = await open("#/live", { expected: ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "status of 503"] });
const state = (word) => page.locator(`header .state-${word}`).waitFor();
await state("ready");
await ask("broker down");
await state("trouble");
await shoot(page, "outage-broker");
await ask("broker up");
await state("ready");

await send(event({ name: "Before" }));
await page.getByText("Before", { exact: true }).waitFor();
await ask("gateway down");
await state("unreachable");
await page.getByText("Not live").waitFor();
await shoot(page, "outage-gateway");
await ask("gateway up");
await state("ready");
await send(event({ name: "After", identity: "777777" }));
await page.getByText("After", { exact: true }).waitFor();
await page.getByText("Not live").waitFor({ state: "detached" });

// Eight others watch already: that is said, and over when one of them goes.
const others = new AbortController();
await page.goto("about:blank");
const watching = [];
while (watching.length < 8) {
  const answer = await fetch(`${CONSOLE}/api/events/live`, { signal: others.signal });
  if (answer.ok) watching.push(answer);
  // The page that went away is noticed within seconds.
  else await new Promise((again) => setTimeout(again, 200));
}
await page.goto(`${CONSOLE}/#/live`);
await page.getByText("As many as can watch already do.").waitFor();
others.abort();
await page.getByText("As many as can watch already do.").waitFor({ state: "detached" });
await page.getByText("After", { exact: true }).waitFor();
await done();
