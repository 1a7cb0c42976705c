//! A libp2p host as a task of its own, and the handle through which the rest of the program uses it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::identity::Keypair;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, NetworkBehaviour, Stream, StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, gossipsub, identify, multiaddr, ping};
use tokio::sync::{mpsc, oneshot, watch};

use crate::pattern;
use crate::protocols;
use crate::score_params::{self, number, seconds};
use crate::streams;
use crate::transport::{self, Carrier, Security};
use crate::{Result, text};

#[derive(Clone)]
pub struct Config {
    pub carrier: Carrier,
    pub security: Security,
    pub key: Keypair,
    pub listen: bool,
    pub checksums: bool,
    /// The parameters of peer scoring, and of the mesh that goes by it.
    pub scoring: Option<serde_json::Value>,
    /// Where to tell of the contract's events.
    pub events: Option<mpsc::UnboundedSender<serde_json::Value>>,
}

/// What a host knows of the others; commands wait for its changes.
#[derive(Default)]
pub struct State {
    pub addresses: Vec<Multiaddr>,
    pub connected: BTreeSet<PeerId>,
    pub identified: HashMap<PeerId, identify::Info>,
    pub subscribers: HashMap<gossipsub::TopicHash, BTreeSet<PeerId>>,
    pub delivered: HashMap<gossipsub::TopicHash, Delivered>,
}

/// The messages of a topic that came since its subscription.
#[derive(Clone, Default)]
pub struct Delivered {
    pub count: u64,
    pub valid: u64,
    pub froms: BTreeMap<PeerId, u64>,
    pub first: f64,
    pub last: f64,
}

#[derive(Clone)]
pub struct Host {
    pub peer: PeerId,
    calls: mpsc::UnboundedSender<Call>,
    state: watch::Sender<State>,
}

type Call = Box<dyn FnOnce(&mut Node) + Send>;

impl Host {
    /// Starts the host's task and waits until it listens.
    pub async fn start(config: Config) -> Result<Host> {
        let (calls, received) = mpsc::unbounded_channel();
        let state = watch::Sender::new(State::default());
        let mut node = Node {
            swarm: swarm(&config)?,
            state: state.clone(),
            dials: HashMap::new(),
            publications: VecDeque::new(),
            checksums: config.checksums,
            events: config.events.clone(),
        };
        if config.listen {
            node.swarm.listen_on(config.carrier.listen_address()).map_err(text)?;
        }
        tokio::spawn(node.run(received));
        let host = Host { peer: config.key.public().to_peer_id(), calls, state };
        if config.listen {
            host.wait(5.0, "a listening address", |state| !state.addresses.is_empty()).await?;
        }
        Ok(host)
    }

    pub fn look<T>(&self, view: impl FnOnce(&State) -> T) -> T {
        view(&self.state.borrow())
    }

    pub async fn wait(&self, seconds: f64, what: &str, condition: impl FnMut(&State) -> bool) -> Result<()> {
        let limit = Duration::try_from_secs_f64(seconds).map_err(text)?;
        match tokio::time::timeout(limit, self.state.subscribe().wait_for(condition)).await {
            Ok(changed) => changed.map(|_| ()).map_err(text),
            Err(_) => Err(format!("waited {seconds} s in vain for {what}")),
        }
    }

    pub async fn dial(&self, address: Multiaddr) -> Result<PeerId> {
        let Some(multiaddr::Protocol::P2p(peer)) = address.iter().last() else {
            return Err(format!("{address} does not end in /p2p"));
        };
        self.call(move |node, reply| {
            let dial = DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(vec![address])
                .allocate_new_port()
                .build();
            let id = dial.connection_id();
            match node.swarm.dial(dial) {
                Ok(()) => drop(node.dials.insert(id, reply)),
                Err(error) => drop(reply.send(Err(text(error)))),
            }
        })
        .await??;
        Ok(peer)
    }

