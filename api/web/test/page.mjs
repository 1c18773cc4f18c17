/** What the page does when things go wrong, against the double: `node test/page.mjs`. */

import { fileURLToPath } from "node:url";
import { accessible, check, fits, launch, run, screen, shows } from "../../../tests/browser/browser.mjs";
import { start } from "./double/server.mjs";

const dist = fileURLToPath(new URL("../dist", import.meta.url));
const pictures = process.env.PICTURES;
const shared = await launch();

async function scene(name, test, options = {}) {
  const double = await start({ dist });
  const agent = double.spawn({ image: "shell", name: "scene" });
  await run(name, { pictures, shared }, async (rig) => {
    const page = await rig.page(options);
    await test({ rig, page, double, agent, terminal: `${double.url}/agents/${agent.id}/terminal` });
  });
  double.stop();
}

const prompt = (lines) => lines.some((line) => line.endsWith("$"));

async function enter({ page, double, terminal }) {
  await page.goto(`${terminal}#code=${double.code}`);
  await shows(page, "a prompt", prompt);
  await page.locator("[data-phase=attached]").waitFor();
}

await scene("signing in with a token, and signing in again", async ({ rig, page, double, terminal }) => {
  await page.goto(terminal);
  await page.getByLabel("API token").fill("claw_live_wrong");
  await page.keyboard.press("Enter");
  await page.getByText("This token is not valid").waitFor();
  await accessible(page, "sign-in");
  await rig.picture(page, "sign-in");
  await page.getByLabel("API token").fill("claw_live_test");
  await page.keyboard.press("Enter");
  await shows(page, "a prompt", prompt);
  check((await page.getByLabel("API token").inputValue()) === "", "the token stays in the page");
  // The session ends while the page is open: the screen stays, and typing goes on after signing in.
  await page.context().clearCookies();
  for (const each of double.agents.values()) each.cut();
  await page.getByLabel("API token").fill("claw_live_test");
  await page.keyboard.press("Enter");
  await page.locator("[data-phase=attached]").waitFor();
  await page.keyboard.type("echo again\n");
  await shows(page, "typing after the second sign-in", (lines) => lines.includes("again"));
  rig.forgive(/status of 401/);
});

await scene("a used code asks for a token", async ({ rig, page, double }) => {
  await page.goto(`${double.url}/#code=wrong`);
  await page.getByText("was used already").waitFor();
  check(!page.url().includes("wrong"), "the code is still in the address");
  rig.forgive(/status of 401/);
});

await scene("typing through a lost connection", async (stage) => {
  const { page, agent, double, rig } = stage;
  await enter(stage);
  await page.context().setOffline(true);
  agent.cut();
  await page.locator("[data-phase=waiting]").waitFor();
  await page.keyboard.type("echo kept");
  await page.getByText("9 B typed will be sent then").waitFor();
  await rig.picture(page, "offline");
  await page.context().setOffline(false);
  await page.locator("[data-phase=attached]").waitFor();
  await page.keyboard.press("Enter");
  const lines = await shows(page, "the kept line and its answer", (shown) => shown.includes("kept"));
  check(lines.filter((line) => line.endsWith("echo kept")).length === 1, `typed twice:\n${lines.join("\n")}`);
  const sessions = new Set(agent.received.map((each) => each.session));
  check(sessions.size === 1, "a reconnect made a new input session");
  rig.forgive(/ERR_INTERNET_DISCONNECTED|WebSocket/);
});

await scene("a reload keeps the input session, a duplicate gets its own", async (stage) => {
  const { page, agent, rig, terminal } = stage;
  await enter(stage);
  await page.keyboard.type("a");
  await shows(page, "a", (lines) => lines.some((line) => line.endsWith("$ a")));
  const stored = await page.evaluate(() => ({ ...sessionStorage }));
  await page.reload();
  await page.locator("[data-phase=attached]").waitFor();
  await page.keyboard.type("b");
  await shows(page, "ab", (lines) => lines.some((line) => line.endsWith("$ ab")));
  check(new Set(agent.received.map((each) => each.session)).size === 1, "the reload made a new input session");
  const twin = await page.context().newPage();
  rig.watch(twin);
  await twin.addInitScript((values) => Object.assign(sessionStorage, values), stored);
  await twin.goto(terminal);
  await twin.locator("[data-phase=attached]").waitFor();
  await twin.keyboard.type("c");
  await shows(page, "abc", (lines) => lines.some((line) => line.endsWith("$ abc")));
  check(new Set(agent.received.map((each) => each.session)).size === 2, "two tabs share an input session");
  await page.locator("#presence-count", { hasText: "2" }).waitFor();
});

