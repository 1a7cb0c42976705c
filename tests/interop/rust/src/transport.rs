//! The one transport, security and muxer that this peer is asked to speak.

use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId, Transport, noise, tcp, tls, yamux};

use futures::{AsyncRead, AsyncWrite};

use crate::Result;

#[derive(Clone, Copy, PartialEq)]
pub enum Security {
    Noise,
    Tls,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Carrier {
    Tcp,
    WebSocket,
}

impl Carrier {
    pub fn listen_address(self) -> Multiaddr {
        let address = match self {
            Carrier::Tcp => "/ip4/127.0.0.1/tcp/0",
            Carrier::WebSocket => "/ip4/127.0.0.1/tcp/0/ws",
        };
        address.parse().expect("a valid address")
    }
}

pub type Upgraded = Boxed<(PeerId, StreamMuxerBox)>;

pub fn build(carrier: Carrier, security: Security, key: &Keypair) -> Result<Upgraded> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default());
    match carrier {
        Carrier::Tcp => upgrade(tcp, security, key),
        Carrier::WebSocket => upgrade(libp2p_websocket::Config::new(tcp), security, key),
    }
}

fn upgrade<T>(raw: T, security: Security, key: &Keypair) -> Result<Upgraded>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let mut muxer = yamux::Config::default();
    muxer.set_max_num_streams(4096);
    let raw = raw.upgrade(Version::V1Lazy);
    Ok(match security {
        Security::Noise => raw
            .authenticate(noise::Config::new(key).map_err(|error| error.to_string())?)
            .multiplex(muxer)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed(),
        Security::Tls => raw
            .authenticate(tls::Config::new(key).map_err(|error| error.to_string())?)
            .multiplex(muxer)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed(),
    })
}
