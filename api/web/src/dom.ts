/** Elements without a framework. Text goes in as text nodes only; nothing here parses HTML. */

type Attributes = Record<string, string | number | boolean | ((event: Event) => void) | undefined>;
type Child = Node | string | null | undefined;

/**
 * An element: `onclick` and its like are listeners, `true` is an attribute without a value,
 * `false` and `undefined` leave it out.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== undefined) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** The element with this id, which the page is known to have. */
export function byId<K extends keyof HTMLElementTagNameMap>(id: string, name: K): HTMLElementTagNameMap[K] {
  const element = document.getElementById(id);
  if (element === null || element.localName !== name) throw new Error(`the page has no <${name} id="${id}">`);
  return element as HTMLElementTagNameMap[K];
}

/** Sets text only when it differs, so that screen readers and selections are left alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

/** Strokes on a 16 by 16 grid. */
const ICONS = {
  back: "M10 3 5 8l5 5",
  plus: "M8 3v10M3 8h10",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
  paste: "M5.5 3.5h-2v10h9v-10h-2M6 2h4v3H6z",
  smaller: "M2 12 5.5 3h1L10 12M3.2 9h5.6M11 8h4",
  larger: "M2 12 5.5 3h1L10 12M3.2 9h5.6M11 8h4M13 6v4",
  theme: "M8 2.5a5.5 5.5 0 1 0 0 11zM8 2.5a5.5 5.5 0 0 1 0 11",
  log: "M3 4h10M3 8h10M3 12h6",
  keys: "M1.5 4.5h13v7h-13zM4 7h.5M7 7h.5M10 7h.5M5 9.5h6",
  reader: "M2.5 6v4h2.500l3.500 3v-10l-3.500 3zM10.500 6a3 3 0 0 1 0 4M12.500 4a6 6 0 0 1 0 8",
  more: "M3 8h.5M8 8h.5M13 8h.5",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.5v9L12.5 8z",
  fork: "M4.5 2.5v11M4.5 10.5c0-3.5 6.5-2.5 6.5-7.5M8.5 5.5 11 3l2.5 2.5",
  history: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.5l2.5 1.5",
  trash: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.5 9h6l.5-9",
  terminal: "M3 4.5 6.5 8 3 11.5M8 11.5h5",
  close: "M4 4l8 8M12 4l-8 8",
  up: "M4 10l4-4 4 4",
  down: "M4 6l4 4 4-4",
  eye: "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 6.5a1.5 1.5 0 1 0 0 3 1.5 1.5 0 0 0 0-3",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Replaces each `<i data-icon="…">` of the page with its icon. */
export function drawIcons(): void {
  for (const slot of document.querySelectorAll<HTMLElement>("i[data-icon]")) {
    const name = slot.dataset["icon"];
    if (name !== undefined && name in ICONS) slot.replaceWith(icon(name as IconName));
  }
}
