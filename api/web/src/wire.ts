/** What the API says, as in the OpenAPI document. Unknown fields are ignored. */

export type Status =
  | "pending" | "starting" | "running" | "suspending" | "suspended" | "resuming"
  | "migrating" | "terminating" | "terminated" | "failed";

export type Role = "viewer" | "operator";

export type Scope =
  | "agents:read" | "agents:spawn" | "agents:write" | "terminal" | "images" | "audit" | "operator";

export interface FieldError {
  /** A JSON Pointer into the body, such as `/limits/memory_mib`. */
  pointer: string;
  detail: string;
}

/** RFC 9457. */
export interface Problem {
  title: string;
  status: number;
  code: string;
  detail?: string;
  retryable: boolean;
  retry_after_ms?: number;
  request_id: string;
  errors?: FieldError[];
}

export interface Agent {
  id: string;
  name: string;
  image: string;
  image_digest: string;
  status: Status;
  status_reason?: string;
  status_detail?: string;
  host?: string;
  /** Whether it can be checkpointed: suspended, forked, restored. */
  suspendable: boolean;
  /** When a suspended agent is resumed by its own timer. */
  wakes_at?: string;
  created_at: string;
  expires_at?: string;
}

export interface Checkpoint {
  id: string;
  kind: "automatic" | "requested";
  /** Everything it refers to, as stored. */
  size_bytes: number;
  note?: string;
  created_at: string;
}

/** `now`, `latest`, or a checkpoint's id. */
export type ForkFrom = string;

export interface Forks {
  checkpoint: string;
  results: ({ result: "agent"; agent: Agent } | { result: "problem"; problem: Problem })[];
}

export interface Image {
  digest: string;
  name: string;
  description: string;
}

export interface Host {
  id: string;
  state: "active" | "draining" | "dead";
  address: string;
  capacity_agents: number;
  agents: number;
  memory_mib: number;
  lease_age_seconds: number;
  version: string;
}

export interface Session {
  tenant: string;
  tenant_name: string;
  scopes: Scope[];
  expires_at: string;
}

export interface Ticket {
  url: string;
  protocols: string[];
  role: Role;
}

export interface Page<T> {
  data: T[];
  next_cursor?: string;
}

export interface Limits {
  memory_mib?: number;
  fuel_per_second?: number;
  disk_mib?: number;
  wall_seconds?: number;
}

export interface SpawnRequest {
  image: string;
  name?: string;
  config?: unknown;
  env?: Record<string, string>;
  limits?: Limits;
  max_lifetime_seconds?: number;
}

export interface LogEntry {
  seq: number;
  time: string;
  level: "trace" | "debug" | "info" | "warn" | "error";
  source: string;
  message: string;
  fields?: Record<string, string>;
}

export function isFinal(status: Status): boolean {
  return status === "terminated" || status === "failed";
}
