/** Asks before an agent is deleted: its workspace goes with it. */

import { byId, setText } from "../dom.ts";
import { bad } from "../toast.ts";
import type { Agent } from "../wire.ts";

export class RemoveDialog {
  readonly #dialog = byId("remove-dialog", "dialog");
  readonly #go = byId("remove-go", "button");
  #agent: Agent | null = null;

  constructor(remove: (agent: Agent) => Promise<void>) {
    byId("remove-cancel", "button").addEventListener("click", () => this.#dialog.close());
    this.#go.addEventListener("click", async () => {
      const agent = this.#agent;
      if (agent === null) return;
      this.#go.disabled = true;
      try {
        await remove(agent);
        this.#dialog.close();
      } catch (error) {
        bad(error);
      } finally {
        this.#go.disabled = false;
      }
    });
  }

  open(agent: Agent): void {
    this.#agent = agent;
    setText(byId("remove-text", "p"), `“${agent.name}” ends, and its workspace and screen are removed. This cannot be undone.`);
    this.#dialog.showModal();
    byId("remove-cancel", "button").focus();
  }
}
