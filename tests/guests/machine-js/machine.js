// The machine of ../machine/README.md, for any engine: `machine-quickjs` runs it too.
//
// `host` is what the engine binds: `write(text)`, and `sleep(ms)`, which answers with the operation's id or throws.
// The machine gets events by its methods, and its promises go on when the engine runs its jobs.

const MAX_LINE = 256;
const MAX_MESSAGE = 64;
const MAX_STACK = 1024;
const MAX_MAP = 1024;
const MAX_PENDING = 64;
const MAX_SLEEP_MS = 60_000;
const MAX_STEPS = 16;
const MAX_NAPS = 16;
const MAX_SPILLED = 8192;
const KIB = 1024;

/** The answer to a line that is no command. */
class NoCommand extends Error {}

/** How an operation that did not end well ended. */
class Unfinished extends Error {}

function* fibonacci() {
  let [a, b] = [0, 1];
  for (;;) {
    yield a;
    [a, b] = [b, (a + b) % 1_000_003];
  }
}

class Fnv {
  #state = 0x811c9dc5;

  add(byte) {
    this.#state = Math.imul(this.#state ^ byte, 0x01000193) >>> 0;
  }

  toString() {
    return this.#state.toString(16).padStart(8, "0");
  }
}

const printable = (bytes) =>
  Array.from(bytes, (byte) => (byte >= 0x20 && byte <= 0x7e ? String.fromCharCode(byte) : "?")).join("");

function number(text) {
  if (!/^[0-9]{1,9}$/.test(text)) throw new NoCommand();
  return Number(text);
}

function word(text) {
  if (text.length > 32) throw new NoCommand();
  return text;
}

function within(value, least, most) {
  if (value < least || value > most) throw new NoCommand();
  return value;
}

const pattern = (block, kib) => (31 * kib + 17 * block + 7) & 0xff;

export class Machine {
  #host;
  #size = { cols: 0, rows: 0 };
  #sum = 0;
  #pushes = 0;
  #stack = [];
  #map = new Map();
  #generator = fibonacci();
  #hash = new Fnv();
  #blocks = [];
  /** Operations that run: id to the functions that settle their promise. */
  #operations = new Map();
  #coroutines = new Set();
  #typed = [];
  #queue = [];
  /** Wakes the queue's coroutine, while it waits for an item. */
  #wake = null;
  /** Resolves between two rounds of a nap. */
  #turn = null;
  #activity = 0;

  constructor(host) {
    this.#host = host;
  }

  /** The first event. */
  start(size) {
    this.#size = size;
    this.#print("machine ready");
    this.#run();
  }

  /** Bytes typed. */
  input(bytes) {
    for (const byte of bytes) {
      if (byte === 0x0d || byte === 0x0a) {
        this.#take({ line: printable(this.#typed) });
        this.#typed = [];
      } else if (this.#typed.length < MAX_LINE) {
        this.#typed.push(byte);
      }
    }
  }

  /** A message's body. */
  message(body) {
    this.#take({ message: printable(body.subarray(0, MAX_MESSAGE)) });
  }

  /** A size, by a resize or a resume. */
  resize(size) {
    this.#size = size;
  }

  /** An operation's end: `slept`, or how else it ended. */
  completed(id, outcome) {
    const operation = this.#operations.get(id);
    this.#operations.delete(id);
    if (outcome === "slept") operation?.resolve();
    else operation?.reject(new Unfinished(outcome));
  }

  /** A turn that was asked for. */
  turn() {
    this.#turn?.();
    this.#turn = null;
  }

  /** Whether the machine wants a turn. */
  get wantsTurn() {
    return this.#turn !== null;
  }

  /** Grows whenever something goes on, for engines that cannot tell when their jobs are done. */
  get activity() {
    return this.#activity;
  }

