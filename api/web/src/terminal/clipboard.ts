/** Copy and paste, by keys, menu and buttons. The agent itself never reaches the clipboard. */

import type { Terminal } from "@xterm/xterm";

import { byId, setText } from "../dom.ts";
import { badText, good } from "../toast.ts";

/** How much of a paste is shown for confirmation, characters. */
const PREVIEW = 2_000;

export class Clipboard {
  readonly #terminal: Terminal;
  readonly #type: (text: string) => void;
  readonly #dialog = byId("paste-dialog", "dialog");
  #waiting = "";

  constructor(terminal: Terminal, screen: HTMLElement, type: (text: string) => void) {
    this.#terminal = terminal;
    this.#type = type;
    // Before xterm.js sees it.
    screen.addEventListener(
      "paste",
      (event) => {
        event.preventDefault();
        event.stopPropagation();
        this.paste(event.clipboardData?.getData("text/plain") ?? "");
      },
      { capture: true },
    );
    byId("copy", "button").addEventListener("click", () => void this.copy());
    byId("paste", "button").addEventListener("click", () => void this.#read());
    byId("paste-cancel", "button").addEventListener("click", () => this.#dialog.close());
    byId("paste-go", "button").addEventListener("click", () => {
      this.#dialog.close();
      this.#send(this.#waiting);
    });
    this.#dialog.addEventListener("close", () => {
      this.#waiting = "";
      terminal.focus();
    });
  }

  async copy(): Promise<void> {
    const text = this.#terminal.getSelection();
    if (text === "") return badText("Select some text first.");
    try {
      await navigator.clipboard.writeText(text);
      good("Copied.");
    } catch {
      badText("The browser did not allow copying; its menu may.");
    }
    this.#terminal.focus();
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = await navigator.clipboard.readText();
    } catch {
      return badText("The browser did not allow reading the clipboard. Press Ctrl+Shift+V in the terminal instead.");
    }
    this.#terminal.focus();
    this.paste(text);
  }

  /** Types `raw` as a paste; several lines only after a confirmation, unless the program brackets pastes. */
  paste(raw: string): void {
    const text = clean(raw);
    if (text === "") return;
    if (this.#terminal.modes.bracketedPasteMode || !/\n./su.test(text)) return this.#send(text);
    this.#waiting = text;
    setText(byId("paste-preview", "pre"), text.length > PREVIEW ? `${text.slice(0, PREVIEW)}…` : text);
    this.#dialog.showModal();
    byId("paste-go", "button").focus();
  }

  #send(text: string): void {
    const typed = text.replaceAll("\n", "\r");
    this.#type(this.#terminal.modes.bracketedPasteMode ? `\x1b[200~${typed}\x1b[201~` : typed);
  }
}

/** Without control characters: an escape in a paste could end its brackets and run as typed. */
function clean(text: string): string {
  return text.replace(/\r\n?/gu, "\n").replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/gu, "");
}
