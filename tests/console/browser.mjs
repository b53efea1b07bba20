//! A real browser before a real gateway: what the scripts beside this one share.
//!
//! A script is started by a test in `tests/promises/operate/console/`, which owns the gateway and does what it is asked by `ask`. Promises:
//! a page that logs an error, throws, or asks for anything at another address fails its script; a script ends within its patience.

import assert from "node:assert/strict";
import { existsSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";

export { assert };

/// Where the console and the boxes' port are.
export const CONSOLE = process.env.CONSOLE;
export const INGEST = process.env.INGEST;
const SHOTS = process.env.SHOTS;
const { chromium } = createRequire(join(process.env.MODULES, "x.js"))("playwright-core");

/// A machine that runs tests is slow.
export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000);
const SCRIPT_MS = 300_000;
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--enable-precise-memory-info",
];

setTimeout(() => {
  console.error("the script does not end");
  process.exit(3);
}, SCRIPT_MS).unref();

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let browser;
const problems = [];

/// Asks the test for something that only it can do; what it answers.
export async function ask(what) {
  console.log(`ask ${what}`);
  const { value } = await lines.next();
  return JSON.parse(value);
}

/// A page of the console in a browser context of its own. `expected`: parts of errors that are no problem here.
export async function open(path = "", { width = 1280, height = 800, theme = "light", language = "en-GB", expected = [] } = {}) {
  browser ??= await chromium.launch({ executablePath: installed("chromium"), args: FLAGS });
  const viewport = { width, height };
  const context = await browser.newContext({ viewport, colorScheme: theme, locale: language });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await openIn(context, path, expected);
  page.look = { width, theme, language: language.slice(0, 2) };
  return page;
}

/// Another page in the same context: it finds what the first one keeps in its browser. A whole address is one of its own.
export async function openIn(context, path, expected = []) {
  const page = await context.newPage();
  watch(page, expected);
  await page.goto(new URL(path, `${CONSOLE}/`).href);
  return page;
}

/// Where this program of the machine lies.
function installed(name) {
  const paths = process.env.PATH.split(":").map((folder) => join(folder, name));
  const found = paths.find((path) => existsSync(path));
  assert.ok(found, `${name} is missing: Debian's package ${name}`);
  return found;
}

/// Counts what a page makes heard: `window.tones`.
export async function countTones(page) {
  await page.context().addInitScript(() => {
    window.tones = 0;
    const { createOscillator } = AudioContext.prototype;
    AudioContext.prototype.createOscillator = function made() {
      window.tones += 1;
      return createOscillator.call(this);
    };
  });
  await page.reload();
}

/// The next alarm is heard as one of its own, and not as part of a burst.
export const quietAgain = (page) => page.waitForTimeout(2_100);

function watch(page, expected) {
  const note = (problem) => {
    if (!expected.some((part) => problem.includes(part))) problems.push(problem);
  };
  page.on("console", (message) => {
    const { url } = message.location();
    if (["error", "warning"].includes(message.type())) note(`${message.text()} (${url})`);
  });
  page.on("pageerror", (error) => note(`thrown: ${error.stack ?? error}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== CONSOLE && protocol !== "blob:") note(`a request left for ${request.url()}`);
  });
}

/// Into `target/screenshots`, to be looked at.
export async function shoot(page, name, options = {}) {
  mkdirSync(SHOTS, { recursive: true });
  const { width, theme, language } = page.look;
  await page.screenshot({ path: join(SHOTS, `${name}-${width}-${theme}-${language}.png`), ...options });
}

/// Nothing on the page is wider than the page.
export async function hasNoSidewaysScroll(page, name) {
  const [wide, shown] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(wide <= shown, `${name} at ${page.look.width}: ${wide} pixels wide in ${shown}`);
}

/// A box's event; `pictures` are base64 of JPEGs.
export function event({ identity = "666666", name = "小明", type = 5, device = "192.168.1.243", score = 0.87, at = Date.now(), pictures = {} } = {}) {
  return {
    reg_pic: pictures.registered ?? "", identity_id: identity, score, timestamp: at, group_name: "default_group", identity_name: name,
    ext_data: {
      person_type: type, grab_fiqa_info: {}, device_ip: device, box_fiqa_info: {}, device_type: "0", spot_pic: pictures.scene ?? "",
    },
  };
}

/// Posts what must be answered 200; its id.
export async function send(body) {
  const answer = await fetch(`${INGEST}/RealTimeEvent`, { method: "POST", body: JSON.stringify(body) });
  const said = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(said));
  return said.event_id;
}

/// What a script does last.
export async function done() {
  await browser?.close();
  assert.deepEqual(problems, []);
  process.exit(0);
}
