// One libp2p host with a single transport, a single security protocol and Yamux, its limits raised for loopback.

import { readFileSync } from 'node:fs';
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys';
import { gossipsub, StrictSign } from '@libp2p/gossipsub';
import { identify, identifyPush } from '@libp2p/identify';
import { noise } from '@libp2p/noise';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { webSockets } from '@libp2p/websockets';
import { yamux } from '@libp2p/yamux';
import { createLibp2p } from 'libp2p';

export const MANY = 1_000_000;
export const STREAM_LIMITS = { maxInboundStreams: MANY, maxOutboundStreams: MANY };
export const VERSION = JSON.parse(readFileSync(new URL('./node_modules/libp2p/package.json', import.meta.url))).version;

const TRANSPORTS = { tcp, ws: webSockets };
const SECURITY = { noise, tls };
const LISTEN = { tcp: '/ip4/127.0.0.1/tcp/0', ws: '/ip4/127.0.0.1/tcp/0/ws' };
const HALF_AN_HOUR = 30 * 60_000;

export async function makeHost(options) {
  const { transport = 'tcp', security = 'noise', earlyMuxer = true, seed = null, listen = true } = options;
  const encrypter = SECURITY[security]();
  return createLibp2p({
    ...(seed == null ? {} : { privateKey: await keyOf(seed) }),
    addresses: { listen: listen ? [LISTEN[transport]] : [] },
    transports: [TRANSPORTS[transport]()],
    connectionEncrypters: [earlyMuxer ? encrypter : withoutEarlyMuxer(encrypter)],
    streamMuxers: [yamux({ maxInboundStreams: MANY, maxOutboundStreams: MANY, maxEarlyStreams: MANY })],
    connectionManager: {
      maxConnections: MANY,
      maxIncomingPendingConnections: MANY,
      inboundConnectionThreshold: MANY,
      maxDialQueueLength: MANY,
    },
    connectionMonitor: { enabled: false }, // it ends connections whose pings wait behind a bulk transfer
    services: {
      identify: identify(STREAM_LIMITS),
      identifyPush: identifyPush(STREAM_LIMITS),
      ping: ping({ ...STREAM_LIMITS, timeout: HALF_AN_HOUR }), // that of a stream, however many pings it carries
      pubsub: gossipsub({
        ...STREAM_LIMITS,
        globalSignaturePolicy: StrictSign,
        doPX: false,
        fallbackToFloodsub: false,
        allowPublishToZeroTopicPeers: true,
        // The specification's message id, author and sequence number; the library's own starts with the key instead,
        // and gossip among implementations would name no message that the other knows.
        msgIdFn: (message) => Buffer.concat([message.from.toMultihash().bytes, sequenceBytes(message.sequenceNumber)]),
        // Without it the signature of every duplicate is verified.
        fastMsgIdFn: (message) => latin1(message.from) + latin1(message.seqno),
        scoreParams: { IPColocationFactorWeight: 0 },
      }),
    },
  });
}

function keyOf(seed) {
  const bytes = Buffer.alloc(32);
  bytes.writeBigUInt64BE(BigInt(seed), 24);
  return generateKeyPairFromSeed('Ed25519', bytes);
}

// Neither offers nor takes a muxer inside the security handshake.
function withoutEarlyMuxer(make) {
  return ({ logger, metrics, peerId, privateKey }) => {
    const upgrader = { getStreamMuxers: () => new Map() };
    const encrypter = make({ logger, metrics, peerId, privateKey, upgrader });
    const skip = (method) => (connection, options) =>
      method.call(encrypter, connection, { ...options, skipStreamMuxerNegotiation: true });
    return new Proxy(encrypter, {
      get(target, name) {
        const value = target[name];
        return name === 'secureInbound' || name === 'secureOutbound' ? skip(value) : value;
      },
    });
  };
}

function sequenceBytes(number) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(number);
  return bytes;
}

function latin1(bytes) {
  return bytes == null ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
