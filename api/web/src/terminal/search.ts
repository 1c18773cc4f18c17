/** Search in what the terminal shows and keeps above. */

import type { SearchAddon } from "@xterm/addon-search";

import { byId, setText } from "../dom.ts";

/** Its colours must be given for matches to be counted. */
const DECORATIONS = {
  matchBackground: "#8a6d1f",
  activeMatchBackground: "#d2482f",
  matchOverviewRuler: "#8a6d1f",
  activeMatchColorOverviewRuler: "#d2482f",
};

export class SearchBox {
  readonly #box = byId("search", "div");
  readonly #text = byId("search-text", "input");
  readonly #toggle = byId("search-toggle", "button");
  readonly #addon: SearchAddon;
  readonly #closed: () => void;

  constructor(addon: SearchAddon, closed: () => void) {
    this.#addon = addon;
    this.#closed = closed;
    const found = byId("search-count", "span");
    addon.onDidChangeResults(({ resultIndex, resultCount }) =>
      setText(found, this.#text.value === "" ? "" : resultCount === 0 ? "none" : `${resultIndex + 1} of ${resultCount}`),
    );
    this.#toggle.addEventListener("click", () => (this.#box.hidden ? this.open() : this.close()));
    byId("search-up", "button").addEventListener("click", () => this.#find(false));
    byId("search-down", "button").addEventListener("click", () => this.#find(true));
    byId("search-close", "button").addEventListener("click", () => this.close());
    this.#text.addEventListener("input", () => {
      if (this.#text.value === "") {
        addon.clearDecorations();
        setText(found, "");
      } else this.#find(true, true);
    });
    this.#box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      else if (event.key === "Enter" && event.target === this.#text) this.#find(!event.shiftKey);
      else return;
      event.preventDefault();
    });
  }

  open(): void {
    this.#box.hidden = false;
    this.#toggle.setAttribute("aria-expanded", "true");
    this.#text.focus();
    this.#text.select();
  }

  close(): void {
    this.#box.hidden = true;
    this.#toggle.setAttribute("aria-expanded", "false");
    this.#addon.clearDecorations();
    this.#closed();
  }

  #find(forward: boolean, incremental = false): void {
    const text = this.#text.value;
    if (text === "") return;
    const options = { decorations: DECORATIONS, incremental };
    if (forward) this.#addon.findNext(text, options);
    else this.#addon.findPrevious(text, options);
  }
}
