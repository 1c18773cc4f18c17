/** Lines out of a byte stream that is cut anywhere. */

/** Longest line kept; a longer one is dropped up to its end. */
const MAX_LINE = 64 * 1024;

export class LineSplitter {
  #decoder = new TextDecoder();
  #rest = "";
  /** Inside a line that is too long, or whose beginning is missing. */
  #skipping = false;

  /** The lines that `bytes` completes. */
  push(bytes: Uint8Array): string[] {
    const parts = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = parts.pop() ?? "";
    if (this.#skipping && parts.length > 0) {
      parts.shift();
      this.#skipping = false;
    }
    if (this.#rest.length > MAX_LINE) {
      this.#rest = "";
      this.#skipping = true;
    }
    return parts.filter((line) => line !== "");
  }

  /** Bytes are missing here: what was begun is not continued by what comes. */
  cut(): void {
    this.#decoder = new TextDecoder();
    this.#rest = "";
    this.#skipping = false;
  }
}
