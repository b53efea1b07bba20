//! What the console says, in English and Chinese: by the browser's languages, or as somebody chose here.
//!
//! Promises: a test holds both languages to the same keys. Each page brings its own words by `words`; those of the shell stand in `app.js`,
//! those of the parts in `parts.js`.

export const LANGUAGES = { en: "English", zh: "中文" };
const CHOSEN = "boxbridge.language";

const tables = { en: {}, zh: {} };
let current = chosen() ?? preferred();

/// Registers words: `{ en: { key: "…" }, zh: { key: "…" } }`.
export function words(more) {
  for (const name of Object.keys(LANGUAGES)) Object.assign(tables[name], more[name]);
}

/// The words of a key, `{name}` in them replaced. A key that is unknown is shown as it is.
export function t(key, values = {}) {
  const text = tables[current][key] ?? tables.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/// Whether there are words for a key.
export const isKnown = (key) => key in tables.en;

/// All words, for the test that compares them.
export const allWords = () => tables;

export const language = () => current;

/// Language tag for numbers and times.
export const locale = () => (current === "zh" ? "zh-CN" : "en-GB");

export function speak(name) {
  current = name;
  keep(CHOSEN, name);
  document.documentElement.lang = locale();
  window.dispatchEvent(new Event("language"));
}

/// Keeps a choice in this browser; one that keeps nothing goes on without.
export function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // A private window may refuse.
  }
}

export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function chosen() {
  const name = kept(CHOSEN);
  return name in LANGUAGES ? name : null;
}

function preferred() {
  const known = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((name) => name in LANGUAGES);
  return known ?? "en";
}
