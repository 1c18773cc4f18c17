/**
 * Typed bytes, numbered within an input session, kept until they survive a crash of the host: a host that is lost
 * takes with it what the agent did with them.
 */

import { MAX_PAYLOAD } from "./frames.ts";

/** Most bytes kept that are not yet durable; typing beyond is refused. */
export const MAX_PENDING = 64 * 1024;

export interface InputChunk {
  offset: number;
  payload: Uint8Array;
}

export class InputQueue {
  #pending: Uint8Array = new Uint8Array(0);
  /** Sequence of the first pending byte. */
  #base = 0;
  /** Sequence of the first byte not sent on the present socket. */
  #sent = 0;
  /** Everything below was handled by the agent as it is now. */
  #applied = 0;
  /** Until the server has named a sequence, this page's numbers are its own. */
  #numbered = false;

  /** Bytes kept: typed and not known to be durable. */
  get pending(): number {
    return this.#pending.length;
  }

  /** Bytes kept that the agent is not known to have handled. */
  get waiting(): number {
    return this.next - Math.max(this.#applied, this.#base);
  }

  /** The sequence of the next byte typed. */
  get next(): number {
    return this.#base + this.#pending.length;
  }

  /** Keeps `bytes`; false when there is no room for all of them, and then none is kept. */
  push(bytes: Uint8Array): boolean {
    if (this.#pending.length + bytes.length > MAX_PENDING) return false;
    const joined = new Uint8Array(this.#pending.length + bytes.length);
    joined.set(this.#pending);
    joined.set(bytes, this.#pending.length);
    this.#pending = joined;
    return true;
  }

  /** The server expects `seq` next. What it has is dropped when durable; the rest is sent again. */
  attached(seq: number): void {
    if (!this.#numbered || seq < this.#base) {
      // A fresh page with an older session's numbers, or a session that was lost or replaced: nothing
      // pending was ever taken under these numbers, so it goes on from where the server is.
      this.#base = seq;
      this.#numbered = true;
    } else if (seq > this.next) {
      // The session was used elsewhere; what is pending here has those numbers already.
      this.#base = seq;
      this.#pending = new Uint8Array(0);
    }
    // An agent that went back to a checkpoint has not handled what it is sent again.
    this.#applied = Math.min(this.#applied, seq);
    this.#sent = seq;
  }

  /** The agent handled everything below `applied`; what is below `durable` survives a crash. */
  acknowledged(applied: number, durable: number): void {
    this.#applied = Math.max(this.#applied, Math.min(applied, this.next));
    this.#forget(Math.min(durable, this.next));
  }

  /**
   * The server forgot the session, not what the agent did: that is not typed again, the rest is, under the numbers
   * of a fresh session.
   */
  expired(): void {
    this.#forget(this.#applied);
    this.#applied = 0;
    this.#base = 0;
    this.#sent = 0;
    this.#numbered = false;
  }

  #forget(below: number): void {
    const drop = below - this.#base;
    if (drop <= 0) return;
    this.#pending = this.#pending.slice(drop);
    this.#base += drop;
    this.#sent = Math.max(this.#sent, this.#base);
  }

  /** What to send now, in payloads a frame can hold. */
  *take(): Generator<InputChunk> {
    while (this.#sent < this.next) {
      const start = this.#sent - this.#base;
      const payload = this.#pending.slice(start, start + MAX_PAYLOAD);
      yield { offset: this.#sent, payload };
      this.#sent += payload.length;
    }
  }
}
