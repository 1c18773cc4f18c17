/** An agent of the double: a line editor in front of `sh -c`, over the real protocol. */

import { execFile } from "node:child_process";

const PROMPT = "\x1b[32m/work\x1b[0m $ ";
const MAX_PAYLOAD = 16 * 1024;

function frame(kind, flags, stream, offset, payload) {
  const head = Buffer.alloc(12);
  head.writeUInt8(kind, 0);
  head.writeUInt8(flags, 1);
  head.writeUInt16BE(stream, 2);
  head.writeBigUInt64BE(BigInt(offset), 4);
  return Buffer.concat([head, payload]);
}

class Stream {
  bytes = Buffer.alloc(0);
  generation = 1;
  get head() {
    return this.bytes.length;
  }
}

export class FakeAgent {
  status = "running";
  streams = [new Stream(), new Stream()];
  cols = 80;
  rows = 24;
  clients = new Set();
  inputs = new Map();
  line = "";
  created = new Date();
  checkpoints = [];
  /** Input frames as they came, for tests. */
  received = [];

  constructor({ id, name, image, digest }) {
    Object.assign(this, { id, name, image, digest });
    this.log("info", "started", { image });
    this.print(PROMPT);
  }

  view() {
    return {
      id: this.id, name: this.name, image: this.image, image_digest: this.digest, status: this.status, desired_status: "running",
      ...(this.status === "terminated" ? { status_reason: "user_request" } : { host: "hst_01J00000000000000000000001" }),
      epoch: 1, version: 1, suspendable: true, metadata: {}, created_at: this.created.toISOString(),
      updated_at: this.created.toISOString(), terminal_url: `/agents/${this.id}/terminal`,
    };
  }

  log(level, message, fields = {}) {
    this.logSeq = (this.logSeq ?? 0) + 1;
    this.append(1, JSON.stringify({ seq: this.logSeq, time: new Date().toISOString(), level, source: "agent", message, fields }) + "\n");
  }

  print(text) {
    this.append(0, text);
  }

  append(id, text) {
    const stream = this.streams[id];
    stream.bytes = Buffer.concat([stream.bytes, Buffer.from(text)]);
    for (const client of this.clients) client.pump(id);
  }

  turn(status) {
    this.status = status;
    for (const client of this.clients) client.say({ type: "status", status, reason: "user_request" });
  }

  checkpoint(id, kind, note) {
    const taken = { id, agent: this.id, kind, size_bytes: 3_200, unique_bytes: 900, created_at: new Date().toISOString(), ...(note === undefined ? {} : { note }) };
    this.checkpoints.unshift({ ...taken, head: this.streams[0].head });
    return taken;
  }

  /** Goes back to where its terminal was; every socket is told so, and shown the screen of then. */
  restore({ head }) {
    const stream = this.streams[0];
    stream.bytes = stream.bytes.subarray(0, head);
    stream.generation += 1;
    this.line = "";
    for (const client of this.clients) client.rewind();
  }

  end() {
    this.status = "terminated";
    for (const client of [...this.clients]) {
      client.say({ type: "exit", status: "terminated", reason: "user_request" });
      client.socket.close(4410);
    }
  }

  /** Cuts every socket, as a lost network does. */
  cut() {
    for (const client of [...this.clients]) client.socket.terminate();
  }

  attach(socket, role) {
    const client = new Client(this, socket, role);
    this.clients.add(client);
    socket.on("close", () => {
      this.clients.delete(client);
      this.tellPresence();
    });
    const streams = this.streams.map((stream, id) => ({
      id, kind: id === 0 ? "terminal" : "log", generation: stream.generation, head: stream.head, tail: 0,
      ...(id === 0 ? { cols: this.cols, rows: this.rows } : {}),
    }));
    client.say({ type: "hello", agent_id: this.id, epoch: 1, status: this.status, role, streams, window_bytes: 262144 });
    this.tellPresence();
  }

  tellPresence() {
    const operators = [...this.clients].filter((client) => client.role === "operator").length;
    for (const client of this.clients) client.say({ type: "presence", operators, viewers: this.clients.size - operators });
  }

