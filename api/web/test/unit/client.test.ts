import assert from "node:assert/strict";
import { test } from "node:test";

import { ACK_BYTES, ConnectError, DEAD_MS, FLAG_MORE, KIND_DATA, KIND_SNAPSHOT, MAX_PAYLOAD, MAX_PENDING, RESIZE_MS } from "../../src/protocol.ts";
import { attached, bytes, Rig, settle } from "./harness.ts";

test("the first attach asks for the screen and names the input session", async () => {
  const rig = new Rig();
  const socket = await rig.start();
  assert.equal(socket.controls.length, 0, "nothing is said before hello");
  socket.hello();
  assert.deepEqual(socket.of("attach"), [{ type: "attach", stream: 0, from: "snapshot", input_session: "session-0" }]);
  assert.deepEqual(rig.sizes, ["80x24"], "the screen has the terminal's size before it is drawn");
});

test("a snapshot of several frames replaces the screen once", async () => {
  const rig = await attached();
  const { socket } = rig;
  socket.send(KIND_SNAPSHOT, 500, "one ", { flags: FLAG_MORE });
  socket.send(KIND_SNAPSHOT, 500, "two ", { flags: FLAG_MORE });
  socket.send(KIND_SNAPSHOT, 500, "three ");
  socket.send(KIND_DATA, 500, "and on");
  assert.equal(rig.shown, "one two three and on");
  assert.equal(rig.resets, 1);
  assert.deepEqual(socket.of("ack"), [{ type: "ack", stream: 0, offset: 500 }]);
  socket.send(KIND_SNAPSHOT, 900, "fresh");
  assert.equal(rig.shown, "fresh", "a later snapshot, such as for a lagging client, replaces it again");
});

test("bytes seen before are skipped and an unannounced hole asks for the screen again", async () => {
  const rig = await attached();
  const { socket } = rig;
  socket.send(KIND_DATA, 0, "hello ");
  socket.send(KIND_DATA, 3, "lo world");
  socket.send(KIND_DATA, 0, "hel");
  assert.equal(rig.shown, "hello world");
  socket.send(KIND_DATA, 50, "?");
  socket.send(KIND_DATA, 51, "?");
  assert.equal(rig.shown, "hello world");
  assert.equal(socket.of("attach").length, 2, "once, however much follows");
  socket.say({ type: "attached", stream: 0, generation: 1, offset: 52, input_seq: 0 });
  socket.send(KIND_SNAPSHOT, 52, "hello world ... ??");
  socket.send(KIND_DATA, 52, "!");
  assert.equal(rig.shown, "hello world ... ??!");
});

test("an announced gap is passed over", async () => {
  const rig = await attached();
  rig.socket.send(KIND_DATA, 0, "ab");
  rig.socket.say({ type: "gap", stream: 0, from: 2, to: 10 });
  rig.socket.send(KIND_DATA, 10, "kl");
  assert.equal(rig.shown, "abkl");
  assert.deepEqual(rig.notices, ["gap"]);
});

test("a reconnect goes on at the position, without a repeat", async () => {
  const rig = await attached();
  rig.socket.send(KIND_DATA, 0, "hello");
  rig.socket.close(1006);
  assert.equal(rig.view?.phase, "waiting");
  await rig.clock.pass(300);
  rig.socket.hello();
  assert.deepEqual(rig.socket.of("attach")[0]?.from, { generation: 1, offset: 5 });
  rig.socket.say({ type: "attached", stream: 0, generation: 1, offset: 5, input_seq: 0 });
  rig.socket.send(KIND_DATA, 3, "lo again");
  assert.equal(rig.shown, "hello again");
});

test("a rollback takes the new generation and its snapshot", async () => {
  const rig = await attached();
  rig.socket.send(KIND_DATA, 0, "lost work");
  rig.socket.close(4409);
  await rig.clock.pass(0);
  rig.socket.hello();
  rig.socket.say({ type: "attached", stream: 0, generation: 2, offset: 4, input_seq: 0 });
  rig.socket.say({ type: "rewound", stream: 0, generation: 2, offset: 4 });
  rig.socket.send(KIND_SNAPSHOT, 4, "lost");
  rig.socket.send(KIND_DATA, 4, " not");
  assert.equal(rig.shown, "lost not");
  rig.socket.close(1012);
  await rig.clock.pass(0);
  rig.socket.hello();
  assert.deepEqual(rig.socket.of("attach")[0]?.from, { generation: 2, offset: 8 });
});

