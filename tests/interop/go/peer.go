package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	ma "github.com/multiformats/go-multiaddr"
)

// One line of standard output, or the fields of an answer.
type fields map[string]any

// The peer: a host that does what it is told on standard input.
type peerProgram struct {
	host      host.Host
	pubsub    *pubsub.PubSub  // null if it is scripted
	scripted  *scriptedPubSub // null if it is not
	scores    scoreKeeper
	checksums bool

	outputMutex sync.Mutex

	mutex      sync.Mutex
	identified map[peer.ID]event.EvtPeerIdentificationCompleted
	topics     map[string]*topicState
}

func runPeer(options hostOptions, checksums bool, scoring string, scripted bool) error {
	h, err := newHost(options)
	if err != nil {
		return err
	}
	p := &peerProgram{
		host:       h,
		checksums:  checksums,
		identified: map[peer.ID]event.EvtPeerIdentificationCompleted{},
		topics:     map[string]*topicState{},
		scores:     scoreKeeper{meshes: map[string]map[peer.ID]bool{}, app: map[peer.ID]float64{}},
	}
	if scripted {
		p.scripted = newScriptedPubSub(h, p.emit)
	} else if err = p.startPubSub(scoring); err != nil {
		return err
	}
	if err = p.watchConnections(); err != nil {
		return err
	}
	p.serveProtocols()
	addrs, err := peer.AddrInfoToP2pAddrs(host.InfoFromHost(h))
	if err != nil {
		return err
	}
	p.emit(fields{"ev": "listening", "impl": "go", "version": libraryVersion(), "peer": h.ID(), "addrs": texts(addrs)})
	return p.obey()
}

func (p *peerProgram) startPubSub(scoring string) (err error) {
	options := longQueues()
	if scoring != "" {
		scored, err := p.scores.options(scoring)
		if err != nil {
			return err
		}
		options = append(options, scored...)
	}
	p.pubsub, err = pubsub.NewGossipSub(context.Background(), p.host, options...)
	return err
}

// Runs commands, each on its own goroutine, until standard input ends or one says stop.
func (p *peerProgram) obey() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			p.emit(fields{"id": c.ID, "ok": false, "error": fmt.Sprintf("not a command: %v", err)})
			continue
		}
		if c.Op == "stop" {
			p.emit(fields{"id": c.ID, "ok": true})
			break
		}
		go p.answer(c)
	}
	p.host.Close()
	return lines.Err()
}

func (p *peerProgram) answer(c command) {
	answer, err := p.run(c)
	if err != nil {
		answer = fields{"error": err.Error()}
	}
	if answer == nil {
		answer = fields{}
	}
	answer["id"], answer["ok"] = c.ID, err == nil
	p.emit(answer)
}

func (p *peerProgram) emit(line fields) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err) // nothing in it but texts and numbers
	}
	p.outputMutex.Lock()
	defer p.outputMutex.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// Tells of connections, and keeps what identify learns for as long as the peer is connected.
func (p *peerProgram) watchConnections() error {
	identifications, err := p.host.EventBus().Subscribe(new(event.EvtPeerIdentificationCompleted), eventbus.BufSize(1024))
	if err != nil {
		return err
	}
	go func() {
		for e := range identifications.Out() {
			completed := e.(event.EvtPeerIdentificationCompleted)
			p.mutex.Lock()
			p.identified[completed.Peer] = completed
			p.mutex.Unlock()
		}
	}()
	p.host.Network().Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			direction := "inbound"
			if c.Stat().Direction == network.DirOutbound {
				direction = "outbound"
			}
			p.emit(fields{"ev": "connected", "peer": c.RemotePeer(), "direction": direction})
		},
		DisconnectedF: func(n network.Network, c network.Conn) {
			if n.Connectedness(c.RemotePeer()) != network.Connected {
				p.mutex.Lock()
				delete(p.identified, c.RemotePeer())
				p.mutex.Unlock()
			}
			p.emit(fields{"ev": "disconnected", "peer": c.RemotePeer()})
		},
	})
	return nil
}

// Asks again every few milliseconds until it holds; an error that names `what` when the time is over.
func await(timeout time.Duration, what string, holds func() bool) error {
	for deadline := time.Now().Add(timeout); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not within %v", what, timeout)
		}
	}
	return nil
}

func texts(addrs []ma.Multiaddr) []string {
	result := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		result = append(result, addr.String())
	}
	return result
}
