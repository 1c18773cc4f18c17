/** The fleet in one line, and a table for those who want to know. */

import { api } from "../api.ts";
import { byId, h, setText } from "../dom.ts";
import type { Host } from "../wire.ts";
import { count, mebibytes, shortId } from "../words.ts";

const TONES = { active: "ok", draining: "busy", dead: "bad" } as const;

export class HostSummary {
  readonly #details = byId("hosts", "details");
  #shown = "";

  async refresh(): Promise<void> {
    const hosts = (await api.hosts()).data;
    this.#details.hidden = false;
    setText(byId("hosts-summary", "summary"), summary(hosts));
    const rows = hosts.map(cells);
    const state = JSON.stringify(rows);
    if (state === this.#shown) return;
    this.#shown = state;
    byId("hosts-rows", "tbody").replaceChildren(
      ...hosts.map((host, at) => {
        const [name, ...rest] = rows[at] ?? [];
        const dot = h("span", { class: "dot", "data-tone": TONES[host.state] ?? "over", "aria-hidden": "true" });
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, h("code", { title: `${host.id} at ${host.address}` }, name)),
          ...rest.map((text, cell) => h("td", {}, cell === 0 ? dot : null, text)),
        );
      }),
    );
  }
}

function summary(hosts: Host[]): string {
  const up = hosts.filter((host) => host.state !== "dead");
  const sum = (of: (host: Host) => number) => up.reduce((total, host) => total + of(host), 0);
  if (up.length === 0) return "No hosts: agents cannot start";
  return `${count(up.length, "host")} · ${sum((h) => h.agents)} of ${sum((h) => h.capacity_agents)} agents · ${mebibytes(sum((h) => h.memory_mib))}`;
}

function cells(host: Host): string[] {
  return [
    shortId(host.id),
    host.state,
    `${host.agents} of ${host.capacity_agents}`,
    mebibytes(host.memory_mib),
    host.state === "dead" ? "lost" : `${Math.round(host.lease_age_seconds)} s ago`,
    host.version,
  ];
}
