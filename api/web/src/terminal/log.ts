/** The log panel: JSON lines from stream 1, the newest at the bottom. */

import { byId, h, setText } from "../dom.ts";
import { LineSplitter } from "../protocol/lines.ts";
import type { LogEntry } from "../wire.ts";

/** Entries kept on the page. */
const MOST = 1_000;
const LEVELS = ["trace", "debug", "info", "warn", "error"];

export class LogPanel {
  readonly #panel = document.getElementById("log");
  readonly #lines = byId("log-lines", "div");
  readonly #level = byId("log-level", "select");
  readonly #toggle = byId("log-toggle", "button");
  readonly #splitter = new LineSplitter();

  constructor(opened: () => void, changed: () => void) {
    const set = (open: boolean) => {
      if (this.#panel !== null) this.#panel.hidden = !open;
      this.#toggle.setAttribute("aria-expanded", String(open));
      if (open) opened();
      changed();
    };
    this.#toggle.addEventListener("click", () => set(this.#panel?.hidden !== false));
    byId("log-close", "button").addEventListener("click", () => {
      set(false);
      this.#toggle.focus();
    });
    this.#level.addEventListener("change", () => this.#show());
    this.#show();
  }

  append(bytes: Uint8Array): void {
    const entries = this.#splitter.push(bytes).map(read).filter((entry) => entry !== null);
    if (entries.length === 0) return;
    const lines = this.#lines;
    const atEnd = lines.scrollTop + lines.clientHeight >= lines.scrollHeight - 8;
    lines.append(...entries.map(line));
    while (lines.childElementCount > MOST) lines.firstElementChild?.remove();
    if (atEnd) lines.scrollTop = lines.scrollHeight;
  }

  cut(): void {
    this.#splitter.cut();
  }

  #show(): void {
    this.#lines.dataset["least"] = this.#level.value;
    this.#lines.scrollTop = this.#lines.scrollHeight;
  }
}

function read(text: string): LogEntry | null {
  try {
    const entry = JSON.parse(text) as Partial<LogEntry> | null;
    if (typeof entry?.message !== "string" || typeof entry.time !== "string") return null;
    return { seq: 0, level: "info", source: "", fields: {}, ...entry } as LogEntry;
  } catch {
    return null;
  }
}

function line(entry: LogEntry): HTMLElement {
  const time = new Date(entry.time);
  const clock = h("time", { datetime: entry.time, title: time.toLocaleString() });
  setText(clock, Number.isNaN(time.getTime()) ? "" : time.toLocaleTimeString([], { hour12: false }));
  const fields = Object.entries(entry.fields ?? {}).map(([name, value]) => `${name}=${value}`);
  return h(
    "div",
    { class: "log-line", "data-level": Math.max(0, LEVELS.indexOf(entry.level)) },
    clock,
    h("span", { class: "log-tag" }, entry.level),
    h("span", { class: "log-text" }, entry.source === "agent" || entry.source === "" ? entry.message : `${entry.source}: ${entry.message}`),
    fields.length === 0 ? null : h("span", { class: "log-fields" }, fields.join(" ")),
  );
}
