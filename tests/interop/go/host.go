package main

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/p2p/transport/websocket"
)

type hostOptions struct {
	transport  string // tcp or ws
	security   string // noise or tls
	earlyMuxer bool
	listen     bool
	listenAddr string // a multiaddr in place of loopback's
	seeded     bool
	seed       uint64
}

// A host with one transport, one security protocol and Yamux, and none of the limits that bite on loopback.
func newHost(o hostOptions) (host.Host, error) {
	options := []libp2p.Option{
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.UserAgent("go-libp2p/" + libraryVersion()),
	}
	listen := "/ip4/127.0.0.1/tcp/0"
	switch o.transport {
	case "tcp":
		options = append(options, libp2p.Transport(tcp.NewTCPTransport))
	case "ws":
		options = append(options, libp2p.Transport(websocket.New))
		listen += "/ws"
	default:
		return nil, fmt.Errorf("no such transport: %q (tcp, ws)", o.transport)
	}
	if o.listenAddr != "" {
		listen = o.listenAddr
	}
	if o.listen {
		options = append(options, libp2p.ListenAddrStrings(listen))
	} else {
		options = append(options, libp2p.NoListenAddrs)
	}
	security, err := securityOption(o)
	if err != nil {
		return nil, err
	}
	options = append(options, security)
	if o.seeded {
		options = append(options, libp2p.Identity(seededKey(o.seed)))
	}
	return libp2p.New(options...)
}

// A security transport that is told of no muxers offers none early: they are negotiated afterwards.
func securityOption(o hostOptions) (libp2p.Option, error) {
	offered := func(muxers []upgrader.StreamMuxer) []upgrader.StreamMuxer {
		if o.earlyMuxer {
			return muxers
		}
		return nil
	}
	switch o.security {
	case "noise":
		return libp2p.Security(noise.ID,
			func(id protocol.ID, key crypto.PrivKey, muxers []upgrader.StreamMuxer) (*noise.Transport, error) {
				return noise.New(id, key, offered(muxers))
			}), nil
	case "tls":
		return libp2p.Security(libp2ptls.ID,
			func(id protocol.ID, key crypto.PrivKey, muxers []upgrader.StreamMuxer) (*libp2ptls.Transport, error) {
				return libp2ptls.New(id, key, offered(muxers))
			}), nil
	}
	return nil, fmt.Errorf("no such security protocol: %q (noise, tls)", o.security)
}

// The Ed25519 key whose seed is the number as 32 bytes, big-endian.
func seededKey(number uint64) crypto.PrivKey {
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed[len(seed)-8:], number)
	key, err := crypto.UnmarshalEd25519PrivateKey(ed25519.NewKeyFromSeed(seed))
	if err != nil {
		panic(err) // its length is right
	}
	return key
}

// Queues so long that a burst of messages waits in them; the defaults drop messages and leave it to gossip to
// bring them later.
func longQueues() []pubsub.Option {
	return []pubsub.Option{pubsub.WithPeerOutboundQueueSize(queueLength), pubsub.WithValidateQueueSize(queueLength)}
}

const queueLength = 1 << 17

func libraryVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/libp2p/go-libp2p" {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}
