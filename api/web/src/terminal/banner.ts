/** What the connection and the agent are up to, in a sentence for the banner; empty when all is as usual. */

import type { View } from "../protocol/environment.ts";
import { isFinal } from "../wire.ts";
import { bytes, problemText, sentence, statusText } from "../words.ts";

export function message(view: Readonly<View>): string {
  const { status } = view;
  if (status !== undefined && isFinal(status)) {
    const detail = view.detail === undefined ? "" : ` ${sentence(view.detail)}`;
    const words = statusText(status, view.reason).replace(/^terminated/u, "has ended");
    return `The agent ${words}.${detail} This is its last screen.`;
  }
  switch (view.phase) {
    case "stopped":
      return view.problem === undefined ? view.why : problemText(view.problem);
    case "waiting":
    case "connecting": {
      // The first attempt of all needs no words.
      if (view.why === "") return "";
      const held = view.held === 0 ? "" : ` ${bytes(view.held)} typed will be sent then.`;
      return `${sentence(view.problem?.detail ?? view.why)} Connecting again.${held}`;
    }
    case "attached":
      return between(view);
  }
}

/** A status in which nothing is printed; short ones are said too, so that a key that seems lost is explained. */
function between({ status, role }: Readonly<View>): string {
  const typed = role === "viewer" ? "" : " What is typed meanwhile reaches it.";
  switch (status) {
    case "suspending":
      return `The agent is coming to rest.${typed}`;
    case "suspended":
      return role === "viewer" ? "The agent is suspended. Watching does not wake it." : "The agent is suspended. A key press wakes it.";
    case "resuming":
      return `The agent is being brought back from its checkpoint.${typed}`;
    case "migrating":
      return `The agent is moving to another host.${typed}`;
    default:
      return "";
  }
}
