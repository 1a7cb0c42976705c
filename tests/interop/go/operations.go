package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"golang.org/x/sync/errgroup"
)

// A line of standard input: the operation, and what any of them takes.
type command struct {
	ID       json.RawMessage `json:"id"`
	Op       string          `json:"op"`
	Addr     string          `json:"addr"`
	Peer     peer.ID         `json:"peer"`
	Protocol protocol.ID     `json:"protocol"`
	Topic    string          `json:"topic"`
	Timeout  float64         `json:"timeout"`
	Count    int             `json:"count"`
	Streams  int             `json:"streams"`
	Bytes    uint64          `json:"bytes"`
	Size     int             `json:"size"`
	Up       uint64          `json:"up"`
	Down     uint64          `json:"down"`
	Value    float64         `json:"value"`
	scriptedRPC
}

func (c command) timeout() time.Duration { return time.Duration(c.Timeout * float64(time.Second)) }

const operationTimeout = 60 * time.Second

func (p *peerProgram) run(c command) (fields, error) {
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	switch c.Op {
	case "dial":
		return p.dial(ctx, c)
	case "disconnect":
		return nil, p.host.Network().ClosePeer(c.Peer)
	case "connections":
		return fields{"peers": append([]peer.ID{}, p.host.Network().Peers()...)}, nil
	case "identify":
		return p.identify(c)
	case "push":
		p.host.SetStreamHandler(c.Protocol, func(s network.Stream) { s.Reset() })
		return nil, nil
	case "await_protocol":
		return nil, p.awaitProtocol(c)
	case "ping":
		return p.ping(ctx, c)
	case "perf":
		return p.perf(ctx, c)
	case "echo":
		return p.echo(ctx, c)
	case "remote_reset":
		return p.remoteReset(ctx, c)
	case "local_reset":
		return nil, p.localReset(ctx, c)
	case "handshakes":
		return p.handshakes(ctx, c)
	case "subscribe":
		return nil, p.subscribe(c.Topic)
	case "unsubscribe":
		return nil, p.unsubscribe(c.Topic)
	case "await_subscribers":
		return p.awaitSubscribers(c)
	case "publish":
		return p.publish(c)
	case "await_messages":
		return p.awaitMessages(c)
	case "scores":
		return p.scores.answer(c)
	case "app_score":
		p.scores.setAppScore(c.Peer, c.Value)
		return nil, nil
	case "rpc":
		if p.scripted == nil {
			return nil, errors.New("rpc is for a peer with --scripted")
		}
		return nil, p.scripted.send(ctx, c)
	}
	return nil, fmt.Errorf("no such operation: %q", c.Op)
}

func (p *peerProgram) dial(ctx context.Context, c command) (fields, error) {
	conn, took, err := p.connect(ctx, c.Addr)
	if err != nil {
		return nil, err
	}
	state := conn.ConnState()
	return fields{
		"peer":     conn.RemotePeer(),
		"security": state.Security,
		"muxer":    state.StreamMultiplexer,
		"seconds":  took.Seconds(),
	}, nil
}

// Until the connection is ready for streams; identify goes on behind it.
func (p *peerProgram) connect(ctx context.Context, addr string) (network.Conn, time.Duration, error) {
	info, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return nil, 0, err
	}
	p.host.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.PermanentAddrTTL)
	for {
		start := time.Now()
		conn, err := p.host.Network().DialPeer(ctx, info.ID)
		// While somebody else (gossipsub) still waits for an earlier dial of the same peer, go-libp2p answers with
		// that dial's connection, though it was closed since.
		if err == nil && conn.IsClosed() {
			time.Sleep(time.Millisecond)
			continue
		}
		return conn, time.Since(start), err
	}
}

func (p *peerProgram) handshakes(ctx context.Context, c command) (fields, error) {
	info, err := peer.AddrInfoFromString(c.Addr)
	if err != nil {
		return nil, err
	}
	seconds := make([]float64, 0, c.Count)
	for range c.Count {
		if err := p.host.Network().ClosePeer(info.ID); err != nil {
			return nil, err
		}
		_, took, err := p.connect(ctx, c.Addr)
		if err != nil {
			return nil, err
		}
		seconds = append(seconds, took.Seconds())
	}
	return fields{"seconds": seconds}, p.host.Network().ClosePeer(info.ID)
}

func (p *peerProgram) identify(c command) (fields, error) {
	var known event.EvtPeerIdentificationCompleted
	err := await(5*time.Second, "the peer's identification", func() (found bool) {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		known, found = p.identified[c.Peer]
		return found
	})
	if err != nil {
		return nil, err
	}
	var observed *string
	if known.ObservedAddr != nil {
		text := known.ObservedAddr.String()
		observed = &text
	}
	return fields{
		"agent":            known.AgentVersion,
		"protocol_version": known.ProtocolVersion,
		"protocols":        known.Protocols,
		"addrs":            texts(known.ListenAddrs),
		"observed":         observed,
		"signed_record":    known.SignedPeerRecord != nil,
	}, nil
}

