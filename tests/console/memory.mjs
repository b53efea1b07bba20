//! A wall that hangs for days: ten thousand events later the page holds no more than after a thousand.

import { assert, done, event, open, send } from "./browser.mjs";

const FIRST = 1_000;
const LAST = 10_000;
/// Boxes that send at the same time.
const BOXES = 16;
/// What a browser keeps or not as it pleases; the nine thousand documents between are ten times as much.
const SLACK_BYTES = 1_000_000;
const SLACK_NODES = 500;

const page = await open("#/live");
const devtools = await page.context().newCDPSession(page);
await devtools.send("Performance.enable");

await passed(0, FIRST);
const before = await held();
await passed(FIRST, LAST);
const after = await held();
console.log(`after ${FIRST}: ${JSON.stringify(before)}; after ${LAST}: ${JSON.stringify(after)}`);

assert.ok(after.bytes < before.bytes + SLACK_BYTES, "the heap grows");
assert.ok(after.nodes < before.nodes + SLACK_NODES, "the page grows");
assert.ok(after.cards <= 200, `${after.cards} cards`);
await done();

/// Sends these, and waits until the last of them hangs.
async function passed(from, to) {
  let next = from;
  const box = async () => {
    while (next < to) {
      const number = next++;
      await send(event({ type: number % 50 === 0 ? 3 : 1 + (number % 2), identity: `i-${number}`, name: `Somebody ${number}`, device: `door-${number % 40}` }));
    }
  };
  await Promise.all(Array.from({ length: BOXES }, box));
  const last = `The last of ${to}`;
  await send(event({ identity: `last-${to}`, name: last }));
  await page.locator("section.wall").getByText(last, { exact: true }).waitFor();
}

async function held() {
  await devtools.send("HeapProfiler.collectGarbage");
  const { metrics } = await devtools.send("Performance.getMetrics");
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  const cards = await page.locator("section.wall article").count();
  return { bytes: of("JSHeapUsedSize"), nodes: of("Nodes"), cards };
}
