//! Takes the documents' pictures of the console: the wall before a running demo, once an alarm hangs on it; or another page as it stands.
//!
//!     boxbridge demo --rate 2    # and in a second terminal, from the repository:
//!     CONSOLE=http://127.0.0.1:9529 MODULES=~/.cache/boxbridge-test/console-1/node_modules node tests/console/portrait.mjs docs/console.webp
//!     … docs/console-health.webp health    # before a gateway whose broker refuses visitors, an hour after its start

import { writeFileSync } from "node:fs";

import { done, open } from "./browser.mjs";

/// A wall that is full looks like one.
const FACES = 24;
/// Half the bytes of a JPEG, and sharp letters.
const LOOKS = { format: "webp", quality: 82 };

const [file, name = "live"] = process.argv.slice(2);
const page = await open(`#/${name}`, { width: 1440, height: 900, theme: "dark" });
if (name === "live") await hangs();
await page.waitForFunction(() => [...document.images].every((image) => image.loading === "lazy" || image.complete));
await page.waitForLoadState("networkidle", { timeout: 5_000 }).catch(() => {});
const devtools = await page.context().newCDPSession(page);
const { data } = await devtools.send("Page.captureScreenshot", LOOKS);
writeFileSync(file, Buffer.from(data, "base64"));
await done();

/// A full wall, and an alarm on it.
async function hangs() {
  await page.locator("section.wall article").nth(FACES - 1).waitFor({ timeout: 0 });
  await page.locator(".alarms article").first().waitFor({ timeout: 0 });
  // One alarm is enough: those before are acknowledged, and the next one is waited for.
  await page.locator("section.wall article").nth(2 * FACES).waitFor({ timeout: 0 });
  await page.getByRole("button", { name: /^Acknowledge/ }).first().click();
  await page.locator(".alarms article").first().waitFor({ state: "detached" });
  await page.locator(".alarms article").first().waitFor({ timeout: 0 });
}
