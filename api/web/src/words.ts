/** What things are called to people. */

import type { Problem, Status } from "./wire.ts";

const REASONS: Record<string, string> = {
  scheduling: "looking for a host",
  insufficient_capacity: "no host has room",
  quota_wait: "quota is used up",
  compiling: "its image is being compiled",
  restoring: "its checkpoint is being restored",
  spot_interruption: "its machine was reclaimed",
  host_drain: "its host is going away",
  host_lost: "its host was lost",
  idle_timeout: "idle for too long",
  max_lifetime: "its lifetime is over",
  budget_exhausted: "budget is used up",
  user_request: "as requested",
  guest_trap: "the program crashed",
  out_of_memory: "out of memory",
  fuel_exhausted: "out of fuel",
  init_timeout: "did not start in time",
  policy_denied: "a policy forbids it",
};

/** `failed: out of memory`, or the status alone; a request of its owner needs no mention. */
export function statusText(status: Status, reason?: string): string {
  if (reason === undefined || reason === "user_request") return status;
  return `${status}: ${REASONS[reason] ?? reason.replaceAll("_", " ")}`;
}

/** What a status looks like: `ok` runs, `busy` is on its way, `rest` sleeps, `over` and `bad` have ended. */
export type Tone = "ok" | "busy" | "rest" | "over" | "bad";

export function tone(status: Status): Tone {
  switch (status) {
    case "running":
      return "ok";
    case "suspended":
      return "rest";
    case "terminated":
      return "over";
    case "failed":
      return "bad";
    default:
      return "busy";
  }
}

const PROBLEMS: Record<string, string> = {
  unauthenticated: "You are not signed in, or your session has ended.",
  scope_missing: "Your token does not allow this.",
  origin_denied: "This address is not one the server accepts changes from.",
  not_found: "It does not exist, or it is not yours.",
  invalid_state: "That is not possible in its present state.",
  agent_terminated: "The agent has ended.",
  validation: "Some of what you entered is not acceptable.",
  too_large: "That is too large.",
  rate_limited: "Too many requests; wait a moment.",
  quota_exceeded: "Your quota is used up.",
  internal: "Something went wrong on our side.",
  insufficient_capacity: "No host has room right now.",
  unavailable: "The server is starting or shutting down; try again in a moment.",
  start_timeout: "The agent did not start in time.",
};

/** Codes whose detail would only say the same again. */
const COMPLETE = new Set(["unauthenticated", "not_found"]);

/** One or two sentences. */
export function problemText(problem: Problem): string {
  const known = PROBLEMS[problem.code];
  if (known !== undefined && COMPLETE.has(problem.code)) return known;
  const detail = problem.detail === undefined ? undefined : sentence(problem.detail);
  if (known === undefined) return detail ?? sentence(problem.title || `The server answered ${problem.status}`);
  return detail === undefined ? known : `${known} ${detail}`;
}

/** With a capital letter and a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  const ended = /[.!?…]$/u.test(trimmed) ? trimmed : `${trimmed}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

/** `now`, `40 s`, `12 min`, `5 h`, `3 d`. */
export function age(since: string, now: number): string {
  const seconds = Math.floor((now - Date.parse(since)) / 1000);
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 5) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function bytes(count: number): string {
  if (count < 1024) return `${count} B`;
  const [size, unit] = count < 1024 * 1024 ? [count / 1024, "KiB"] : [count / (1024 * 1024), "MiB"];
  return `${size.toFixed(1).replace(".0", "")} ${unit}`;
}

export function mebibytes(mib: number): string {
  return mib < 1024 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** The last characters of an id tell it apart; the first ones are the time. */
export function shortId(id: string): string {
  return id.length > 14 ? `${id.slice(0, 4)}…${id.slice(-6)}` : id;
}
