/**
 * A client of `openclaw.terminal.v1` that knows no DOM, no WebSocket and no clock: those come in as
 * {@link Environment}, and what it learns goes out through {@link Screen}.
 */

import { isFinal, type Problem } from "../wire.ts";
import { parseControl, type ClientControl, type Hello, type ServerControl } from "./control.ts";
import { ConnectError, type Environment, type Link, type Screen, type View } from "./environment.ts";
import { decode, encode, FLAG_MORE, KIND_DATA, KIND_INPUT, KIND_SNAPSHOT, STREAM_LOG, STREAM_TERMINAL, type Frame } from "./frames.ts";
import { InputQueue } from "./input.ts";
import { backoffMs, closeRule, SOON_MS } from "./retry.ts";
import { StreamPosition } from "./stream.ts";

/** The client pings this often. */
export const PING_MS = 20_000;
/** Silence after which a socket is dead. */
export const DEAD_MS = 60_000;
/** A new size is told after the window has been still for this long. */
export const RESIZE_MS = 80;
/** Rendered bytes are acknowledged after a pause of this length at the latest. */
export const ACK_MS = 40;

/**
 * One agent's terminal, through any number of sockets: it connects again by itself, goes on where it
 * was, and types again what the server had not taken.
 */
export class TerminalClient {
  readonly #env: Environment;
  readonly #screen: Screen;
  readonly #input = new InputQueue();
  readonly #streams = new Map([STREAM_TERMINAL, STREAM_LOG].map((id) => [id, new StreamPosition()]));
  readonly #view: View = {
    phase: "connecting", why: "", problem: undefined, role: undefined, status: undefined,
    reason: undefined, detail: undefined, operators: 0, viewers: 0, held: 0,
  };

  /** Counts sockets, so that a late event of an old one is known as such. */
  #era = 0;
  #link: Link | null = null;
  #hello: Hello | null = null;
  #attached = false;
  #wantLog = false;
  #inSnapshot = false;
  #attempt = 0;
  #retryAfterMs: number | undefined;
  #freshSession = false;
  #heardAt = 0;
  #pingedAt: number | null = null;
  #wanted: { cols: number; rows: number } | null = null;
  #size: { cols: number; rows: number } | null = null;
  /** The size last sent; forgotten when somebody else sets one. */
  #told: { cols: number; rows: number } | null = null;
  #cancelRetry: (() => void) | null = null;
  #cancelPing: (() => void) | null = null;
  #cancelAck: (() => void) | null = null;
  #cancelResize: (() => void) | null = null;

  constructor(env: Environment, screen: Screen) {
    this.#env = env;
    this.#screen = screen;
  }

  get view(): Readonly<View> {
    return this.#view;
  }

  start(): void {
    this.#connect();
  }

  /** For good. */
  stop(why: string): void {
    this.#drop();
    this.#change({ phase: "stopped", why });
  }

  /** The network or the page is back: do not wait any longer, and see whether the socket still lives. */
  nudge(): void {
    if (this.#view.phase === "waiting") this.#connect();
    else if (this.#attached && this.#pingedAt === null) this.#ping();
  }

  /** Connects again after a stop, when a person asks for it. */
  retry(): void {
    if (this.#view.phase !== "stopped" && this.#view.phase !== "waiting") return;
    this.#attempt = 0;
    this.#connect();
  }

  /** Typed bytes. False when they were not taken; the screen was told why. */
  type(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    const over = this.#view.phase === "stopped" || this.#ended();
    const refused = this.#view.role === "viewer" ? "viewer" : over ? "ended" : null;
    if (refused !== null) {
      this.#screen.notice(refused);
      return false;
    }
    if (!this.#input.push(bytes)) {
      this.#screen.notice("full");
      return false;
    }
    this.#sendSize();
    this.#flush();
    this.#held();
    return true;
  }

  /** The window's size in cells; told to the server once it is still. */
  fit(cols: number, rows: number): void {
    if (this.#wanted?.cols === cols && this.#wanted.rows === rows) return;
    this.#wanted = { cols, rows };
    this.#cancelResize?.();
    this.#cancelResize = this.#env.later(RESIZE_MS, () => this.#sendSize());
  }

  /** From now on the log is received too. */
  openLog(): void {
    if (this.#wantLog) return;
    this.#wantLog = true;
    if (this.#hello !== null) this.#attachLog(this.#hello);
  }

  #ended(): boolean {
    return this.#view.status !== undefined && isFinal(this.#view.status);
  }

  #change(change: Partial<View>): void {
    Object.assign(this.#view, change);
    this.#screen.changed(this.#view);
  }

  #held(): void {
    const held = this.#attached ? 0 : this.#input.waiting;
    if (held !== this.#view.held) this.#change({ held });
  }

  // ---- the socket's life -------------------------------------------------------------------

  #connect(): void {
    this.#drop();
    const era = this.#era;
    this.#change({ phase: "connecting" });
    const live = (act: () => void) => {
      if (era === this.#era) act();
    };
    this.#env
      .connect({
        text: (text) => live(() => this.#received(() => this.#text(text))),
        bytes: (buffer) => live(() => this.#received(() => this.#frame(decode(buffer)))),
        closed: (code) => live(() => this.#closed(code)),
      })
      .then(
        (link) => {
          if (era !== this.#era) return link.close();
          this.#link = link;
          this.#heardAt = this.#env.now();
          this.#tick();
        },
        (error: unknown) => live(() => this.#refused(error)),
      );
  }

  /** Lets go of the present socket and of every timer. */
  #drop(): void {
    this.#era += 1;
    const link = this.#link;
    this.#link = null;
    this.#hello = null;
    this.#attached = false;
    this.#inSnapshot = false;
    this.#pingedAt = null;
    this.#told = null;
    for (const cancel of [this.#cancelRetry, this.#cancelPing, this.#cancelAck]) cancel?.();
    this.#cancelRetry = this.#cancelPing = this.#cancelAck = null;
    link?.close();
  }

  #refused(error: unknown): void {
    const known = error instanceof ConnectError ? error : new ConnectError("The server cannot be reached.", true);
    this.#view.problem = known.problem;
    if (!known.retryable) return this.stop(known.message);
    this.#retryAfterMs ??= known.retryAfterMs;
    this.#wait(known.message);
  }

  #closed(code: number): void {
    if (this.#ended()) return this.stop("The agent has ended.");
    const rule = closeRule(code);
    if (rule.after === "stop") return this.stop(rule.why);
    // "Now" is for the first attempt only: a server that keeps closing must not be hammered.
    if (rule.after === "now" && this.#attempt === 0) this.#retryAfterMs ??= 0;
    this.#wait(rule.why);
  }

  #wait(why: string): void {
    this.#drop();
    const least = this.#retryAfterMs;
    this.#retryAfterMs = undefined;
    const soon = this.#view.problem?.code === "invalid_state" ? SOON_MS : undefined;
    const jitter = backoffMs(this.#attempt, () => this.#env.random(), soon);
    const delay = least === 0 ? 0 : Math.max(jitter, least ?? 0);
    this.#attempt += 1;
    this.#change({ phase: "waiting", why, held: this.#input.waiting });
    this.#cancelRetry = this.#env.later(delay, () => this.#connect());
  }

  #tick(): void {
    this.#cancelPing = this.#env.later(PING_MS, () => {
      const now = this.#env.now();
      if (now - this.#heardAt >= DEAD_MS) return this.#closed(1006);
      this.#ping();
      this.#tick();
    });
  }

  #ping(): void {
    this.#pingedAt = this.#env.now();
    this.#send({ type: "ping" });
  }

  #send(control: ClientControl): void {
    this.#link?.send(JSON.stringify(control));
  }

  // ---- what the server says ----------------------------------------------------------------

  #received(handle: () => void): void {
    this.#heardAt = this.#env.now();
    this.#pingedAt = null;
    try {
      handle();
    } catch {
      // A malformed frame: this socket cannot be trusted, the next one may.
      this.#wait("The server sent something this page does not understand.");
    }
  }

  #text(text: string): void {
    const control = parseControl(text);
    if (control !== null) this.#control(control);
  }

  #control(control: ServerControl): void {
    switch (control.type) {
      case "hello":
        return this.#greeted(control);
      case "attached":
        return this.#begun(control);
      case "gap":
        this.#streams.get(control.stream)?.gap(control.to);
        this.#cut(control.stream);
        return this.#screen.notice("gap");
      case "rewound":
        this.#streams.get(control.stream)?.begin(control.generation, control.offset);
        this.#cut(control.stream);
        return this.#screen.notice("rewound");
      case "status":
        return this.#change({ status: control.status, reason: control.reason, detail: control.detail });
      case "resized":
        this.#size = { cols: control.cols, rows: control.rows };
        if (this.#differs()) this.#told = null;
        return this.#screen.resize(control.cols, control.rows);
      case "presence":
        return this.#change({ operators: control.operators, viewers: control.viewers });
      case "input_ack":
        this.#input.acknowledged(control.applied, control.durable);
        return this.#held();
      case "moved":
        this.#retryAfterMs = control.retry_after_ms;
        return;
      case "exit":
        return this.#change({ status: control.status, reason: control.reason });
      case "problem":
        return this.#troubled(control.problem);
      case "pong":
    }
  }

  #greeted(hello: Hello): void {
    this.#hello = hello;
    this.#change({ role: hello.role, status: hello.status, reason: undefined, detail: undefined, problem: undefined });
    const terminal = hello.streams.find((s) => s.id === STREAM_TERMINAL);
    if (terminal?.cols !== undefined && terminal.rows !== undefined) {
      this.#size = { cols: terminal.cols, rows: terminal.rows };
      this.#screen.resize(terminal.cols, terminal.rows);
    }
    this.#attachTerminal();
    if (this.#wantLog) this.#attachLog(hello);
  }

  #attachTerminal(): void {
    const from = this.#streams.get(STREAM_TERMINAL)?.from() ?? "snapshot";
    if (this.#hello?.role === "viewer") return this.#send({ type: "attach", stream: STREAM_TERMINAL, from });
    const input_session = this.#env.inputSession(this.#freshSession);
    this.#freshSession = false;
    this.#send({ type: "attach", stream: STREAM_TERMINAL, from, input_session });
  }

  #attachLog(hello: Hello): void {
    const info = hello.streams.find((s) => s.id === STREAM_LOG);
    if (info === undefined) return;
    let from = this.#streams.get(STREAM_LOG)?.from() ?? "snapshot";
    if (from === "snapshot") from = { generation: info.generation, offset: info.tail };
    this.#send({ type: "attach", stream: STREAM_LOG, from });
  }

  #begun(attached: ServerControl & { type: "attached" }): void {
    const position = this.#streams.get(attached.stream);
    if (position === undefined) return;
    const goesOn = position.generation === attached.generation && position.next === attached.offset;
    position.begin(attached.generation, attached.offset);
    if (!goesOn) this.#cut(attached.stream);
    if (attached.stream === STREAM_LOG) return;
    this.#attached = true;
    this.#attempt = 0;
    this.#input.attached(attached.input_seq);
    this.#change({ phase: "attached", why: "", problem: undefined, held: 0 });
    this.#sendSize();
    this.#flush();
  }

  /** What was received of a stream does not go on: a log's line is not continued, a screen waits for its snapshot. */
  #cut(stream: number): void {
    if (stream === STREAM_LOG) this.#screen.logCut();
    else this.#streams.get(stream)?.cut();
  }

  #troubled(problem: Problem): void {
    if (problem.code === "input_session_expired") {
      this.#input.expired();
      this.#freshSession = true;
      this.#attached = false;
      return this.#attachTerminal();
    }
    // Before hello it says why the socket is about to be closed.
    if (this.#hello === null) return this.#change({ problem });
    this.#screen.problem(problem);
  }

  #frame(frame: Frame): void {
    const position = this.#streams.get(frame.stream);
    if (position === undefined) return;
    if (frame.kind === KIND_SNAPSHOT && frame.stream === STREAM_TERMINAL) this.#snapshot(frame, position);
    else if (frame.kind === KIND_DATA) this.#data(frame, position);
  }

  #snapshot(frame: Frame, position: StreamPosition): void {
    if (!this.#inSnapshot) {
      this.#screen.reset();
      position.snapshot(frame.offset);
    }
    this.#inSnapshot = (frame.flags & FLAG_MORE) !== 0;
    const age = position.age;
    const last = !this.#inSnapshot;
    if (last) position.complete();
    this.#screen.write(frame.payload, () => {
      if (last && age === position.age) this.#send({ type: "ack", stream: frame.stream, offset: frame.offset });
    });
  }

  #data(frame: Frame, position: StreamPosition): void {
    if (frame.stream === STREAM_TERMINAL) this.#inSnapshot = false;
    const fresh = position.accept(frame.offset, frame.payload);
    if (fresh === null) return this.#hole(frame.stream, position);
    if (fresh.length === 0) return;
    const upto = frame.offset + frame.payload.length;
    const age = position.age;
    const done = () => this.#rendered(frame.stream, position, upto, age);
    if (frame.stream === STREAM_TERMINAL) return this.#screen.write(fresh, done);
    this.#screen.log(fresh);
    done();
  }

  /** Bytes are missing that no `gap` announced: begin again from the present screen. */
  #hole(stream: number, position: StreamPosition): void {
    // Not known means asked for already.
    if (position.next === null) return;
    position.forget();
    if (stream === STREAM_TERMINAL) this.#attachTerminal();
    else if (this.#hello !== null) this.#attachLog(this.#hello);
  }

  // ---- what the client says ----------------------------------------------------------------

  #rendered(stream: number, position: StreamPosition, upto: number, age: number): void {
    if (position.rendered(upto, age)) return this.#acknowledge(stream, position);
    this.#cancelAck ??= this.#env.later(ACK_MS, () => {
      this.#cancelAck = null;
      for (const [id, each] of this.#streams) this.#acknowledge(id, each);
    });
  }

  #acknowledge(stream: number, position: StreamPosition): void {
    if (this.#hello === null) return;
    const offset = position.takeAck();
    if (offset !== null) this.#send({ type: "ack", stream, offset });
  }

  #flush(): void {
    if (!this.#attached) return;
    for (const { offset, payload } of this.#input.take()) {
      this.#link?.send(encode({ kind: KIND_INPUT, flags: 0, stream: STREAM_TERMINAL, offset, payload }));
    }
  }

  #differs(): boolean {
    return this.#wanted !== null && (this.#wanted.cols !== this.#size?.cols || this.#wanted.rows !== this.#size.rows);
  }

  #sendSize(): void {
    if (!this.#attached || this.#wanted === null || this.#view.role === "viewer" || !this.#differs()) return;
    if (this.#told === this.#wanted) return;
    this.#told = this.#wanted;
    this.#send({ type: "resize", ...this.#wanted });
  }
}
