//! A device that fell silent stands on top, and among many one is found.

import { INGEST, assert, done, event, hasNoSidewaysScroll, open, send, shoot } from "../browser.mjs";

const MANY = 230;
await send(event({ device: "cellar" }));
const page = await open("#/devices");
const first = page.locator("tbody tr").first();
const silent = first.filter({ hasText: "cellar" }).getByText("silent", { exact: true });
while (!(await silent.isVisible())) {
  await send(event({ device: "lobby", identity: `lobby-${Date.now()}` }));
  await page.waitForTimeout(300);
}
await page.getByRole("row").filter({ hasText: "lobby" }).getByText("online").waitFor();
await page.getByRole("row").filter({ hasText: "lobby" }).filter({ hasText: "127.0.0.1" }).waitFor();
await shoot(page, "devices");

for (let number = 0; number < MANY; number += 1) await send(event({ device: `gate-${number}`, identity: `g-${number}` }));
await page.getByText(`1 to 100 of ${MANY + 2}`).waitFor();
await page.getByRole("button", { name: "Next" }).click();
await page.getByText(`101 to 200 of ${MANY + 2}`).waitFor();
await page.getByRole("button", { name: "Back" }).click();
await first.filter({ hasText: "cellar" }).waitFor();

await page.getByLabel("Search").fill("gate-217");
await page.getByText("1 to 1 of 1").waitFor();
await first.filter({ hasText: "gate-217" }).waitFor();
await page.getByLabel("Search").fill("");
await page.getByLabel("State").selectOption("silent");
await first.filter({ hasText: "cellar" }).waitFor();
await page.getByLabel("Site").fill("elsewhere");
await page.getByText("No device is known here, or none matches.").waitFor();

// Who sends nothing but what is refused is neither away nor silent.
await fetch(`${INGEST}/RealTimeEvent`, { method: "POST", body: "{nonsense" });
await page.getByLabel("Site").fill("");
// On a slow machine the others have fallen silent by now, and stand before it.
await page.getByLabel("State").selectOption("offline");
await page.getByLabel("Search").fill("127.0.0.1");
await page.getByRole("row").filter({ hasText: "sends nothing that is read" }).waitFor();

for (const look of [{ width: 360, height: 740, theme: "dark", language: "zh-CN" }, { width: 3840, height: 2160, theme: "dark" }]) {
  const other = await open("#/devices", look);
  await other.locator("tbody tr").filter({ hasText: "cellar" }).waitFor();
  assert.ok((await other.locator("tbody tr").count()) <= 100);
  await hasNoSidewaysScroll(other, "devices");
  await shoot(other, "devices");
  await other.context().close();
}
await done();
