/**
 * A stand-in for the API, for tests of the page alone: serves the built page under the product's
 * policy, the endpoints the page calls, and `openclaw.terminal.v1`. Test code; nothing ships it.
 */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { WebSocketServer } from "ws";
import { FakeAgent } from "./agent.mjs";

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; " +
  "font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const IMAGES = [
  { digest: `sha256:${"ab".repeat(32)}`, name: "shell", description: "A POSIX shell with the usual utilities, over its own workspace." },
  { digest: `sha256:${"cd".repeat(32)}`, name: "echo", description: "Says back what it is told." },
];
const SCOPES = ["agents:read", "agents:spawn", "agents:write", "terminal", "images", "audit", "operator"];

export async function start({ dist, port = 0, code = "one-time", token = "claw_live_test" }) {
  const agents = new Map();
  const codes = new Set([code]);
  const tickets = new Map();
  let serial = 0;
  const nextId = (prefix) => `${prefix}_01J${String((serial += 1)).padStart(23, "0")}`;

  const problem = (response, status, code, more = {}) => {
    const request_id = nextId("req");
    const body = { type: `about:${code}`, title: code.replaceAll("_", " "), status, code, retryable: status >= 500, request_id, ...more };
    response.writeHead(status, { "content-type": "application/problem+json", "x-request-id": request_id });
    response.end(JSON.stringify(body));
  };
  const send = (response, status, body, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const session = () => ({ tenant: "ten_1", tenant_name: "default", scopes: SCOPES, expires_at: new Date(Date.now() + 4e7).toISOString() });
  const spawn = (request) => {
    const agent = new FakeAgent({ id: nextId("agt"), name: request.name ?? `${request.image}-${serial}`, image: request.image, digest: IMAGES[0].digest });
    agents.set(agent.id, agent);
    return agent;
  };

  const file = async (response, path) => {
    const full = join(dist, normalize(path));
    try {
      const bytes = await readFile(full);
      response.writeHead(200, { "content-type": TYPES[extname(full)] ?? "application/octet-stream", "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer" });
      response.end(bytes);
    } catch {
      problem(response, 404, "not_found");
    }
  };

  const life = (method, verb, agent, body, response) => {
    if (verb === "checkpoints" && method === "GET") return send(response, 200, { data: agent.checkpoints });
    if (verb === "checkpoints") return send(response, 201, agent.checkpoint(nextId("chk"), "requested", body.note));
    if (verb === "suspend" || verb === "resume") {
      agent.turn(verb === "suspend" ? "suspended" : "running");
      return send(response, 202, agent.view());
    }
    if (verb === "restore") {
      const checkpoint = agent.checkpoints.find((each) => each.id === body.checkpoint);
      if (!checkpoint) return problem(response, 422, "validation", { errors: [{ pointer: "/checkpoint", detail: "no such checkpoint" }] });
      agent.restore(checkpoint);
      return send(response, 202, agent.view());
    }
    const from = body.from === "now" ? agent.checkpoint(nextId("chk"), "automatic") : { id: body.from };
    const copy = spawn({ image: agent.image, name: `${agent.name}-fork` });
    return send(response, 201, { checkpoint: from.id, results: [{ result: "agent", agent: copy.view() }] });
  };

  const routes = async (request, response) => {
    const url = new URL(request.url, "http://double");
    const path = url.pathname;
    let text = "";
    for await (const chunk of request) text += chunk;
    const body = text === "" ? {} : JSON.parse(text);
    const is = (method, pattern) => request.method === method && pattern.exec(path);
    let match;
    if (is("GET", /^\/$/)) return file(response, "index.html");
    if (is("GET", /^\/agents\/[^/]+\/terminal$/)) return file(response, "terminal.html");
    if (is("GET", /^\/assets\//)) return file(response, path.slice(1));
    if (is("POST", /^\/v1\/session$/)) {
      if (!(codes.delete(body.code) || body.token === token)) return problem(response, 401, "unauthenticated");
      return send(response, 201, session(), { "set-cookie": "claw_session=good; HttpOnly; SameSite=Strict; Path=/" });
    }
    if (!/claw_session=good/.test(request.headers.cookie ?? "")) return problem(response, 401, "unauthenticated");
    if (is("GET", /^\/v1\/session$/)) return send(response, 200, session());
    if (is("DELETE", /^\/v1\/session$/)) return send(response, 204, undefined, { "set-cookie": "claw_session=; Max-Age=0; Path=/" });
    if (is("GET", /^\/v1\/images$/)) return send(response, 200, { data: IMAGES });
    if (is("GET", /^\/v1\/hosts$/)) {
      const live = [...agents.values()].filter((agent) => agent.status === "running").length;
      const host = { id: "hst_01J00000000000000000000001", state: "active", address: "127.0.0.1:7301", capacity_agents: 5000, agents: live, memory_mib: 118, lease_age_seconds: 1.2, version: "0.1.0" };
      return send(response, 200, { data: [host] });
    }
    if (is("GET", /^\/v1\/agents$/)) return send(response, 200, { data: [...agents.values()].reverse().map((agent) => agent.view()) });
    if (is("POST", /^\/v1\/agents\/spawn$/)) {
      const errors = [];
      if (body.limits?.memory_mib > 1024) errors.push({ pointer: "/limits/memory_mib", detail: "must be 1 to 1024" });
      if ((body.name ?? "").includes("/")) errors.push({ pointer: "/name", detail: "must not contain a slash" });
      if (errors.length > 0) return problem(response, 422, "validation", { errors });
      return send(response, 201, spawn(body).view());
    }
    if ((match = is("GET", /^\/v1\/agents\/([^/]+)$/))) {
      const agent = agents.get(match[1]);
      return agent ? send(response, 200, agent.view()) : problem(response, 404, "not_found");
    }
    if ((match = is("DELETE", /^\/v1\/agents\/([^/]+)$/))) {
      const agent = agents.get(match[1]);
      if (!agent) return problem(response, 404, "not_found");
      agent.end();
      return send(response, 202, agent.view());
    }
    if ((match = is("DELETE", /^\/v1\/checkpoints\/([^/]+)$/))) {
      for (const agent of agents.values()) agent.checkpoints = agent.checkpoints.filter((each) => each.id !== match[1]);
      return send(response, 204);
    }
    if ((match = /^\/v1\/agents\/([^/]+)\/(suspend|resume|checkpoints|restore|forks)$/.exec(path))) {
      const [, id, verb] = match;
      const agent = agents.get(id);
      if (!agent) return problem(response, 404, "not_found");
      return life(request.method, verb, agent, body, response);
    }
    if ((match = is("POST", /^\/v1\/agents\/([^/]+)\/tickets$/))) {
      const agent = agents.get(match[1]);
      if (!agent) return problem(response, 404, "not_found");
      if (agent.status === "terminated") return problem(response, 410, "agent_terminated", { detail: "the agent is terminated" });
      const ticket = nextId("tkt");
      tickets.set(ticket, { agent, role: body.role });
      const url = `ws://${request.headers.host}/v1/agents/${agent.id}/socket`;
      return send(response, 201, { ticket, url, protocols: ["openclaw.terminal.v1", `ticket.${ticket}`], role: body.role });
    }
    return problem(response, 404, "not_found");
  };

  const server = createServer((request, response) => routes(request, response).catch((error) => problem(response, 500, "internal", { detail: String(error) })));
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "openclaw.terminal.v1" });
  server.on("upgrade", (request, socket, head) => {
    const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
    const ticket = offered.find((each) => each.startsWith("ticket."))?.slice("ticket.".length);
    const claims = tickets.get(ticket);
    tickets.delete(ticket);
    if (claims === undefined) return socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
    sockets.handleUpgrade(request, socket, head, (opened) => claims.agent.attach(opened, claims.role));
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    code,
    agents,
    spawn,
    addCode: (more) => codes.add(more),
    stop: () => {
      for (const opened of sockets.clients) opened.terminate();
      server.closeAllConnections();
      server.close();
    },
  };
}