test("credit goes back from the renderer, coalesced, and not for what is not rendered", async () => {
  const rig = await attached();
  const { socket } = rig;
  rig.slow = true;
  const part = "x".repeat(ACK_BYTES / 4);
  for (let at = 0; at < 6; at += 1) socket.send(KIND_DATA, at * part.length, part);
  await rig.clock.pass(1000);
  assert.equal(socket.of("ack").length, 0, "received is not rendered");
  rig.render();
  assert.deepEqual(socket.of("ack").map((ack) => ack.offset), [ACK_BYTES], "at once after enough");
  await rig.clock.pass(1000);
  assert.deepEqual(socket.of("ack").map((ack) => ack.offset), [ACK_BYTES, 6 * part.length], "the rest after a pause");
});

test("what was rendered for an older screen gives no credit under a newer one", async () => {
  const rig = await attached();
  rig.slow = true;
  rig.socket.send(KIND_DATA, 0, "old bytes");
  rig.socket.send(KIND_SNAPSHOT, 100_000, "new");
  rig.render();
  await rig.clock.pass(1000);
  assert.deepEqual(rig.socket.of("ack").map((ack) => ack.offset), [100_000]);
});

test("input is numbered, split, and sent again from where the server is", async () => {
  const rig = await attached();
  assert.ok(rig.client.type(bytes("abc")));
  assert.ok(rig.client.type(bytes("y".repeat(MAX_PAYLOAD + 1))));
  assert.deepEqual(rig.socket.inputs.map((frame) => [frame.offset, frame.payload.length]), [[0, 3], [3, MAX_PAYLOAD], [3 + MAX_PAYLOAD, 1]]);
  rig.socket.say({ type: "input_ack", applied: 3, durable: 2 });
  rig.socket.close(1006);
  assert.ok(rig.client.type(bytes("while away")));
  assert.equal(rig.view?.held, 1 + MAX_PAYLOAD + 10, "what the agent has handled does not wait");
  await rig.clock.pass(300);
  rig.socket.open({ input_seq: 3 });
  assert.equal(rig.socket.typed(3), `${"y".repeat(MAX_PAYLOAD + 1)}while away`);
  assert.equal(rig.view?.held, 0);
});

test("a fresh page goes on with the numbers its session has", async () => {
  const rig = new Rig();
  const socket = await rig.start();
  rig.client.type(bytes("early"));
  socket.open({ input_seq: 40 });
  assert.equal(socket.typed(40), "early");
});

test("a server that lost the session gets the pending input under its own numbers", async () => {
  const rig = await attached();
  rig.client.type(bytes("durable"));
  rig.socket.say({ type: "input_ack", applied: 7, durable: 7 });
  rig.client.type(bytes("pending"));
  rig.socket.close(1006);
  await rig.clock.pass(300);
  rig.socket.open({ input_seq: 0 });
  assert.equal(rig.socket.typed(0), "pending");
});

test("an expired session is replaced by a fresh one", async () => {
  const rig = await attached();
  rig.client.type(bytes("abc"));
  rig.socket.say({ type: "problem", problem: { title: "", status: 409, code: "input_session_expired", retryable: true, request_id: "r" } });
  assert.equal(rig.socket.of("attach").at(-1)?.input_session, "session-1");
  rig.socket.inputs.length = 0;
  rig.socket.say({ type: "attached", stream: 0, generation: 1, offset: 0, input_seq: 0 });
  assert.equal(rig.socket.typed(0), "abc");
  assert.equal(rig.problems.length, 0);
});

