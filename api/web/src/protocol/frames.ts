/** Binary frames of `openclaw.terminal.v1`: a 12-byte big-endian header and a payload. */

export const PROTOCOL = "openclaw.terminal.v1";
export const HEADER_BYTES = 12;
/** Longest payload of a binary frame. */
export const MAX_PAYLOAD = 16 * 1024;

export const STREAM_TERMINAL = 0;
export const STREAM_LOG = 1;

/** Server: bytes of a stream, the first at `offset`. */
export const KIND_DATA = 0x01;
/** Server: the parsed screen as VT bytes, valid at `offset`. */
export const KIND_SNAPSHOT = 0x02;
/** Client: typed bytes, the first at input sequence `offset`. */
export const KIND_INPUT = 0x11;

/** On a snapshot: more of the same snapshot follows. */
export const FLAG_MORE = 1;

export interface Frame {
  kind: number;
  flags: number;
  stream: number;
  /** Exact up to 2^53: an agent that prints 1 GB/s gets there after 104 days. */
  offset: number;
  payload: Uint8Array;
}

/** A binary frame that is none. */
export class BadFrame extends Error {}

export function encode(frame: Frame): Uint8Array<ArrayBuffer> {
  if (frame.payload.length > MAX_PAYLOAD) throw new BadFrame(`payload over ${MAX_PAYLOAD} bytes`);
  const bytes = new Uint8Array(HEADER_BYTES + frame.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, frame.kind);
  view.setUint8(1, frame.flags);
  view.setUint16(2, frame.stream);
  view.setBigUint64(4, BigInt(frame.offset));
  bytes.set(frame.payload, HEADER_BYTES);
  return bytes;
}

/** Splits a frame; the payload shares memory with `buffer`. */
export function decode(buffer: ArrayBuffer): Frame {
  const length = buffer.byteLength - HEADER_BYTES;
  if (length < 0) throw new BadFrame(`frame shorter than its ${HEADER_BYTES}-byte header`);
  if (length > MAX_PAYLOAD) throw new BadFrame(`payload over ${MAX_PAYLOAD} bytes`);
  const view = new DataView(buffer);
  const offset = view.getBigUint64(4);
  if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new BadFrame("offset over 2^53");
  return {
    kind: view.getUint8(0),
    flags: view.getUint8(1),
    stream: view.getUint16(2),
    offset: Number(offset),
    payload: new Uint8Array(buffer, HEADER_BYTES),
  };
}