await scene("a viewer sees and cannot type", async (stage) => {
  const { page, double, terminal, agent } = stage;
  await page.goto(`${terminal}?role=viewer#code=${double.code}`);
  await shows(page, "a prompt", prompt);
  await page.getByText("read only").first().waitFor();
  await page.keyboard.type("x");
  await page.getByText("You are watching").waitFor();
  agent.print("\x1b[6n\x1b[c");
  agent.print("seen");
  await shows(page, "output", (lines) => lines.some((line) => line.includes("seen")));
  check(agent.received.length === 0, "a viewer's page sent input");
});

await scene("what an agent prints can only draw", async (stage) => {
  const { page, agent, rig } = stage;
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await enter(stage);
  await page.evaluate(() => navigator.clipboard.writeText("mine"));
  const title = await page.title();
  agent.print(`\x1b]52;c;${Buffer.from("stolen").toString("base64")}\x07`);
  agent.print("\x1b]0;evil title\x07\x1b]2;evil title\x07<b>not bold</b> ");
  agent.print("\x1b]8;;javascript:alert(1)\x07run-me\x1b]8;;\x07 \x1b]8;;https://example.com/\x07go\x1b]8;;\x07 javascript:alert(2) ");
  await shows(page, "the text", (lines) => lines.some((line) => line.includes("<b>not bold</b>")));
  check((await page.evaluate(() => navigator.clipboard.readText())) === "mine", "an agent wrote the clipboard");
  check((await page.title()) === title, "an agent changed the title");
  const popups = [];
  page.context().on("page", (popup) => popups.push(popup.url()));
  await page.getByText("run-me").first().click({ position: { x: 60, y: 5 }, modifiers: ["Control"] }).catch(() => {});
  check(popups.length === 0, `a script link opened ${popups}`);
  rig.forgive(/nothing/);
});

await scene("a paste of several lines is confirmed, its escapes are not typed", async (stage) => {
  const { page, agent, rig } = stage;
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  await enter(stage);
  await page.evaluate(() => navigator.clipboard.writeText("echo one\n\x1b[201~echo two\n"));
  await page.keyboard.press("Control+Shift+v");
  await page.getByRole("dialog", { name: "Paste several lines?" }).waitFor();
  await rig.picture(page, "paste");
  await accessible(page, "paste dialog");
  await page.keyboard.press("Enter");
  await shows(page, "both answers", (lines) => lines.some((line) => /(^|\$ )one$/.test(line)) && lines.some((line) => line.includes("[201~echo: ")));
  agent.print("\x1b[?2004h");
  await page.evaluate(() => navigator.clipboard.writeText("x\ny"));
  const before = agent.received.length;
  await page.getByRole("button", { name: "Paste", exact: true }).click();
  await page.waitForFunction(() => !document.querySelector("dialog:modal"));
  for (let tries = 0; agent.received.length === before && tries < 100; tries += 1) await page.waitForTimeout(20);
  check(agent.received.at(-1).length === "\x1b[200~x\ry\x1b[201~".length, "the paste is not bracketed");
});

await scene("a flood is drawn to its end and the page stays alive", async (stage) => {
  const { page } = stage;
  await enter(stage);
  await page.keyboard.type("seq 200000\n");
  await shows(page, "the last line", (lines) => lines.includes("200000"), 60_000);
  await page.keyboard.type("echo alive\n");
  await shows(page, "what is typed after", (lines) => lines.includes("alive"));
});

await scene("the log, search and the end of an agent", async (stage) => {
  const { page, agent, rig } = stage;
  await enter(stage);
  await page.keyboard.type("echo needle; echo needle\n");
  await shows(page, "needles", (lines) => lines.filter((line) => line === "needle").length === 2);
  await page.getByRole("button", { name: "Log", exact: true }).click();
  await page.getByText("started").waitFor();
  agent.log("warn", "disk is nearly full", { used: "97%" });
  agent.log("error", "could not save");
  await page.getByText("could not save").waitFor();
  check(!(await page.locator(".log-text", { hasText: "command" }).isVisible()), "debug entries are shown at level info");
  await page.getByLabel("Least level").selectOption("debug");
  await page.locator(".log-text", { hasText: "command" }).waitFor();
  await page.locator(".xterm-helper-textarea").focus();
  await page.keyboard.press("Control+Shift+F");
  await page.keyboard.type("needle");
  await page.getByText(/of 4/).waitFor();
  await rig.picture(page, "log-and-search");
  await accessible(page, "terminal with log and search");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Screen reader support" }).click();
  await page.locator(".xterm-accessibility").getByText("echo needle; echo needle").waitFor();
  agent.end();
  await page.getByText("This is its last screen.").waitFor();
  check((await screen(page)).includes("needle"), "the last screen is gone");
  await rig.picture(page, "ended");
  await page.reload();
  await page.getByText("The agent has ended.").waitFor();
  await page.getByRole("link", { name: "All agents", exact: true }).waitFor();
  rig.forgive(/status of 410/);
});

