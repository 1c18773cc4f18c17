/** The REST interface, with the session cookie that no script can read. */

import type { Agent, Checkpoint, ForkFrom, Forks, Host, Image, Page, Problem, Role, Session, SpawnRequest, Ticket } from "./wire.ts";

/** Longest wait for an answer, milliseconds; a spawn waits for its agent that long too. */
const TIMEOUT_MS = 30_000;
/** How long a spawn may take to answer with a running agent, seconds. */
const SPAWN_WAIT_SECONDS = 10;
/** How long a suspend or a resume may take to be done, seconds: the grace an agent has to come to rest, and some. */
const LIFE_WAIT_SECONDS = 15;
/** Checkpoints that are shown, the API's own ceiling for a page. */
const CHECKPOINTS = 100;

/** An answer that is no success; `problem` is absent when none came at all. */
export class ApiError extends Error {
  readonly problem: Problem | undefined;

  constructor(message: string, problem?: Problem) {
    super(message);
    this.problem = problem;
  }

  get signedOut(): boolean {
    return this.problem?.status === 401;
  }
}

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const init: RequestInit = {
    method,
    headers: { accept: "application/json", ...headers },
    credentials: "same-origin",
    cache: "no-store",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, "content-type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    throw new ApiError("The server cannot be reached.");
  }
  if (response.ok) return response;
  throw new ApiError(`The server answered ${response.status}.`, await problemOf(response));
}

/** A problem even when something in between answered with a page of its own. */
async function problemOf(response: Response): Promise<Problem> {
  const request_id = response.headers.get("x-request-id") ?? "";
  const bare: Problem = {
    title: response.statusText,
    status: response.status,
    code: "",
    retryable: response.status >= 500 || response.status === 429,
    request_id,
  };
  if (!(response.headers.get("content-type") ?? "").includes("json")) return bare;
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return { ...bare, ...problem };
  } catch {
    return bare;
  }
}

async function json<T>(response: Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

/** 128 random bits as hex; `crypto.randomUUID` needs a secure context, this does not. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const agentPath = (id: string) => `/v1/agents/${encodeURIComponent(id)}`;

export const api = {
  session: () => json<Session>(call("GET", "/v1/session")),
  signIn: (proof: { code: string } | { token: string }) => json<Session>(call("POST", "/v1/session", proof)),
  signOut: () => call("DELETE", "/v1/session"),

  agents: (limit: number, cursor?: string) => {
    const query = new URLSearchParams({ limit: String(limit) });
    if (cursor !== undefined) query.set("cursor", cursor);
    return json<Page<Agent>>(call("GET", `/v1/agents?${query}`));
  },
  agent: (id: string) => json<Agent>(call("GET", agentPath(id))),
  spawn: (request: SpawnRequest, key: string) =>
    json<Agent>(
      call("POST", "/v1/agents/spawn", request, { "idempotency-key": key, prefer: `wait=${SPAWN_WAIT_SECONDS}` }),
    ),
  remove: (id: string) => call("DELETE", agentPath(id)),
  suspend: (id: string) => json<Agent>(call("POST", `${agentPath(id)}/suspend`, undefined, { prefer: `wait=${LIFE_WAIT_SECONDS}` })),
  resume: (id: string) => json<Agent>(call("POST", `${agentPath(id)}/resume`, undefined, { prefer: `wait=${LIFE_WAIT_SECONDS}` })),
  fork: (id: string, from: ForkFrom) => json<Forks>(call("POST", `${agentPath(id)}/forks`, { from })),
  /** The newest ones. */
  checkpoints: (id: string) => json<Page<Checkpoint>>(call("GET", `${agentPath(id)}/checkpoints?limit=${CHECKPOINTS}`)),
  checkpoint: (id: string, note: string) => json<Checkpoint>(call("POST", `${agentPath(id)}/checkpoints`, note === "" ? {} : { note })),
  removeCheckpoint: (id: string) => call("DELETE", `/v1/checkpoints/${encodeURIComponent(id)}`),
  restore: (id: string, checkpoint: string) => json<Agent>(call("POST", `${agentPath(id)}/restore`, { checkpoint })),
  ticket: (id: string, role: Role) => json<Ticket>(call("POST", `${agentPath(id)}/tickets`, { role, wake: false })),

  images: () => json<Page<Image>>(call("GET", "/v1/images")),
  hosts: () => json<Page<Host>>(call("GET", "/v1/hosts")),
};