    /// Closes all connections to a peer and waits until they are closed.
    pub async fn disconnect(&self, peer: PeerId) -> Result<()> {
        self.ask(move |node| node.swarm.disconnect_peer_id(peer))
            .await?
            .map_err(|()| format!("not connected to {peer}"))?;
        self.wait(5.0, "the end of the connection", |state| !state.connected.contains(&peer)).await
    }

    pub async fn open(&self, peer: PeerId, protocol: StreamProtocol) -> Result<Stream> {
        self.call(move |node, reply| node.swarm.behaviour_mut().streams.open(peer, protocol, reply)).await?
    }

    pub async fn serve(&self, protocol: StreamProtocol) -> Result<()> {
        self.ask(move |node| node.swarm.behaviour_mut().streams.serve(protocol)).await
    }

    pub async fn subscribe(&self, topic: &str) -> Result<()> {
        let topic = gossipsub::IdentTopic::new(topic);
        self.state.send_modify(|state| drop(state.delivered.insert(topic.hash(), Delivered::default())));
        self.ask(move |node| node.swarm.behaviour_mut().gossipsub.subscribe(&topic))
            .await?
            .map(|_| ())
            .map_err(text)
    }

    pub async fn unsubscribe(&self, topic: &str) -> Result<()> {
        let topic = gossipsub::IdentTopic::new(topic);
        self.ask(move |node| node.swarm.behaviour_mut().gossipsub.unsubscribe(&topic)).await?;
        Ok(())
    }

    /// Publishes messages `first` .. `first + count` and says how long that took, in seconds.
    pub async fn publish(&self, topic: &str, size: usize, first: u64, count: u64) -> Result<f64> {
        let topic = gossipsub::IdentTopic::new(topic).hash();
        let (begun, end) = (Instant::now(), first + count);
        self.call(move |node, reply| {
            node.publications.push_back(Publication { topic, size, next: first, end, begun, reply });
        })
        .await?
    }

    /// What each connected peer scores, and who is in the topic's mesh.
    pub async fn scores(&self, topic: gossipsub::TopicHash) -> Result<(Vec<(PeerId, f64)>, Vec<PeerId>)> {
        self.ask(move |node| {
            let peers: Vec<PeerId> = node.swarm.connected_peers().copied().collect();
            let gossipsub = &node.swarm.behaviour().gossipsub;
            let scored = peers.into_iter().filter_map(|peer| Some((peer, gossipsub.peer_score(&peer)?)));
            (scored.collect(), gossipsub.mesh_peers(&topic).copied().collect())
        })
        .await
    }

    pub async fn set_app_score(&self, peer: PeerId, value: f64) -> Result<()> {
        self.ask(move |node| node.swarm.behaviour_mut().gossipsub.set_application_score(&peer, value))
            .await?
            .then_some(())
            .ok_or_else(|| format!("{peer} is not scored"))
    }

    async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&mut Node) -> T + Send + 'static) -> Result<T> {
        self.call(|node, reply| {
            let _ = reply.send(ask(node));
        })
        .await
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Node, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.calls
            .send(Box::new(|node| call(node, reply)))
            .map_err(|_| "the host has stopped".to_string())?;
        answer.await.map_err(|_| "the host did not answer".to_string())
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossipsub: gossipsub::Behaviour,
    streams: streams::Behaviour,
}

/// What the host's task owns.
struct Node {
    swarm: Swarm<Behaviour>,
    state: watch::Sender<State>,
    dials: HashMap<ConnectionId, oneshot::Sender<Result<()>>>,
    publications: VecDeque<Publication>,
    checksums: bool,
    events: Option<mpsc::UnboundedSender<serde_json::Value>>,
}

struct Publication {
    topic: gossipsub::TopicHash,
    size: usize,
    next: u64,
    end: u64,
    begun: Instant,
    reply: oneshot::Sender<Result<f64>>,
}

/// Long enough that no connection of a test ends by itself.
const FOREVER: Duration = Duration::from_secs(86_400);

