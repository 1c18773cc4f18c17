/** When to connect again, and when not to. */

export type After = "stop" | "now" | "later";

interface Rule {
  after: After;
  /** For people; the reason of a stop. */
  why: string;
}

/** The table of close codes; one that is not here is retried later. */
const CLOSES: Record<number, Rule> = {
  1000: { after: "stop", why: "The session has ended." },
  1012: { after: "now", why: "The server restarts." },
  4400: { after: "stop", why: "The server refused a frame of this page. That is a bug; please report it." },
  4401: { after: "later", why: "The ticket was not accepted." },
  4403: { after: "stop", why: "Your role does not allow this." },
  4404: { after: "stop", why: "There is no such agent." },
  4409: { after: "now", why: "The agent moved." },
  4410: { after: "stop", why: "The agent has ended." },
  4429: { after: "later", why: "Too many requests." },
  4503: { after: "later", why: "The agent is moving." },
};

export function closeRule(code: number): Rule {
  return CLOSES[code] ?? { after: "later", why: "The connection was lost." };
}

const FIRST_MS = 250;
const MOST_MS = 10_000;
/** Ceiling while an agent is on its way to running, which takes moments. */
export const SOON_MS = 1_000;

/** Full jitter over an exponential ceiling: clients that lost the same server do not return together. */
export function backoffMs(attempt: number, random: () => number, most = MOST_MS): number {
  return Math.round(random() * Math.min(most, FIRST_MS * 2 ** Math.min(attempt, 16)));
}
