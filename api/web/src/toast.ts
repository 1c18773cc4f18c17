/** Short messages in a corner, read out by screen readers. */

import { h, icon } from "./dom.ts";
import { ApiError } from "./api.ts";
import type { Problem } from "./wire.ts";
import { problemText } from "./words.ts";

const GOOD_MS = 5_000;
const MOST = 4;

let region: HTMLElement | null = null;

function place(): HTMLElement {
  region ??= document.body.appendChild(h("div", { class: "toasts" }));
  return region;
}

function show(kind: "good" | "bad", text: string, requestId?: string): void {
  const close = () => toast.remove();
  const toast = h(
    "div",
    { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" },
    h("div", { class: "toast-text" }, h("p", {}, text), requestId ? requestLine(requestId) : null),
    h("button", { class: "icon-button", type: "button", "aria-label": "Dismiss", onclick: close }, icon("close")),
  );
  const toasts = place();
  // A modal dialog makes the rest of the page inert; its messages belong inside.
  const dialogs = document.querySelectorAll("dialog:modal");
  (dialogs[dialogs.length - 1] ?? document.body).append(toasts);
  toasts.append(toast);
  while (toasts.children.length > MOST) toasts.firstElementChild?.remove();
  if (kind === "good") setTimeout(close, GOOD_MS);
}

/** `Request req_…`: what support asks for. */
export function requestLine(id: string): HTMLElement {
  return h("p", { class: "request" }, "Request ", h("code", {}, id));
}

export function good(text: string): void {
  show("good", text);
}

export function bad(error: unknown): void {
  if (error instanceof ApiError && error.problem) return badProblem(error.problem);
  show("bad", error instanceof Error ? error.message : String(error));
}

export function badProblem(problem: Problem): void {
  show("bad", problemText(problem), problem.request_id);
}

export function badText(text: string): void {
  show("bad", text);
}