await scene(
  "a phone's keys",
  async (stage) => {
    const { page, rig } = stage;
    await enter(stage);
    await fits(page, "terminal");
    await page.locator(".xterm-screen").tap();
    await page.keyboard.type("sleep 1");
    await page.getByRole("button", { name: "Ctrl for the next key" }).tap();
    await page.keyboard.type("c");
    await shows(page, "an interrupt", (lines) => lines.some((line) => line.includes("^C")));
    check((await page.getByRole("button", { name: "Ctrl for the next key" }).getAttribute("aria-pressed")) === "false", "Ctrl sticks for ever");
    await accessible(page, "phone terminal");
    await rig.picture(page, "phone-dark");
  },
  { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true, colorScheme: "dark" },
);

await scene("an agent is suspended, woken, copied, kept and taken back", async ({ rig, page, double, agent, terminal }) => {
  await page.goto(`${double.url}/#code=${double.code}`);
  const row = page.locator(`[data-agent="${agent.id}"]`);
  await row.getByRole("button", { name: "Suspend scene" }).click();
  await row.getByText("suspended").waitFor();
  check(agent.status === "suspended", "the button suspended nothing");
  await row.getByRole("button", { name: "Resume scene" }).click();
  await row.getByRole("button", { name: "Suspend scene" }).waitFor();
  await row.getByRole("button", { name: "Fork scene" }).click();
  await page.getByText("scene-fork is a copy of scene.").waitFor();
  await row.getByRole("button", { name: "Checkpoints of scene" }).click();
  await page.getByText("taken by itself").waitFor();
  await page.getByLabel("What it is for").fill("before the change");
  await page.keyboard.press("Enter");
  await page.getByText("before the change").waitFor();
  await accessible(page, "checkpoints");
  await rig.picture(page, "checkpoints");
  const other = await page.context().newPage();
  rig.watch(other);
  await other.goto(terminal);
  await shows(other, "a prompt", prompt);
  await other.locator("[data-phase=attached]").waitFor();
  await other.keyboard.type("echo undone\n");
  await shows(other, "what will be undone", (lines) => lines.includes("undone"));
  await page.getByRole("button", { name: /^Restore before the change/ }).click();
  await page.getByText("Everything since is undone").waitFor();
  await accessible(page, "restore");
  await page.getByRole("button", { name: "Restore", exact: true }).click();
  await page.getByText("scene goes back to its checkpoint.").waitFor();
  await other.getByText("The agent went back to a checkpoint").waitFor();
  await shows(other, "the screen of then", (lines) => prompt(lines) && !lines.includes("undone"));
  agent.turn("suspended");
  await other.getByText("A key press wakes it.").waitFor();
  await rig.picture(other, "suspended");
  await other.keyboard.type("echo awake\n");
  await shows(other, "the answer of a woken agent", (lines) => lines.includes("awake"));
  await row.getByRole("button", { name: "Checkpoints of scene" }).click();
  await page.getByRole("button", { name: /^Delete before the change/ }).click();
  await page.getByText("before the change").waitFor({ state: "detached" });
  await page.setViewportSize({ width: 360, height: 740 });
  await fits(page, "phone checkpoints");
  await rig.picture(page, "checkpoints-phone");
});

await scene("the console at its fullest, in both themes", async ({ rig, page, double, agent }) => {
  const names = ["build-watcher", "release-notes", "nightly-report", "a name that is so long that it has to be cut somewhere before it meets the status"];
  const made = names.map((name) => double.spawn({ image: "shell", name }));
  Object.assign(made[0], { status: "failed" });
  Object.assign(made[1], { status: "suspended" });
  Object.assign(made[2], { status: "starting" });
  agent.end();
  await page.goto(`${double.url}/#code=${double.code}`);
  await page.getByText("4 live").or(page.getByText("3 live")).waitFor();
  await page.getByLabel("Show ended").check();
  await page.locator("#hosts summary").click();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await accessible(page, `console, ${colorScheme}`);
    await rig.picture(page, `console-${colorScheme}`);
  }
  await page.getByRole("button", { name: "Use the light theme" }).click();
  check((await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) === "rgb(245, 246, 248)", "the theme is not switched");
  await page.reload();
  await page.getByRole("button", { name: "Use the dark theme" }).waitFor();
  await page.getByLabel("Filter by name, image or id").fill("release");
  await page.locator("[data-agent]").nth(1).waitFor({ state: "detached" });
  await page.setViewportSize({ width: 360, height: 740 });
  await page.getByLabel("Filter by name, image or id").fill("");
  await page.getByText("nightly-report").waitFor();
  await fits(page, "full console");
  await accessible(page, "phone console");
  await rig.picture(page, "console-phone");
  await page.getByRole("button", { name: "Spawn agent", exact: true }).click();
  await page.getByText("Limits and configuration").click();
  await page.getByLabel("Configuration").fill("{");
  await page.getByRole("button", { name: "Spawn", exact: true }).click();
  await page.getByText("This is not JSON").waitFor();
  await accessible(page, "spawn dialog");
});

await shared.close();
