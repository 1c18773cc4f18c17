/** Where a client goes on: at its place when its screen is whole, otherwise from a snapshot. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { FLAG_MORE, KIND_DATA, KIND_SNAPSHOT } from "../../src/protocol.ts";
import { again, attached, Rig } from "./harness.ts";

test("a socket lost within a rollback asks for the screen until one is whole", async () => {
  const rig = await attached();
  rig.socket.send(KIND_DATA, 0, "lost work");
  rig.socket.say({ type: "rewound", stream: 0, generation: 2, offset: 4 });
  assert.equal(await again(rig), "snapshot", "the old screen is none of the new generation");
  rig.socket.say({ type: "attached", stream: 0, generation: 2, offset: 4, input_seq: 0 });
  assert.equal(await again(rig), "snapshot", "attached is not shown");
  rig.socket.say({ type: "attached", stream: 0, generation: 2, offset: 4, input_seq: 0 });
  rig.socket.send(KIND_SNAPSHOT, 4, "lo", { flags: FLAG_MORE });
  assert.equal(await again(rig), "snapshot", "half a screen is none");
  rig.socket.say({ type: "attached", stream: 0, generation: 2, offset: 4, input_seq: 0 });
  rig.socket.send(KIND_SNAPSHOT, 4, "lo", { flags: FLAG_MORE });
  rig.socket.send(KIND_SNAPSHOT, 4, "st");
  rig.socket.send(KIND_DATA, 4, " not");
  assert.equal(rig.shown, "lost not");
  assert.deepEqual(await again(rig), { generation: 2, offset: 8 });
});

test("a screen that was cut short is not gone on with", async () => {
  const lagging = await attached();
  lagging.socket.send(KIND_SNAPSHOT, 900, "half", { flags: FLAG_MORE });
  assert.equal(await again(lagging), "snapshot");

  const gap = await attached();
  gap.socket.say({ type: "gap", stream: 0, from: 0, to: 10 });
  assert.equal(await again(gap), "snapshot");

  const elsewhere = await attached();
  elsewhere.socket.send(KIND_DATA, 0, "ahead");
  assert.deepEqual(await again(elsewhere), { generation: 1, offset: 5 });
  elsewhere.socket.say({ type: "attached", stream: 0, generation: 1, offset: 2, input_seq: 0 });
  assert.equal(await again(elsewhere), "snapshot", "a server that is behind answers with its own place");

  const first = new Rig();
  (await first.start()).hello();
  first.socket.say({ type: "attached", stream: 0, generation: 1, offset: 0, input_seq: 0 });
  assert.equal(await again(first), "snapshot");
});

test("a log goes on after a gap without a snapshot, which it has none of", async () => {
  const rig = await attached();
  rig.client.openLog();
  rig.socket.say({ type: "attached", stream: 1, generation: 1, offset: 7, input_seq: 0 });
  rig.socket.say({ type: "gap", stream: 1, from: 7, to: 90 });
  rig.socket.send(KIND_DATA, 90, "{}\n", { stream: 1 });
  await again(rig);
  assert.deepEqual(rig.socket.of("attach").at(-1)?.from, { generation: 1, offset: 93 });
});
