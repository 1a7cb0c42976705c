//! A behaviour that opens streams of any protocol and serves protocols by name.
//!
//! libp2p-stream does nearly the same, but opens one stream at a time and drops inbound streams that come
//! faster than they are taken: a thousand at once do.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;

pub type Opened = Result<Stream, String>;

/// A stream that a peer opened.
#[derive(Debug)]
pub struct Inbound {
    pub peer: PeerId,
    pub protocol: StreamProtocol,
    pub stream: Stream,
}

pub struct Behaviour {
    served: Vec<StreamProtocol>,
    connections: Vec<(PeerId, ConnectionId)>,
    events: VecDeque<ToSwarm<Inbound, Command>>,
}

#[derive(Debug)]
pub enum Command {
    Open(StreamProtocol, oneshot::Sender<Opened>),
    Serve(StreamProtocol),
}

impl Behaviour {
    pub fn new(served: &[StreamProtocol]) -> Self {
        Behaviour { served: served.to_vec(), connections: Vec::new(), events: VecDeque::new() }
    }

    pub fn open(&mut self, peer: PeerId, protocol: StreamProtocol, reply: oneshot::Sender<Opened>) {
        if self.connections.iter().any(|(connected, _)| *connected == peer) {
            self.notify(peer, NotifyHandler::Any, Command::Open(protocol, reply));
        } else {
            let _ = reply.send(Err(format!("not connected to {peer}")));
        }
    }

    /// Serves one more protocol, on connections that exist too.
    pub fn serve(&mut self, protocol: StreamProtocol) {
        self.served.push(protocol.clone());
        for (peer, connection) in self.connections.clone() {
            self.notify(peer, NotifyHandler::One(connection), Command::Serve(protocol.clone()));
        }
    }

    fn notify(&mut self, peer_id: PeerId, handler: NotifyHandler, event: Command) {
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event });
    }

    fn handler(&self) -> Handler {
        Handler { served: Names(self.served.clone()), events: VecDeque::new() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Inbound;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                self.connections.push((new.peer_id, new.connection_id));
            }
            FromSwarm::ConnectionClosed(old) => self.connections.retain(|(_, id)| *id != old.connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        _: ConnectionId,
        (protocol, stream): (StreamProtocol, Stream),
    ) {
        self.events.push_back(ToSwarm::GenerateEvent(Inbound { peer, protocol, stream }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Inbound, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

pub struct Handler {
    served: Names,
    events: VecDeque<Event>,
}

type Event = ConnectionHandlerEvent<Names, oneshot::Sender<Opened>, (StreamProtocol, Stream)>;

impl ConnectionHandler for Handler {
    type FromBehaviour = Command;
    type ToBehaviour = (StreamProtocol, Stream);
    type InboundProtocol = Names;
    type OutboundProtocol = Names;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Opened>;

    fn listen_protocol(&self) -> SubstreamProtocol<Names> {
        SubstreamProtocol::new(self.served.clone(), ())
    }

    fn on_behaviour_event(&mut self, command: Command) {
        match command {
            Command::Open(protocol, reply) => {
                let protocol = SubstreamProtocol::new(Names(vec![protocol]), reply);
                self.events.push_back(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
            }
            Command::Serve(protocol) => self.served.0.push(protocol),
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Names, Names, (), oneshot::Sender<Opened>>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                self.events.push_back(ConnectionHandlerEvent::NotifyBehaviour(protocol));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, info }) => {
                let _ = info.send(Ok(protocol.1));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info }) => {
                let _ = info.send(Err(error.to_string()));
            }
            _ => {}
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<Event> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Upgrades a stream to whichever of these protocols was negotiated, by leaving it as it is.
#[derive(Clone, Debug)]
pub struct Names(Vec<StreamProtocol>);

impl UpgradeInfo for Names {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Names {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl OutboundUpgrade<Stream> for Names {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
