package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-msgio/protoio"
)

const scriptedProtocol = protocol.ID("/meshsub/1.1.0")

// A peer of pubsub without a router: it says what it is told to say and nothing else, and tells of the control messages
// that it gets. This is how a peer misbehaves to the letter.
type scriptedPubSub struct {
	host host.Host
	key  crypto.PrivKey
	emit func(fields)

	mutex   sync.Mutex
	streams map[peer.ID]network.Stream
	sequel  uint64
}

// One RPC: what `rpc` takes, beside its peer.
type scriptedRPC struct {
	Subscribe []string `json:"subscribe"`
	Graft     []string `json:"graft"`
	Prune     []string `json:"prune"`
	IHave     []string `json:"ihave"`  // ids, in `topic`
	Valid     int      `json:"valid"`  // so many messages in `topic`
	Forged    int      `json:"forged"` // and these with a signature of another message
}

func newScriptedPubSub(h host.Host, emit func(fields)) *scriptedPubSub {
	s := &scriptedPubSub{
		host: h, key: h.Peerstore().PrivKey(h.ID()), emit: emit, streams: map[peer.ID]network.Stream{},
	}
	h.SetStreamHandler(scriptedProtocol, s.listen)
	return s
}

func (s *scriptedPubSub) listen(stream network.Stream) {
	reader := protoio.NewDelimitedReader(stream, 1<<20)
	for {
		var rpc pb.RPC
		if err := reader.ReadMsg(&rpc); err != nil {
			stream.Reset()
			return
		}
		heard := func(what string, topics []string) {
			for _, topic := range topics {
				s.emit(fields{"ev": "control", "peer": stream.Conn().RemotePeer(), "heard": what, "topic": topic})
			}
		}
		var grafts, prunes []string
		for _, graft := range rpc.GetControl().GetGraft() {
			grafts = append(grafts, graft.GetTopicID())
		}
		for _, prune := range rpc.GetControl().GetPrune() {
			prunes = append(prunes, prune.GetTopicID())
		}
		heard("graft", grafts)
		heard("prune", prunes)
		for _, want := range rpc.GetControl().GetIwant() {
			heard("iwant", want.GetMessageIDs())
		}
	}
}

// Sends one RPC on the stream to that peer, which is opened for the first.
func (s *scriptedPubSub) send(ctx context.Context, c command) error {
	rpc, err := s.rpc(c)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	stream := s.streams[c.Peer]
	if stream == nil {
		if stream, err = s.host.NewStream(network.WithNoDial(ctx, "scripted"), c.Peer, scriptedProtocol); err != nil {
			return err
		}
		s.streams[c.Peer] = stream
	}
	return protoio.NewDelimitedWriter(stream).WriteMsg(rpc)
}

func (s *scriptedPubSub) rpc(c command) (*pb.RPC, error) {
	rpc, yes := &pb.RPC{}, true
	for _, topic := range c.Subscribe {
		rpc.Subscriptions = append(rpc.Subscriptions, &pb.RPC_SubOpts{Topicid: &topic, Subscribe: &yes})
	}
	for index := range c.Valid + c.Forged {
		message, err := s.message(c.Topic, index >= c.Valid)
		if err != nil {
			return nil, err
		}
		rpc.Publish = append(rpc.Publish, message)
	}
	control := &pb.ControlMessage{}
	for _, topic := range c.Graft {
		control.Graft = append(control.Graft, &pb.ControlGraft{TopicID: &topic})
	}
	for _, topic := range c.Prune {
		control.Prune = append(control.Prune, &pb.ControlPrune{TopicID: &topic})
	}
	if len(c.IHave) > 0 {
		control.Ihave = []*pb.ControlIHave{{TopicID: &c.Topic, MessageIDs: c.IHave}}
	}
	if control.Size() > 0 {
		rpc.Control = control
	}
	return rpc, nil
}

// A message of our own (pubsub/README.md, "Message Signing").
func (s *scriptedPubSub) message(topic string, forged bool) (*pb.Message, error) {
	s.mutex.Lock()
	s.sequel++
	number := s.sequel
	s.mutex.Unlock()
	message := &pb.Message{
		From: []byte(s.host.ID()), Seqno: binary.BigEndian.AppendUint64(nil, number), Topic: &topic,
		Data: messageData(int(number), 64),
	}
	unsigned, err := message.Marshal()
	if err != nil {
		return nil, err
	}
	if forged {
		unsigned = fmt.Appendf(unsigned, "and more")
	}
	message.Signature, err = s.key.Sign(append([]byte("libp2p-pubsub:"), unsigned...))
	return message, err
}
