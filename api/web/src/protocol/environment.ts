/** What a {@link TerminalClient} is given and what it tells: no DOM, no WebSocket, no clock of its own. */

import type { Problem, Role, Status } from "../wire.ts";

export interface Link {
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
}

export interface LinkEvents {
  text(text: string): void;
  bytes(buffer: ArrayBuffer): void;
  closed(code: number): void;
}

/** Why no socket came to be. */
export class ConnectError extends Error {
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  readonly problem: Problem | undefined;

  constructor(message: string, retryable: boolean, retryAfterMs?: number, problem?: Problem) {
    super(message);
    this.retryable = retryable;
    this.retryAfterMs = retryAfterMs;
    this.problem = problem;
  }
}

export interface Environment {
  /** Gets a ticket and opens a socket with it. Rejects with {@link ConnectError}. */
  connect(events: LinkEvents): Promise<Link>;
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** Runs `task` once; the answer cancels it. */
  later(ms: number, task: () => void): () => void;
  random(): number;
  /** The name of this client's input session; `fresh` asks for one never used before. */
  inputSession(fresh: boolean): string;
}

export type Notice = "viewer" | "full" | "ended" | "gap" | "rewound";

export interface Screen {
  /** A snapshot begins: forget what is shown. In order with {@link write}. */
  reset(): void;
  /** `done` once the bytes are on the screen. */
  write(bytes: Uint8Array, done: () => void): void;
  /** The terminal has this size now. In order with {@link write}. */
  resize(cols: number, rows: number): void;
  /** Bytes of the log, JSON lines cut anywhere. */
  log(bytes: Uint8Array): void;
  /** The log goes on elsewhere: a line cut before this is not continued. */
  logCut(): void;
  notice(notice: Notice): void;
  problem(problem: Problem): void;
  changed(view: View): void;
}

export type Phase = "connecting" | "attached" | "waiting" | "stopped";

export interface View {
  phase: Phase;
  /** Why it waits or stopped, for people. */
  why: string;
  /** Of the failed request, when there was one. */
  problem: Problem | undefined;
  role: Role | undefined;
  status: Status | undefined;
  reason: string | undefined;
  detail: string | undefined;
  operators: number;
  viewers: number;
  /** Typed bytes that wait for a connection. */
  held: number;
}
