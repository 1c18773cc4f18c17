/** xterm.js, set up so that what an agent prints can draw and nothing else. */

import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

import type { Theme } from "../theme.ts";
import { palette } from "./palette.ts";

/** Lines kept above the screen. */
const SCROLLBACK = 5_000;
/** A full reset (RIS), in order with the bytes around it. */
const RESET = new Uint8Array([0x1b, 0x63]);

type Step = { bytes: Uint8Array; done: () => void } | { cols: number; rows: number };

/** Opens a link an agent printed, after a click on it: the web only, and with no way back to this page. */
function follow(event: MouseEvent, uri: string): void {
  event.preventDefault();
  let url: URL;
  try {
    url = new URL(uri);
  } catch {
    return;
  }
  if (url.protocol === "https:" || url.protocol === "http:") window.open(url, "_blank", "noopener,noreferrer");
}

export class Renderer {
  readonly terminal: Terminal;
  readonly search = new SearchAddon();
  readonly #fit = new FitAddon();
  /** Writes that xterm.js has not reported back. */
  #inFlight = 0;
  /** A resize that waits for those writes, and everything after it. */
  #queue: Step[] = [];

  constructor(parent: HTMLElement, theme: Theme, fontSize: number) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
      fontSize,
      lineHeight: 1.15,
      scrollback: SCROLLBACK,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      minimumContrastRatio: 4.5,
      macOptionIsMeta: true,
      theme: palette(theme),
      linkHandler: {
        activate: follow,
        // The text of such a link is the agent's choice; where it leads must be seen before the click.
        hover: (_, uri) => (parent.title = uri),
        leave: () => (parent.title = ""),
        allowNonHttpProtocols: false,
      },
    });
    this.terminal.loadAddon(this.#fit);
    this.terminal.loadAddon(this.search);
    this.terminal.loadAddon(new WebLinksAddon(follow));
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = "11";
    // Titles and the clipboard (OSC 0, 1, 2, 52) are the page's and the person's, not the agent's.
    for (const command of [0, 1, 2, 52]) this.terminal.parser.registerOscHandler(command, () => true);
    this.terminal.open(parent);
  }

  /** The size that fills the window, in cells. */
  proposed(): { cols: number; rows: number } | undefined {
    const size = this.#fit.proposeDimensions();
    if (size === undefined || !Number.isFinite(size.cols) || !Number.isFinite(size.rows)) return undefined;
    return { cols: Math.min(500, Math.max(2, size.cols)), rows: Math.min(500, Math.max(1, size.rows)) };
  }

  reset(): void {
    this.write(RESET, () => {});
  }

  write(bytes: Uint8Array, done: () => void): void {
    this.#queue.push({ bytes, done });
    this.#drain();
  }

  /** Bytes written before are drawn at the old size, bytes after at the new one. */
  resize(cols: number, rows: number): void {
    this.#queue.push({ cols, rows });
    this.#drain();
  }

  #drain(): void {
    for (let step = this.#queue[0]; step !== undefined; step = this.#queue[0]) {
      if ("cols" in step && this.#inFlight > 0) return;
      this.#queue.shift();
      if ("cols" in step) this.terminal.resize(step.cols, step.rows);
      else this.#write(step.bytes, step.done);
    }
  }

  #write(bytes: Uint8Array, done: () => void): void {
    this.#inFlight += 1;
    this.terminal.write(bytes, () => {
      this.#inFlight -= 1;
      done();
      // Not from within xterm.js's own loop over its writes.
      if (this.#queue.length > 0) setTimeout(() => this.#drain());
    });
  }
}
