//! What goes wrong is in words on the health page, a cause that was removed is tried at once, and an outage is seen to come and to go.

import { CONSOLE, INGEST, assert, ask, done, event, hasNoSidewaysScroll, open, send, shoot } from "../browser.mjs";

const GONE = ["status of 503", "ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE"];
const REFUSED = "status of 422";
const page = await open("#/health", { expected: [...GONE, REFUSED] });
await page.getByText("Ready. Nothing is wrong now.").waitFor();
assert.equal(await page.locator(".lately-refused").count(), 0);
for (let number = 0; number < 15; number += 1) await send(event({ type: 3, identity: `b-${number}` }));
await fetch(`${INGEST}/RealTimeEvent`, { method: "POST", body: "{nonsense" });

const mqtt = page.locator("[data-destination=mqtt]");
const paused = mqtt.locator(".paused").filter({ hasText: "Blacklist" });
await paused.getByText("not_authorised").first().waitFor();
await page.getByText("mqtt urgent: blacklist is paused").waitFor();
await page.getByText("is paused, since it was refused again and again").waitFor();
await page.locator(".types").getByText("Blacklist").waitFor();
await page.getByRole("article").filter({ hasText: "Answers to boxes" }).getByText("≤").first().waitFor();
await shoot(page, "health-paused", { fullPage: true });
for (const look of [{ width: 360, height: 740, theme: "dark", language: "zh-CN" }, { width: 3840, height: 2160, theme: "dark" }]) {
  const other = await open("#/health", look);
  await other.locator(".paused").first().waitFor();
  if (look.language === "zh-CN") await other.getByText("因反复被拒绝而暂停").waitFor();
  await hasNoSidewaysScroll(other, "health");
  await shoot(other, "health-paused", { fullPage: true });
  await other.context().close();
}

// What is tried and refused again says so; the same from one of those that were set aside.
await paused.first().getByText("boxbridge/default/events/blacklist/192.168.1.243").waitFor();
await paused.first().getByRole("button", { name: "Resume" }).click();
await mqtt.getByText("It was tried, and refused again at").waitFor();
await mqtt.getByRole("link", { name: /set aside/ }).click();
await page.getByRole("button", { name: "Look" }).first().click();
await page.getByText("Events of this type wait there.").waitFor();
await page.locator(".looked").getByRole("button", { name: "Resume" }).waitFor();
await shoot(page, "aside-resume");
await page.goto(`${CONSOLE}/#/health`);

await ask("allow");
await paused.first().getByRole("button", { name: "Resume" }).click();
await paused.first().waitFor({ state: "detached" });
await mqtt.getByText("events flow again").waitFor();

await ask("broker down");
await mqtt.getByText("down").waitFor();
await page.getByText("mqtt is down").waitFor();
await send(event({ type: 1, identity: "waits" }));
await mqtt.locator("dd.odd").first().waitFor();
await ask("broker up");
await mqtt.getByText("connected").waitFor();
await mqtt.locator("dd.odd").first().waitFor({ state: "detached" });

// Nothing is wrong any more, and yet nobody overlooks that something was.
await page.getByText("Ready. Nothing is wrong now.").waitFor();
const note = page.locator(".lately-refused");
await note.getByRole("link", { name: "events set aside: 10" }).waitFor();
await note.getByRole("link", { name: "bodies refused: 1" }).waitFor();
await shoot(page, "health-after");
const { notes } = await ask("ready");
assert.ok(notes.some((said) => said.startsWith("events set aside within the hour: 10")), `${notes}`);
await page.goto(`${CONSOLE}/#/live`);
await note.getByRole("link", { name: "events set aside: 10" }).waitFor();
await page.goto(`${CONSOLE}/#/health`);

await page.getByRole("button", { name: "Reload the settings" }).click();
await page.getByText("Taken; no value is another one now").waitFor();
await ask("break the settings");
await page.getByRole("button", { name: "Reload the settings" }).click();
await page.getByRole("alert").filter({ hasText: "brokrs" }).waitFor();
await shoot(page, "health-refused");

await ask("gateway down");
await page.getByText("The gateway does not answer.").first().waitFor();
await shoot(page, "health-unreachable");
await ask("gateway up");
await page.getByText("The gateway does not answer.").first().waitFor({ state: "detached" });
assert.ok(await mqtt.isVisible());
await done();
