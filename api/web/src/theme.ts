/** Light, dark, or as the system says. `public/assets/theme-1.js` applies it before the first paint. */

const KEY = "claw-theme";

export type Theme = "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");

export function theme(): Theme {
  const chosen = document.documentElement.dataset["theme"];
  return chosen === "light" || chosen === "dark" ? chosen : system.matches ? "dark" : "light";
}

/** Wires a button that switches, and tells `changed` whenever the theme is another one. */
export function themeSwitch(button: HTMLButtonElement, changed: (theme: Theme) => void = () => {}): void {
  const show = () => {
    const label = theme() === "dark" ? "Use the light theme" : "Use the dark theme";
    button.setAttribute("aria-label", label);
    button.title = label;
    changed(theme());
  };
  button.addEventListener("click", () => {
    const next = theme() === "dark" ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    remember(KEY, next);
    show();
  });
  system.addEventListener("change", show);
  show();
}

/** A preference, nothing secret; lost where storage is denied. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It holds until the page is left.
  }
}

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
