//! The console speaks two languages to the same extent, and no page says a sentence that is not among its words.

import { readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { assert, done, open } from "./browser.mjs";

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "../../src/admin/console");
/// Names, units and signs are the same in every language.
const SAME_EVERYWHERE = new Set(["boxbridge"]);

const page = await open("#/live");
await page.locator("main h1").waitFor();
const tables = await page.evaluate(async () => (await import("/words.js")).allWords());
assert.deepEqual(Object.keys(tables.zh).sort(), Object.keys(tables.en).sort(), "both languages have the same keys");
for (const [key, text] of Object.entries(tables.en)) {
  const values = (words) => (words.match(/\{\w+\}/g) ?? []).sort();
  assert.deepEqual(values(tables.zh[key]), values(text), `${key} fills in the same`);
}

const files = readdirSync(FOLDER, { recursive: true }).filter((name) => name.endsWith(".js") && !name.startsWith("vendor"));
for (const file of files) {
  const text = readFileSync(join(FOLDER, file), "utf8");
  for (const said of literals(text)) {
    assert.ok(SAME_EVERYWHERE.has(said), `${file} says "${said}" in one language only`);
  }
  for (const [, key] of text.matchAll(/\bt\("([^"]+)"/g)) assert.ok(key in tables.en, `${file}: there are no words for ${key}`);
}
await done();

/// What the templates of a module say by themselves: text between tags, and attributes that people read or hear.
function literals(text) {
  const found = [];
  for (let at = text.indexOf("html`"); at >= 0; at = text.indexOf("html`", at + 1)) {
    const markup = template(text, at + "html`".length);
    const read = markup.matchAll(/(?:title|alt|label|aria-label|placeholder)="([^"]*)"/g);
    found.push(...[...read].map(([, value]) => value), ...markup.replace(/<[^>]*>/g, "\n").split("\n"));
  }
  return found.map((said) => said.trim()).filter((said) => /\p{L}{2}/u.test(said));
}

/// The template that begins here, without what is put in.
function template(text, begin) {
  let kept = "";
  for (let at = begin; text[at] !== "`"; at += 1) {
    if (text.startsWith("${", at)) at = behind(text, at + 2) - 1;
    else kept += text[at];
  }
  return kept;
}

/// Behind the brace that closes what begins here; templates within are passed over.
function behind(text, begin) {
  for (let at = begin, depth = 1; at < text.length; at += 1) {
    if (text[at] === "`") at = end(text, at + 1);
    else if (text[at] === "{") depth += 1;
    else if (text[at] === "}") depth -= 1;
    if (depth === 0) return at + 1;
  }
  return text.length;
}

/// The backtick that closes the template that begins here.
function end(text, begin) {
  let at = begin;
  while (at < text.length && text[at] !== "`") at = text.startsWith("${", at) ? behind(text, at + 2) : at + 1;
  return at;
}
