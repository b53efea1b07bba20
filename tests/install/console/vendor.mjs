//! Makes `src/admin/console/vendor/preact.js`: Preact, its hooks and htm as one module, with their licences.
//!
//!     node tests/install/console/vendor.mjs ~/.cache/boxbridge-test/console-1/node_modules >src/admin/console/vendor/preact.js
//!
//! Promises: the same versions make the same bytes; a test compares them with the file that is committed.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";

const modules = resolve(process.argv[2]);
const { buildSync } = createRequire(join(modules, "esbuild/package.json"))("esbuild");
const read = (name) => readFileSync(join(modules, name), "utf8");
const version = (name) => JSON.parse(read(`${name}/package.json`)).version;

const entry = `
import { h } from "preact";
import htm from "htm";
export const html = htm.bind(h);
export { Component, Fragment, render } from "preact";
export { useCallback, useEffect, useErrorBoundary, useLayoutEffect, useMemo, useReducer, useRef, useState } from "preact/hooks";
`;

const built = buildSync({
  stdin: { contents: entry, resolveDir: resolve(modules, "..") },
  nodePaths: [modules],
  bundle: true,
  format: "esm",
  minify: true,
  target: "es2022",
  legalComments: "none",
  write: false,
});

const licence = (name) => `${name} ${version(name)}\n\n${read(`${name}/LICENSE`).trim()}`;
const head = [
  `preact ${version("preact")} and htm ${version("htm")}, bundled by esbuild ${version("esbuild")}.`,
  "Made by tests/install/console/vendor.mjs; not to be edited.",
  "",
  licence("preact"),
  "",
  licence("htm").split("\n").slice(0, 6).join("\n"),
  "The whole text stands at https://www.apache.org/licenses/LICENSE-2.0; it is boxbridge's own licence, too.",
];
process.stdout.write(`/*!\n${head.join("\n")}\n*/\n${built.outputFiles[0].text}`);
