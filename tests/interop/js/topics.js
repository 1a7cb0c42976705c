// What a host publishes to topics and what was delivered to it.

import { isPattern, pattern } from './streams.js';
import { seconds } from './protocols.js';

const INDEX_BYTES = 8;
const BACKLOG = 1 << 20; // bytes under way to one peer; publishing waits for less

export class Topics {
  #pubsub;
  #delivered = new Map();

  constructor(node) {
    this.#pubsub = node.services.pubsub;
    this.#pubsub.addEventListener('gossipsub:message', ({ detail: { msg } }) => this.#count(msg));
  }

  #count(message) {
    const seen = this.#delivered.get(message.topic);
    if (seen == null) return;
    const now = seconds();
    const from = message.from.toString();
    seen.first ??= now;
    seen.last = now;
    seen.count += 1;
    seen.froms[from] = (seen.froms[from] ?? 0) + 1;
    if (isPayload(message.data)) seen.valid += 1;
    seen.changed();
  }

  subscribe(topic) {
    this.#delivered.set(topic, { count: 0, valid: 0, froms: {}, first: null, last: null, changed() {} });
    this.#pubsub.subscribe(topic);
  }

  unsubscribe(topic) {
    this.#delivered.delete(topic);
    this.#pubsub.unsubscribe(topic);
  }

  subscribers(topic) {
    return this.#pubsub.getSubscribers(topic).length;
  }

  // So many messages of `size` bytes, the index first.
  async publish(topic, size, count) {
    for (let index = 0; index < count; index += 1) await this.publishOne(topic, payload(index, size));
  }

  async publishOne(topic, bytes) {
    await this.#pubsub.publish(topic, bytes);
    do await turn();
    while (this.#backlog() > BACKLOG);
  }

  // The library sends without regard to what its streams can take; so do not publish faster than they do.
  #backlog() {
    let most = 0;
    for (const { rawStream } of this.#pubsub.streamsOutbound.values()) most = Math.max(most, rawStream.writeBufferLength);
    return most;
  }

  // Waits until `count` messages of others were delivered.
  awaitMessages(topic, count, timeout) {
    const seen = this.#delivered.get(topic);
    if (seen == null) throw new Error(`not subscribed to ${topic}`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        seen.changed = () => {};
        reject(new Error(`${seen.count} of ${count} messages came within ${timeout} s`));
      }, timeout * 1000);
      seen.changed = () => {
        if (seen.count < count) return;
        clearTimeout(timer);
        seen.changed = () => {};
        const { valid, froms, first, last } = seen;
        resolve({ count: seen.count, valid, froms, seconds: (last ?? 0) - (first ?? 0), first, last });
      };
      seen.changed();
    });
  }
}

export function payload(index, size) {
  if (size < INDEX_BYTES) throw new Error(`a message has at least ${INDEX_BYTES} bytes`);
  const bytes = Buffer.alloc(size);
  bytes.writeBigUInt64BE(BigInt(index));
  for (let done = INDEX_BYTES; done < size;) {
    const part = pattern(done - INDEX_BYTES, size - done);
    bytes.set(part, done);
    done += part.length;
  }
  return bytes;
}

function isPayload(bytes) {
  return bytes.length >= INDEX_BYTES && isPattern(bytes.subarray(INDEX_BYTES), 0);
}

// Everything that is ready is done before this resolves.
const turn = () => new Promise((resolve) => { setImmediate(resolve); });
