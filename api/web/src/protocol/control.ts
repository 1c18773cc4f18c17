/** Text frames of `openclaw.terminal.v1`. */

import type { Problem, Role, Status } from "../wire.ts";

export interface StreamInfo {
  id: number;
  kind: string;
  /** Grows when a rollback truncates the stream. */
  generation: number;
  /** Offset after the last byte. */
  head: number;
  /** Offset of the oldest byte still kept. */
  tail: number;
  cols?: number;
  rows?: number;
}

export interface Hello {
  type: "hello";
  agent_id: string;
  epoch: number;
  status: Status;
  role: Role;
  streams: StreamInfo[];
  window_bytes: number;
}

export type ServerControl =
  | Hello
  | { type: "attached"; stream: number; generation: number; offset: number; input_seq: number }
  | { type: "gap"; stream: number; from: number; to: number }
  | { type: "rewound"; stream: number; generation: number; offset: number }
  | { type: "status"; status: Status; reason?: string; detail?: string }
  | { type: "resized"; cols: number; rows: number }
  | { type: "presence"; operators: number; viewers: number }
  | { type: "input_ack"; applied: number; durable: number }
  | { type: "moved"; epoch: number; retry_after_ms: number }
  | { type: "exit"; status: Status; reason?: string }
  | { type: "pong" }
  | { type: "problem"; problem: Problem };

export type From = "snapshot" | { generation: number; offset: number };

export type ClientControl =
  | { type: "attach"; stream: number; from: From; input_session?: string }
  | { type: "ack"; stream: number; offset: number }
  | { type: "resize"; cols: number; rows: number }
  | { type: "ping" };

const KNOWN = new Set([
  "hello", "attached", "gap", "rewound", "status", "resized", "presence", "input_ack", "moved",
  "exit", "pong", "problem",
]);

/** A text frame; `null` for a type this client does not know, which it must ignore. */
export function parseControl(text: string): ServerControl | null {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null || !("type" in value)) throw new Error("not a control frame");
  return KNOWN.has(String(value.type)) ? (value as ServerControl) : null;
}