test("what was handled is kept until it is durable, and typed again to an agent that lost it", async () => {
  const rig = await attached();
  rig.client.type(bytes("make;test"));
  rig.socket.say({ type: "input_ack", applied: 9, durable: 5 });
  rig.socket.close(1006);
  assert.equal(rig.view?.held, 0);
  await rig.clock.pass(300);
  // The host was lost; the checkpoint the agent is back from has the first five bytes.
  rig.socket.open({ generation: 2, input_seq: 5 });
  assert.equal(rig.socket.typed(5), "test");
  rig.socket.say({ type: "input_ack", applied: 9, durable: 9 });
  rig.socket.close(1006);
  await rig.clock.pass(300);
  rig.socket.open({ generation: 2, input_seq: 9 });
  assert.equal(rig.socket.inputs.length, 0);
});

test("a planned move repeats no input though none of it is durable yet", async () => {
  const rig = await attached();
  rig.client.type(bytes("abc"));
  rig.socket.say({ type: "input_ack", applied: 2, durable: 0 });
  rig.socket.say({ type: "moved", epoch: 2, retry_after_ms: 100 });
  rig.client.type(bytes("d"));
  rig.socket.close(4503);
  rig.client.type(bytes("e"));
  await rig.clock.pass(300);
  rig.socket.open({ input_seq: 3 });
  assert.equal(rig.socket.typed(3), "de");
});

test("a forgotten session is not told again what the agent handled", async () => {
  const rig = await attached();
  rig.client.type(bytes("rm x;ls"));
  rig.socket.say({ type: "input_ack", applied: 5, durable: 0 });
  rig.socket.say({ type: "problem", problem: { title: "", status: 409, code: "input_session_expired", retryable: false, request_id: "r" } });
  rig.socket.inputs.length = 0;
  rig.socket.say({ type: "attached", stream: 0, generation: 1, offset: 0, input_seq: 0 });
  assert.equal(rig.socket.typed(0), "ls");
});

test("typing beyond the bound is refused whole and said", async () => {
  const rig = await attached();
  assert.ok(rig.client.type(new Uint8Array(MAX_PENDING)));
  assert.equal(rig.client.type(bytes("x")), false);
  assert.deepEqual(rig.notices, ["full"]);
  rig.socket.say({ type: "input_ack", applied: MAX_PENDING, durable: 10 });
  assert.ok(rig.client.type(bytes("0123456789")));
  assert.equal(rig.client.type(bytes("x")), false);
});

test("a viewer cannot type, names no session and sets no size", async () => {
  const rig = new Rig();
  const socket = await rig.start();
  rig.client.fit(100, 30);
  socket.hello({ role: "viewer" });
  socket.say({ type: "attached", stream: 0, generation: 1, offset: 0, input_seq: 0 });
  assert.equal(rig.client.type(bytes("x")), false);
  await rig.clock.pass(RESIZE_MS);
  assert.deepEqual(rig.notices, ["viewer"]);
  assert.deepEqual(socket.controls, [{ type: "attach", stream: 0, from: "snapshot" }]);
  assert.equal(socket.inputs.length, 0);
});

test("the window's size is told once it is still, and again when somebody else changed it", async () => {
  const rig = await attached();
  rig.client.fit(100, 30);
  rig.client.fit(101, 30);
  assert.equal(rig.socket.of("resize").length, 0);
  await rig.clock.pass(RESIZE_MS);
  assert.deepEqual(rig.socket.of("resize"), [{ type: "resize", cols: 101, rows: 30 }]);
  rig.socket.say({ type: "resized", cols: 101, rows: 30 });
  rig.client.type(bytes("a"));
  assert.equal(rig.socket.of("resize").length, 1);
  rig.socket.say({ type: "resized", cols: 60, rows: 20 });
  assert.equal(rig.socket.of("resize").length, 1, "two windows must not fight over the size");
  rig.client.type(bytes("b"));
  rig.client.type(bytes("c"));
  assert.equal(rig.socket.of("resize").length, 2, "who types sets it");
});

