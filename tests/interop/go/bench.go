package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
)

type benchNode struct {
	host   host.Host
	pubsub *pubsub.PubSub
}

func newBenchNodes(count int, options ...pubsub.Option) ([]benchNode, error) {
	nodes := make([]benchNode, count)
	for i := range nodes {
		h, err := newHost(hostOptions{transport: "tcp", security: "noise", earlyMuxer: true, listen: true})
		if err != nil {
			return nil, err
		}
		gossip, err := pubsub.NewGossipSub(context.Background(), h, options...)
		if err != nil {
			return nil, err
		}
		nodes[i] = benchNode{h, gossip}
	}
	return nodes, nil
}

// Connects, and waits for identify.
func (n benchNode) connect(other benchNode) error {
	return n.host.Connect(context.Background(), *host.InfoFromHost(other.host))
}

func printBench(line fields) error {
	line["ev"] = "bench"
	return json.NewEncoder(os.Stdout).Encode(line)
}

// So many hosts, all connected to all, in one topic: how long until all have all messages.
func benchMesh(count, messages, size int) error {
	if count < 2 || messages < 1 || size < 8 || size-8 > len(pattern) {
		return fmt.Errorf("a mesh has 2 nodes or more, a message or more of 8 to %d bytes", len(pattern)+8)
	}
	nodes, err := newBenchNodes(count, longQueues()...)
	if err != nil {
		return err
	}
	var delivered atomic.Int64
	topics := make([]*pubsub.Topic, count)
	for i, node := range nodes {
		for _, other := range nodes[:i] {
			if err := node.connect(other); err != nil {
				return err
			}
		}
		if topics[i], err = node.pubsub.Join("bench"); err != nil {
			return err
		}
		subscription, err := topics[i].Subscribe(pubsub.WithBufferSize(queueLength))
		if err != nil {
			return err
		}
		go countOthers(subscription, node, &delivered)
	}
	for _, topic := range topics {
		if err := await(10*time.Second, "the subscriptions", func() bool { return len(topic.ListPeers()) == count-1 }); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // heartbeats that settle the meshes

	data := messageData(0, size)
	start := time.Now()
	for i := range messages {
		if err := topics[i%count].Publish(context.Background(), data); err != nil {
			return err
		}
	}
	expected := int64(messages) * int64(count-1)
	err = await(60*time.Second, "all deliveries", func() bool { return delivered.Load() == expected })
	if err != nil {
		return fmt.Errorf("%w: %d of %d", err, delivered.Load(), expected)
	}
	return printBench(fields{"deliveries": expected, "seconds": time.Since(start).Seconds()})
}

func countOthers(subscription *pubsub.Subscription, node benchNode, delivered *atomic.Int64) {
	for {
		message, err := subscription.Next(context.Background())
		if err != nil {
			return
		}
		if message.GetFrom() != node.host.ID() {
			delivered.Add(1)
		}
	}
}

// So many hosts, idle and then in a ring where each is connected to its nearest ones.
func benchMemory(count, connections int) error {
	if connections%2 != 0 || connections < 2 || connections >= count {
		return fmt.Errorf("connections a host: an even number below the number of hosts, not %d", connections)
	}
	before, err := settledMemory()
	if err != nil {
		return err
	}
	nodes, err := newBenchNodes(count)
	if err != nil {
		return err
	}
	idle, err := settledMemory()
	if err != nil {
		return err
	}
	for i, node := range nodes {
		for step := 1; step <= connections/2; step++ {
			if err := node.connect(nodes[(i+step)%count]); err != nil {
				return err
			}
		}
	}
	for _, node := range nodes {
		if peers := len(node.host.Network().Peers()); peers != connections {
			return fmt.Errorf("a host has %d connections, not %d", peers, connections)
		}
	}
	connected, err := settledMemory()
	if err != nil {
		return err
	}
	return printBench(fields{
		"idle_bytes":      (idle - before) / int64(count),
		"connected_bytes": (connected - before) / int64(count),
	})
}

// Resident bytes, once what starts has started and what is garbage has gone back to the system.
func settledMemory() (int64, error) {
	time.Sleep(2 * time.Second)
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
