/** The list of agents. Rows are kept and changed in place, so that focus and selection survive a refresh. */

import { api } from "../api.ts";
import { byId, h, icon, setText } from "../dom.ts";
import { isFinal, type Agent } from "../wire.ts";
import { age, count, shortId, statusText, tone } from "../words.ts";

/** Agents a request asks for, the API's own ceiling. */
const PAGE = 100;

interface Actions {
  /** `null` when the session may not delete. */
  remove: ((agent: Agent) => void) | null;
  terminal: boolean;
  /** More is wanted than was fetched. */
  more: () => void;
}

export class AgentList {
  readonly #actions: Actions;
  readonly #rows = new Map<string, Row>();
  readonly #filter = byId("filter", "input");
  readonly #ended = byId("ended", "input");
  readonly #older = byId("older", "button");
  #pages = 1;
  #agents: Agent[] = [];
  #hasOlder = false;

  constructor(actions: Actions) {
    this.#actions = actions;
    this.#filter.addEventListener("input", () => this.#show());
    this.#ended.addEventListener("change", () => this.#show());
    this.#older.addEventListener("click", () => {
      this.#pages += 1;
      actions.more();
    });
  }

  async refresh(): Promise<void> {
    const agents: Agent[] = [];
    let cursor: string | undefined;
    for (let page = 0; page < this.#pages; page += 1) {
      const answer = await api.agents(PAGE, cursor);
      agents.push(...answer.data);
      cursor = answer.next_cursor;
      if (cursor === undefined) break;
    }
    this.#agents = agents;
    this.#hasOlder = cursor !== undefined;
    this.#show();
  }

  #show(): void {
    const words = this.#filter.value.trim().toLowerCase();
    const ended = this.#agents.filter((agent) => isFinal(agent.status)).length;
    const shown = this.#agents.filter(
      (agent) =>
        (this.#ended.checked || !isFinal(agent.status)) &&
        (words === "" || `${agent.name} ${agent.image} ${agent.id}`.toLowerCase().includes(words)),
    );
    this.#place(shown);
    const live = this.#agents.length - ended;
    const plus = this.#hasOlder ? "+" : "";
    setText(byId("summary", "p"), this.#agents.length === 0 ? "" : `${live}${plus} live, ${ended}${plus} ended`);
    byId("filters", "div").hidden = this.#agents.length === 0;
    byId("agents", "div").hidden = shown.length === 0;
    this.#older.hidden = !this.#hasOlder;
    this.#empty(shown.length === 0, words !== "", ended);
  }

  #empty(empty: boolean, filtered: boolean, ended: number): void {
    byId("empty", "div").hidden = !empty;
    if (!empty) return;
    setText(byId("empty-title", "h2"), filtered ? "Nothing matches" : ended > 0 ? "No live agents" : "No agents yet");
    setText(
      byId("empty-text", "p"),
      filtered
        ? "No agent has this in its name, image or id."
        : ended > 0
          ? `${count(ended, "agent")} ended earlier; “Show ended” lists them.`
          : "An agent is a WebAssembly program with a terminal and a workspace of its own. It starts in milliseconds.",
    );
  }

  /** Makes the rows those of `agents`, in their order, moving no more nodes than needed. */
  #place(agents: Agent[]): void {
    const body = byId("rows", "div");
    const wanted = new Set(agents.map((agent) => agent.id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      // Focus would fall back to the page's start; the list's neighbour is where the person is.
      if (row.element.contains(document.activeElement)) byId("spawn", "button").focus();
      row.element.remove();
      this.#rows.delete(id);
    }
    let before: Element | null = body.firstElementChild;
    for (const agent of agents) {
      let row = this.#rows.get(agent.id);
      if (row === undefined) {
        row = new Row(agent, this.#actions);
        this.#rows.set(agent.id, row);
      }
      row.update(agent);
      if (row.element === before) before = before.nextElementSibling;
      else body.insertBefore(row.element, before);
    }
  }
}

class Row {
  readonly element: HTMLElement;
  readonly #name: HTMLElement;
  readonly #dot = h("span", { class: "dot", "aria-hidden": "true" });
  readonly #status = h("span", { class: "status-text" });
  readonly #image = h("span");
  readonly #age = h("time");
  readonly #host = h("code");
  readonly #delete: HTMLButtonElement | null;
  #agent: Agent;

  constructor(agent: Agent, actions: Actions) {
    this.#agent = agent;
    const href = `/agents/${encodeURIComponent(agent.id)}/terminal`;
    this.#name = actions.terminal ? h("a", { class: "agent-name", href }) : h("span", { class: "agent-name" });
    const remove = actions.remove;
    this.#delete =
      remove &&
      h("button", { class: "icon-button", type: "button", title: "Delete", onclick: () => remove(this.#agent) }, icon("trash"));
    this.element = h(
      "div",
      { class: "agent", role: "row", "data-agent": agent.id },
      h("span", { role: "cell", class: "cell-name" }, this.#name, h("code", { class: "id", title: agent.id }, shortId(agent.id))),
      h("span", { role: "cell", class: "cell-status" }, this.#dot, this.#status),
      h("span", { role: "cell", class: "cell-image" }, this.#image),
      h("span", { role: "cell", class: "cell-age" }, this.#age),
      h("span", { role: "cell", class: "cell-host" }, this.#host),
      h("span", { role: "cell", class: "cell-actions" }, this.#delete),
    );
  }

  update(agent: Agent): void {
    this.#agent = agent;
    setText(this.#name, agent.name);
    this.element.classList.toggle("ended", isFinal(agent.status));
    this.#dot.dataset["tone"] = tone(agent.status);
    setText(this.#status, statusText(agent.status, agent.status_reason));
    this.#status.title = agent.status_detail ?? "";
    setText(this.#image, agent.image === "" ? shortId(agent.image_digest) : agent.image);
    this.#image.title = agent.image_digest;
    setText(this.#age, age(agent.created_at, Date.now()));
    this.#age.dateTime = agent.created_at;
    this.#age.title = new Date(agent.created_at).toLocaleString();
    setText(this.#host, agent.host === undefined ? "–" : shortId(agent.host));
    this.#host.title = agent.host ?? "on no host";
    if (this.#delete === null) return;
    this.#delete.setAttribute("aria-label", `Delete ${agent.name}`);
    this.#delete.hidden = isFinal(agent.status) || agent.status === "terminating";
  }
}
