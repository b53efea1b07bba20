//! Judges contracts by the validators that their readers use: `judge.mjs MODULES FILE…`. A name in .schema.json is JSON Schema, for ajv in its
//! strict mode, with its examples; any other file is AsyncAPI. Prints what is wrong; exit code 1 if something is.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, ...files] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const problems = [];

function judgeSchema(file, schema) {
  const Ajv = require("ajv/dist/2020").default;
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, allErrors: true });
  require("ajv-formats").default(ajv);
  ajv.addVocabulary(["x-reload", "x-minimum", "x-maximum", "x-unit", "x-fields"]);

  const validate = ajv.compile(schema);
  for (const example of schema.examples ?? []) {
    if (!validate(example)) problems.push(`${file}, an example: ${ajv.errorsText(validate.errors)}`);
  }
}

async function judgeAsyncApi(file, text) {
  const { Parser } = require("@asyncapi/parser");
  const { document, diagnostics } = await new Parser().parse(text);
  // Hints are the validator's taste; warnings are faults of a document that is read by programs.
  for (const found of diagnostics.filter((it) => it.severity <= 1)) {
    problems.push(`${file}, ${found.path.join(".")}: ${found.message}`);
  }
  if (!document) problems.push(`${file} is no AsyncAPI document`);
}

for (const file of files) {
  const text = readFileSync(file, "utf8");
  try {
    if (file.endsWith(".schema.json")) judgeSchema(file, JSON.parse(text));
    else await judgeAsyncApi(file, text);
  } catch (error) {
    problems.push(`${file}: ${error.message}`);
  }
}
problems.forEach((it) => console.log(it));
process.exit(problems.length ? 1 : 0);
