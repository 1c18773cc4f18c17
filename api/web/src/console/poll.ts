/** Keeps a page fresh while somebody looks at it. */

const EVERY_MS = 2_000;
/** Ceiling of the wait after failures. */
const MOST_MS = 30_000;

export class Poll {
  readonly #refresh: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #again = false;
  #failures = 0;

  constructor(refresh: () => Promise<void>, failed: (error: unknown) => void) {
    this.#refresh = refresh;
    this.#failed = failed;
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.now();
      else clearTimeout(this.#timer);
    });
    addEventListener("online", () => this.now());
  }

  /** Refreshes at once; while a refresh runs, right after it. */
  now(): void {
    clearTimeout(this.#timer);
    if (this.#running) this.#again = true;
    else void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      await this.#refresh();
      this.#failures = 0;
    } catch (error) {
      this.#failures += 1;
      this.#failed(error);
    }
    this.#running = false;
    if (this.#again) {
      this.#again = false;
      return this.now();
    }
    if (document.visibilityState !== "visible") return;
    this.#timer = setTimeout(() => this.now(), Math.min(MOST_MS, EVERY_MS * 2 ** this.#failures));
  }
}
