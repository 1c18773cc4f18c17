/** One agent of the list: what it is, and what can be done with it. */

import { h, icon, setText, type IconName } from "../dom.ts";
import { isFinal, type Agent } from "../wire.ts";
import { age, shortId, statusText, tone } from "../words.ts";
import { offers } from "./offers.ts";

/** `null` is what the session may not do. */
export interface RowActions {
  remove: ((agent: Agent) => void) | null;
  suspend: ((agent: Agent) => Promise<void>) | null;
  resume: ((agent: Agent) => Promise<void>) | null;
  fork: ((agent: Agent) => Promise<void>) | null;
  checkpoints: (agent: Agent) => void;
  terminal: boolean;
}

export class Row {
  readonly element: HTMLElement;
  readonly #name: HTMLElement;
  readonly #dot = h("span", { class: "dot", "aria-hidden": "true" });
  readonly #status = h("span", { class: "status-text" });
  readonly #image = h("span");
  readonly #age = h("time");
  readonly #host = h("code");
  readonly #rest: HTMLButtonElement;
  readonly #fork: HTMLButtonElement;
  readonly #checkpoints: HTMLButtonElement;
  readonly #delete: HTMLButtonElement;
  readonly #actions: RowActions;
  #agent: Agent;
  /** A suspend or a resume is asked for. */
  #turning = false;

  constructor(agent: Agent, actions: RowActions) {
    this.#agent = agent;
    this.#actions = actions;
    const href = `/agents/${encodeURIComponent(agent.id)}/terminal`;
    this.#name = actions.terminal ? h("a", { class: "agent-name", href }) : h("span", { class: "agent-name" });
    const button = (name: IconName, act: () => void) => h("button", { class: "icon-button", type: "button", onclick: act }, icon(name));
    this.#rest = button("pause", () => void this.#turn());
    this.#fork = button("fork", () => void this.#copy());
    this.#checkpoints = button("history", () => actions.checkpoints(this.#agent));
    this.#delete = button("trash", () => actions.remove?.(this.#agent));
    this.element = h(
      "div",
      { class: "agent", role: "row", "data-agent": agent.id },
      h("span", { role: "cell", class: "cell-name" }, this.#name, h("code", { class: "id", title: agent.id }, shortId(agent.id))),
      h("span", { role: "cell", class: "cell-status" }, this.#dot, this.#status),
      h("span", { role: "cell", class: "cell-image" }, this.#image),
      h("span", { role: "cell", class: "cell-age" }, this.#age),
      h("span", { role: "cell", class: "cell-host" }, this.#host),
      h("span", { role: "cell", class: "cell-actions" }, this.#rest, this.#fork, this.#checkpoints, this.#delete),
    );
  }

  update(agent: Agent): void {
    this.#agent = agent;
    setText(this.#name, agent.name);
    this.element.classList.toggle("ended", isFinal(agent.status));
    this.#dot.dataset["tone"] = tone(agent.status);
    setText(this.#status, statusText(agent.status, agent.status_reason));
    const wakes = agent.wakes_at === undefined ? "" : `wakes ${new Date(agent.wakes_at).toLocaleString()}`;
    this.#status.title = agent.status_detail ?? wakes;
    setText(this.#image, agent.image === "" ? shortId(agent.image_digest) : agent.image);
    this.#image.title = agent.image_digest;
    setText(this.#age, age(agent.created_at, Date.now()));
    this.#age.dateTime = agent.created_at;
    this.#age.title = new Date(agent.created_at).toLocaleString();
    setText(this.#host, agent.host === undefined ? "–" : shortId(agent.host));
    this.#host.title = agent.host ?? "on no host";
    this.#offer();
  }

  #offer(): void {
    const can = offers(this.#agent);
    const show = (button: HTMLButtonElement, shown: boolean, label: string) => {
      button.hidden = !shown;
      button.title = label;
      button.setAttribute("aria-label", `${label} ${this.#agent.name}`);
    };
    // One button for both: the focus stays on it from one state to the other.
    const wakes = can.rest === "resume";
    show(this.#rest, can.rest !== null && (wakes ? this.#actions.resume : this.#actions.suspend) !== null, wakes ? "Resume" : "Suspend");
    this.#rest.disabled = can.rest === "wait" || this.#turning;
    if (this.#rest.dataset["wakes"] !== String(wakes)) {
      this.#rest.dataset["wakes"] = String(wakes);
      this.#rest.replaceChildren(icon(wakes ? "play" : "pause"));
    }
    show(this.#fork, can.fork && this.#actions.fork !== null, "Fork");
    show(this.#checkpoints, can.checkpoints, "Checkpoints of");
    show(this.#delete, can.remove && this.#actions.remove !== null, "Delete");
  }

  async #turn(): Promise<void> {
    const { rest } = offers(this.#agent);
    const act = rest === "suspend" ? this.#actions.suspend : rest === "resume" ? this.#actions.resume : null;
    if (act === null || this.#turning) return;
    this.#turning = true;
    this.#offer();
    await act(this.#agent);
    this.#turning = false;
    this.#offer();
  }

  async #copy(): Promise<void> {
    if (this.#fork.disabled) return;
    this.#fork.disabled = true;
    await this.#actions.fork?.(this.#agent);
    this.#fork.disabled = false;
  }
}
