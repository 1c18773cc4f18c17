import assert from "node:assert/strict";
import { test } from "node:test";

import { BadFrame, backoffMs, decode, encode, HEADER_BYTES, InputQueue, MAX_PAYLOAD, parseControl, StreamPosition } from "../../src/protocol.ts";
import { LineSplitter } from "../../src/protocol/lines.ts";
import { age, problemText, shortId, statusText } from "../../src/words.ts";
import { bytes, text } from "./harness.ts";

test("a frame is as documented and reads back", () => {
  const frame = { kind: 0x11, flags: 1, stream: 0x0203, offset: 0x1_0000_0002, payload: bytes("hi") };
  const encoded = encode(frame);
  assert.deepEqual([...encoded], [0x11, 1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0x68, 0x69]);
  assert.deepEqual(decode(encoded.buffer), frame);
});

test("frames that are none are refused", () => {
  assert.throws(() => decode(new ArrayBuffer(HEADER_BYTES - 1)), BadFrame);
  assert.throws(() => decode(new ArrayBuffer(HEADER_BYTES + MAX_PAYLOAD + 1)), BadFrame);
  assert.equal(decode(new ArrayBuffer(HEADER_BYTES)).payload.length, 0);
  const far = new DataView(new ArrayBuffer(HEADER_BYTES));
  far.setBigUint64(4, 2n ** 60n);
  assert.throws(() => decode(far.buffer), BadFrame);
  assert.throws(() => encode({ kind: 1, flags: 0, stream: 0, offset: 0, payload: new Uint8Array(MAX_PAYLOAD + 1) }), BadFrame);
});

test("control frames", () => {
  assert.equal(parseControl('{"type":"pong"}')?.type, "pong");
  assert.equal(parseControl('{"type":"from_the_future"}'), null);
  for (const bad of ["", "[]", "null", "3", "{}"]) assert.throws(() => parseControl(bad), Error, bad);
});

test("the wait has full jitter between nothing and its ceiling", () => {
  assert.equal(backoffMs(0, () => 0), 0);
  assert.equal(backoffMs(0, () => 1), 250);
  assert.equal(backoffMs(3, () => 0.5), 1000);
  assert.equal(backoffMs(1_000, () => 1), 10_000);
});

test("durable input is forgotten, never more than was typed", () => {
  const queue = new InputQueue();
  queue.attached(0);
  queue.push(bytes("abcdef"));
  assert.equal([...queue.take()].map((chunk) => text(chunk.payload)).join(""), "abcdef");
  queue.acknowledged(4, 4);
  assert.equal(queue.pending, 2);
  queue.acknowledged(3, 3);
  assert.equal(queue.pending, 2);
  queue.acknowledged(99, 99);
  assert.equal(queue.pending, 0);
  assert.equal(queue.next, 6);
});

test("what waits is what the agent is not known to have handled", () => {
  const queue = new InputQueue();
  queue.attached(0);
  queue.push(bytes("abcdef"));
  assert.equal(queue.waiting, 6);
  assert.equal([...queue.take()].length, 1);
  queue.acknowledged(5, 2);
  assert.deepEqual([queue.waiting, queue.pending], [1, 4]);
  queue.attached(3);
  assert.equal(queue.waiting, 3, "an agent that went back handles it again");
  queue.acknowledged(6, 6);
  assert.deepEqual([queue.waiting, queue.pending], [0, 0]);
});

test("a session used elsewhere drops what has taken numbers", () => {
  const queue = new InputQueue();
  queue.attached(0);
  queue.push(bytes("abc"));
  queue.attached(10);
  assert.deepEqual([...queue.take()], []);
  queue.push(bytes("d"));
  assert.deepEqual([...queue.take()], [{ offset: 10, payload: bytes("d") }]);
});

test("lines are whole however the bytes are cut", () => {
  const whole = bytes('{"a":"é"}\n{"b":2}\n');
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const splitter = new LineSplitter();
    const lines = [...splitter.push(whole.slice(0, cut)), ...splitter.push(whole.slice(cut))];
    assert.deepEqual(lines, ['{"a":"é"}', '{"b":2}']);
  }
});

test("a line without an end does not grow for ever, and a cut line is not continued", () => {
  const splitter = new LineSplitter();
  for (let at = 0; at < 10; at += 1) assert.deepEqual(splitter.push(bytes("x".repeat(16_000))), []);
  assert.deepEqual(splitter.push(bytes("tail\ngood\n")), ["good"]);
  splitter.push(bytes("half"));
  splitter.cut();
  assert.deepEqual(splitter.push(bytes("other\n")), ["other"]);
});

test("words for people", () => {
  const now = Date.parse("2026-01-02T00:00:00Z");
  assert.deepEqual(
    ["2026-01-01T23:59:58Z", "2026-01-01T23:59:20Z", "2026-01-01T23:00:00Z", "2026-01-01T00:00:00Z", "x"].map((at) => age(at, now)),
    ["now", "40 s", "1 h", "1 d", ""],
  );
  assert.equal(statusText("failed", "out_of_memory"), "failed: out of memory");
  assert.equal(statusText("terminated", "user_request"), "terminated");
  assert.equal(statusText("pending", "some_new_reason"), "pending: some new reason");
  const problem = { title: "Conflict", status: 409, retryable: false, request_id: "r" };
  assert.equal(problemText({ ...problem, code: "invalid_state", detail: "it is starting" }), "That is not possible in its present state. It is starting.");
  assert.equal(problemText({ ...problem, code: "new_code" }), "Conflict.");
  assert.equal(shortId("agt_01J00000000000000000000042"), "agt_…000042");
});

test("what is durable before it was sent is not sent", () => {
  const queue = new InputQueue();
  queue.attached(0);
  queue.push(bytes("abcdef"));
  queue.acknowledged(4, 4);
  assert.deepEqual([...queue.take()], [{ offset: 4, payload: bytes("ef") }]);
});

test("rendering that belongs to a place before a rollback does not count after it", () => {
  const position = new StreamPosition();
  position.begin(1, 0);
  position.accept(0, bytes("0123456789"));
  const age = position.age;
  position.begin(2, 4);
  assert.equal(position.rendered(10, age), false);
  assert.equal(position.takeAck(), null);
  assert.deepEqual(position.from(), { generation: 2, offset: 4 });
});
