//! An operator has an hour sent again: what it would do, that it does it, that another job names it, and that it can be ended.

import { assert, ask, done, event, hasNoSidewaysScroll, open, send, shoot } from "../browser.mjs";

const MANY = 40;
for (let number = 0; number < MANY; number += 1) await send(event({ identity: `p-${number}`, type: 1 }));
await ask("delivered");

const page = await open("#/replays", { expected: ["status of 404", "status of 400"] });
await page.getByText("There was none yet.").waitFor();
// A store is sent nothing again, so it is no choice.
assert.deepEqual(await page.locator("select[name=destination] option").allTextContents(), ["all", "mqtt"]);
const from = page.getByLabel("Received from");
await page.getByRole("button", { name: "Last 10 minutes" }).click();
const minutes = (Date.now() - new Date(await from.inputValue()).getTime()) / 60_000;
assert.ok(minutes > 9 && minutes < 15, `${minutes}`);
await page.getByLabel("At most, events a second").fill("1");
await page.getByRole("button", { name: "What would it do?" }).click();
await page.getByText(`mqtt: ${MANY} events.`).waitFor();
await page.getByText(`At 1 a second this takes ${MANY} s.`).waitFor();
await shoot(page, "replays-plan");

// What it would do belongs to what was asked: a change asks anew.
await page.getByLabel("Device").fill("nobody");
await page.getByText(`mqtt: ${MANY} events.`).waitFor({ state: "detached" });
await page.getByLabel("Device").fill("");
await page.getByRole("button", { name: "What would it do?" }).click();
await page.getByRole("button", { name: "Replay", exact: true }).click();
await page.getByRole("row").filter({ hasText: "under way" }).waitFor();
await shoot(page, "replays-running");
assert.ok((await ask("received")).isReplay, "it came to the late topic, with the replay's name");

const other = await open("#/aside", { width: 360, height: 740, theme: "dark", language: "zh-CN" });
await other.getByText(/replay-[0-9a-f]{8} 正在进行/).waitFor();
await other.getByRole("link", { name: "查看" }).click();
await other.getByRole("row").filter({ hasText: "进行中" }).waitFor();
await hasNoSidewaysScroll(other, "replays");
await shoot(other, "replays-running");

await page.getByRole("row").filter({ hasText: "under way" }).getByRole("button", { name: "Cancel" }).click();
await page.getByRole("row").filter({ hasText: "cancelled" }).getByText("were not sent").waitFor();
await shoot(page, "replays-cancelled");

// A range that nobody has is answered with what there is.
await page.getByLabel("Received from").fill("2020-01-01T00:00:00");
await page.getByLabel("Before (now, if empty)").fill("2020-01-01T01:00:00");
await page.getByRole("button", { name: "What would it do?" }).click();
await page.getByRole("alert").waitFor();
await shoot(page, "replays-out-of-range");
await done();
