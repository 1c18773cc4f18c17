/**
 * First light: from a one-time code to a deleted agent, with a person's means only.
 *
 * node first-light.mjs '{"base":"http://127.0.0.1:7300","code":"…","pictures":"/some/directory"}'
 */

import { args, check, fits, run, screen, shows } from "./browser.mjs";

const { base, code, pictures, image } = args({ image: "shell" });

await run("first-light", { pictures }, async (rig) => {
  const page = await rig.page({ colorScheme: "light" });

  // Sign in: the code must be gone from the address at once, and nothing may be left for scripts.
  await page.goto(`${base}/#code=${encodeURIComponent(code)}`);
  await page.getByRole("heading", { name: "Agents", exact: true }).waitFor();
  check(!page.url().includes("code"), `the code is still in the address: ${page.url()}`);
  const kept = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
  check(!kept.includes(code) && !/session=|claw_live/.test(kept), `a secret is readable by scripts: ${kept}`);
  await rig.picture(page, "1-console");

  // A refused spawn says why beside the field.
  await page.getByRole("button", { name: "Spawn agent", exact: true }).click();
  await page.getByLabel("Image", { exact: true }).selectOption(image);
  await page.getByText("Limits and configuration").click();
  await page.getByLabel("Memory, MiB").fill("999999");
  await page.getByRole("button", { name: "Spawn", exact: true }).click();
  await page.locator("[data-pointer='/limits/memory_mib'] .field-error").waitFor();
  check((await page.getByLabel("Memory, MiB").getAttribute("aria-invalid")) !== null, "the refused field is not marked");
  rig.forgive(/status of 422/);
  await rig.picture(page, "2-refused");

  // A good one opens its terminal.
  await page.getByLabel("Memory, MiB").fill("");
  await page.getByRole("textbox", { name: "Name optional" }).fill("first-light");
  await page.getByRole("button", { name: "Spawn", exact: true }).click();
  await page.waitForURL(/\/agents\/agt_[^/]+\/terminal$/);
  await shows(page, "a prompt", (lines) => lines.some((line) => /\$\s*$/.test(line)));

  // A pipeline.
  await page.keyboard.type("printf 'b\\na\\n' | sort | tr a-z A-Z");
  await page.keyboard.press("Enter");
  const sorted = (lines) => lines.some((line, at) => line === "A" && lines[at + 1] === "B");
  const before = await shows(page, "A and B below each other", sorted);
  await rig.picture(page, "3-terminal");

  // A reload finds the screen as it was.
  await page.reload();
  await shows(page, "the screen from before the reload", (lines) => sorted(lines) && same(lines, before));
  await page.keyboard.type("echo still-here");
  await page.keyboard.press("Enter");
  await shows(page, "what is typed after the reload", (lines) => lines.includes("still-here"));
  await page.emulateMedia({ colorScheme: "dark" });
  await rig.picture(page, "4-dark");

  // Two people look: both see the same.
  const second = await page.context().newPage();
  rig.watch(second);
  await second.goto(`${page.url()}?role=viewer`);
  await shows(second, "the same screen", (lines) => lines.includes("still-here"));
  await page.bringToFront();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.type("echo for-both");
  await page.keyboard.press("Enter");
  await shows(second, "what the other typed", (lines) => lines.includes("for-both"));
  await second.close();

  await narrow(rig, page, page.url());
  await keyboardOnly(rig, page);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API token").waitFor();
  rig.forgive(/status of 401/);
});

/** Nothing is wider than a phone. */
async function narrow(rig, page, terminal) {
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 360, height: 720 });
  await page.waitForFunction(() => (document.querySelector(".xterm-screen")?.clientWidth ?? 999) <= innerWidth);
  await shows(page, "the screen on a phone", (lines) => lines.some((line) => line.includes("for-both")));
  await fits(page, "terminal");
  await page.getByRole("button", { name: "Tools" }).click();
  await page.getByRole("button", { name: "On-screen keys" }).click();
  await page.getByRole("button", { name: "Esc", exact: true }).waitFor();
  await fits(page, "terminal with keys");
  await rig.picture(page, "5-phone-terminal");
  await page.goto(new URL("/", terminal).href);
  await page.getByRole("link", { name: "first-light" }).waitFor();
  await fits(page, "console");
  await rig.picture(page, "6-phone-console");
  await page.getByRole("button", { name: "Spawn agent", exact: true }).click();
  await page.getByText("Limits and configuration").click();
  await fits(page, "spawn dialog");
  await rig.picture(page, "7-phone-spawn");
  await page.keyboard.press("Escape");
  await page.setViewportSize({ width: 1180, height: 760 });
}

/** From the list into the terminal, out of it, and the agent deleted, without a pointer. */
async function keyboardOnly(rig, page) {
  await tabTo(page, "first-light");
  await page.keyboard.press("Enter");
  await page.waitForURL(/terminal$/);
  await shows(page, "the screen by keyboard", (lines) => lines.includes("for-both"));
  await page.keyboard.type("echo by-keyboard");
  await page.keyboard.press("Enter");
  await shows(page, "what the keyboard typed", (lines) => lines.includes("by-keyboard"));
  await page.keyboard.press("Control+Shift+KeyX");
  await tabTo(page, "Back to all agents", "Shift+Tab");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Agents", exact: true }).waitFor();
  await tabTo(page, "Delete first-light");
  await page.keyboard.press("Enter");
  await page.getByRole("alertdialog").waitFor();
  await page.keyboard.press("Tab");
  await rig.picture(page, "8-delete");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: "first-light" }).waitFor({ state: "detached" });
  await page.getByLabel("Show ended").check();
  await page.locator("[data-agent]", { hasText: "first-light" }).getByText("terminated").waitFor();
  await rig.picture(page, "9-ended");
}

/** Presses Tab until the element with this name has the focus. */
async function tabTo(page, name, key = "Tab") {
  for (let presses = 0; presses < 60; presses += 1) {
    const at = await page.evaluate(() => {
      const element = document.activeElement;
      return element?.getAttribute("aria-label") ?? element?.textContent?.trim() ?? "";
    });
    if (at === name) return;
    await page.keyboard.press(key);
  }
  throw new Error(`the keyboard does not reach “${name}”; the terminal shows: ${(await screen(page)).join(" ").trim()}`);
}

function same(a, b) {
  return a.join("\n").trimEnd() === b.join("\n").trimEnd();
}
