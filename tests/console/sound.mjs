//! An alarm is heard and counted on every page; and where the browser keeps the sound back, the page says so.

import { CONSOLE, assert, countTones, done, event, open, openIn, quietAgain, send } from "./browser.mjs";

const BLACKLIST = 3;
const page = await open("#/live");
await countTones(page);
const tones = () => page.evaluate(() => window.tones);
const counted = (count) => page.locator("header .count").filter({ hasText: String(count) }).waitFor();

await send(event({ type: BLACKLIST, identity: "b-1" }));
await counted(1);
assert.equal(await tones(), 0, "off until somebody switches it on");

await page.getByRole("button", { name: "Sound is off" }).click();
await page.getByRole("button", { name: "Sound is on" }).waitFor();
const heard = await tones();
assert.ok(heard > 0, "so that one hears what it is like");
await page.goto(`${CONSOLE}/#/devices`);
await send(event({ type: 5, identity: "v-1" }));
await quietAgain(page);
assert.equal(await tones(), heard, "only an alarm rings");
await send(event({ type: BLACKLIST, identity: "b-2" }));
await counted(2);
assert.ok(await tones() > heard, "on every page");
assert.match(await page.title(), /^\(2\) /);

await page.close();

// The next day: nobody has touched the page yet. What a script looks at counts as touched by somebody, so the browser's word is replaced.
await page.context().addInitScript(() => {
  let hasBeenActive = false;
  addEventListener("pointerdown", () => (hasBeenActive = true), { capture: true });
  Object.defineProperty(navigator, "userActivation", { get: () => ({ hasBeenActive }) });
});
const next = await openIn(page.context(), "#/live");
await next.getByRole("button", { name: "Sound is on" }).waitFor();
await next.getByText("keeps it silent").waitFor();
assert.equal(await next.evaluate(() => window.tones), 0, "nothing is heard");
await next.getByRole("button", { name: "Acknowledge", exact: true }).first().click();
await next.getByText("keeps it silent").waitFor({ state: "detached" });
await done();
