//! The benchmark roles: many hosts in one process over TCP with Noise and Yamux, all on loopback.

use std::time::{Duration, Instant};

use futures::future::try_join_all;
use libp2p::gossipsub::IdentTopic;
use libp2p::identity::Keypair;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::host::{Config, Host};
use crate::transport::{Carrier, Security};
use crate::{Result, text};

const TOPIC: &str = "bench";
/// How many messages may be on their way before the next is published. More do not make rust-libp2p faster:
/// each IDONTWANT searches all that waits for its sender.
const WINDOW: u64 = 64;

/// Publishes messages round robin in a full mesh and waits until every host has them all.
pub async fn mesh(nodes: u64, messages: u64, size: usize) -> Result<Value> {
    let hosts = start(nodes).await?;
    try_join_all(
        (0..hosts.len()).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| connect(&hosts, i, j)),
    )
    .await?;
    for host in &hosts {
        host.subscribe(TOPIC).await?;
    }
    let topic = IdentTopic::new(TOPIC).hash();
    for host in &hosts {
        host.wait(10.0, "subscribers", |state| {
            state.subscribers.get(&topic).is_some_and(|peers| peers.len() as u64 == nodes - 1)
        })
        .await?;
    }
    sleep(Duration::from_secs(8)).await; // the first heartbeat comes after 5 s; the mesh settles in the next ones
    let begun = Instant::now();
    for index in 0..messages {
        let publisher = index % nodes;
        hosts[publisher as usize].publish(TOPIC, size, index, 1).await?;
        if let Some(oldest) = (index + 1).checked_sub(WINDOW) {
            all_have(&hosts, oldest).await?;
        }
    }
    all_have(&hosts, messages).await?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"ev": "bench", "deliveries": messages * (nodes - 1), "seconds": seconds}))
}

/// Waits until each host has got its share of the first so many messages; the others' authors publish in turn.
async fn all_have(hosts: &[Host], messages: u64) -> Result<()> {
    let (nodes, topic) = (hosts.len() as u64, IdentTopic::new(TOPIC).hash());
    for (i, host) in (0..).zip(hosts) {
        let own = (messages + nodes - 1 - i) / nodes;
        host.wait(30.0, "messages", |state| state.delivered[&topic].count >= messages - own).await?;
    }
    Ok(())
}

/// Resident memory a host, idle and with so many connections each.
pub async fn memory(nodes: u64, connections: u64) -> Result<Value> {
    if !connections.is_multiple_of(2) || connections >= nodes {
        return Err(format!(
            "{nodes} hosts cannot have {connections} connections each: it must be even and less"
        ));
    }
    let before = resident()?;
    let hosts = start(nodes).await?;
    sleep(Duration::from_secs(2)).await;
    let idle = resident()?;
    for i in 0..hosts.len() {
        for distance in 1..=connections as usize / 2 {
            connect(&hosts, i, (i + distance) % hosts.len()).await?;
        }
    }
    for host in &hosts {
        host.wait(10.0, "connections", |state| state.identified.len() as u64 == connections).await?;
    }
    sleep(Duration::from_secs(2)).await;
    let connected = resident()?;
    let each = |bytes: u64| bytes.saturating_sub(before) / nodes;
    Ok(json!({"ev": "bench", "idle_bytes": each(idle), "connected_bytes": each(connected)}))
}

async fn start(nodes: u64) -> Result<Vec<Host>> {
    try_join_all((0..nodes).map(|_| {
        Host::start(Config {
            carrier: Carrier::Tcp,
            security: Security::Noise,
            key: Keypair::generate_ed25519(),
            listen: true,
            checksums: false,
            scoring: None,
            events: None,
        })
    }))
    .await
}

async fn connect(hosts: &[Host], from: usize, to: usize) -> Result<()> {
    let address = hosts[to].look(|state| state.addresses[0].clone());
    hosts[from].dial(address).await.map(|_| ())
}

fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(text)?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().map_err(text)?;
    Ok(kilobytes * 1024)
}
