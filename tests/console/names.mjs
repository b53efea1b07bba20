//! Names that mean harm are text: nothing of them runs, nothing leaves its place, and the page stays as wide as the screen.

import { assert, done, event, hasNoSidewaysScroll, open, send, shoot } from "./browser.mjs";

const MARKUP = `<img src=x onerror="window.harmed = true"><script>window.harmed = true</script>`;
const TURNED = "\u202Egnp.exe\u202E\u2066\u200F שלום";
const LONG = "长".repeat(70_000);
const NAMES = [MARKUP, TURNED, LONG, "${harmed}", "javascript:harmed=1", "\u0000\u0007\u001b[31m", "a".repeat(5_000)];

const ids = [];
for (const [number, name] of NAMES.entries()) {
  ids.push(await send(event({ type: 3, name, identity: `${name.slice(0, 300)}-${number}`, device: name.slice(0, 100) || "door" })));
}

for (const look of [{ width: 360, height: 740 }, { width: 1280, height: 800, theme: "dark" }]) {
  const page = await open("#/live", look);
  await page.locator(".alarms article").nth(NAMES.length - 1).waitFor();
  await page.locator(".alarms").getByText(MARKUP.slice(0, 30)).first().waitFor();
  await hasNoSidewaysScroll(page, "live");
  await shoot(page, "names");

  for (const id of ids) {
    await page.goto(`${page.url().split("#")[0]}#/event/${id}`);
    await page.locator(".way").waitFor();
    await page.getByText("The whole document").click();
    await hasNoSidewaysScroll(page, "event");
  }
  const longest = await page.evaluate(() => Math.max(...[...document.querySelectorAll(".text")].map((text) => text.textContent.length)));
  assert.ok(longest <= 601, `a text of ${longest} characters`);
  assert.equal(await page.evaluate(() => window.harmed), undefined);
  assert.equal(await page.locator("main script, main img[src='x']").count(), 0);
}
await done();
