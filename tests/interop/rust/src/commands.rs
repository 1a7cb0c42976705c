//! The contract's commands: one JSON object a line on standard input, each answered by one on standard output.

use std::io::Write;
use std::time::Instant;

use libp2p::swarm::StreamProtocol;
use libp2p::{PeerId, gossipsub};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::mpsc::{self, UnboundedSender};

use crate::host::{Config, Host};
use crate::protocols;
use crate::{Result, text};

/// Runs a peer until standard input ends or says stop.
pub async fn run(mut config: Config) -> Result<()> {
    let (output, mut lines) = mpsc::unbounded_channel::<Value>();
    let checksums = config.checksums;
    config.events = Some(output.clone());
    let host = Host::start(config).await?;
    println!("{}", listening(&host));
    let print = async {
        while let Some(line) = lines.recv().await {
            if writeln!(std::io::stdout(), "{line}").is_err() || line["stopped"] == json!(true) {
                return;
            }
        }
    };
    tokio::select! {
        read = read_commands(&host, checksums, output) => read,
        () = print => Ok(()),
    }
}

fn listening(host: &Host) -> Value {
    json!({
        "ev": "listening", "impl": "rust", "version": env!("CARGO_PKG_VERSION"), "peer": host.peer.to_string(),
        "addrs": host.look(|state| state.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()),
    })
}

async fn read_commands(host: &Host, checksums: bool, output: UnboundedSender<Value>) -> Result<()> {
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await.map_err(text)? {
        let (host, output) = (host.clone(), output.clone());
        tokio::spawn(async move {
            let (id, result) = match serde_json::from_str::<Value>(&line) {
                Ok(command) => (command["id"].clone(), execute(&host, checksums, &Command(command)).await),
                Err(error) => (Value::Null, Err(format!("not a JSON object: {error}"))),
            };
            let mut answer = result.unwrap_or_else(|error| json!({"ok": false, "error": error}));
            answer["id"] = id;
            if answer["ok"].is_null() {
                answer["ok"] = json!(true);
            }
            let _ = output.send(answer);
        });
    }
    Ok(())
}

/// A command's arguments; what is missing or of another type is an error that names it.
struct Command(Value);

impl Command {
    fn text(&self, name: &str) -> Result<&str> {
        self.0[name].as_str().ok_or_else(|| format!("{name} is missing or not a string"))
    }

    fn count(&self, name: &str) -> Result<u64> {
        self.0[name].as_u64().ok_or_else(|| format!("{name} is missing or not a natural number"))
    }

    fn seconds(&self, name: &str) -> Result<f64> {
        self.0[name].as_f64().ok_or_else(|| format!("{name} is missing or not a number"))
    }

    fn peer(&self) -> Result<PeerId> {
        self.text("peer")?.parse().map_err(|error| format!("peer: {error}"))
    }

    fn protocol(&self) -> Result<StreamProtocol> {
        StreamProtocol::try_from_owned(self.text("protocol")?.to_string()).map_err(text)
    }

    fn topic(&self) -> Result<gossipsub::TopicHash> {
        Ok(gossipsub::IdentTopic::new(self.text("topic")?).hash())
    }
}

async fn execute(host: &Host, checksums: bool, command: &Command) -> Result<Value> {
    match command.text("op")? {
        "dial" => dial(host, command).await,
        "disconnect" => host.disconnect(command.peer()?).await.map(|()| json!({})),
        "connections" => Ok(json!({
            "peers": host.look(|state| state.connected.iter().map(ToString::to_string).collect::<Vec<_>>()),
        })),
        "identify" => identify(host, command).await,
        "push" => host.serve(command.protocol()?).await.map(|()| json!({})),
        "await_protocol" => await_protocol(host, command).await,
        "ping" => {
            let rtts = protocols::ping(host, command.peer()?, command.count("count")?).await?;
            Ok(json!({ "rtts": rtts }))
        }
        "perf" => {
            let (up, down) = (command.count("up")?, command.count("down")?);
            protocols::perf(host, command.peer()?, up, down, checksums).await
        }
        "echo" => {
            let (streams, bytes) = (command.count("streams")?, command.count("bytes")?);
            Ok(json!({"streams_ok": protocols::echo(host, command.peer()?, streams, bytes).await?}))
        }
        "remote_reset" => Ok(json!({"error": protocols::remote_reset(host, command.peer()?).await?})),
        "local_reset" => protocols::local_reset(host, command.peer()?).await.map(|()| json!({})),
        "subscribe" => host.subscribe(command.text("topic")?).await.map(|()| json!({})),
        "unsubscribe" => host.unsubscribe(command.text("topic")?).await.map(|()| json!({})),
        "await_subscribers" => await_subscribers(host, command).await,
        "publish" => publish(host, command).await,
        "await_messages" => await_messages(host, command).await,
        "scores" => {
            let (scores, mesh) = host.scores(command.topic()?).await?;
            let scores: serde_json::Map<_, _> =
                scores.into_iter().map(|(peer, score)| (peer.to_string(), json!(score))).collect();
            Ok(json!({"scores": scores, "mesh": mesh.iter().map(ToString::to_string).collect::<Vec<_>>()}))
        }
        "app_score" => {
            host.set_app_score(command.peer()?, command.seconds("value")?).await.map(|()| json!({}))
        }
        "handshakes" => handshakes(host, command).await,
        "stop" => Ok(json!({"stopped": true})),
        other => Err(format!("no such op: {other}")),
    }
}

