/** What the protocol client needs of a browser: tickets, WebSockets, timers, a session name. */

import { api, ApiError, randomId } from "../api.ts";
import { ConnectError, type Environment, type Link, type LinkEvents } from "../protocol.ts";
import type { Role } from "../wire.ts";
import { problemText } from "../words.ts";

/** A socket that does not open within this time is given up. */
const OPEN_MS = 15_000;

async function connect(agent: string, role: Role, events: LinkEvents): Promise<Link> {
  let url: string;
  let protocols: string[];
  try {
    ({ url, protocols } = await api.ticket(agent, role));
  } catch (error) {
    throw refusal(error);
  }
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => socket.close(), OPEN_MS);
    socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => {
      if (typeof event.data === "string") events.text(event.data);
      else events.bytes(event.data);
    };
    socket.onopen = () => {
      clearTimeout(late);
      socket.onclose = (event) => events.closed(event.code);
      resolve({
        // A send on a socket that is closing is dropped by the browser; its close event follows.
        send: (data) => socket.send(data),
        close: () => socket.close(),
      });
    };
    socket.onclose = () => {
      clearTimeout(late);
      reject(new ConnectError("The terminal cannot be reached yet.", true));
    };
  });
}

function refusal(error: unknown): ConnectError {
  if (!(error instanceof ApiError) || error.problem === undefined) {
    return new ConnectError("The server cannot be reached.", true);
  }
  const { problem } = error;
  return new ConnectError(problemText(problem), problem.retryable, problem.retry_after_ms, problem);
}

export async function environment(agent: string, role: Role): Promise<Environment> {
  let session = await claimSession(agent);
  return {
    connect: (events) => connect(agent, role, events),
    now: () => performance.now(),
    later: (ms, task) => {
      const timer = setTimeout(task, ms);
      return () => clearTimeout(timer);
    },
    random: () => Math.random(),
    inputSession: (fresh) => {
      if (!fresh) return session;
      session = newSession(agent);
      void hold(session);
      return session;
    },
  };
}

const key = (agent: string) => `claw-input:${agent}`;

function newSession(agent: string): string {
  const id = randomId();
  try {
    sessionStorage.setItem(key(agent), id);
  } catch {
    // Storage is denied: the session ends with the page.
  }
  return id;
}

/**
 * The tab's input session: the one from before a reload, unless a duplicate of the tab uses it. It is
 * no secret: it only numbers what an authorised socket types.
 */
async function claimSession(agent: string): Promise<string> {
  let id: string | null = null;
  try {
    id = sessionStorage.getItem(key(agent));
  } catch {
    // As above.
  }
  if (id !== null && (await hold(id))) return id;
  const fresh = newSession(agent);
  await hold(fresh);
  return fresh;
}

/** Holds the session until the page goes away; false when another tab holds it. */
function hold(id: string): Promise<boolean> {
  // Only in secure contexts; elsewhere a duplicated tab is told apart by the server's hole check.
  if (!("locks" in navigator)) return Promise.resolve(true);
  return new Promise((resolve) => {
    void navigator.locks.request(`claw-input:${id}`, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock === null ? undefined : new Promise<void>(() => {});
    });
  });
}
