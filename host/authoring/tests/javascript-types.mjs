// Writes the types of a world for guests: `node javascript-types.mjs TOOLS WIT WORLD OUTPUT`.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [tools, wit, world, output] = process.argv.slice(2);
const generator = "@bytecodealliance/jco-transpile/vendor/js-component-bindgen-component.js";
const { $init, generateTypes } = await import(pathToFileURL(join(tools, "node_modules", generator)));
await $init;

// As one text, which begins with the file that names the package: the generator's own file system doesn't find paths.
const texts = readdirSync(wit).map((name) => readFileSync(join(wit, name), "utf8"));
texts.sort((a, b) => /^package /m.test(b) - /^package /m.test(a));
const files = generateTypes("policy", {
  wit: { tag: "source", val: texts.join("\n") },
  world,
  guest: true,
  tlaCompat: false,
  features: { tag: "list", val: [] },
});
for (const [name, content] of files) {
  const path = join(output, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
