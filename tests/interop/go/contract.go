package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// The libp2p project's own transport-interop contract: ../transport/README.md.
type contract struct {
	modern  bool
	dialer  bool
	ip      string
	redis   string
	key     string // of the Redis list that the listener's address goes through
	timeout time.Duration
	host    hostOptions
}

func contractFromEnvironment() (contract, error) {
	testKey, modern := os.LookupEnv("TEST_KEY")
	name := func(old, new string) string {
		if modern {
			return new
		}
		return old
	}
	value := func(variable, otherwise string) string {
		if text := os.Getenv(variable); text != "" {
			return text
		}
		return otherwise
	}
	c := contract{
		modern: modern,
		ip:     value(name("ip", "LISTENER_IP"), "0.0.0.0"),
		redis:  value(name("redis_addr", "REDIS_ADDR"), "redis:6379"),
		key:    name("listenerAddr", testKey+"_listener_multiaddr"),
		host: hostOptions{
			transport:  os.Getenv(name("transport", "TRANSPORT")),
			security:   os.Getenv(name("security", "SECURE_CHANNEL")),
			earlyMuxer: true,
		},
	}
	if muxer := os.Getenv(name("muxer", "MUXER")); muxer != "yamux" {
		return c, fmt.Errorf("no such muxer: %q (yamux)", muxer)
	}
	var err error
	if c.dialer, err = strconv.ParseBool(os.Getenv(name("is_dialer", "IS_DIALER"))); err != nil {
		return c, fmt.Errorf("%s: %w", name("is_dialer", "IS_DIALER"), err)
	}
	seconds, err := strconv.ParseFloat(value(name("test_timeout_seconds", "TEST_TIMEOUT_SECS"), "180"), 64)
	if err != nil {
		return c, fmt.Errorf("timeout: %w", err)
	}
	c.timeout = time.Duration(seconds * float64(time.Second))
	return c, nil
}

func runContract() error {
	c, err := contractFromEnvironment()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	redis, err := dialRedis(ctx, c.redis)
	if err != nil {
		return err
	}
	if c.dialer {
		return c.dial(ctx, redis)
	}
	return c.listen(ctx, redis)
}

func (c contract) dial(ctx context.Context, redis *redisConn) error {
	h, err := newHost(c.host)
	if err != nil {
		return err
	}
	defer h.Close()
	addr, err := redis.popAddress(c.key)
	if err != nil {
		return err
	}
	info, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return fmt.Errorf("the listener's address: %w", err)
	}
	start := time.Now()
	if err := h.Connect(ctx, *info); err != nil {
		return err
	}
	result := <-ping.Ping(ctx, h, info.ID)
	if result.Error != nil {
		return result.Error
	}
	c.report(time.Since(start), result.RTT)
	return nil
}

func (c contract) report(handshakePlusOneRTT, rtt time.Duration) {
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	if c.modern {
		fmt.Printf("latency:\n  handshake_plus_one_rtt: %.3f\n  ping_rtt: %.3f\n  unit: ms\n",
			milliseconds(handshakePlusOneRTT), milliseconds(rtt))
		return
	}
	fmt.Printf("{\"handshakePlusOneRTTMillis\":%.3f,\"pingRTTMilllis\":%.3f}\n",
		milliseconds(handshakePlusOneRTT), milliseconds(rtt))
}

func (c contract) listen(ctx context.Context, redis *redisConn) error {
	c.host.listen = true
	c.host.listenAddr = "/ip4/" + c.ip + "/tcp/0"
	if c.host.transport == "ws" {
		c.host.listenAddr += "/ws"
	}
	h, err := newHost(c.host)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := redis.pushAddress(c.key, announcedAddress(h)); err != nil {
		return err
	}
	<-ctx.Done()
	return errors.New("nobody ended the listener within its time")
}

// One that others can reach, if there is one; else loopback's.
func announcedAddress(h host.Host) string {
	chosen := h.Addrs()[0]
	for _, addr := range h.Addrs() {
		if !manet.IsIPLoopback(addr) {
			chosen = addr
			break
		}
	}
	return chosen.Encapsulate(ma.StringCast("/p2p/" + h.ID().String())).String()
}

// As much of Redis's protocol (RESP2) as the contract needs.
type redisConn struct {
	conn   net.Conn
	reader *bufio.Reader
}

// Tries until Redis is there.
func dialRedis(ctx context.Context, addr string) (*redisConn, error) {
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			deadline, _ := ctx.Deadline()
			return &redisConn{conn, bufio.NewReader(conn)}, conn.SetDeadline(deadline)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("redis at %s: %w", addr, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r *redisConn) pushAddress(key, addr string) error {
	if _, err := r.command("DEL", key); err != nil {
		return err
	}
	_, err := r.command("RPUSH", key, addr)
	return err
}

func (r *redisConn) popAddress(key string) (string, error) {
	reply, err := r.command("BLPOP", key, "0")
	if err != nil {
		return "", err
	}
	if len(reply) != 2 {
		return "", fmt.Errorf("BLPOP: %d items in place of 2", len(reply))
	}
	return reply[1], nil
}

func (r *redisConn) command(words ...string) ([]string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&text, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := io.WriteString(r.conn, text.String()); err != nil {
		return nil, err
	}
	return r.reply(2)
}

// A reply's texts: one for a simple one, one for each item of a list.
func (r *redisConn) reply(depth int) ([]string, error) {
	line, err := r.reader.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimRight(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return []string{text}, nil
	case '-':
		return nil, fmt.Errorf("redis: %s", text)
	}
	length, err := strconv.Atoi(text)
	if err != nil || length < 0 || length > 1<<16 || depth == 0 {
		return nil, fmt.Errorf("redis: unexpected reply %q", line)
	}
	switch kind {
	case '$':
		bytes := make([]byte, length+2)
		_, err := io.ReadFull(r.reader, bytes)
		return []string{string(bytes[:length])}, err
	case '*':
		var items []string
		for range length {
			item, err := r.reply(depth - 1)
			if err != nil {
				return nil, err
			}
			items = append(items, item...)
		}
		return items, nil
	}
	return nil, fmt.Errorf("redis: unexpected reply %q", line)
}
