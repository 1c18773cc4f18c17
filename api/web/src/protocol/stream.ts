/** A client's place in one stream: what it has, what it acknowledged, what to skip. */

import type { From } from "./control.ts";

/** Acknowledged at once when this much was rendered since the last time; less waits for a pause. */
export const ACK_BYTES = 16 * 1024;

export class StreamPosition {
  generation = 0;
  /** The first byte not received; `null` before the first one is known. */
  #next: number | null = null;
  #rendered = 0;
  #acked = 0;
  /** What is shown is everything up to {@link next} and nothing older. */
  #whole = true;
  /** Frames of an older attach are not rendered under a newer one's offsets. */
  #age = 0;

  get next(): number | null {
    return this.#next;
  }

  get age(): number {
    return this.#age;
  }

  /** Where to go on after a reconnect: from a snapshot, until one was received to its end. */
  from(): From {
    return this.#next === null || !this.#whole ? "snapshot" : { generation: this.generation, offset: this.#next };
  }

  /** The server begins at `offset`. */
  begin(generation: number, offset: number): void {
    this.generation = generation;
    this.#place(offset);
  }

  /** Bytes up to `to` are lost. */
  gap(to: number): void {
    if (this.#next !== null && to > this.#next) this.#next = to;
  }

  /** What is shown is older than {@link next}, or only a part: it cannot be gone on with. */
  cut(): void {
    this.#whole = false;
  }

  /** Nothing received so far counts: the next attach asks for a snapshot. */
  forget(): void {
    this.#age += 1;
    this.#next = null;
  }

  /** A snapshot begins to replace the screen; what follows it starts at `offset`. */
  snapshot(offset: number): void {
    this.#place(offset);
    this.#whole = false;
  }

  /** The snapshot is at its end. */
  complete(): void {
    this.#whole = true;
  }

  #place(offset: number): void {
    this.#age += 1;
    this.#next = offset;
    this.#rendered = offset;
    this.#acked = offset;
  }

  /** The part of a frame that is new; `null` when bytes before it are missing. */
  accept(offset: number, payload: Uint8Array): Uint8Array | null {
    if (this.#next === null || offset > this.#next) return null;
    const fresh = payload.subarray(Math.min(this.#next - offset, payload.length));
    this.#next += fresh.length;
    return fresh;
  }

  /** Rendered up to `offset`, in the age it was received in. Returns whether an ack is due now. */
  rendered(offset: number, age: number): boolean {
    if (age !== this.#age || offset <= this.#rendered) return false;
    this.#rendered = offset;
    return this.#rendered - this.#acked >= ACK_BYTES;
  }

  /** The offset to acknowledge; `null` when nothing new was rendered. */
  takeAck(): number | null {
    if (this.#rendered === this.#acked) return null;
    this.#acked = this.#rendered;
    return this.#acked;
  }
}
