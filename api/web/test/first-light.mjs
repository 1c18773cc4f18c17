/** `node test/first-light.mjs`: first light against the double instead of a cloud. */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { start } from "./double/server.mjs";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const scripts = new URL("../../../tests/browser/", import.meta.url);
const double = await start({ dist });
const pictures = process.env.PICTURES;
const script = fileURLToPath(new URL("first-light.mjs", scripts));
const child = spawn(process.execPath, [script, JSON.stringify({ base: double.url, code: double.code, pictures })], { stdio: "inherit" });
child.on("exit", (code) => {
  double.stop();
  process.exitCode = code ?? 1;
});