fn swarm(config: &Config) -> Result<Swarm<Behaviour>> {
    let transport = transport::build(config.carrier, config.security, &config.key)?;
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify::Config::new_with_signed_peer_record(
            "ipfs/0.1.0".to_string(),
            &config.key,
        )),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(FOREVER)),
        gossipsub: gossip(&config.key, config.scoring.as_ref())?,
        streams: streams::Behaviour::new(&protocols::SERVED),
    };
    Ok(SwarmBuilder::with_existing_identity(config.key.clone())
        .with_tokio()
        .with_other_transport(|_| transport)
        .map_err(text)?
        .with_behaviour(|_| behaviour)
        .map_err(text)?
        .with_swarm_config(|swarm| {
            swarm.with_idle_connection_timeout(FOREVER).with_max_negotiating_inbound_streams(4096)
        })
        .build())
}

/// Strict signing and the default D; queues that lose nothing; the specification's message ids, since with
/// rust-libp2p's own, gossip among implementations would name no message that the other knows.
fn gossip(key: &Keypair, scoring: Option<&serde_json::Value>) -> Result<gossipsub::Behaviour> {
    let mut config = gossipsub::ConfigBuilder::default();
    config
        .validation_mode(gossipsub::ValidationMode::Strict)
        .message_id_fn(|message| {
            let mut id = message.source.map_or_else(Vec::new, |author| author.to_bytes());
            id.extend_from_slice(&message.sequence_number.unwrap_or_default().to_be_bytes());
            id.into()
        })
        .max_transmit_size(1 << 20)
        .connection_handler_queue_len(1 << 20)
        .publish_queue_duration(FOREVER)
        .forward_queue_duration(FOREVER);
    if let Some(scoring) = scoring {
        set_mesh(&mut config, &scoring["mesh"])?;
    }
    let author = gossipsub::MessageAuthenticity::Signed(key.clone());
    let mut behaviour = gossipsub::Behaviour::new(author, config.build().map_err(text)?).map_err(text)?;
    if let Some(scoring) = scoring {
        let thresholds = thresholds(&scoring["thresholds"])?;
        behaviour.with_peer_score(score_params::peer_score_params(scoring)?, thresholds)?;
    }
    Ok(behaviour)
}

fn set_mesh(config: &mut gossipsub::ConfigBuilder, of: &serde_json::Value) -> Result<()> {
    let size = |name: &str| number(of, name).map(|size| size as usize);
    config
        .mesh_n(size("d")?)
        .mesh_n_low(size("d_low")?)
        .mesh_n_high(size("d_high")?)
        .retain_scores(size("d_score")?)
        .mesh_outbound_min(size("d_out")?)
        .heartbeat_interval(seconds(of, "heartbeat")?)
        .heartbeat_initial_delay(seconds(of, "heartbeat")?)
        .iwant_followup_time(seconds(of, "iwant_followup")?);
    Ok(())
}

fn thresholds(of: &serde_json::Value) -> Result<gossipsub::PeerScoreThresholds> {
    Ok(gossipsub::PeerScoreThresholds {
        gossip_threshold: number(of, "gossip")?,
        publish_threshold: number(of, "publish")?,
        graylist_threshold: number(of, "graylist")?,
        accept_px_threshold: number(of, "accept_px")?,
        opportunistic_graft_threshold: number(of, "opportunistic_graft")?,
    })
}

impl Node {
    async fn run(mut self, mut calls: mpsc::UnboundedReceiver<Call>) {
        loop {
            tokio::select! {
                call = calls.recv() => match call {
                    Some(call) => call(&mut self),
                    None => return,
                },
                event = self.swarm.select_next_some() => self.on_event(event),
                () = tokio::task::yield_now(), if !self.publications.is_empty() => self.publish_some(),
            }
        }
    }

