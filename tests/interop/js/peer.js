// The js-libp2p peer of the interop tests: see ../README.md for what it is told and what it answers.

import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { peerIdFromString } from '@libp2p/peer-id';
import { multiaddr } from '@multiformats/multiaddr';
import { benchMemory, benchMesh } from './bench.js';
import { makeHost, VERSION } from './host.js';
import * as protocols from './protocols.js';
import { seconds } from './protocols.js';
import { Topics } from './topics.js';

const IDENTIFY_TIMEOUT = 5;

function options() {
  const { values } = parseArgs({
    options: {
      transport: { type: 'string', default: 'tcp' },
      security: { type: 'string', default: 'noise' },
      'early-muxer': { type: 'string', default: 'on' },
      seed: { type: 'string' },
      'time-limit': { type: 'string', default: '120' },
      'no-listen': { type: 'boolean', default: false },
      checksums: { type: 'boolean', default: false },
      bench: { type: 'string' },
      nodes: { type: 'string' },
      messages: { type: 'string', default: '2000' },
      size: { type: 'string', default: '1000' },
      connections: { type: 'string', default: '8' },
    },
  });
  const oneOf = (name, choices) => {
    if (!choices.includes(values[name])) throw new Error(`--${name} is ${choices.join(' or ')}, not ${values[name]}`);
    return values[name];
  };
  const number = (name, fallback) => {
    const value = Number(values[name] ?? fallback);
    if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} is a whole number, not ${values[name]}`);
    return value;
  };
  return {
    host: {
      transport: oneOf('transport', ['tcp', 'ws']),
      security: oneOf('security', ['noise', 'tls']),
      earlyMuxer: oneOf('early-muxer', ['on', 'off']) === 'on',
      seed: values.seed == null ? null : number('seed'),
      listen: !values['no-listen'],
    },
    timeLimit: number('time-limit'),
    checksums: values.checksums,
    bench: values.bench == null ? null : oneOf('bench', ['mesh', 'memory']),
    nodes: number('nodes', values.bench === 'memory' ? 20 : 10),
    messages: number('messages'),
    size: number('size'),
    connections: number('connections'),
  };
}

function emit(object) {
  process.stdout.write(`${JSON.stringify(object)}\n`); // a pipe is written to before this returns
}

class Peer {
  #node;
  #topics;
  #checksums;
  #identified = new Map(); // by peer id: what identify told last, since it connected

  constructor(node, checksums) {
    this.#node = node;
    this.#topics = new Topics(node);
    this.#checksums = checksums;
    node.addEventListener('peer:connect', ({ detail: peer }) => {
      emit({ ev: 'connected', peer: peer.toString(), direction: node.getConnections(peer)[0]?.direction ?? 'inbound' });
    });
    node.addEventListener('peer:disconnect', ({ detail: peer }) => {
      this.#identified.delete(peer.toString());
      emit({ ev: 'disconnected', peer: peer.toString() });
    });
    node.addEventListener('peer:identify', ({ detail }) => this.#remember(detail));
  }

  // A push may leave out what did not change.
  #remember(told) {
    const peer = told.peerId.toString();
    const before = this.#identified.get(peer);
    this.#identified.set(peer, {
      agent: told.agentVersion ?? before?.agent ?? null,
      protocol_version: told.protocolVersion ?? before?.protocol_version ?? null,
      protocols: told.protocols.length > 0 ? told.protocols : before?.protocols ?? [],
      addrs: told.listenAddrs.length > 0 ? told.listenAddrs.map(String) : before?.addrs ?? [],
      observed: told.observedAddr?.toString() ?? before?.observed ?? null,
      signed_record: told.signedPeerRecord != null || (before?.signed_record ?? false),
    });
  }

  #connection(peer) {
    const [connection] = this.#node.getConnections(peerIdFromString(peer)).filter(({ status }) => status === 'open');
    if (connection == null) throw new Error(`not connected to ${peer}`);
    return connection;
  }

  ops = {
    dial: async ({ addr }) => {
      const start = seconds();
      const connection = await this.#node.dial(multiaddr(addr));
      return {
        peer: connection.remotePeer.toString(),
        security: connection.encryption ?? null,
        muxer: connection.multiplexer ?? null,
        seconds: seconds() - start,
      };
    },
    disconnect: ({ peer }) => this.#node.hangUp(peerIdFromString(peer)),
    connections: () => ({ peers: this.#node.getPeers().map(String) }),
    identify: async ({ peer }) => {
      await until(() => this.#identified.has(peer), IDENTIFY_TIMEOUT, `${peer} was not identified`);
      return this.#identified.get(peer);
    },
    push: ({ protocol }) => protocols.refuse(this.#node, protocol),
    await_protocol: ({ peer, protocol, timeout }) =>
      until(() => this.#identified.get(peer)?.protocols.includes(protocol), timeout, `${peer} does not speak ${protocol}`),
    ping: async ({ peer, count }) => ({ rtts: await protocols.ping(this.#connection(peer), count) }),
    perf: ({ peer, up, down }) => protocols.perf(this.#connection(peer), up, down, this.#checksums),
    echo: ({ peer, streams, bytes }) => protocols.echo(this.#connection(peer), streams, bytes),
    remote_reset: async ({ peer }) => ({ error: await protocols.remoteReset(this.#connection(peer)) }),
    local_reset: ({ peer }) => protocols.localReset(this.#connection(peer)),
    subscribe: ({ topic }) => this.#topics.subscribe(topic),
    unsubscribe: ({ topic }) => this.#topics.unsubscribe(topic),
    await_subscribers: async ({ topic, count, timeout }) => {
      const enough = () => this.#topics.subscribers(topic) >= count;
      await until(enough, timeout, `fewer than ${count} peers subscribe to ${topic}`);
      return { count: this.#topics.subscribers(topic) };
    },
    publish: async ({ topic, size, count }) => {
      const start = seconds();
      await this.#topics.publish(topic, size, count);
      return { seconds: seconds() - start };
    },
    await_messages: ({ topic, count, timeout }) => this.#topics.awaitMessages(topic, count, timeout),
    handshakes: async ({ addr, count }) => {
      const times = [];
      while (times.length < count) {
        const start = seconds();
        const connection = await this.#node.dial(multiaddr(addr), { force: true });
        times.push(seconds() - start);
        await connection.close();
      }
      return { seconds: times };
    },
  };
}

async function until(condition, timeout, otherwise) {
  const end = seconds() + timeout;
  while (!condition()) {
    if (seconds() > end) throw new Error(`${otherwise} within ${timeout} s`);
    await new Promise((resolve) => { setTimeout(resolve, 5); });
  }
}

function describe(error) {
  const causes = (error.errors ?? []).map(describe);
  const cause = error.cause == null ? [] : [describe(error.cause)];
  return [`${error.name}: ${error.message}`, ...causes, ...cause].join('; ');
}

async function answer(peer, line) {
  let id = null;
  try {
    const { op, ...command } = JSON.parse(line);
    ({ id = null } = command);
    if (op === 'stop') {
      emit({ id, ok: true });
      process.exit(0);
    }
    const work = peer.ops[op];
    if (work == null) throw new Error(`no such op: ${op}`);
    emit({ id, ok: true, ...(await work(command)) });
  } catch (error) {
    emit({ id, ok: false, error: describe(error) });
  }
}

async function main() {
  const { host, timeLimit, checksums, bench, ...sizes } = options();
  setTimeout(() => {
    console.error(`ended after the time limit of ${timeLimit} s`);
    process.exit(3);
  }, timeLimit * 1000);
  if (bench != null) {
    emit({ ev: 'bench', ...(await (bench === 'mesh' ? benchMesh : benchMemory)(sizes)) });
    process.exit(0);
  }
  const node = await makeHost(host);
  await protocols.serve(node, emit, checksums);
  const peer = new Peer(node, checksums);
  const addrs = node.getMultiaddrs().map(String);
  emit({ ev: 'listening', impl: 'js', version: VERSION, peer: node.peerId.toString(), addrs });
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => answer(peer, line));
  lines.on('close', () => process.exit(0));
}

process.on('unhandledRejection', (error) => console.error(`unhandled: ${describe(error)}`));
main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exit(2);
});