  typed(text) {
    if (this.status === "suspended") this.turn("running");
    for (const char of text) {
      if (char === "\x03") {
        this.line = "";
        this.print(`^C\r\n${PROMPT}`);
      } else if (char === "\x7f") {
        if (this.line !== "") this.print("\b \b");
        this.line = this.line.slice(0, -1);
      } else if (char === "\r") {
        this.print("\r\n");
        this.run(this.line);
        this.line = "";
      } else if (char >= " ") {
        this.line += char;
        this.print(char);
      }
    }
  }

  run(line) {
    if (line.trim() === "") return this.print(PROMPT);
    this.log("debug", "command", { line });
    // One after the other, as a shell does.
    this.idle = (this.idle ?? Promise.resolve()).then(() => this.execute(line));
  }

  execute(line) {
    return new Promise((resolve) => execFile("sh", ["-c", line], { timeout: 5000, maxBuffer: 1 << 26 }, (_, out, err) => {
      this.print(`${(out + err).replaceAll("\n", "\r\n")}${PROMPT}`);
      resolve();
    }));
  }
}

class Client {
  sent = [null, null];
  acked = [0, 0];
  session = null;

  constructor(agent, socket, role) {
    Object.assign(this, { agent, socket, role });
    socket.on("message", (data, binary) => (binary ? this.input(data) : this.control(JSON.parse(data.toString()))));
  }

  say(control) {
    this.socket.send(JSON.stringify(control));
  }

  control(control) {
    if (control.type === "ping") return this.say({ type: "pong" });
    if (control.type === "ack") {
      this.acked[control.stream] = control.offset;
      return this.pump(control.stream);
    }
    if (control.type === "resize") {
      Object.assign(this.agent, { cols: control.cols, rows: control.rows });
      for (const client of this.agent.clients) client.say({ type: "resized", cols: control.cols, rows: control.rows });
      return;
    }
    if (control.type === "attach") this.attach(control);
  }

  attach({ stream, from, input_session }) {
    const { generation, head, bytes } = this.agent.streams[stream];
    if (input_session !== undefined) {
      this.session = input_session;
      if (!this.agent.inputs.has(input_session)) this.agent.inputs.set(input_session, 0);
    }
    const offset = from === "snapshot" ? head : from.offset;
    this.say({ type: "attached", stream, generation, offset, input_seq: this.agent.inputs.get(this.session) ?? 0 });
    if (from === "snapshot" && stream === 0) this.snapshot();
    this.sent[stream] = offset;
    this.acked[stream] = offset;
    this.pump(stream);
  }

  snapshot() {
    const { head, bytes } = this.agent.streams[0];
    // The whole history is a snapshot too; two frames, so that the flag is seen.
    const middle = Math.floor(bytes.length / 2);
    for (let at = 0; at < middle; at += MAX_PAYLOAD) {
      this.socket.send(frame(2, 1, 0, head, bytes.subarray(at, Math.min(middle, at + MAX_PAYLOAD))));
    }
    for (let at = middle; at <= bytes.length; at += MAX_PAYLOAD) {
      const last = at + MAX_PAYLOAD > bytes.length;
      this.socket.send(frame(2, last ? 0 : 1, 0, head, bytes.subarray(at, at + MAX_PAYLOAD)));
    }
  }

  rewind() {
    const { generation, head } = this.agent.streams[0];
    this.say({ type: "rewound", stream: 0, generation, offset: head });
    this.snapshot();
    this.sent[0] = this.acked[0] = head;
  }

  pump(id) {
    const { bytes } = this.agent.streams[id];
    while (this.sent[id] !== null && this.sent[id] < bytes.length && this.sent[id] - this.acked[id] < 262144) {
      const part = bytes.subarray(this.sent[id], this.sent[id] + MAX_PAYLOAD);
      this.socket.send(frame(1, 0, id, this.sent[id], part));
      this.sent[id] += part.length;
    }
  }

  input(data) {
    const offset = Number(data.readBigUInt64BE(4));
    const payload = data.subarray(12);
    const seen = this.agent.inputs.get(this.session) ?? 0;
    if (this.role === "viewer") return this.socket.close(4403);
    if (data[0] !== 0x11 || offset > seen) return this.socket.close(4400);
    this.agent.received.push({ session: this.session, offset, length: payload.length });
    const fresh = payload.subarray(seen - offset);
    this.agent.inputs.set(this.session, seen + fresh.length);
    this.agent.typed(fresh.toString());
    this.say({ type: "input_ack", applied: seen + fresh.length, durable: seen + fresh.length });
  }
}
