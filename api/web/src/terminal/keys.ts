/** Keys that touch screens lack. Ctrl and Alt stick for the next key. */

import { h } from "../dom.ts";

interface Key {
  label: string;
  /** For screen readers, where the label is a sign. */
  name?: string;
  /** What it types; in application cursor mode an arrow is `ESC O` instead of `ESC [`. */
  bytes: string;
}

const KEYS: Key[] = [
  { label: "Esc", bytes: "\x1b" },
  { label: "Tab", bytes: "\t" },
  { label: "←", name: "Left", bytes: "\x1b[D" },
  { label: "↑", name: "Up", bytes: "\x1b[A" },
  { label: "↓", name: "Down", bytes: "\x1b[B" },
  { label: "→", name: "Right", bytes: "\x1b[C" },
  { label: "|", name: "Pipe", bytes: "|" },
  { label: "/", name: "Slash", bytes: "/" },
  { label: "-", name: "Minus", bytes: "-" },
  { label: "~", name: "Tilde", bytes: "~" },
  { label: "Home", bytes: "\x1b[H" },
  { label: "End", bytes: "\x1b[F" },
  { label: "PgUp", bytes: "\x1b[5~" },
  { label: "PgDn", bytes: "\x1b[6~" },
];

interface Hooks {
  type(text: string): void;
  applicationCursor(): boolean;
}

export class KeyBar {
  readonly #ctrl: HTMLButtonElement;
  readonly #alt: HTMLButtonElement;

  constructor(bar: HTMLElement, hooks: Hooks) {
    const button = (label: string, name: string | undefined, act: () => void) => {
      const element = h("button", { class: "key", type: "button", "aria-label": name, onclick: act }, label);
      // A tap must not take the focus, or the on-screen keyboard closes.
      element.addEventListener("pointerdown", (event) => event.preventDefault());
      return element;
    };
    const sticky = (label: string) => {
      const element = button(label, `${label} for the next key`, () =>
        element.setAttribute("aria-pressed", String(element.getAttribute("aria-pressed") !== "true")),
      );
      element.setAttribute("aria-pressed", "false");
      return element;
    };
    this.#ctrl = sticky("Ctrl");
    this.#alt = sticky("Alt");
    const keys = KEYS.map((key) =>
      button(key.label, key.name, () => {
        const cursor = hooks.applicationCursor() && /^\x1b\[[A-FH]$/u.test(key.bytes);
        hooks.type(this.apply(cursor ? key.bytes.replace("[", "O") : key.bytes));
      }),
    );
    bar.replaceChildren(...keys.slice(0, 2), this.#ctrl, this.#alt, ...keys.slice(2));
  }

  /** What `text` becomes under the keys that stick, which it releases. */
  apply(text: string): string {
    const ctrl = release(this.#ctrl);
    const alt = release(this.#alt);
    const typed = ctrl ? control(text) : text;
    return alt ? `\x1b${typed}` : typed;
  }
}

function release(key: HTMLButtonElement): boolean {
  const held = key.getAttribute("aria-pressed") === "true";
  if (held) key.setAttribute("aria-pressed", "false");
  return held;
}

/** Control with one character, such as `c` for interrupt; an arrow gets its modifier. */
function control(text: string): string {
  const arrow = /^\x1b[[O]([A-FH])$/u.exec(text);
  if (arrow !== null) return `\x1b[1;5${arrow[1]}`;
  if (text.length !== 1) return text;
  const code = text.toUpperCase().charCodeAt(0);
  if (code >= 0x40 && code <= 0x5f) return String.fromCharCode(code & 0x1f);
  return text === " " ? "\0" : text === "/" || text === "-" ? "\x1f" : text === "?" ? "\x7f" : text;
}
