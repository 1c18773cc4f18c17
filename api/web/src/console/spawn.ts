/** The spawn dialog. The API decides what is acceptable; its problems are shown beside the fields. */

import { api, ApiError, randomId } from "../api.ts";
import { byId, h, setText } from "../dom.ts";
import { requestLine } from "../toast.ts";
import type { Agent, FieldError, Image, Limits, SpawnRequest } from "../wire.ts";
import { problemText, sentence } from "../words.ts";

/** A field whose text cannot be sent. */
class Unreadable extends Error {
  readonly pointer: string;
  constructor(pointer: string, message: string) {
    super(message);
    this.pointer = pointer;
  }
}

export class SpawnDialog {
  readonly #dialog = byId("spawn-dialog", "dialog");
  readonly #form = byId("spawn-form", "form");
  readonly #image = byId("spawn-image", "select");
  readonly #go = byId("spawn-go", "button");
  readonly #error = byId("spawn-error", "div");
  #images: Image[] = [];
  /** Kept while the request stays the same, so that trying again cannot spawn twice. */
  #key = { body: "", key: "" };

  constructor(spawned: (agent: Agent, opens: boolean) => void) {
    for (const id of ["spawn-close", "spawn-cancel"]) byId(id, "button").addEventListener("click", () => this.#dialog.close());
    this.#image.addEventListener("change", () => this.#hint());
    this.#form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const agent = await this.#submit();
      if (agent === null) return;
      const opens = byId("spawn-open", "input").checked;
      this.#dialog.close();
      this.#form.reset();
      spawned(agent, opens);
    });
  }

  async open(): Promise<void> {
    this.#clear();
    this.#dialog.showModal();
    this.#image.focus();
    try {
      this.#images = (await api.images()).data;
    } catch (error) {
      return this.#failed(error);
    }
    const chosen = this.#image.value;
    this.#image.replaceChildren(...this.#images.map((image) => h("option", { value: image.name }, image.name)));
    const names = this.#images.map((image) => image.name);
    this.#image.value = names.includes(chosen) ? chosen : names.includes("shell") ? "shell" : (names[0] ?? "");
    if (names.length === 0) this.#general("There is no image to spawn from yet.");
    this.#hint();
  }

  #hint(): void {
    const image = this.#images.find((each) => each.name === this.#image.value);
    setText(byId("image-hint", "p"), image?.description ?? "");
  }

  async #submit(): Promise<Agent | null> {
    this.#clear();
    this.#busy(true);
    try {
      const request = this.#read();
      const body = JSON.stringify(request);
      if (body !== this.#key.body) this.#key = { body, key: randomId() };
      const agent = await api.spawn(request, this.#key.key);
      this.#key = { body: "", key: "" };
      return agent;
    } catch (error) {
      this.#failed(error);
      return null;
    } finally {
      this.#busy(false);
    }
  }

  #busy(busy: boolean): void {
    this.#go.disabled = busy;
    setText(this.#go, busy ? "Spawning…" : "Spawn");
  }

  #read(): SpawnRequest {
    const text = (id: string) => byId(id, "input").value.trim();
    const request: SpawnRequest = { image: this.#image.value };
    const name = text("spawn-name");
    if (name !== "") request.name = name;
    const number = (id: string, pointer: string) => {
      const value = text(id).replace(/[\s_,]/gu, "");
      if (value === "") return undefined;
      if (!/^\d{1,15}$/u.test(value)) throw new Unreadable(pointer, "Must be a whole number.");
      return Number(value);
    };
    const limits: Limits = {};
    const memory = number("spawn-memory", "/limits/memory_mib");
    const disk = number("spawn-disk", "/limits/disk_mib");
    const fuel = number("spawn-fuel", "/limits/fuel_per_second");
    const wall = number("spawn-wall", "/limits/wall_seconds");
    if (memory !== undefined) limits.memory_mib = memory;
    if (disk !== undefined) limits.disk_mib = disk;
    if (fuel !== undefined) limits.fuel_per_second = fuel;
    if (wall !== undefined) limits.wall_seconds = wall;
    if (Object.keys(limits).length > 0) request.limits = limits;
    const lifetime = number("spawn-lifetime", "/max_lifetime_seconds");
    if (lifetime !== undefined) request.max_lifetime_seconds = lifetime;
    const env = environment(byId("spawn-env", "textarea").value);
    if (Object.keys(env).length > 0) request.env = env;
    const config = byId("spawn-config", "textarea").value.trim();
    if (config !== "") request.config = parseConfig(config);
    return request;
  }

  #clear(): void {
    this.#error.hidden = true;
    for (const old of this.#form.querySelectorAll(".field .field-error")) old.remove();
    for (const control of this.#form.querySelectorAll("[aria-invalid]")) {
      control.removeAttribute("aria-invalid");
      control.removeAttribute("aria-describedby");
    }
  }

  #failed(error: unknown): void {
    if (error instanceof Unreadable) {
      this.#beside([{ pointer: error.pointer, detail: error.message }]);
      return;
    }
    if (!(error instanceof ApiError) || !error.problem) return this.#general((error as Error).message);
    const elsewhere = this.#beside(error.problem.errors ?? []);
    const lines = elsewhere.map((each) => `${each.pointer}: ${each.detail}`);
    this.#general([problemText(error.problem), ...lines].join("\n"), error.problem.request_id);
  }

  #general(text: string, requestId = ""): void {
    this.#error.replaceChildren(h("p", {}, text), ...(requestId === "" ? [] : [requestLine(requestId)]));
    this.#error.hidden = false;
  }

  /** Shows each error at the field its pointer leads to; the answer is those that have no field here. */
  #beside(errors: FieldError[]): FieldError[] {
    const fields = [...this.#form.querySelectorAll<HTMLElement>(".field")];
    const elsewhere: FieldError[] = [];
    let first: HTMLElement | null = null;
    for (const error of errors) {
      const field = fields.find((each) => leadsTo(error.pointer, each.dataset["pointer"] ?? ""));
      const control = field?.querySelector<HTMLElement>("input, select, textarea");
      if (field === undefined || control === null || control === undefined) {
        elsewhere.push(error);
        continue;
      }
      const id = `${control.id}-error`;
      const below = error.pointer === field.dataset["pointer"] ? "" : `${error.pointer.split("/").at(-1) ?? ""}: `;
      field.append(h("p", { class: "field-error", id }, below + sentence(error.detail)));
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", id);
      const details = field.closest("details");
      if (details !== null) details.open = true;
      first ??= control;
    }
    first?.focus();
    return elsewhere;
  }
}

/** Whether `pointer` is the field's own or one within it, such as `/env/PATH` in `/env`. */
function leadsTo(pointer: string, field: string): boolean {
  return pointer === field || pointer.startsWith(`${field}/`);
}

function parseConfig(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Unreadable("/config", `This is not JSON: ${(error as Error).message}.`);
  }
}

function environment(text: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    if (at < 1) throw new Unreadable("/env", `“${line.trim()}” is not NAME=value.`);
    env[line.slice(0, at).trim()] = line.slice(at + 1);
  }
  return env;
}
