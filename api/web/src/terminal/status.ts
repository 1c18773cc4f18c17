/** The bar's facts and the banner: what state the connection and the agent are in, in words. */

import { byId, setText } from "../dom.ts";
import type { View } from "../protocol.ts";
import { isFinal } from "../wire.ts";
import { count, statusText, tone } from "../words.ts";
import { message } from "./banner.ts";

export class StatusBar {
  readonly #dot = document.getElementById("dot");
  readonly #status = document.getElementById("status");
  readonly #banner = byId("banner", "div");
  readonly #retry = byId("banner-retry", "button");

  constructor(retry: () => void) {
    this.#retry.addEventListener("click", retry);
  }

  size(cols: number, rows: number): void {
    const size = document.getElementById("size");
    if (size !== null) setText(size, `${cols}×${rows}`);
  }

  show(view: Readonly<View>): void {
    document.body.dataset["phase"] = view.phase;
    this.#agent(view);
    this.#presence(view);
    const text = message(view);
    const request = document.getElementById("banner-request");
    const id = view.phase === "stopped" ? (view.problem?.request_id ?? "") : "";
    if (request !== null) {
      setText(request, id === "" ? "" : `Request ${id}`);
      request.hidden = id === "";
    }
    this.#banner.hidden = text === "";
    setText(byId("banner-text", "span"), text);
    const over = view.status !== undefined && isFinal(view.status);
    this.#retry.hidden = view.phase !== "waiting" && (view.phase !== "stopped" || over);
    byId("banner-back", "a").hidden = view.phase !== "stopped";
  }

  #agent(view: Readonly<View>): void {
    if (this.#dot === null || this.#status === null) return;
    const { status } = view;
    const lost = view.phase !== "attached" && !(status !== undefined && isFinal(status));
    this.#dot.dataset["tone"] = lost ? (view.phase === "stopped" ? "over" : "busy") : status === undefined ? "busy" : tone(status);
    const words = lost
      ? { connecting: "connecting", attached: "", waiting: "reconnecting", stopped: "disconnected" }[view.phase]
      : status === undefined ? "" : statusText(status, view.reason);
    setText(this.#status, view.role === "viewer" && !lost ? `${words} · read only` : words);
    this.#status.title = view.detail ?? "";
  }

  #presence(view: Readonly<View>): void {
    const others = view.operators + view.viewers;
    const presence = byId("presence", "span");
    presence.hidden = others < 2;
    presence.title = `${count(view.operators, "person", "people")} can type, ${count(view.viewers, "person", "people")} watch`;
    setText(byId("presence-count", "span"), String(others));
  }
}