test("close codes stop, retry now or retry later", async () => {
  for (const code of [1000, 4400, 4403, 4404, 4410]) {
    const rig = await attached();
    rig.socket.close(code);
    await rig.clock.pass(60_000);
    assert.equal(rig.view?.phase, "stopped", String(code));
    assert.notEqual(rig.view?.why, "");
    assert.equal(rig.sockets.length, 1);
  }
  for (const code of [1012, 4409]) {
    const rig = await attached();
    rig.socket.close(code);
    await rig.clock.pass(0);
    assert.equal(rig.sockets.length, 2, String(code));
    rig.socket.close(code);
    await rig.clock.pass(0);
    assert.equal(rig.sockets.length, 2, "a server that keeps closing is not hammered");
  }
  for (const code of [1006, 4401, 4429, 4503, 4999]) {
    const rig = await attached();
    rig.socket.close(code);
    await rig.clock.pass(0);
    assert.equal(rig.sockets.length, 1, String(code));
    await rig.clock.pass(250);
    assert.equal(rig.sockets.length, 2, String(code));
  }
});

test("a move is waited for as long as the server says", async () => {
  const rig = await attached();
  rig.socket.say({ type: "moved", epoch: 2, retry_after_ms: 1_500 });
  rig.socket.close(4503);
  await rig.clock.pass(1_499);
  assert.equal(rig.sockets.length, 1);
  await rig.clock.pass(1);
  assert.equal(rig.sockets.length, 2);
});

test("the wait grows to its ceiling and starts over after an attach", async () => {
  const rig = await attached();
  const waits: number[] = [];
  for (let round = 0; round < 9; round += 1) {
    rig.socket.close(1006);
    const from = rig.clock.now;
    const sockets = rig.sockets.length;
    while (rig.sockets.length === sockets) await rig.clock.pass(10);
    waits.push(rig.clock.now - from);
  }
  assert.deepEqual(waits.slice(0, 4), [250, 500, 1000, 2000]);
  assert.equal(waits.at(-1), 10_000);
  rig.socket.open();
  rig.socket.close(1006);
  await rig.clock.pass(250);
  assert.equal(rig.sockets.length, 11);
});

test("a refusal that may pass is retried, another one stops with its problem", async () => {
  const rig = new Rig();
  const problem = { title: "gone", status: 410, code: "agent_terminated", retryable: false, request_id: "req_1" };
  rig.refusals = [new ConnectError("not yet", true, 700), new ConnectError("The agent has ended.", false, undefined, problem)];
  rig.client.start();
  await settle();
  assert.equal(rig.view?.phase, "waiting");
  await rig.clock.pass(699);
  assert.equal(rig.view?.phase, "waiting");
  await rig.clock.pass(1);
  assert.equal(rig.view?.phase, "stopped");
  assert.equal(rig.view?.problem?.request_id, "req_1");
  assert.equal(rig.sockets.length, 0);
});

test("a silent socket is pinged, then dead, then replaced", async () => {
  const rig = await attached();
  await rig.clock.pass(20_000);
  assert.equal(rig.socket.of("ping").length, 1);
  rig.socket.say({ type: "pong" });
  await rig.clock.pass(DEAD_MS - 1);
  assert.equal(rig.sockets.length, 1);
  await rig.clock.pass(20_000);
  assert.equal(rig.sockets[0]?.closed, true);
  assert.equal(rig.sockets.length, 2);
});

test("the end of an agent keeps the screen and ends the typing", async () => {
  const rig = await attached();
  rig.socket.send(KIND_DATA, 0, "last words");
  rig.socket.say({ type: "exit", status: "failed", reason: "out_of_memory" });
  rig.socket.close(1006);
  await rig.clock.pass(60_000);
  assert.equal(rig.view?.phase, "stopped");
  assert.equal(rig.view?.reason, "out_of_memory");
  assert.equal(rig.shown, "last words");
  assert.equal(rig.client.type(bytes("x")), false);
  assert.deepEqual(rig.notices, ["ended"]);
});

test("a late event of an old socket changes nothing", async () => {
  const rig = await attached();
  const old = rig.socket;
  old.close(1006);
  await rig.clock.pass(300);
  rig.socket.open();
  old.send(KIND_DATA, 0, "ghost");
  old.close(4410);
  assert.equal(rig.shown, "");
  assert.equal(rig.view?.phase, "attached");
});

