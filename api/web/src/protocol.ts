/**
 * The browser's side of `openclaw.terminal.v1`. Nothing in here touches the DOM, so that the unit
 * tests run it in plain Node.js with a scripted server and a clock of their own.
 */

export * from "./protocol/client.ts";
export * from "./protocol/control.ts";
export * from "./protocol/environment.ts";
export * from "./protocol/frames.ts";
export * from "./protocol/input.ts";
export * from "./protocol/retry.ts";
export * from "./protocol/stream.ts";
