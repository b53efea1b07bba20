//! A burst that came while another page was open is no higher a rate than it was.

import { CONSOLE, assert, done, event, open, send } from "../browser.mjs";

/// The gateway is asked every two seconds, so nothing is counted over less.
const EVERY_SECONDS = 2;
const BURST = 60;

const page = await open("#/health");
await page.locator(".figure").first().waitFor();
await page.goto(`${CONSOLE}/#/devices`);
await page.waitForResponse("**/api/status");
for (let number = 0; number < BURST; number += 1) await send(event({ type: 1, identity: `i-${number}` }));
await page.goto(`${CONSOLE}/#/health`);

const highest = await page.evaluate(highestRate);
console.log(`${BURST} events at once were said to be ${highest} a second`);
assert.ok(highest > 0 && highest <= BURST / EVERY_SECONDS, `${highest}`);
await done();

/// Of all that the page says until it has counted them, and once more.
async function highestRate() {
  let highest = 0;
  for (let looks = 0; looks < 60 && !(highest > 0 && looks > 50); looks += 1) {
    const said = document.querySelector(".figure")?.textContent ?? "";
    highest = Math.max(highest, Number.parseFloat(said) || 0);
    await new Promise((again) => setTimeout(again, 100));
  }
  return highest;
}
