import assert from "node:assert/strict";
import { test } from "node:test";

import { offers } from "../../src/console/offers.ts";
import type { View } from "../../src/protocol.ts";
import { message } from "../../src/terminal/banner.ts";
import type { Status } from "../../src/wire.ts";
import { bytes } from "../../src/words.ts";

const ALL: Status[] = ["pending", "starting", "running", "suspending", "suspended", "resuming", "migrating", "terminating", "terminated", "failed"];

test("only what an agent's state allows is offered", () => {
  const of = (what: "rest" | "fork" | "checkpoint" | "checkpoints" | "remove", suspendable = true) =>
    Object.fromEntries(ALL.map((status) => [status, offers({ status, suspendable })[what]] as const).filter(([, offered]) => offered !== null && offered !== false));
  assert.deepEqual(of("rest"), { running: "suspend", suspending: "wait", suspended: "resume", resuming: "wait", migrating: "wait" });
  assert.deepEqual(Object.keys(of("fork")), ["running", "suspended"]);
  assert.deepEqual(Object.keys(of("checkpoint")), ["running"]);
  assert.deepEqual(Object.keys(of("checkpoints")), ALL.slice(0, 8));
  assert.deepEqual(Object.keys(of("remove")), ALL.slice(0, 7));
});

test("an agent that cannot be suspended can be deleted and no more", () => {
  const plain = offers({ status: "running", suspendable: false });
  assert.deepEqual(plain, { rest: null, fork: false, checkpoints: false, checkpoint: false, remove: true });
});

const view = (more: Partial<View>): View => ({
  phase: "attached", why: "", problem: undefined, role: "operator", status: "running", reason: undefined,
  detail: undefined, operators: 1, viewers: 0, held: 0, ...more,
});

test("the banner is empty while the agent runs and says every state in between", () => {
  assert.equal(message(view({})), "");
  for (const status of ["suspending", "suspended", "resuming", "migrating"] as const) assert.notEqual(message(view({ status })), "", status);
  assert.match(message(view({ status: "suspended" })), /A key press wakes it/u);
  const watching = message(view({ status: "suspended", role: "viewer" }));
  assert.match(watching, /suspended/u);
  assert.doesNotMatch(watching, /key press/u, "a viewer's keys wake nobody");
  assert.doesNotMatch(message(view({ status: "resuming", role: "viewer" })), /typed/u);
});

test("a lost connection comes before what the agent was doing", () => {
  const lost = view({ phase: "waiting", status: "suspended", why: "The connection was lost.", held: 9 });
  assert.equal(message(lost), "The connection was lost. Connecting again. 9 B typed will be sent then.");
});

test("sizes for people", () => {
  assert.deepEqual([9, 1024, 1536, 1024 * 1024, 5_400_000].map(bytes), ["9 B", "1 KiB", "1.5 KiB", "1 MiB", "5.1 MiB"]);
});
