//! An operator sees what a box sent wrong, with its fault marked, and hands in again what was right after all.

import { INGEST, assert, ask, done, event, hasNoSidewaysScroll, open, shoot } from "../browser.mjs";

const post = (path, body) => fetch(`${INGEST}${path}`, { method: "POST", body });
assert.equal((await post("/nowhere", JSON.stringify(event({ name: "Lost" })))).status, 404);
const broken = `{"reg_pic": "${"QUJD".repeat(5_000)}", "name": "<img src=x onerror='window.harmed = true'>", nonsense}`;
assert.equal((await post("/RealTimeEvent", broken)).status, 400);

const page = await open("#/quarantine");
const rows = page.locator("tbody tr");
await rows.nth(1).waitFor();
await rows.filter({ hasText: "json_invalid" }).getByRole("button", { name: "Look" }).click();
const looked = page.getByRole("article", { name: "One refused body" });
assert.equal(await looked.locator("mark").textContent(), "n", "the first letter of nonsense");
await looked.getByText("20000 bytes").waitFor();
assert.equal(await page.evaluate(() => window.harmed), undefined);
await shoot(page, "quarantine-look");

for (const look of [{ width: 360, height: 740, theme: "dark", language: "zh-CN" }, { width: 3840, height: 2160, theme: "dark" }]) {
  const other = await open("#/quarantine", look);
  await other.getByRole("row").filter({ hasText: "json_invalid" }).getByRole("button").click();
  await other.locator("mark").waitFor();
  await hasNoSidewaysScroll(other, "quarantine");
  await shoot(other, "quarantine-look");
  await other.context().close();
}

await page.getByLabel("Code").selectOption("path_unknown");
await page.getByRole("button", { name: "Show" }).click();
await rows.filter({ hasText: "json_invalid" }).waitFor({ state: "detached" });
await page.getByRole("button", { name: "Hand these in again…" }).click();
const question = page.getByRole("dialog", { name: "Hand in again?" });
await question.getByText("1 of 2 bodies are handed in again, as history.").waitFor();
await question.getByRole("button", { name: "Hand in again" }).click();
await page.getByText("1 accepted as history").waitFor();
await page.getByText("1 in all").waitFor();
assert.deepEqual((await ask("received")).names, ["Lost"]);
await done();
