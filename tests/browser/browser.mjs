/** Chromium for the scripts beside this file: start, watch for trouble, take pictures, fail clearly. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** What a script is told: `CLAW_BROWSER_ARGS` or its first argument, as JSON. */
export function args(defaults) {
  const text = process.env.CLAW_BROWSER_ARGS ?? process.argv[2];
  if (text === undefined) throw new Error("give the arguments as JSON, as the first argument or in CLAW_BROWSER_ARGS");
  return { ...defaults, ...JSON.parse(text) };
}

function chromiumPath() {
  if (process.env.CLAW_CHROMIUM) return process.env.CLAW_CHROMIUM;
  for (const name of ["chromium", "chromium-browser", "google-chrome"]) {
    try {
      return execFileSync("which", [name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    } catch {
      // The next name.
    }
  }
  throw new Error("no Chromium found: install Debian's `chromium`, or name one in CLAW_CHROMIUM");
}

/** A browser; whoever asks for one closes it. */
export function launch() {
  return chromium.launch({ executablePath: chromiumPath(), headless: true, args: FLAGS });
}

/**
 * Runs `test` with a browser; exits 1 with one clear line when it fails. `pictures` is a directory
 * for screenshots, or nothing; `shared` is a browser that more tests use.
 */
export async function run(name, { pictures, shared }, test) {
  if (pictures) mkdirSync(pictures, { recursive: true });
  let browser;
  try {
    browser = shared ?? (await launch());
    const rig = new Rig(browser, pictures);
    try {
      await test(rig);
    } catch (error) {
      await rig.lastLook();
      throw error;
    }
    rig.verdict();
    console.log(`${name}: ok`);
  } catch (error) {
    console.error(`${name}: FAILED: ${error instanceof Error ? error.message : error}`);
    if (process.env.CLAW_BROWSER_TRACE) console.error(error);
    process.exitCode = 1;
  } finally {
    if (shared === undefined) await browser?.close();
    else for (const context of shared.contexts()) await context.close();
  }
}

export class Rig {
  #trouble = [];
  #pages = [];

  constructor(browser, pictures) {
    this.browser = browser;
    this.pictures = pictures;
  }

  /** A page in a browser profile of its own, watched for errors. Nothing moves, so that pictures and colours are stable. */
  async page(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1180, height: 760 }, reducedMotion: "reduce", ...options });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    this.watch(page);
    return page;
  }

  watch(page) {
    this.#pages.push(page);
    page.on("pageerror", (error) => this.#trouble.push(`uncaught: ${error.message}`));
    page.on("console", (message) => {
      // Chromium logs each answer of 400 and above; a script that expects one says so.
      if (message.type() === "error") this.#trouble.push(`console: ${message.text()} (${message.location().url})`);
      else if (/content security policy/i.test(message.text())) this.#trouble.push(`policy: ${message.text()}`);
    });
  }

  /** Forgives trouble that matches, such as the 422 a script provokes. */
  forgive(pattern) {
    this.#trouble = this.#trouble.filter((each) => !pattern.test(each));
  }

  verdict() {
    if (this.#trouble.length > 0) throw new Error(`the browser reported: ${this.#trouble.join("; ")}`);
  }

  async picture(page, name) {
    if (this.pictures) await page.screenshot({ path: join(this.pictures, `${name}.png`) });
  }

  async lastLook() {
    if (this.#trouble.length > 0) console.error(`the browser reported: ${this.#trouble.join("; ")}`);
    for (const [at, page] of this.#pages.entries()) {
      await this.picture(page, `failed-${at}`).catch(() => {});
    }
  }
}

export function check(condition, message) {
  if (!condition) throw new Error(message);
}

/** The terminal's lines as the page shows them, without what follows the last character of each. */
export async function screen(page) {
  const rows = await page.locator(".xterm-rows > div").allInnerTexts();
  return rows.map((row) => row.replace(/\u00a0/g, " ").trimEnd());
}

/** Waits until the terminal shows lines for which `wanted` is true, and answers with them. */
export async function shows(page, what, wanted, timeout = 15_000) {
  const until = Date.now() + timeout;
  for (;;) {
    const lines = await screen(page);
    if (wanted(lines)) return lines;
    if (Date.now() > until) throw new Error(`the terminal never showed ${what}; it shows:\n${lines.join("\n").trimEnd()}`);
    await page.waitForTimeout(50);
  }
}

/** Fails when the page is wider than its window. */
export async function fits(page, where) {
  const { inner, scroll } = await page.evaluate(() => ({
    inner: document.documentElement.clientWidth,
    scroll: Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
  }));
  check(scroll <= inner, `${where}: ${scroll} px of content in a window of ${inner} px`);
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails on what axe finds against WCAG 2.2 A and AA, contrast included. */
export async function accessible(page, where) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(async () => {
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    // What an agent prints has the agent's colours.
    const { violations } = await globalThis.axe.run({ exclude: [".xterm"] }, { runOnly: tags });
    return violations.map(({ id, nodes }) => `${id} at ${nodes.map((node) => node.target.join(" ")).join(", ")}`);
  });
  check(violations.length === 0, `${where} is not accessible: ${violations.join("; ")}`);
}
