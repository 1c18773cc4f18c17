/** The terminal page: one agent's terminal, its log, and the tools around them. */

import "./style/base.css";
import "./style/terminal.css";

import { api } from "./api.ts";
import { byId, drawIcons, setText } from "./dom.ts";
import { MAX_PENDING, TerminalClient, type Notice, type Screen } from "./protocol.ts";
import { signedIn } from "./signin.ts";
import { Clipboard } from "./terminal/clipboard.ts";
import { KeyBar } from "./terminal/keys.ts";
import { LogPanel } from "./terminal/log.ts";
import { palette } from "./terminal/palette.ts";
import { Renderer } from "./terminal/renderer.ts";
import { SearchBox } from "./terminal/search.ts";
import { environment } from "./terminal/socket.ts";
import { StatusBar } from "./terminal/status.ts";
import { recall, remember, theme, themeSwitch } from "./theme.ts";
import { badProblem, badText } from "./toast.ts";
import type { Role } from "./wire.ts";
import { bytes, shortId } from "./words.ts";

const FONT_KEY = "claw-font-size";
const READER_KEY = "claw-screen-reader";
const FONT = { least: 9, normal: 14, most: 28 };

const NOTICES: Record<Notice, string> = {
  viewer: "You are watching: this terminal is read only.",
  full: `The agent has not taken what was typed before; at most ${bytes(MAX_PENDING)} wait for it. This input was not sent.`,
  ended: "The agent has ended; nothing can be typed any more.",
  gap: "",
  rewound: "The agent went back to a checkpoint: what it did since is undone, and this is the screen it had.",
};

/** `/agents/{id}/terminal`, and `?role=viewer` to watch without typing. */
function target(): { id: string; role: Role } {
  const id = /^\/agents\/([^/]+)\/terminal\/?$/u.exec(location.pathname)?.[1] ?? "";
  const role = new URLSearchParams(location.search).get("role") === "viewer" ? "viewer" : "operator";
  return { id: decodeURIComponent(id), role };
}

async function main(): Promise<void> {
  drawIcons();
  const { id, role } = target();
  const screenElement = byId("screen", "div");
  const renderer = new Renderer(screenElement, theme(), fontSize());
  const { terminal } = renderer;
  themeSwitch(byId("theme", "button"), (next) => (terminal.options.theme = palette(next)));
  setText(byId("name", "h1"), shortId(id));

  screenElement.hidden = true;
  await signedIn();
  screenElement.hidden = false;

  const env = await environment(id, role);
  const status = new StatusBar(() => client.retry());
  const log = new LogPanel(() => client.openLog(), () => fit());
  const screen: Screen = {
    reset: () => renderer.reset(),
    write: (data, done) => renderer.write(data, done),
    resize: (cols, rows) => renderer.resize(cols, rows),
    log: (data) => log.append(data),
    logCut: () => log.cut(),
    notice: (notice) => once(NOTICES[notice]),
    problem: badProblem,
    changed: (view) => {
      status.show(view);
      terminal.options.disableStdin = view.role === "viewer";
      if (view.phase === "stopped" && view.problem?.status === 401) void signInAgain();
    },
  };
  const client = new TerminalClient(env, screen);

  /** The session has ended while the page was open: what is on it stays. */
  const signInAgain = async () => {
    screenElement.hidden = true;
    await signedIn();
    screenElement.hidden = false;
    client.retry();
    terminal.focus();
  };

  const encoder = new TextEncoder();
  const type = (text: string) => void client.type(encoder.encode(text));
  const keys = new KeyBar(byId("keys", "div"), {
    type,
    applicationCursor: () => terminal.modes.applicationCursorKeysMode,
  });
  const clipboard = new Clipboard(terminal, screenElement, type);
  const search = new SearchBox(renderer.search, () => terminal.focus());
  terminal.onData((data) => type(keys.apply(data)));
  terminal.onBinary((data) => void client.type(Uint8Array.from(data, (char) => char.charCodeAt(0) & 0xff)));
  terminal.onResize(({ cols, rows }) => status.size(cols, rows));
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.type !== "keydown") return true;
    if (client.view.role === "viewer" && event.key.length === 1 && !event.ctrlKey && !event.metaKey) client.type(encoder.encode(event.key));
    return !shortcut(event, {
      KeyC: () => void clipboard.copy(),
      KeyF: () => search.open(),
      KeyX: () => byId("search-toggle", "button").focus(),
    });
  });

  const fit = () => {
    const size = renderer.proposed();
    if (size === undefined) return;
    client.fit(size.cols, size.rows);
    // Until a server has said how large the terminal is, it is as large as the window.
    if (client.view.role === undefined) renderer.resize(size.cols, size.rows);
  };
  screenElement.addEventListener("focus", () => terminal.focus());
  new ResizeObserver(fit).observe(screenElement);
  fontButtons(terminal.options, fit);
  toggles(fit);
  readerToggle(terminal.options);
  for (const event of ["online", "pageshow"]) addEventListener(event, () => client.nudge());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") client.nudge();
  });
  fit();
  status.show(client.view);
  client.start();
  terminal.focus();
  await name(id);
}

