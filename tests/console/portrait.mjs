//! Takes the README's picture of the console: the wall before a running demo, once an alarm hangs on it.
//!
//!     boxbridge demo --rate 2    # and in a second terminal, from the repository:
//!     CONSOLE=http://127.0.0.1:9529 MODULES=~/.cache/boxbridge-test/console-1/node_modules node tests/console/portrait.mjs docs/console.webp

import { writeFileSync } from "node:fs";

import { done, open } from "./browser.mjs";

/// A wall that is full looks like one.
const FACES = 24;
/// Half the bytes of a JPEG, and sharp letters.
const LOOKS = { format: "webp", quality: 82 };

const page = await open("#/live", { width: 1440, height: 900, theme: "dark" });
await page.locator("section.wall article").nth(FACES - 1).waitFor({ timeout: 0 });
await page.locator(".alarms article").first().waitFor({ timeout: 0 });
// One alarm is enough: those before are acknowledged, and the next one is waited for.
await page.locator("section.wall article").nth(2 * FACES).waitFor({ timeout: 0 });
await page.getByRole("button", { name: /^Acknowledge/ }).first().click();
await page.locator(".alarms article").first().waitFor({ state: "detached" });
await page.locator(".alarms article").first().waitFor({ timeout: 0 });
await page.waitForFunction(() => [...document.images].every((image) => image.loading === "lazy" || image.complete));
await page.waitForLoadState("networkidle", { timeout: 5_000 }).catch(() => {});
const devtools = await page.context().newCDPSession(page);
const { data } = await devtools.send("Page.captureScreenshot", LOOKS);
writeFileSync(process.argv[2], Buffer.from(data, "base64"));
await done();
