package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sys/unix"
)

type topicState struct {
	topic        *pubsub.Topic
	subscription *delivery // null while not subscribed
}

// What a subscription has brought from others so far.
type delivery struct {
	cancel func()

	mutex       sync.Mutex
	count       int
	valid       int
	froms       map[peer.ID]int
	first, last float64 // on the system's monotonic clock
}

func (p *peerProgram) topicNamed(name string) (*topicState, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if state := p.topics[name]; state != nil {
		return state, nil
	}
	topic, err := p.pubsub.Join(name)
	if err != nil {
		return nil, err
	}
	state := &topicState{topic: topic}
	p.topics[name] = state
	return state, nil
}

func (p *peerProgram) subscribe(name string) error {
	state, err := p.topicNamed(name)
	if err != nil {
		return err
	}
	subscription, err := state.topic.Subscribe(pubsub.WithBufferSize(queueLength))
	if err != nil {
		return err
	}
	d := &delivery{cancel: subscription.Cancel, froms: map[peer.ID]int{}}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if state.subscription != nil {
		subscription.Cancel()
		return fmt.Errorf("already subscribed to %q", name)
	}
	state.subscription = d
	go d.receive(subscription, p.host.ID())
	return nil
}

func (p *peerProgram) unsubscribe(name string) error {
	d, err := p.delivery(name)
	if err != nil {
		return err
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.topics[name].subscription = nil
	d.cancel()
	return nil
}

func (p *peerProgram) delivery(name string) (*delivery, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if state := p.topics[name]; state != nil && state.subscription != nil {
		return state.subscription, nil
	}
	return nil, fmt.Errorf("not subscribed to %q", name)
}

func (d *delivery) receive(subscription *pubsub.Subscription, self peer.ID) {
	for {
		message, err := subscription.Next(context.Background())
		if err != nil {
			return // cancelled
		}
		if message.GetFrom() != self {
			d.add(message)
		}
	}
}

func (d *delivery) add(message *pubsub.Message) {
	now := monotonicSeconds()
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.count == 0 {
		d.first = now
	}
	d.last = now
	d.count++
	d.froms[message.GetFrom()]++
	if isPublished(message.Data) {
		d.valid++
	}
}

// A message: its index in 8 bytes, then the pattern.
func messageData(index, size int) []byte {
	data := binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(index))
	return append(data, pattern[:size-8]...)
}

func isPublished(data []byte) bool {
	return len(data) >= 8 && len(data)-8 <= len(pattern) && bytes.Equal(data[8:], pattern[:len(data)-8])
}

func (p *peerProgram) publish(c command) (fields, error) {
	if c.Size < 8 || c.Size-8 > len(pattern) {
		return nil, fmt.Errorf("a message has 8 to %d bytes, not %d", len(pattern)+8, c.Size)
	}
	state, err := p.topicNamed(c.Topic)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	for index := range c.Count {
		if err := state.topic.Publish(context.Background(), messageData(index, c.Size)); err != nil {
			return nil, err
		}
	}
	return fields{"seconds": time.Since(start).Seconds()}, nil
}

func (p *peerProgram) awaitSubscribers(c command) (fields, error) {
	state, err := p.topicNamed(c.Topic)
	if err != nil {
		return nil, err
	}
	count := 0
	err = await(c.timeout(), fmt.Sprintf("%d subscribers of %q", c.Count, c.Topic), func() bool {
		count = len(state.topic.ListPeers())
		return count >= c.Count
	})
	if err != nil {
		return nil, fmt.Errorf("%w (%d known)", err, count)
	}
	return fields{"count": count}, nil
}

func (p *peerProgram) awaitMessages(c command) (fields, error) {
	d, err := p.delivery(c.Topic)
	if err != nil {
		return nil, err
	}
	count := func() int {
		d.mutex.Lock()
		defer d.mutex.Unlock()
		return d.count
	}
	err = await(c.timeout(), fmt.Sprintf("%d messages in %q", c.Count, c.Topic), func() bool { return count() >= c.Count })
	if err != nil {
		return nil, fmt.Errorf("%w (%d came)", err, count())
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	froms := map[string]int{}
	for author, number := range d.froms {
		froms[author.String()] = number
	}
	return fields{
		"count":   d.count,
		"valid":   d.valid,
		"froms":   froms,
		"seconds": d.last - d.first,
		"first":   d.first,
		"last":    d.last,
	}, nil
}

func monotonicSeconds() float64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err) // Linux has this clock
	}
	return float64(now.Sec) + float64(now.Nsec)/1e9
}
