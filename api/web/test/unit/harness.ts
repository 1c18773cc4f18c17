/** A scripted server and a clock that moves only when told, around a {@link TerminalClient}. */

import assert from "node:assert/strict";

import {
  ConnectError, decode, encode, KIND_SNAPSHOT, TerminalClient,
  type ClientControl, type Environment, type Frame, type LinkEvents, type Notice, type Screen, type ServerControl, type View,
} from "../../src/protocol.ts";
import type { Problem } from "../../src/wire.ts";

export const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
export const bytes = (words: string) => new TextEncoder().encode(words);

/** Lets promises settle. */
export const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

class Clock {
  now = 0;
  #tasks: { at: number; run: () => void }[] = [];

  later(ms: number, run: () => void): () => void {
    const task = { at: this.now + ms, run };
    this.#tasks.push(task);
    return () => (this.#tasks = this.#tasks.filter((each) => each !== task));
  }

  /** Runs what falls due within `ms`, in order. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = this.#tasks.filter((task) => task.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.now = next.at;
      this.#tasks = this.#tasks.filter((task) => task !== next);
      next.run();
      await settle();
    }
    this.now = end;
  }
}

/** One socket, from the server's side. */
export class Socket {
  readonly controls: ClientControl[] = [];
  readonly inputs: Frame[] = [];
  closed = false;
  readonly #events: LinkEvents;

  constructor(events: LinkEvents) {
    this.#events = events;
  }

  take(data: string | Uint8Array<ArrayBuffer>): void {
    if (typeof data === "string") this.controls.push(JSON.parse(data) as ClientControl);
    else this.inputs.push(decode(data.buffer));
  }

  say(control: ServerControl | Record<string, unknown>): void {
    this.#events.text(JSON.stringify(control));
  }

  raw(buffer: ArrayBuffer): void {
    this.#events.bytes(buffer);
  }

  send(kind: number, offset: number, words: string, { flags = 0, stream = 0 } = {}): void {
    this.#events.bytes(encode({ kind, flags, stream, offset, payload: bytes(words) }).buffer);
  }

  close(code: number): void {
    this.#events.closed(code);
  }

  hello(more: Record<string, unknown> = {}): void {
    this.say({
      type: "hello", agent_id: "agt_1", epoch: 1, status: "running", role: "operator", window_bytes: 262144,
      streams: [
        { id: 0, kind: "terminal", generation: 1, head: 0, tail: 0, cols: 80, rows: 24 },
        { id: 1, kind: "log", generation: 1, head: 0, tail: 7 },
      ],
      ...more,
    });
  }

  /** Greets and answers the attach; where a snapshot was asked for, with one, of an empty screen. */
  open({ generation = 1, offset = 0, input_seq = 0 } = {}): void {
    this.hello();
    this.say({ type: "attached", stream: 0, generation, offset, input_seq });
    if (this.of("attach").at(-1)?.from === "snapshot") this.send(KIND_SNAPSHOT, offset, "");
  }

  of<T extends ClientControl["type"]>(type: T): (ClientControl & { type: T })[] {
    return this.controls.filter((each): each is ClientControl & { type: T } => each.type === type);
  }

  /** All input bytes, checked to be without holes from `from` on. */
  typed(from = 0): string {
    let at = from;
    let all = "";
    for (const frame of this.inputs) {
      if (frame.offset !== at) throw new Error(`input at ${frame.offset}, expected ${at}`);
      at += frame.payload.length;
      all += text(frame.payload);
    }
    return all;
  }
}

export class Rig implements Environment, Screen {
  readonly clock = new Clock();
  readonly sockets: Socket[] = [];
  readonly notices: Notice[] = [];
  readonly problems: Problem[] = [];
  readonly sizes: string[] = [];
  /** What is on the screen. */
  shown = "";
  resets = 0;
  logged = "";
  logCuts = 0;
  view: View | undefined;
  /** Refusals for the next connects. */
  refusals: ConnectError[] = [];
  /** Rendering that waits for {@link render}. */
  #renders: (() => void)[] = [];
  slow = false;
  sessions = ["session-0"];
  chance = 1;
  readonly client = new TerminalClient(this, this);

  get socket(): Socket {
    const last = this.sockets.at(-1);
    if (last === undefined) throw new Error("no socket yet");
    return last;
  }

  async start(): Promise<Socket> {
    this.client.start();
    await settle();
    return this.socket;
  }

  /** Ends what is rendered so far. */
  render(): void {
    for (const done of this.#renders.splice(0)) done();
  }

  connect(events: LinkEvents) {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) return Promise.reject(refusal);
    const socket = new Socket(events);
    this.sockets.push(socket);
    return Promise.resolve({ send: (data: string | Uint8Array<ArrayBuffer>) => socket.take(data), close: () => void (socket.closed = true) });
  }

  now = () => this.clock.now;
  later = (ms: number, task: () => void) => this.clock.later(ms, task);
  random = () => this.chance;

  inputSession(fresh: boolean): string {
    if (fresh) this.sessions.push(`session-${this.sessions.length}`);
    return this.sessions.at(-1) ?? "";
  }

  reset(): void {
    this.resets += 1;
    this.shown = "";
  }

  write(data: Uint8Array, done: () => void): void {
    this.shown += text(data);
    if (this.slow) this.#renders.push(done);
    else done();
  }

  resize(cols: number, rows: number): void {
    this.sizes.push(`${cols}x${rows}`);
  }

  log(data: Uint8Array): void {
    this.logged += text(data);
  }

  logCut(): void {
    this.logCuts += 1;
  }

  notice(notice: Notice): void {
    this.notices.push(notice);
  }

  problem(problem: Problem): void {
    this.problems.push(problem);
  }

  changed(view: View): void {
    this.view = { ...view };
  }
}

/** Attached, with the first screen shown and acknowledged: what a test counts begins after that. */
export async function attached(): Promise<Rig> {
  const rig = new Rig();
  const socket = await rig.start();
  socket.open();
  assert.deepEqual([rig.resets, socket.of("ack").length], [1, 1]);
  rig.resets = 0;
  socket.controls.splice(0, socket.controls.length, ...socket.controls.filter((each) => each.type !== "ack"));
  return rig;
}

/** Loses the socket and greets the next one, which is asked for the answer: from where. */
export async function again(rig: Rig) {
  rig.socket.close(1006);
  await rig.clock.pass(10_000);
  rig.socket.hello();
  return rig.socket.of("attach").at(-1)?.from;
}
