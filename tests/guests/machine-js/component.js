// The machine as a component made by componentize-js.

import { submit } from "openclaw:agent/operations@0.1.0";
import { write } from "openclaw:agent/terminal@0.1.0";

import { Machine } from "./machine.js";

const encoder = new TextEncoder();
const machine = new Machine({
  write: (text) => write(encoder.encode(text)),
  sleep: (ms) => submit({ tag: "sleep", val: BigInt(ms) }),
});

function deliver({ tag, val }) {
  switch (tag) {
    case "start":
      return machine.start(val.size);
    case "input":
      return machine.input(val);
    case "message":
      return machine.message(val.body);
    case "resize":
      return machine.resize(val);
    case "resume":
      return machine.resize(val.size);
    case "completed":
      return machine.completed(val.op, outcome(val.outcome));
    case "turn":
      return machine.turn();
  }
}

const outcome = ({ tag, val }) => {
  if (tag === "done") return val.tag;
  return tag === "outcome-unknown" ? "unknown" : tag;
};

/**
 * Lets the machine's jobs run: nothing tells when the engine has none left, and the answer depends on what they did.
 * None takes nearly as many awaits from one sign of activity to the next.
 */
async function quiet() {
  let seen = machine.activity;
  for (let awaits = 0; awaits < 32; awaits++) {
    await undefined;
    if (machine.activity !== seen) {
      seen = machine.activity;
      awaits = 0;
    }
  }
}

export const handler = {
  async handle(event) {
    deliver(event);
    await quiet();
    return machine.wantsTurn ? "again" : "idle";
  },
};
