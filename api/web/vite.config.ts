import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    // The page's policy allows no inline script and no data: module, so nothing is inlined and the
    // polyfill that Vite would inject is left out.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: ["index.html", "terminal.html"] },
  },
});
