// Reading and writing libp2p streams, and the pattern of the interop protocols.

import { createHash } from 'node:crypto';

const PERIOD = 251;
const CHUNK = PERIOD * 256;
const PATTERN = Uint8Array.from({ length: CHUNK + PERIOD }, (_, i) => i % PERIOD);

// The bytes of the pattern from `offset` on: `size` of them, or a chunk if that is less.
export function pattern(offset, size) {
  const phase = offset % PERIOD;
  return PATTERN.subarray(phase, phase + Math.min(size, CHUNK));
}

// Whether these are the bytes of the pattern from `offset` on.
export function isPattern(bytes, offset) {
  for (let done = 0; done < bytes.length;) {
    const expected = pattern(offset + done, bytes.length - done);
    if (Buffer.compare(bytes.subarray(done, done + expected.length), expected) !== 0) return false;
    done += expected.length;
  }
  return true;
}

// A running SHA-256, or one that does nothing and is null in the end.
export function hasher(wanted) {
  if (!wanted) return { update() {}, hex: () => null };
  const hash = createHash('sha256');
  return { update: (bytes) => hash.update(bytes), hex: () => hash.digest('hex') };
}

const QUEUE_LIMIT = 1 << 20; // bytes that wait to be read; then the peer is held back

// What arrives on a stream. The library's own iterator never ends if the peer finished before the iterator began,
// and takes a lost connection for a proper end.
export class Reader {
  #stream;
  #chunks = [];
  #queued = 0;
  #ended = false;
  #error = null;
  #wake = () => {};

  constructor(stream) {
    this.#stream = stream;
    this.#ended = stream.remoteWriteStatus === 'closed' && (stream.status === 'open' || stream.status === 'closing');
    if (!this.#ended && stream.status !== 'open' && stream.status !== 'closing') this.#fail(null);
    stream.addEventListener('remoteCloseWrite', () => {
      this.#ended = true;
      this.#wake();
    });
    stream.addEventListener('close', (event) => {
      if (event.error != null || !this.#ended) this.#fail(event.error);
    });
    stream.addEventListener('message', (event) => {
      this.#chunks.push(...(event.data instanceof Uint8Array ? [event.data] : event.data));
      this.#queued += event.data.byteLength;
      if (this.#queued > QUEUE_LIMIT && stream.readStatus === 'readable') stream.pause();
      this.#wake();
    });
  }

  #fail(error) {
    this.#error = error ?? new Error('the connection was lost');
    this.#wake();
  }

  // The next bytes that came, or null at the end; throws if the stream was reset or its connection lost.
  async next() {
    for (;;) {
      if (this.#chunks.length > 0) {
        const chunk = this.#chunks.shift();
        this.#queued -= chunk.length;
        if (this.#queued === 0 && this.#stream.readStatus === 'paused') this.#stream.resume();
        return chunk;
      }
      if (this.#error != null) throw this.#error;
      if (this.#ended && this.#stream.readBufferLength === 0) return null;
      await new Promise((resolve) => { this.#wake = resolve; });
    }
  }

  // Exactly so many bytes.
  async exactly(count) {
    const parts = [];
    for (let missing = count; missing > 0;) {
      const chunk = await this.next();
      if (chunk == null) throw new Error(`the stream ended ${missing} bytes early`);
      if (chunk.length > missing) {
        this.#chunks.unshift(chunk.subarray(missing));
        this.#queued += chunk.length - missing;
      }
      parts.push(chunk.subarray(0, missing));
      missing -= Math.min(chunk.length, missing);
    }
    return Buffer.concat(parts);
  }
}

// Waits until more can be sent. (The library's own onDrain() resolves at once from the second time on.)
function drained(stream) {
  return new Promise((resolve, reject) => {
    const listen = (change) => {
      stream[change]('drain', onDrain);
      stream[change]('close', onClose);
    };
    const onDrain = () => {
      listen('removeEventListener');
      resolve();
    };
    const onClose = (event) => {
      listen('removeEventListener');
      reject(event.error ?? new Error('the connection was lost'));
    };
    listen('addEventListener');
  });
}

export async function send(stream, bytes) {
  if (!stream.send(bytes)) await drained(stream);
}

// Sends `size` bytes of the pattern; each chunk is also given to `hash`.
export async function sendPattern(stream, size, hash) {
  for (let sent = 0; sent < size;) {
    const chunk = pattern(sent, size - sent);
    hash?.update(chunk);
    sent += chunk.length;
    if (!stream.send(chunk)) await drained(stream);
  }
}
