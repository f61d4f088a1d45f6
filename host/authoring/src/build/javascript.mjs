// Makes a component of JavaScript: `node javascript.mjs TOOLS WIT WORLD OUTPUT`, in the directory of `policy.js`.
// What is wrong with the source is said on standard error, and the exit code is 1; 2 if it is nobody's source.

import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const SOURCE = "policy.js";
/** Loads it; a hidden file, since none of those is the author's. */
const ENTRY = ".entry.js";
const [tools, witPath, worldName, output] = process.argv.slice(2);
const require = createRequire(`${tools}/package.json`);
const load = async (name) => import(pathToFileURL(require.resolve(name)));

function quit(code, text) {
  process.stderr.write(`${text}\n`);
  process.exit(code);
}

const packages = `${tools}/node_modules`;
const tool = `${packages}/@bytecodealliance/componentize-js/src/componentize.js`;
const { componentize } = await import(pathToFileURL(tool)).catch((error) => quit(2, error.message));
const parser = await load("oxc-parser").catch((error) => quit(2, error.message));

const source = await readFile(SOURCE, "utf8");
const { errors } = parser.parseSync(SOURCE, source);
if (errors.length > 0) {
  quit(1, errors.map((error) => error.codeframe ?? `${SOURCE}: ${error.message}`).join("\n"));
}
try {
  const { component } = await componentize({
    sourcePath: ENTRY,
    sourceName: SOURCE,
    witPath,
    worldName,
    // Without these it imports nothing of WASI.
    disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
  });
  await writeFile(output, component);
} catch (error) {
  quit(1, error.message);
}
