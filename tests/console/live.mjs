//! A guard before the wall: an alarm with its face, held until it is acknowledged; filters, pause, what is late; with the keyboard alone.

import { CONSOLE, INGEST, assert, ask, done, event, open, send, shoot } from "./browser.mjs";

const BLACKLIST = 3;
const DAY_MS = 86_400_000;
const { pictures } = await ask("faces");
const page = await open("#/live", { width: 1600, height: 1000, theme: "dark" });
await page.getByText("Nobody passed yet.").waitFor();

const began = Date.now();
const id = await send(event({ type: BLACKLIST, name: "Victor Null", identity: "b-1", pictures }));
const alarm = page.locator(".alarms article").filter({ hasText: "Victor Null" });
await alarm.waitFor();
console.log(`a blacklisted person was on the screen ${Date.now() - began} ms after the POST began`);
await page.waitForFunction(() => [...document.querySelectorAll(".alarms img")].filter((face) => face.complete && face.naturalWidth > 0).length === 2);
console.log(`with both pictures after ${Date.now() - began} ms`);
await alarm.getByText("Blacklist").waitFor();
await alarm.getByText("87 %").waitFor();
for (let number = 0; number < 14; number += 1) {
  await send(event({ type: 1 + (number % 5), name: `Somebody ${number}`, identity: `s-${number}`, device: `door-${number % 3}`, pictures }));
}
await page.locator(".wall").getByText("Somebody 13").first().waitFor();
await shoot(page, "live-alarm");

// Held whatever is filtered, and gone once acknowledged, also after the page is opened again.
const wall = page.locator("section.wall article");
await page.getByRole("button", { name: "Visitor" }).click();
await wall.getByText("Somebody 13").waitFor({ state: "detached" });
await wall.getByText("Somebody 6").waitFor();
assert.deepEqual(await types(wall), ["Visitor"]);
await alarm.waitFor();
await page.getByRole("button", { name: "Acknowledge all" }).click();
await page.locator(".alarms article").first().waitFor({ state: "detached" });
for (let number = 0; number < 110; number += 1) await send(event({ type: 4, identity: `e-${number}`, name: "An employee" }));
await page.reload();
await wall.getByText("Somebody 6").waitFor();
assert.equal(await page.locator(".alarms article").count(), 0);
assert.deepEqual(await types(wall), ["Visitor"], "the filter stays");
await page.getByRole("button", { name: "Visitor" }).click();

await page.getByLabel("Device").selectOption("door-1");
await wall.getByText("Somebody 0").waitFor({ state: "detached" });
await wall.getByText("Somebody 4", { exact: true }).waitFor();
await page.getByLabel("Device").selectOption("");
await wall.getByText("Somebody 0").waitFor();

// Paused: nothing moves but alarms, and what came is counted, and there afterwards.
await page.getByRole("button", { name: "Pause" }).click();
await send(event({ name: "While paused", identity: "p-1" }));
await page.getByRole("button", { name: "Go on (1 new)" }).waitFor();
assert.equal(await wall.getByText("While paused").count(), 0);
await send(event({ type: BLACKLIST, name: "A second alarm", identity: "b-2" }));
await page.locator(".alarms").getByText("A second alarm").waitFor();
await page.getByRole("button", { name: /^Go on/ }).click();
await wall.getByText("While paused").waitFor();

// History rings nothing.
const answer = await fetch(`${INGEST}/HistoryEvent`, { method: "POST", body: JSON.stringify(event({ type: BLACKLIST, name: "Yesterday", identity: "b-3", at: Date.now() - DAY_MS })) });
assert.equal(answer.status, 200);
await wall.filter({ hasText: "Yesterday" }).getByText("for the record").waitFor();
assert.equal(await page.locator(".alarms").getByText("Yesterday").count(), 0);
// It says when the person stood there.
const stood = await wall.filter({ hasText: "Yesterday" }).locator(".where time").getAttribute("datetime");
assert.ok(Date.now() - Date.parse(stood) > DAY_MS / 2, stood);

// Who hangs there no more, and one by its id.
await page.getByRole("link", { name: "Who passed before…" }).click();
await page.getByLabel("Event id").fill(id);
await page.getByRole("button", { name: "Open", exact: true }).click();
await page.getByRole("heading", { name: "Victor Null" }).waitFor();
await page.goBack();
await page.getByRole("heading", { name: "Who passed before" }).waitFor();
await shoot(page, "past");
for (const _page of ["second", "third"]) await page.getByRole("button", { name: "Next" }).click();
await wall.getByText("Victor Null").waitFor();
await page.getByLabel("Person").selectOption("blacklist");
await page.getByRole("button", { name: "Show" }).click();
await wall.getByText("Yesterday").waitFor();
assert.deepEqual(await types(wall), ["Blacklist"]);

// With the keyboard alone: from the top to the alarm, and into its event.
await page.goto(`${CONSOLE}/#/live`);
await tabTo(page, "Acknowledge");
await page.keyboard.press("Enter");
await page.locator(".alarms article").first().waitFor({ state: "detached" });
await tabTo(page, "Victor Null");
await page.keyboard.press("Enter");
await page.waitForURL(`**/#/event/${id}`);
await page.getByRole("heading", { name: "Victor Null" }).waitFor();
await page.locator(".step-delivered").first().waitFor();
await page.waitForFunction(() => [...document.querySelectorAll(".pictures img")].filter((face) => face.naturalWidth > 0).length === 2);
await shoot(page, "event-whole");
await done();

async function types(cards) {
  return [...new Set(await cards.locator(".type").allTextContents())];
}

/// Presses the tabulator until what has the focus has this in its name.
async function tabTo(page, name) {
  for (let presses = 0; presses < 500; presses += 1) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => `${document.activeElement.getAttribute("aria-label") ?? ""} ${document.activeElement.textContent}`);
    if (focused.includes(name)) return;
  }
  assert.fail(`the tabulator does not reach ${name}`);
}