    /// Publishes a few messages, so that the connections' tasks can send them meanwhile.
    fn publish_some(&mut self) {
        let Some(publication) = self.publications.front_mut() else {
            return;
        };
        for _ in 0..16 {
            if publication.next == publication.end {
                break;
            }
            let message = pattern::message(publication.next, publication.size);
            match self.swarm.behaviour_mut().gossipsub.publish(publication.topic.clone(), message) {
                Ok(_) => publication.next += 1,
                Err(gossipsub::PublishError::AllQueuesFull(_)) => return,
                Err(error) => return self.end_publication(Err(text(error))),
            }
        }
        if publication.next == publication.end {
            let seconds = publication.begun.elapsed().as_secs_f64();
            self.end_publication(Ok(seconds));
        }
    }

    fn end_publication(&mut self, result: Result<f64>) {
        if let Some(publication) = self.publications.pop_front() {
            let _ = publication.reply.send(result);
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = address.with(multiaddr::Protocol::P2p(*self.swarm.local_peer_id()));
                self.state.send_modify(|state| state.addresses.push(address));
            }
            SwarmEvent::ConnectionEstablished {
                peer_id, connection_id, endpoint, num_established, ..
            } => {
                self.state.send_modify(|state| {
                    state.connected.insert(peer_id);
                });
                if num_established.get() == 1 {
                    let direction = match endpoint {
                        ConnectedPoint::Dialer { .. } => "outbound",
                        ConnectedPoint::Listener { .. } => "inbound",
                    };
                    self.emit(|| protocols::connected(peer_id, direction));
                }
                self.dialed(connection_id, Ok(()));
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.dialed(connection_id, Err(text(error)));
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => {
                self.state.send_modify(|state| {
                    state.connected.remove(&peer_id);
                    state.identified.remove(&peer_id);
                    for peers in state.subscribers.values_mut() {
                        peers.remove(&peer_id);
                    }
                });
                self.emit(|| protocols::disconnected(peer_id));
            }
            SwarmEvent::IncomingConnectionError { error, .. } => eprintln!("inbound connection: {error}"),
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            _ => {}
        }
    }

    fn dialed(&mut self, connection: ConnectionId, result: Result<()>) {
        if let Some(reply) = self.dials.remove(&connection) {
            let _ = reply.send(result);
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.state.send_modify(|state| drop(state.identified.insert(peer_id, info)));
            }
            BehaviourEvent::Gossipsub(gossipsub::Event::Subscribed { peer_id, topic }) => {
                self.state.send_modify(|state| {
                    state.subscribers.entry(topic).or_default().insert(peer_id);
                });
            }
            BehaviourEvent::Gossipsub(gossipsub::Event::Unsubscribed { peer_id, topic }) => {
                self.state.send_modify(|state| {
                    state.subscribers.entry(topic).or_default().remove(&peer_id);
                });
            }
            BehaviourEvent::Gossipsub(gossipsub::Event::Message { message, .. }) => {
                self.state.send_modify(|state| state.deliver(message));
            }
            BehaviourEvent::Gossipsub(gossipsub::Event::SlowPeer { peer_id, .. }) => {
                eprintln!("gossipsub gave up messages for {peer_id}");
            }
            BehaviourEvent::Streams(inbound) => {
                tokio::spawn(protocols::serve(inbound, self.checksums, self.events.clone()));
            }
            _ => {}
        }
    }

    fn emit(&self, event: impl FnOnce() -> serde_json::Value) {
        if let Some(events) = &self.events {
            let _ = events.send(event());
        }
    }
}

impl State {
    fn deliver(&mut self, message: gossipsub::Message) {
        let now = monotonic();
        let delivered = self.delivered.entry(message.topic).or_default();
        if delivered.count == 0 {
            delivered.first = now;
        }
        delivered.last = now;
        delivered.count += 1;
        delivered.valid += u64::from(pattern::is_message(&message.data));
        if let Some(author) = message.source {
            *delivered.froms.entry(author).or_default() += 1;
        }
    }
}

/// Seconds on the system's CLOCK_MONOTONIC, which processes share.
fn monotonic() -> f64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("a monotonic clock");
    Duration::from(now).as_secs_f64()
}