test("unknown kinds and types are ignored, malformed frames end the socket", async () => {
  const rig = await attached();
  rig.socket.send(0x77, 0, "?");
  rig.socket.send(KIND_DATA, 0, "?", { stream: 9 });
  rig.socket.say({ type: "weather", sunny: true });
  assert.equal(rig.view?.phase, "attached");
  assert.equal(rig.shown, "");
  rig.socket.raw(new ArrayBuffer(3));
  assert.equal(rig.view?.phase, "waiting");
  await rig.clock.pass(250);
  assert.equal(rig.sockets.length, 2);
});

test("the log is asked for when it is opened, from its oldest entry, and goes on after a reconnect", async () => {
  const rig = await attached();
  assert.equal(rig.socket.of("attach").length, 1);
  rig.client.openLog();
  rig.client.openLog();
  assert.deepEqual(rig.socket.of("attach").at(-1), { type: "attach", stream: 1, from: { generation: 1, offset: 7 } });
  rig.socket.say({ type: "attached", stream: 1, generation: 1, offset: 7, input_seq: 0 });
  rig.socket.send(KIND_DATA, 7, "{}\n", { stream: 1 });
  assert.equal(rig.logged, "{}\n");
  rig.socket.close(1006);
  await rig.clock.pass(250);
  rig.socket.hello();
  assert.deepEqual(rig.socket.of("attach").at(-1)?.from, { generation: 1, offset: 10 });
});

test("a nudge ends a wait and probes a socket", async () => {
  const rig = await attached();
  rig.client.nudge();
  assert.equal(rig.socket.of("ping").length, 1);
  rig.socket.close(1006);
  rig.client.nudge();
  await settle();
  assert.equal(rig.sockets.length, 2);
});

test("a problem before hello explains the close and is no message of its own", async () => {
  const rig = new Rig();
  const socket = await rig.start();
  const problem = { title: "", status: 409, code: "invalid_state", detail: "the agent is pending", retryable: true, request_id: "r" };
  socket.say({ type: "problem", problem });
  socket.close(4503);
  assert.equal(rig.view?.phase, "waiting");
  assert.equal(rig.view?.problem?.detail, "the agent is pending");
  assert.equal(rig.problems.length, 0);
  for (let round = 1; round < 8; round += 1) {
    await rig.clock.pass(1_000);
    assert.equal(rig.sockets.length, round + 1, "an agent on its way is asked for every second");
    rig.socket.say({ type: "problem", problem });
    rig.socket.close(4503);
  }
  await rig.clock.pass(1_000);
  rig.socket.open();
  assert.equal(rig.view?.problem, undefined);
});

test("a socket that is new is told the size again", async () => {
  const rig = await attached();
  rig.client.fit(100, 30);
  await rig.clock.pass(RESIZE_MS);
  rig.socket.close(1006);
  await rig.clock.pass(250);
  rig.socket.open();
  assert.deepEqual(rig.socket.of("resize"), [{ type: "resize", cols: 100, rows: 30 }]);
});

test("a snapshot that another one overtook is not acknowledged", async () => {
  const rig = await attached();
  rig.slow = true;
  rig.socket.send(KIND_SNAPSHOT, 900, "old");
  rig.socket.say({ type: "rewound", stream: 0, generation: 2, offset: 4 });
  rig.socket.send(KIND_SNAPSHOT, 4, "new");
  rig.render();
  assert.deepEqual(rig.socket.of("ack").map((ack) => ack.offset), [4]);
});

test("the log is cut only where it does not go on", async () => {
  const rig = await attached();
  rig.client.openLog();
  rig.socket.say({ type: "attached", stream: 1, generation: 1, offset: 7, input_seq: 0 });
  const begun = rig.logCuts;
  rig.socket.send(KIND_DATA, 7, "half", { stream: 1 });
  rig.socket.close(1006);
  await rig.clock.pass(250);
  rig.socket.hello();
  rig.socket.say({ type: "attached", stream: 1, generation: 1, offset: 11, input_seq: 0 });
  assert.equal(rig.logCuts, begun);
  rig.socket.say({ type: "gap", stream: 1, from: 11, to: 90 });
  assert.equal(rig.logCuts, begun + 1);
});
