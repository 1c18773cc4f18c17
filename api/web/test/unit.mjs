/** `npm test`: compiles the modules that need no DOM, and their tests, and runs them in Node.js. */

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const out = `${root}node_modules/.cache/unit`;
rmSync(out, { recursive: true, force: true });

function run(...command) {
  const { status, error } = spawnSync(process.execPath, command, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

run("node_modules/typescript/bin/tsc", "-p", "test/tsconfig.json");
const tests = readdirSync(`${out}/test/unit`).filter((name) => name.endsWith(".test.js"));
run("--test", ...tests.map((name) => `${out}/test/unit/${name}`));
