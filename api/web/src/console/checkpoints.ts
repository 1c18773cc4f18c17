/** An agent's checkpoints: take one, go back to one, begin a copy from one. */

import { api } from "../api.ts";
import { byId, h, icon, setText } from "../dom.ts";
import { bad } from "../toast.ts";
import type { Agent, Checkpoint } from "../wire.ts";
import { age, bytes } from "../words.ts";
import { offers } from "./offers.ts";

/** `null` is what the session may not do. */
export interface CheckpointActions {
  /** Take, delete and go back to. */
  write: boolean;
  fork: ((agent: Agent, from: Checkpoint) => Promise<void>) | null;
  restored: (agent: Agent, to: Checkpoint) => void;
}

export class CheckpointsDialog {
  readonly #dialog = byId("checkpoints-dialog", "dialog");
  readonly #form = byId("checkpoints-form", "form");
  readonly #note = byId("checkpoints-note", "input");
  readonly #take = byId("checkpoints-take", "button");
  readonly #list = byId("checkpoints-list", "ul");
  readonly #state = byId("checkpoints-state", "p");
  readonly #actions: CheckpointActions;
  #agent: Agent | null = null;

  constructor(actions: CheckpointActions) {
    this.#actions = actions;
    byId("checkpoints-close", "button").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => (this.#agent = null));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const agent = this.#agent;
      if (agent === null) return;
      void this.#busy(this.#take, async () => {
        await api.checkpoint(agent.id, this.#note.value.trim());
        this.#note.value = "";
        await this.#load(agent);
      });
    });
  }

  open(agent: Agent): void {
    this.#agent = agent;
    setText(byId("checkpoints-title", "h2"), `Checkpoints of ${agent.name}`);
    this.#form.hidden = !(this.#actions.write && offers(agent).checkpoint);
    this.#note.value = "";
    this.#list.replaceChildren();
    this.#say("Loading…");
    this.#dialog.showModal();
    this.#load(agent).catch((error: unknown) => {
      bad(error);
      if (this.#agent === agent) this.#say("They could not be loaded.");
    });
  }

  #say(text: string): void {
    setText(this.#state, text);
    this.#state.hidden = text === "";
  }

  async #load(agent: Agent): Promise<void> {
    const page = await api.checkpoints(agent.id);
    // Closed meanwhile, or open for another agent.
    if (this.#agent !== agent) return;
    this.#list.replaceChildren(...page.data.map((checkpoint) => this.#item(agent, checkpoint)));
    const none = "There is none yet: one is taken by itself once the agent has changed.";
    this.#say(page.data.length === 0 ? none : page.next_cursor === undefined ? "" : "There are older ones; claw checkpoints lists them.");
  }

  /** Does something that takes a moment, once. */
  async #busy(button: HTMLButtonElement, act: () => Promise<void>): Promise<void> {
    button.disabled = true;
    try {
      await act();
    } catch (error) {
      bad(error);
    } finally {
      button.disabled = false;
    }
  }

  #item(agent: Agent, checkpoint: Checkpoint): HTMLElement {
    const when = age(checkpoint.created_at, Date.now());
    const ago = when === "now" ? "now" : `${when} ago`;
    const time = h("time", { datetime: checkpoint.created_at, title: new Date(checkpoint.created_at).toLocaleString() }, ago);
    const what = checkpoint.note ?? (checkpoint.kind === "automatic" ? "taken by itself" : "kept until deleted");
    const buttons = h("span", { class: "checkpoint-buttons" });
    const item = h(
      "li",
      { class: "checkpoint", "data-checkpoint": checkpoint.id },
      h("span", { class: "checkpoint-what" }, h("span", {}, what), h("span", { class: "muted" }, time, ` · ${bytes(checkpoint.size_bytes)}`)),
      buttons,
    );
    const fork = this.#actions.fork;
    if (fork !== null) {
      const go: HTMLButtonElement = h("button", { class: "button", type: "button", "aria-label": `Fork from ${what}, ${ago}` }, "Fork");
      go.addEventListener("click", () => void this.#busy(go, () => fork(agent, checkpoint)));
      buttons.append(go);
    }
    if (!this.#actions.write) return item;
    const restore = h("button", { class: "button", type: "button", "aria-label": `Restore ${what}, ${ago}`, onclick: () => this.#confirm(item, agent, checkpoint) }, "Restore");
    buttons.append(restore);
    if (checkpoint.kind === "requested") {
      const remove = h("button", { class: "icon-button", type: "button", title: "Delete", "aria-label": `Delete ${what}, ${ago}` }, icon("trash"));
      remove.addEventListener("click", () =>
        void this.#busy(remove, async () => {
          await api.removeCheckpoint(checkpoint.id);
          await this.#load(agent);
        }),
      );
      buttons.append(remove);
    }
    return item;
  }

  /** Asks in the checkpoint's own place: what came after it is lost. */
  #confirm(item: HTMLElement, agent: Agent, checkpoint: Checkpoint): void {
    const keep = h("button", { class: "button", type: "button" }, "Cancel");
    const go = h("button", { class: "button danger", type: "button" }, "Restore");
    const question = h(
      "li",
      { class: "checkpoint" },
      h("span", { class: "checkpoint-what" }, "Everything since is undone: memory, files and screen."),
      h("span", { class: "checkpoint-buttons" }, keep, go),
    );
    keep.addEventListener("click", () => {
      question.replaceWith(item);
      item.querySelector<HTMLElement>("[aria-label^=Restore]")?.focus();
    });
    go.addEventListener("click", () =>
      void this.#busy(go, async () => {
        await api.restore(agent.id, checkpoint.id);
        this.#dialog.close();
        this.#actions.restored(agent, checkpoint);
      }),
    );
    item.replaceWith(question);
    keep.focus();
  }
}
