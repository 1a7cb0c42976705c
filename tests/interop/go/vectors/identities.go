package main

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/record"
	tptu "github.com/libp2p/go-libp2p/p2p/net/upgrader"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	ma "github.com/multiformats/go-multiaddr"
)

type identity struct {
	name string
	key  crypto.PrivKey
	peer peer.ID
}

// What peers with keys of every type send: signatures, signed records, Noise payloads, pubsub messages, certificates.
func identities() {
	header([]string{
		"What go-libp2p makes with identity keys of every type:",
		"  key NAME PUBLIC-KEY-PROTOBUF PEER-ID CID",
		"  signature NAME MESSAGE SIGNATURE",
		"  peer-record NAME SEQUENCE ADDRESSES ENVELOPE     addresses separated by commas",
		"  voucher NAME RELAY PEER EXPIRATION ENVELOPE      a relay's reservation voucher, another type of envelope",
		"  noise NAME INITIATORS-EPHEMERAL-SECRET MUXERS MESSAGE-1 MESSAGE-2     a responder's, without lengths",
		"  message NAME TOPIC DATA MESSAGE                  a signed pubsub message",
		"  certificate NAME DER                             of the TLS handshake",
		"Named for their type and size; ed25519, secp256k1, ecdsa-p256 and rsa-4096 are keys.txt's, the others new.",
	}, "github.com/libp2p/go-libp2p", "github.com/libp2p/go-libp2p-pubsub")
	for _, id := range makeIdentities() {
		public := must(crypto.MarshalPublicKey(id.key.GetPublic()))
		fmt.Printf("key %s %x %s %s\n", id.name, public, id.peer, peer.ToCid(id.peer))
		for _, message := range []string{"a message", strings.Repeat("long ", 40)} {
			fmt.Printf("signature %s %x %x\n", id.name, message, must(id.key.Sign([]byte(message))))
		}
		printPeerRecord(id)
		printVoucher(id)
		printNoise(id, nil)
		printNoise(id, []string{"/yamux/1.0.0", "/mplex/6.7.0"})
		printMessage(id)
		config, _ := must(libp2ptls.NewIdentity(id.key)).ConfigForPeer("")
		fmt.Printf("certificate %s %x\n", id.name, config.Certificates[0].Certificate[0])
	}
}

func makeIdentities() []identity {
	rsa := func(bits int) crypto.PrivKey {
		key, _, err := crypto.GenerateRSAKeyPair(bits, rand.Reader)
		return must(key, err)
	}
	curve := func(curve elliptic.Curve) crypto.PrivKey {
		key, _, err := crypto.GenerateECDSAKeyPairWithCurve(curve, rand.Reader)
		return must(key, err)
	}
	spec := specKeys()
	made := []identity{
		{name: "ed25519", key: spec["ed25519"]},
		{name: "secp256k1", key: spec["secp256k1"]},
		{name: "ecdsa-p256", key: spec["ecdsa"]},
		{name: "ecdsa-p384", key: curve(elliptic.P384())},
		{name: "ecdsa-p521", key: curve(elliptic.P521())},
		{name: "rsa-2048", key: rsa(2048)},
		{name: "rsa-4096", key: spec["rsa"]},
		{name: "rsa-8192", key: rsa(8192)},
	}
	for i := range made {
		made[i].peer = must(peer.IDFromPrivateKey(made[i].key))
	}
	return made
}

// The specification's private keys, by type.
func specKeys() map[string]crypto.PrivKey {
	keys := map[string]crypto.PrivKey{}
	file := must(os.Open("../../vectors/keys.txt"))
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); words[0] == "private" {
			keys[words[1]] = must(crypto.UnmarshalPrivateKey(must(hex.DecodeString(words[2]))))
		}
	}
	return keys
}

func printPeerRecord(id identity) {
	addresses := []ma.Multiaddr{
		ma.StringCast("/ip4/192.0.2.1/tcp/4001"),
		ma.StringCast("/ip6/2001:db8::1/udp/4001/quic-v1"),
		ma.StringCast("/dns4/example.com/tcp/443/tls/ws"),
	}
	peerRecord := &peer.PeerRecord{PeerID: id.peer, Addrs: addresses, Seq: 1570215229}
	envelope := must(must(record.Seal(peerRecord, id.key)).Marshal())
	texts := make([]string, len(addresses))
	for i, address := range addresses {
		texts[i] = address.String()
	}
	fmt.Printf("peer-record %s %d %s %x\n", id.name, peerRecord.Seq, strings.Join(texts, ","), envelope)
}

func printVoucher(id identity) {
	other := must(peer.Decode("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"))
	voucher := &proto.ReservationVoucher{Relay: id.peer, Peer: other, Expiration: time.Unix(1893456000, 0)}
	envelope := must(must(record.Seal(voucher, id.key)).Marshal())
	fmt.Printf("voucher %s %s %s %d %x\n", id.name, id.peer, other, voucher.Expiration.Unix(), envelope)
}

// Answers the first message of an initiator whose ephemeral secret is 32 times 13.
func printNoise(id identity, muxers []string) {
	secret := []byte(strings.Repeat("\x0d", 32))
	first := must(ecdh.X25519().NewPrivateKey(secret)).PublicKey().Bytes()
	var offered []tptu.StreamMuxer
	for _, muxer := range muxers {
		offered = append(offered, tptu.StreamMuxer{ID: protocol.ID(muxer)})
	}
	transport := must(noise.New(noise.ID, id.key, offered))
	ours, theirs := net.Pipe()
	go transport.SecureInbound(context.Background(), theirs, "")
	must(ours.Write(append([]byte{0, byte(len(first))}, first...)))
	var length uint16
	must(0, binary.Read(ours, binary.BigEndian, &length))
	second := make([]byte, length)
	must(io.ReadFull(ours, second))
	ours.Close()
	names := strings.Join(muxers, ",")
	if names == "" {
		names = "none"
	}
	fmt.Printf("noise %s %x %s %x %x\n", id.name, secret, names, first, second)
}

func printMessage(id identity) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	host := must(libp2p.New(libp2p.NoListenAddrs, libp2p.Identity(id.key)))
	defer host.Close()
	topic := must(must(pubsub.NewGossipSub(ctx, host)).Join("a topic"))
	subscription := must(topic.Subscribe())
	must(0, topic.Publish(ctx, []byte("some data")))
	message := must(must(subscription.Next(ctx)).Message.Marshal())
	fmt.Printf("message %s %x %x %x\n", id.name, "a topic", "some data", message)
}
