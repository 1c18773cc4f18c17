/** The sixteen colours and the rest, for each theme. */

import type { ITheme } from "@xterm/xterm";

import type { Theme } from "../theme.ts";

const LIGHT: ITheme = {
  background: "#ffffff",
  foreground: "#1c2026",
  cursor: "#bf3b22",
  cursorAccent: "#ffffff",
  selectionBackground: "#bcd7ff",
  selectionInactiveBackground: "#dfe6ef",
  black: "#1c2026",
  red: "#b4231a",
  green: "#1a7f43",
  yellow: "#8a5800",
  blue: "#1458c4",
  magenta: "#8a3ab9",
  cyan: "#0b7285",
  white: "#6b7380",
  brightBlack: "#596270",
  brightRed: "#d2382c",
  brightGreen: "#1f9950",
  brightYellow: "#a86c00",
  brightBlue: "#2a6fe0",
  brightMagenta: "#a152d0",
  brightCyan: "#12879d",
  brightWhite: "#3a414c",
};

const DARK: ITheme = {
  background: "#0e1014",
  foreground: "#dfe3ea",
  cursor: "#ff7d61",
  cursorAccent: "#0e1014",
  selectionBackground: "#2f4a73",
  selectionInactiveBackground: "#2a303a",
  black: "#2a303a",
  red: "#ff7b72",
  green: "#4cc27c",
  yellow: "#e0b050",
  blue: "#6cb0ff",
  magenta: "#d2a8ff",
  cyan: "#56d4dd",
  white: "#c3cad4",
  brightBlack: "#7d8794",
  brightRed: "#ffa198",
  brightGreen: "#7ee2a8",
  brightYellow: "#f2cc7d",
  brightBlue: "#9ecbff",
  brightMagenta: "#e2c5ff",
  brightCyan: "#8ae6ec",
  brightWhite: "#ffffff",
};

export function palette(theme: Theme): ITheme {
  return theme === "dark" ? DARK : LIGHT;
}
