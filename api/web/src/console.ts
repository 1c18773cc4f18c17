/** The console: agents, hosts, spawn and delete. */

import "./style/base.css";
import "./style/console.css";

import { api, ApiError } from "./api.ts";
import { CheckpointsDialog } from "./console/checkpoints.ts";
import { AgentList } from "./console/list.ts";
import { HostSummary } from "./console/hosts.ts";
import { Poll } from "./console/poll.ts";
import { RemoveDialog } from "./console/remove.ts";
import { SpawnDialog } from "./console/spawn.ts";
import { byId, drawIcons, setText } from "./dom.ts";
import { signedIn } from "./signin.ts";
import { themeSwitch } from "./theme.ts";
import { bad, badProblem, good } from "./toast.ts";
import type { Agent, ForkFrom, Session } from "./wire.ts";
import { problemText } from "./words.ts";

async function main(): Promise<void> {
  drawIcons();
  themeSwitch(byId("theme", "button"));
  run(await signedIn());
}

function run(session: Session): void {
  const may = (scope: Session["scopes"][number]) => session.scopes.includes(scope);
  const signOut = byId("sign-out", "button");
  const tenant = document.getElementById("tenant");
  if (tenant !== null) setText(tenant, session.tenant_name);
  byId("console", "section").hidden = false;
  signOut.hidden = false;

  const remove = new RemoveDialog(async (agent) => {
    await api.remove(agent.id);
    good(`${agent.name} is being deleted.`);
    poll.now();
  });
  /** Does it, says what failed, and shows how things are then. */
  const attempt = async (act: () => Promise<void>) => {
    try {
      await act();
    } catch (error) {
      bad(error);
    }
    poll.now();
  };
  const fork = async (agent: Agent, from: ForkFrom) => {
    for (const made of (await api.fork(agent.id, from)).results) {
      if (made.result === "agent") good(`${made.agent.name} is a copy of ${agent.name}.`);
      else badProblem(made.problem);
    }
  };
  const forks = may("agents:spawn");
  const checkpoints = new CheckpointsDialog({
    write: may("agents:write"),
    fork: forks ? (agent, from) => attempt(() => fork(agent, from.id)) : null,
    restored: (agent) => {
      good(`${agent.name} goes back to its checkpoint.`);
      poll.now();
    },
  });
  const turn = (verb: "suspend" | "resume") => (may("agents:write") ? (agent: Agent) => attempt(async () => void (await api[verb](agent.id))) : null);
  const list = new AgentList({
    remove: may("agents:write") ? (agent) => remove.open(agent) : null,
    suspend: turn("suspend"),
    resume: turn("resume"),
    fork: forks ? (agent) => attempt(() => fork(agent, "now")) : null,
    checkpoints: (agent) => checkpoints.open(agent),
    terminal: may("terminal"),
    more: () => poll.now(),
  });
  const hosts = may("operator") ? new HostSummary() : null;
  const spawn = new SpawnDialog((agent, opens) => {
    if (opens) return location.assign(`/agents/${encodeURIComponent(agent.id)}/terminal`);
    good(`${agent.name} is ${agent.status}.`);
    poll.now();
  });
  for (const id of ["spawn", "empty-spawn"]) {
    const button = byId(id, "button");
    button.hidden = !may("agents:spawn");
    button.addEventListener("click", () => void spawn.open());
  }

  const stale = byId("stale", "p");
  const poll = new Poll(
    async () => {
      await Promise.all([list.refresh(), hosts?.refresh()]);
      stale.hidden = true;
    },
    (error) => {
      if (error instanceof ApiError && error.signedOut) return location.reload();
      const why = error instanceof ApiError && error.problem ? problemText(error.problem) : String((error as Error).message);
      setText(stale, `${why} What you see may be out of date; trying again.`);
      stale.hidden = false;
    },
  );
  poll.now();

  signOut.addEventListener("click", async () => {
    try {
      await api.signOut();
    } catch (error) {
      if (!(error instanceof ApiError && error.signedOut)) return bad(error);
    }
    location.assign("/");
  });
}

void main();
