/** What can be done with an agent as it is. The API decides; this keeps the console from offering what it refuses. */

import { isFinal, type Agent } from "../wire.ts";

export interface Offers {
  /** The one of the two that makes sense; `wait` while it is on its way from one to the other. */
  rest: "suspend" | "resume" | "wait" | null;
  fork: boolean;
  /** Its checkpoints can be seen and gone back to. */
  checkpoints: boolean;
  /** Another one can be taken now. */
  checkpoint: boolean;
  remove: boolean;
}

export function offers({ status, suspendable }: Pick<Agent, "status" | "suspendable">): Offers {
  const running = suspendable && status === "running";
  const suspended = status === "suspended";
  const between = suspendable && (status === "suspending" || status === "resuming" || status === "migrating");
  return {
    rest: running ? "suspend" : suspended ? "resume" : between ? "wait" : null,
    fork: running || (suspendable && suspended),
    checkpoints: suspendable && !isFinal(status),
    checkpoint: running,
    remove: !isFinal(status) && status !== "terminating",
  };
}