async function name(id: string): Promise<void> {
  const agent = await api.agent(id).catch(() => null);
  if (agent === null) return;
  setText(byId("name", "h1"), agent.name);
  byId("name", "h1").title = `${agent.image} · ${agent.id}`;
  document.title = `${agent.name} · OpenClaw Cloud`;
}

/** Runs the action of Ctrl+Shift+key; whether there was one. */
function shortcut(event: KeyboardEvent, actions: Record<string, () => void>): boolean {
  const action = event.ctrlKey && event.shiftKey && !event.altKey && !event.metaKey ? actions[event.code] : undefined;
  if (action === undefined) return false;
  event.preventDefault();
  action();
  return true;
}

let lastNotice = { text: "", at: -Infinity };

/** A message a held key would repeat is shown once in a while. */
function once(text: string): void {
  const now = performance.now();
  if (text === "" || (text === lastNotice.text && now - lastNotice.at < 5_000)) return;
  lastNotice = { text, at: now };
  badText(text);
}

function fontSize(): number {
  const size = Number(recall(FONT_KEY));
  return size >= FONT.least && size <= FONT.most ? size : FONT.normal;
}

function fontButtons(options: { fontSize?: number }, fit: () => void): void {
  const set = (by: number) => {
    const size = Math.min(FONT.most, Math.max(FONT.least, (options.fontSize ?? FONT.normal) + by));
    options.fontSize = size;
    remember(FONT_KEY, String(size));
    fit();
  };
  byId("smaller", "button").addEventListener("click", () => set(-1));
  byId("larger", "button").addEventListener("click", () => set(1));
}

/** Lets screen readers follow the output; it costs speed, so it is off until asked for. */
function readerToggle(options: { screenReaderMode?: boolean }): void {
  const button = byId("reader", "button");
  const set = (on: boolean) => {
    options.screenReaderMode = on;
    button.setAttribute("aria-pressed", String(on));
  };
  button.addEventListener("click", () => {
    set(button.getAttribute("aria-pressed") !== "true");
    remember(READER_KEY, button.getAttribute("aria-pressed") ?? "false");
  });
  set(recall(READER_KEY) === "true");
}

function toggles(fit: () => void): void {
  const keysToggle = byId("keys-toggle", "button");
  const showKeys = (on: boolean) => {
    byId("keys", "div").hidden = !on;
    keysToggle.setAttribute("aria-pressed", String(on));
    fit();
  };
  keysToggle.addEventListener("click", () => showKeys(keysToggle.getAttribute("aria-pressed") !== "true"));
  showKeys(matchMedia("(pointer: coarse)").matches);
  const more = byId("tools-toggle", "button");
  more.addEventListener("click", () => {
    const open = document.body.classList.toggle("tools-open");
    more.setAttribute("aria-expanded", String(open));
  });
}

void main();
