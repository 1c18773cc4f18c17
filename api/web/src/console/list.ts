/** The list of agents. Rows are kept and changed in place, so that focus and selection survive a refresh. */

import { api } from "../api.ts";
import { byId, setText } from "../dom.ts";
import { isFinal, type Agent } from "../wire.ts";
import { count } from "../words.ts";
import { Row, type RowActions } from "./row.ts";

/** Agents a request asks for, the API's own ceiling. */
const PAGE = 100;

interface Actions extends RowActions {
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