func (p *peerProgram) awaitProtocol(c command) error {
	return await(c.timeout(), fmt.Sprintf("%s at the peer", c.Protocol), func() bool {
		known, err := p.host.Peerstore().SupportsProtocols(c.Peer, c.Protocol)
		return err == nil && len(known) > 0
	})
}

func (p *peerProgram) ping(ctx context.Context, c command) (fields, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := ping.Ping(ctx, p.host, c.Peer)
	rtts := make([]float64, 0, c.Count)
	for range c.Count {
		result, open := <-results
		if !open {
			return nil, errors.New("the pings ended early")
		}
		if result.Error != nil {
			return nil, result.Error
		}
		rtts = append(rtts, result.RTT.Seconds())
	}
	return fields{"rtts": rtts}, nil
}

func (p *peerProgram) openStream(ctx context.Context, c command, id protocol.ID) (network.Stream, error) {
	s, err := p.host.NewStream(network.WithNoDial(ctx, "operations use open connections"), c.Peer, id)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return s, s.SetDeadline(deadline)
}

func (p *peerProgram) perf(ctx context.Context, c command) (fields, error) {
	start := time.Now()
	s, err := p.openStream(ctx, c, perfProtocol)
	if err != nil {
		return nil, err
	}
	defer s.Reset() // of no effect once both directions have ended
	if _, err := s.Write(binary.BigEndian.AppendUint64(nil, c.Down)); err != nil {
		return nil, err
	}
	sent := p.newHash()
	if err := writePattern(s, c.Up, sent); err != nil {
		return nil, err
	}
	if err := s.CloseWrite(); err != nil {
		return nil, err
	}
	reply := firstByteTimer{Reader: s}
	received, sum, err := p.drain(&reply)
	if err != nil {
		return nil, err
	}
	return fields{
		"up_seconds":      reply.first.Sub(start).Seconds(),
		"down_seconds":    time.Since(reply.first).Seconds(),
		"sent_sha256":     hexOf(sent),
		"received_sha256": sum,
		"received":        received,
	}, nil
}

// Remembers when the first read returned.
type firstByteTimer struct {
	io.Reader
	first time.Time
}

func (t *firstByteTimer) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if t.first.IsZero() {
		t.first = time.Now()
	}
	return n, err
}

func (p *peerProgram) echo(ctx context.Context, c command) (fields, error) {
	var ok atomic.Int64
	var group errgroup.Group
	for range c.Streams {
		group.Go(func() error {
			err := p.echoOne(ctx, c)
			if err == nil {
				ok.Add(1)
			}
			return err
		})
	}
	answer := fields{}
	if err := group.Wait(); err != nil {
		answer["first_error"] = err.Error()
	}
	answer["streams_ok"] = ok.Load()
	return answer, nil
}

func (p *peerProgram) echoOne(ctx context.Context, c command) error {
	s, err := p.openStream(ctx, c, echoProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	var writing errgroup.Group
	writing.Go(func() error {
		if err := writePattern(s, c.Bytes, nil); err != nil {
			return err
		}
		return s.CloseWrite()
	})
	var reply patternChecker
	_, err = io.Copy(&reply, s)
	if err != nil {
		return err
	}
	if err := writing.Wait(); err != nil {
		return err
	}
	if reply.wrong || reply.count != c.Bytes {
		return fmt.Errorf("sent %d bytes, got %d back (other bytes: %t)", c.Bytes, reply.count, reply.wrong)
	}
	return nil
}

func (p *peerProgram) remoteReset(ctx context.Context, c command) (fields, error) {
	s, err := p.openStream(ctx, c, resetProtocol)
	if err != nil {
		return nil, err
	}
	defer s.Reset()
	if _, err := s.Write([]byte{1}); err != nil {
		return nil, err
	}
	_, err = s.Read(make([]byte, 1))
	if err == nil || errors.Is(err, io.EOF) {
		return nil, errors.New("the stream was not reset")
	}
	return fields{"error": err.Error()}, nil
}

func (p *peerProgram) localReset(ctx context.Context, c command) error {
	s, err := p.openStream(ctx, c, holdProtocol)
	if err != nil {
		return err
	}
	defer s.Reset()
	if _, err := s.Write([]byte{1}); err != nil {
		return err
	}
	_, err = io.ReadFull(s, make([]byte, 1))
	return err
}