/// rust-libp2p does not tell what was negotiated.
async fn dial(host: &Host, command: &Command) -> Result<Value> {
    let address = command.text("addr")?.parse().map_err(|error| format!("addr: {error}"))?;
    let begun = Instant::now();
    let peer = host.dial(address).await?;
    let seconds = begun.elapsed().as_secs_f64();
    Ok(json!({"peer": peer.to_string(), "security": null, "muxer": null, "seconds": seconds}))
}

async fn identify(host: &Host, command: &Command) -> Result<Value> {
    let peer = command.peer()?;
    host.wait(5.0, "identify", |state| state.identified.contains_key(&peer)).await?;
    host.look(|state| {
        let info = state.identified.get(&peer).ok_or("the peer has gone")?;
        Ok(json!({
            "agent": info.agent_version,
            "protocol_version": info.protocol_version,
            "protocols": info.protocols.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "addrs": info.listen_addrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "observed": (!info.observed_addr.is_empty()).then(|| info.observed_addr.to_string()),
            "signed_record": info.signed_peer_record.is_some(), // identify drops those that are not valid
        }))
    })
}

async fn await_protocol(host: &Host, command: &Command) -> Result<Value> {
    let (peer, protocol) = (command.peer()?, command.protocol()?);
    host.wait(command.seconds("timeout")?, protocol.as_ref(), |state| {
        state.identified.get(&peer).is_some_and(|info| info.protocols.contains(&protocol))
    })
    .await?;
    Ok(json!({}))
}

async fn await_subscribers(host: &Host, command: &Command) -> Result<Value> {
    let (topic, wanted) = (command.topic()?, command.count("count")? as usize);
    let known = |state: &crate::host::State| state.subscribers.get(&topic).map_or(0, |peers| peers.len());
    let waited = host.wait(command.seconds("timeout")?, "subscribers", |state| known(state) >= wanted).await;
    let count = host.look(known);
    waited.map_err(|error| format!("{error}: {count} of {wanted} are known"))?;
    Ok(json!({ "count": count }))
}

async fn publish(host: &Host, command: &Command) -> Result<Value> {
    let (size, count) = (command.count("size")? as usize, command.count("count")?);
    if size < 8 {
        return Err(format!("size is {size}: a message needs 8 bytes for its index"));
    }
    let seconds = host.publish(command.text("topic")?, size, 0, count).await?;
    Ok(json!({ "seconds": seconds }))
}

async fn await_messages(host: &Host, command: &Command) -> Result<Value> {
    let (topic, wanted) = (command.topic()?, command.count("count")?);
    let waited = host
        .wait(command.seconds("timeout")?, "messages", |state| {
            state.delivered.get(&topic).is_some_and(|delivered| delivered.count >= wanted)
        })
        .await;
    let delivered = host.look(|state| state.delivered.get(&topic).cloned()).unwrap_or_default();
    waited.map_err(|error| format!("{error}: {} of {wanted} came", delivered.count))?;
    let froms: serde_json::Map<_, _> =
        delivered.froms.iter().map(|(peer, count)| (peer.to_string(), json!(count))).collect();
    Ok(json!({
        "count": delivered.count, "valid": delivered.valid, "froms": froms,
        "seconds": delivered.last - delivered.first, "first": delivered.first, "last": delivered.last,
    }))
}

async fn handshakes(host: &Host, command: &Command) -> Result<Value> {
    let address: libp2p::Multiaddr =
        command.text("addr")?.parse().map_err(|error| format!("addr: {error}"))?;
    let mut seconds = Vec::new();
    for _ in 0..command.count("count")? {
        let begun = Instant::now();
        let peer = host.dial(address.clone()).await?;
        seconds.push(begun.elapsed().as_secs_f64());
        host.disconnect(peer).await?;
    }
    Ok(json!({ "seconds": seconds }))
}
