//! What goes wrong is seen as it happens: a broker that goes away, and the gateway itself.

import { ask, done, event, open, send, shoot } from "./browser.mjs";

const page = await open("#/live", { expected: ["ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE"] });
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
await done();
