/** Keys that touch screens lack. Ctrl and Alt stick for the next key. */

import { h } from "../dom.ts";

interface Key {
  label: string;
  name: string;
  /** What it types; in application cursor mode an arrow is `ESC O` instead of `ESC [`. */
  bytes: string;
}

const KEYS: Key[] = [
  { label: "Esc", name: "Escape", bytes: "\x1b" },
  { label: "Tab", name: "Tab", bytes: "\t" },
  { label: "←", name: "Left", bytes: "\x1b[D" },
  { label: "↑", name: "Up", bytes: "\x1b[A" },
  { label: "↓", name: "Down", bytes: "\x1b[B" },
  { label: "→", name: "Right", bytes: "\x1b[C" },
  { label: "|", name: "Pipe", bytes: "|" },
  { label: "/", name: "Slash", bytes: "/" },
  { label: "-", name: "Minus", bytes: "-" },
  { label: "~", name: "Tilde", bytes: "~" },
  { label: "Home", name: "Home", bytes: "\x1b[H" },
  { label: "End", name: "End", bytes: "\x1b[F" },
  { label: "PgUp", name: "Page up", bytes: "\x1b[5~" },
  { label: "PgDn", name: "Page down", bytes: "\x1b[6~" },
];

interface Hooks {
  type(text: string): void;
  applicationCursor(): boolean;
}

export class KeyBar {
  readonly #ctrl: HTMLButtonElement;
  readonly #alt: HTMLButtonElement;

  constructor(bar: HTMLElement, hooks: Hooks) {
    const button = (label: string, name: string, act: () => void) => {
      const element = h("button", { class: "key", type: "button", "aria-label": name, onclick: act }, label);
      // A tap must not take the focus, or the on-screen keyboard closes.
      element.addEventListener("pointerdown", (event) => event.preventDefault());
      return element;
    };
    const sticky = (label: string, name: string) => {
      const element = button(label, `${name}, for the next key`, () =>
        element.setAttribute("aria-pressed", String(element.getAttribute("aria-pressed") !== "true")),
      );
      element.setAttribute("aria-pressed", "false");
      return element;
    };
    this.#ctrl = sticky("Ctrl", "Control");
    this.#alt = sticky("Alt", "Alt");
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
