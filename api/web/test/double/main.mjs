/** `npm run double`: the built page over the double, for looking at. */

import { fileURLToPath } from "node:url";
import { start } from "./server.mjs";

const dist = fileURLToPath(new URL("../../dist", import.meta.url));
const double = await start({ dist, port: Number(process.env.PORT ?? 0) });
for (const name of ["build-watcher", "notes"]) double.spawn({ image: "shell", name });
console.log(`${double.url}/#code=${double.code}`);
