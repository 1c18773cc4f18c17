// Makes the component: `node build.mjs WIT OUT`. Run by `cargo xtask guests`.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { componentize } from "@bytecodealliance/componentize-js";

const [wit, out] = process.argv.slice(2);
const { component, imports } = await componentize({
  sourcePath: fileURLToPath(new URL("component.js", import.meta.url)),
  witPath: wit,
  worldName: "agent",
  // What is left out here is not imported.
  disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
});
await writeFile(out, component);
console.log(imports.flat().join("\n"));
