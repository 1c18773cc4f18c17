// Shows /openapi.json. Text goes in as text only, so nothing in the document can become markup.
const METHODS = ["get", "post", "put", "patch", "delete"];
/** Nested schemas are written out this deep. */
const MAX_DEPTH = 6;

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
};

/** Text whose `quoted` parts are code. */
const prose = (text) => text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));

const table = (head, rows) =>
  element(
    "table",
    {},
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, ...[cell].flat()))))),
  );

const main = document.querySelector("#operations");

try {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  show(await answer.json());
} catch (error) {
  main.replaceChildren(element("p", { role: "alert" }, `The document could not be loaded: ${error.message}`));
}

function show(api) {
  document.querySelector("#description").replaceChildren(...prose(api.info.description));
  const resolve = (node) => (node?.$ref ? node.$ref.slice(2).split("/").reduce((at, key) => at?.[key], api) : node);

  const type = (schema, depth = 0) => {
    const name = schema?.$ref?.split("/").pop();
    const found = resolve(schema);
    if (!found || depth > MAX_DEPTH) return name ?? "…";
    if (found.oneOf || found.anyOf) return [...new Set((found.oneOf ?? found.anyOf).map((one) => type(one, depth)))].join(" | ");
    if (found.allOf) return merge(found.allOf.map((one) => type(one, depth)));
    if (found.enum) return found.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (found.const !== undefined) return JSON.stringify(found.const);
    if (found.properties) {
      const pad = "  ".repeat(depth + 1);
      const required = new Set(found.required ?? []);
      const fields = Object.entries(found.properties).map(([key, value]) => {
        const description = value.description ?? "";
        const comment = description ? `${pad}// ${description.split("\n")[0]}\n` : "";
        return `${comment}${pad}${key}${required.has(key) ? "" : "?"}: ${type(value, depth + 1)}`;
      });
      return `{\n${fields.join(",\n")}\n${"  ".repeat(depth)}}`;
    }
    const kind = Array.isArray(found.type) ? found.type.join(" | ") : found.type;
    if (kind === "array") return `[${type(found.items, depth)}]`;
    if (found.additionalProperties) return `{ [name]: ${type(found.additionalProperties, depth + 1)} }`;
    return [name ?? kind ?? "any", found.format && `(${found.format})`].filter(Boolean).join(" ");
  };

  const merge = (parts) => parts.join(" & ").replaceAll("\n} & {\n", ",\n");

  const bodies = (content) =>
    Object.entries(content ?? {}).map(([kind, { schema }]) =>
      element("div", {}, element("code", {}, kind), schema ? element("pre", {}, type(schema)) : null),
    );

  const operation = (method, path, described) => {
    const parameters = (described.parameters ?? []).map(resolve);
    const responses = Object.entries(described.responses ?? {}).map(([status, one]) => [status, resolve(one)]);
    const details = element(
      "details",
      { id: described.operationId },
      element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), ` ${described.summary ?? ""}`),
      described.description ? element("p", {}, ...prose(described.description)) : null,
      parameters.length
        ? table(["parameter", "in", "type", ""], parameters.map((one) => [element("code", {}, one.name), one.in, type(one.schema), prose(one.description ?? "")]))
        : null,
      described.requestBody ? element("h3", {}, "Body") : null,
      ...bodies(resolve(described.requestBody)?.content),
      element("h3", {}, "Answers"),
      ...responses.flatMap(([status, one]) => [
        element("p", {}, element("strong", {}, status), " ", ...prose(one.description ?? "")),
        ...(status === "default" ? [] : bodies(one.content)),
      ]),
    );
    details.dataset.text = `${method} ${path} ${described.summary} ${described.description ?? ""}`.toLowerCase();
    return details;
  };

  const sections = (api.tags ?? []).map(({ name, description }) => {
    const operations = Object.entries(api.paths).flatMap(([path, item]) =>
      METHODS.filter((method) => item[method]?.tags?.includes(name)).map((method) => operation(method, path, item[method])),
    );
    return element("section", {}, element("h2", {}, name), element("p", {}, ...prose(description ?? "")), ...operations);
  });
  const problem = element("section", {}, element("h2", {}, "Problems"), element("p", {}, api.components.responses.Problem.description), element("pre", {}, type({ $ref: "#/components/schemas/Problem" })));
  main.replaceChildren(...sections, problem);

  const asked = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (asked) {
    asked.open = true;
    asked.scrollIntoView();
  }
  document.querySelector("#find").addEventListener("input", ({ target }) => {
    const words = target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const details of main.querySelectorAll("details")) {
      details.hidden = !words.every((word) => details.dataset.text.includes(word));
    }
    for (const section of sections) section.hidden = !section.querySelector("details:not([hidden])");
  });
}
