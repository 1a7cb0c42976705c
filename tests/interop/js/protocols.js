// The protocols of the interop contract, both sides.

import { randomBytes } from 'node:crypto';
import { STREAM_LIMITS } from './host.js';
import { hasher, isPattern, Reader, send, sendPattern } from './streams.js';

const PING = '/ipfs/ping/1.0.0';
const PERF = '/perf/1.0.0';
const ECHO = '/interop/echo/1.0.0';
const RESET = '/interop/reset/1.0.0';
const HOLD = '/interop/hold/1.0.0';

export const seconds = () => Number(process.hrtime.bigint()) / 1e9; // CLOCK_MONOTONIC

// Serves them on `node`; `emit` is given the events.
export async function serve(node, emit, checksums) {
  await handle(node, PERF, (stream, peer) => servePerf(stream, peer, emit, checksums));
  await handle(node, ECHO, serveEcho);
  await handle(node, RESET, async (stream) => {
    await new Reader(stream).exactly(1);
    stream.abort(new Error('a reset was asked for'));
  });
  await handle(node, HOLD, (stream, peer) => serveHold(stream, peer, emit));
}

// Serves a protocol whose streams are reset.
export function refuse(node, protocol) {
  return handle(node, protocol, (stream) => stream.abort(new Error('not served')));
}

function handle(node, protocol, serveStream) {
  const onStream = async (stream, connection) => {
    try {
      await serveStream(stream, connection.remotePeer.toString());
    } catch (error) {
      stream.abort(error);
    }
  };
  return node.handle(protocol, onStream, STREAM_LIMITS);
}

async function servePerf(stream, peer, emit, checksums) {
  const reader = new Reader(stream);
  const wanted = Number((await reader.exactly(8)).readBigUInt64BE());
  const { received, sha256 } = await drain(reader, checksums);
  emit({ ev: 'perf', peer, received, sha256 });
  await sendPattern(stream, wanted);
  await stream.close();
}

async function serveEcho(stream) {
  const reader = new Reader(stream);
  for (let bytes; (bytes = await reader.next()) != null;) await send(stream, bytes);
  await stream.close();
}

async function serveHold(stream, peer, emit) {
  const reader = new Reader(stream);
  await reader.exactly(1);
  await send(stream, Uint8Array.of(0));
  const told = (end) => emit({ ev: 'stream_end', protocol: HOLD, peer, end });
  await drain(reader, false).then(() => told('eof'), () => told('reset'));
  await stream.close();
}

async function drain(reader, checksums) {
  const hash = hasher(checksums);
  let received = 0;
  for (let bytes; (bytes = await reader.next()) != null;) {
    received += bytes.length;
    hash.update(bytes);
  }
  return { received, sha256: hash.hex() };
}

// `count` round trips, in seconds, on one stream.
export async function ping(connection, count) {
  const stream = await open(connection, PING);
  const reader = new Reader(stream);
  const rtts = [];
  while (rtts.length < count) {
    const sent = randomBytes(32);
    const start = seconds();
    await send(stream, sent);
    const back = await reader.exactly(sent.length);
    rtts.push(seconds() - start);
    if (!back.equals(sent)) throw new Error('a pong with other bytes');
  }
  await stream.close();
  return rtts;
}

export async function perf(connection, up, down, checksums) {
  const start = seconds();
  const stream = await open(connection, PERF);
  const reader = new Reader(stream);
  const sent = hasher(checksums);
  const request = Buffer.alloc(8);
  request.writeBigUInt64BE(BigInt(down));
  await send(stream, request);
  await sendPattern(stream, up, sent);
  await stream.close();
  const first = await reader.next();
  const uploaded = seconds();
  const hash = hasher(checksums);
  let received = 0;
  for (let bytes = first; bytes != null; bytes = await reader.next()) {
    received += bytes.length;
    hash.update(bytes);
  }
  return {
    up_seconds: uploaded - start,
    down_seconds: seconds() - uploaded,
    sent_sha256: sent.hex(),
    received_sha256: hash.hex(),
    received,
  };
}

// How many of so many streams at once gave back what was sent and ended properly, and why the first did not.
export async function echo(connection, streams, size) {
  const results = await Promise.allSettled(Array.from({ length: streams }, () => echoOne(connection, size)));
  const failed = results.filter((result) => result.status === 'rejected');
  return {
    streams_ok: streams - failed.length,
    ...(failed.length > 0 ? { failure: String(failed[0].reason) } : {}),
  };
}

async function echoOne(connection, size) {
  const stream = await open(connection, ECHO);
  const reader = new Reader(stream);
  const sending = sendPattern(stream, size).then(() => stream.close());
  const reading = (async () => {
    let received = 0;
    for (let bytes; (bytes = await reader.next()) != null; received += bytes.length) {
      if (!isPattern(bytes, received)) throw new Error(`other bytes came back after ${received}`);
    }
    if (received !== size) throw new Error(`${received} of ${size} bytes came back`);
  })();
  await Promise.all([sending, reading]).catch((error) => {
    stream.abort(error);
    throw error;
  });
}

// The error with which a read ends after the peer reset the stream.
export async function remoteReset(connection) {
  const stream = await open(connection, RESET);
  await send(stream, Uint8Array.of(0));
  const ended = await new Reader(stream).next().then(() => true, (error) => error);
  if (ended === true) throw new Error('the stream ended cleanly');
  return `${ended.name}: ${ended.message}`;
}

export async function localReset(connection) {
  const stream = await open(connection, HOLD);
  await send(stream, Uint8Array.of(0));
  await new Reader(stream).exactly(1);
  stream.abort(new Error('a reset was asked for'));
}

function open(connection, protocol) {
  return connection.newStream(protocol, STREAM_LIMITS);
}
