/**
 * An open terminal while its cloud ends and begins again. Whoever started this says on standard input when:
 * `down` (ended as planned), `up` (again, same address), `killed` (and again after kill -9).
 */

import { createInterface } from "node:readline";
import { args, run, shows } from "./browser.mjs";

const { base, code, agent, pictures } = args({});
const said = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function hear(word) {
  const { value } = await said.next();
  if (value !== word) throw new Error(`heard ${value} instead of ${word}`);
}

await run("restart", { pictures }, async (rig) => {
  const page = await rig.page();
  await page.goto(`${base}/agents/${agent}/terminal#code=${encodeURIComponent(code)}`);
  await shows(page, "a prompt", (lines) => lines.some((line) => line.startsWith(">")));
  await page.keyboard.type("before");
  await page.keyboard.press("Enter");
  await shows(page, "the answer", (lines) => lines.includes("You said: before"));
  console.log("attached");

  await hear("down");
  // The screen stays while nobody is there.
  await shows(page, "the screen without a cloud", (lines) => lines.includes("You said: before"));
  await page.locator("body:not([data-phase=attached])").waitFor();
  await rig.picture(page, "1-down");
  console.log("waiting");

  await hear("up");
  await page.locator("[data-phase=attached]").waitFor({ timeout: 40_000 });
  await shows(page, "the screen as it was", (lines) => lines.includes("You said: before"));
  await page.keyboard.type("after");
  await page.keyboard.press("Enter");
  await shows(page, "typing into the agent that came back", (lines) => lines.includes("You said: after"));
  await rig.picture(page, "2-back");
  console.log("back");

  await hear("killed");
  // Its host was killed: it is back from its last checkpoint, and takes what is typed.
  await page.locator("[data-phase=attached]").waitFor({ timeout: 40_000 });
  await shows(page, "the screen of its last checkpoint", (lines) => lines.includes("You said: before"));
  await page.keyboard.type("again");
  await page.keyboard.press("Enter");
  await shows(page, "an answer after the kill", (lines) => lines.some((line) => line.startsWith("You said:") && line.endsWith("again")));
  await rig.picture(page, "3-killed");
  // Chromium reports each try that found nobody.
  rig.forgive(/ERR_CONNECTION|ERR_EMPTY_RESPONSE|WebSocket|status of (401|409|410|503)/);
});
process.stdin.destroy();