  #print(line) {
    this.#activity++;
    this.#host.write(`${line}\r\n`);
  }

  #take(item) {
    this.#queue.push(item);
    this.#wake?.();
    this.#wake = null;
  }

  async #run() {
    for (;;) {
      while (this.#queue.length > 0) {
        this.#activity++;
        const { line, message } = this.#queue.shift();
        if (message !== undefined) this.#print(`message ${message}`);
        else await this.#line(line);
      }
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #line(line) {
    const words = line.split(" ").filter((word) => word !== "");
    if (words.length === 0) return;
    let answer;
    try {
      answer = await this.#answer(words);
    } catch (error) {
      if (!(error instanceof NoCommand)) throw error;
      answer = `what? ${words.join(" ")}`;
    }
    this.#print(answer);
  }

  #answer([verb, ...args]) {
    if (verb === "file") return "no files";
    const command = Machine.#commands[verb];
    if (!command || command.length !== args.length) throw new NoCommand();
    return command.apply(this, args);
  }

  static #commands = {
    __proto__: null,
    add(n) {
      const sign = n.startsWith("-") ? -1 : 1;
      this.#sum = (this.#sum + sign * number(sign < 0 ? n.slice(1) : n)) >>> 0;
      return `sum ${this.#sum}`;
    },
    push(w) {
      word(w);
      if (this.#stack.length === MAX_STACK) return "full";
      const pushed = ++this.#pushes;
      this.#stack.push(() => `popped ${w} ${pushed}`);
      return `pushed ${this.#stack.length}`;
    },
    pop() {
      return this.#stack.pop()?.() ?? "empty";
    },
    put(key, value) {
      word(key);
      word(value);
      if (this.#map.size === MAX_MAP && !this.#map.has(key)) return "full";
      this.#map.set(key, value);
      return `put ${key}`;
    },
    get(key) {
      const value = this.#map.get(word(key));
      return value === undefined ? `${key} unset` : `${key}=${value}`;
    },
    keys() {
      return ["keys", ...[...this.#map.keys()].sort()].join(" ");
    },
    gen() {
      return `gen ${this.#generator.next().value}`;
    },
    hash(w) {
      for (const character of word(w)) this.#hash.add(character.charCodeAt(0));
      return `hash ${this.#hash}`;
    },
    size() {
      return `size ${this.#size.cols}x${this.#size.rows}`;
    },
    later(n, w) {
      const ms = within(number(n), 0, MAX_SLEEP_MS);
      word(w);
      if (this.#coroutines.size === MAX_PENDING) return "full";
      this.#spawn(this.#later(ms, w));
      return `sleeping ${w}`;
    },
    steps(k, n, w) {
      const [count, ms] = [number(k), within(number(n), 0, MAX_SLEEP_MS)];
      word(w);
      within(count, 1, MAX_STEPS);
      if (this.#coroutines.size === MAX_PENDING) return "full";
      this.#spawn(this.#steps(count, ms, w));
      return `stepping ${w}`;
    },
    pending() {
      return `pending ${this.#coroutines.size}`;
    },
    async wait() {
      await Promise.all(this.#coroutines);
      return "waited";
    },
    async nap(n) {
      const rounds = within(number(n), 0, MAX_NAPS);
      let x = 1;
      for (let round = 0; round < rounds; round++) {
        for (let i = 0; i < 20_000; i++) x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
        await new Promise((resolve) => {
          this.#turn = resolve;
        });
      }
      return `nap ${rounds} ${x >>> 0}`;
    },
    spill(n) {
      const kib = within(number(n), 1, Number.MAX_SAFE_INTEGER);
      if (this.#spilled() + kib > MAX_SPILLED) return "full";
      const block = new Uint8Array(kib * KIB);
      for (let i = 0; i < kib; i++) block.fill(pattern(this.#blocks.length, i), i * KIB, (i + 1) * KIB);
      this.#blocks.push(block);
      return `spilled ${this.#spilled()}`;
    },
    check() {
      const hash = new Fnv();
      for (const [number, block] of this.#blocks.entries()) {
        // Four bytes at a time: interpreters are slow.
        const words = new Uint32Array(block.buffer);
        for (let kib = 0; kib * KIB < block.length; kib++) {
          const expected = pattern(number, kib);
          const four = Math.imul(expected, 0x01010101) >>> 0;
          for (let i = (kib * KIB) / 4; i < ((kib + 1) * KIB) / 4; i++) {
            if (words[i] !== four) return `bad ${number} ${kib}`;
          }
          hash.add(expected);
        }
      }
      return `check ${this.#blocks.length} ${this.#spilled()} ${hash}`;
    },
    drop() {
      const kib = this.#spilled();
      this.#blocks = [];
      return `dropped ${kib}`;
    },
  };

  #spilled() {
    return this.#blocks.reduce((sum, block) => sum + block.length / KIB, 0);
  }

  #spawn(coroutine) {
    const running = coroutine.finally(() => this.#coroutines.delete(running));
    this.#coroutines.add(running);
  }

  async #later(ms, word) {
    try {
      await this.#sleep(ms);
      this.#print(`late ${word}`);
    } catch (error) {
      this.#unfinished(`late ${word}`, error);
    }
  }

  async #steps(count, ms, word) {
    let step = 1;
    try {
      for (; step <= count; step++) {
        await this.#sleep(ms);
        this.#print(`step ${step} ${word}`);
      }
    } catch (error) {
      this.#unfinished(`step ${step} ${word}`, error);
    }
  }

  #unfinished(what, error) {
    if (!(error instanceof Unfinished)) throw error;
    this.#print(`${what}: ${error.message}`);
  }

  #sleep(ms) {
    return new Promise((resolve, reject) => {
      let id;
      try {
        id = this.#host.sleep(ms);
      } catch {
        reject(new Unfinished("refused"));
        return;
      }
      this.#operations.set(id, { resolve, reject });
    });
  }
}
