// The benchmark roles: many hosts in one process.

import { readFileSync } from 'node:fs';
import { makeHost } from './host.js';
import { seconds } from './protocols.js';
import { payload, Topics } from './topics.js';

const SETTLE_MS = 3000;
const PAGE = 4096;
const TOPIC = 'bench';
const AHEAD = 64; // messages published that were not delivered everywhere; more only makes queues and duplicates

// So many hosts, all connected to all, publish in turn.
export async function benchMesh({ nodes: count, messages, size }) {
  const hosts = await makeHosts(count);
  for (const [i, host] of hosts.entries()) {
    for (const other of hosts.slice(0, i)) await host.dial(other.getMultiaddrs());
  }
  const topics = hosts.map((host) => new Topics(host));
  for (const each of topics) each.subscribe(TOPIC);
  while (topics.some((each) => each.subscribers(TOPIC) < count - 1)) await sleep(10);
  await sleep(SETTLE_MS); // for the mesh

  const deliveries = messages * (count - 1);
  let delivered = 0;
  let wake = () => {};
  for (const host of hosts) {
    host.services.pubsub.addEventListener('gossipsub:message', () => {
      delivered += 1;
      wake();
    });
  }
  const reached = async (target) => {
    while (delivered < target) await new Promise((resolve) => { wake = resolve; });
  };
  const start = seconds();
  for (let index = 0; index < messages; index += 1) {
    await reached((index - AHEAD) * (count - 1));
    await topics[index % count].publishOne(TOPIC, payload(index, size));
  }
  await reached(deliveries);
  return { deliveries, seconds: seconds() - start };
}

// Resident memory a host, alone and with so many connections.
export async function benchMemory({ nodes: count, connections }) {
  const before = resident();
  const hosts = await makeHosts(count);
  await sleep(SETTLE_MS);
  const idle = resident();
  for (const [i, host] of hosts.entries()) {
    for (let step = 1; step <= connections / 2; step += 1) {
      await host.dial(hosts[(i + step) % count].getMultiaddrs());
    }
  }
  await sleep(SETTLE_MS);
  for (const host of hosts) {
    const have = host.getConnections().length;
    if (have !== connections) throw new Error(`a host has ${have} connections, not ${connections}`);
  }
  return {
    idle_bytes: Math.round((idle - before) / count),
    connected_bytes: Math.round((resident() - before) / count),
  };
}

function makeHosts(count) {
  return Promise.all(Array.from({ length: count }, () => makeHost({})));
}

function resident() {
  for (let i = 0; i < 3; i += 1) globalThis.gc();
  return Number(readFileSync('/proc/self/statm', 'latin1').split(' ')[1]) * PAGE;
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
