// Prints test vectors that js-libp2p makes, kept as tests/vectors/js-identities.txt: node vectors.js KEYS.TXT
// One vector a line, its kind first. Some of what makes them is not exported, and imported by its file.

import { readFileSync } from 'node:fs';
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import { generateKeyPair, privateKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import { noise } from '@libp2p/noise';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record';
import { multiaddrConnectionPair } from '@libp2p/utils';
import { multiaddr } from '@multiformats/multiaddr';
import { defaultLogger } from '@libp2p/logger';
import { RPC } from './node_modules/@libp2p/gossipsub/dist/src/message/rpc.js';
import { buildRawMessage } from './node_modules/@libp2p/gossipsub/dist/src/utils/buildRawMessage.js';
import { PublishConfigType } from './node_modules/@libp2p/gossipsub/dist/src/types.js';
import { generateCertificate } from './node_modules/@libp2p/tls/dist/src/utils.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const text = (string) => new TextEncoder().encode(string);

const ADDRESSES = ['/ip4/192.0.2.1/tcp/4001', '/ip6/2001:db8::1/udp/4001/quic-v1', '/dns4/example.com/tcp/443/tls/ws'];
const PACKAGES = ['crypto', 'peer-id', 'peer-record', 'noise', 'gossipsub', 'tls'];

function header() {
  const versions = PACKAGES.map((name) => {
    const { version } = JSON.parse(readFileSync(new URL(`./node_modules/@libp2p/${name}/package.json`, import.meta.url)));
    return `@libp2p/${name} ${version}`;
  });
  return `# What js-libp2p makes with identity keys of every type that it takes (not ECDSA):
#   key NAME PUBLIC-KEY-PROTOBUF PEER-ID CID
#   signature NAME MESSAGE SIGNATURE
#   peer-record NAME SEQUENCE ADDRESSES ENVELOPE     addresses separated by commas
#   noise NAME INITIATORS-EPHEMERAL-SECRET MUXERS MESSAGE-1 MESSAGE-2     a responder's, without lengths
#   message NAME TOPIC DATA MESSAGE                  a signed pubsub message
#   certificate NAME DER                             of the TLS handshake
# Named for their type and size; ed25519, secp256k1 and rsa-4096 are keys.txt's, rsa-2048 is new.
# Source: ${versions.join(', ')},
# node ${process.version}, run on ${new Date().toISOString().slice(0, 10)} (tests/interop/js/vectors.js); the output of a program, under no licence.`;
}

async function keys(file) {
  const spec = {};
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [which, type, bytes] = line.split(' ');
    if (which === 'private' && type !== 'ecdsa') spec[type] = privateKeyFromProtobuf(Buffer.from(bytes, 'hex'));
  }
  return {
    ed25519: spec.ed25519,
    secp256k1: spec.secp256k1,
    'rsa-2048': await generateKeyPair('RSA', 2048),
    'rsa-4096': spec.rsa,
  };
}

async function peerRecord(key, peerId) {
  const record = new PeerRecord({ peerId, multiaddrs: ADDRESSES.map((address) => multiaddr(address)), seqNumber: 1570215229n });
  const envelope = await RecordEnvelope.seal(record, key);
  return `${record.seqNumber} ${ADDRESSES.join(',')} ${hex(envelope.marshal())}`;
}

// Answers the first message of an initiator whose ephemeral secret is 32 times 13.
async function noiseAnswer(privateKey, peerId, muxers) {
  const secret = Buffer.alloc(32, 13);
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b656e04220420', 'hex'), secret]);
  const first = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })).export({ format: 'der', type: 'spki' }).subarray(-32);
  const [ours, theirs] = multiaddrConnectionPair();
  const upgrader = { getStreamMuxers: () => new Map(muxers.map((muxer) => [muxer, {}])) };
  const responder = noise()({ privateKey, peerId, logger: defaultLogger(), upgrader });
  responder.secureInbound(theirs).catch(() => {});
  const answered = new Promise((resolve) => {
    let received = Buffer.alloc(0);
    ours.addEventListener('message', ({ data }) => {
      received = Buffer.concat([received, data.subarray()]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) resolve(received.subarray(2));
    });
  });
  ours.send(Buffer.concat([Buffer.from([0, first.length]), first]));
  const second = await answered;
  ours.abort(new Error('enough'));
  return `${hex(secret)} ${muxers.join(',') || 'none'} ${hex(first)} ${hex(second)}`;
}

async function message(privateKey, author) {
  const signing = { type: PublishConfigType.Signing, author, privateKey, key: publicKeyToProtobuf(privateKey.publicKey) };
  const { raw } = await buildRawMessage(signing, 'a topic', text('some data'), text('some data'));
  return `${hex(text('a topic'))} ${hex(text('some data'))} ${hex(RPC.Message.encode(raw))}`;
}

console.log(header());
for (const [name, key] of Object.entries(await keys(process.argv[2]))) {
  const peerId = peerIdFromPrivateKey(key);
  console.log('key', name, hex(publicKeyToProtobuf(key.publicKey)), peerId.toString(), peerId.toCID().toString());
  for (const words of ['a message', 'long '.repeat(40)]) {
    console.log('signature', name, hex(text(words)), hex(await key.sign(text(words))));
  }
  console.log('peer-record', name, await peerRecord(key, peerId));
  console.log('noise', name, await noiseAnswer(key, peerId, []));
  console.log('noise', name, await noiseAnswer(key, peerId, ['/yamux/1.0.0', '/mplex/6.7.0']));
  console.log('message', name, await message(key, peerId));
  console.log('certificate', name, hex(new X509Certificate((await generateCertificate(key)).cert).raw));
}
process.exit(0);
