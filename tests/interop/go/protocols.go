package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"
)

const (
	perfProtocol  protocol.ID = "/perf/1.0.0"
	echoProtocol  protocol.ID = "/interop/echo/1.0.0"
	resetProtocol protocol.ID = "/interop/reset/1.0.0"
	holdProtocol  protocol.ID = "/interop/hold/1.0.0"
)

// Byte i of what the tests send is i mod 251: whole periods, so that each piece begins a new one.
var pattern = func() []byte {
	piece := make([]byte, 251*1024)
	for i := range piece {
		piece[i] = byte(i % 251)
	}
	return piece
}()

// Writes so many bytes of the pattern, and into the hash if there is one.
func writePattern(w io.Writer, count uint64, sum hash.Hash) error {
	for count > 0 {
		piece := pattern[:min(count, uint64(len(pattern)))]
		if sum != nil {
			sum.Write(piece)
		}
		if _, err := w.Write(piece); err != nil {
			return err
		}
		count -= uint64(len(piece))
	}
	return nil
}

// Checks that what is written to it is the pattern, from its start.
type patternChecker struct {
	count uint64
	wrong bool
}

func (c *patternChecker) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		start := int(c.count % 251)
		n := min(len(rest), len(pattern)-start)
		c.wrong = c.wrong || !bytes.Equal(rest[:n], pattern[start:start+n])
		c.count += uint64(n)
		rest = rest[n:]
	}
	return len(b), nil
}

func (p *peerProgram) serveProtocols() {
	p.host.SetStreamHandler(perfProtocol, func(s network.Stream) { finish(s, p.servePerf(s)) })
	p.host.SetStreamHandler(echoProtocol, func(s network.Stream) { finish(s, serveEcho(s)) })
	p.host.SetStreamHandler(resetProtocol, serveReset)
	p.host.SetStreamHandler(holdProtocol, p.serveHold)
}

func finish(s network.Stream, err error) {
	if err != nil {
		s.Reset()
		return
	}
	s.Close()
}

func (p *peerProgram) servePerf(s network.Stream) error {
	var asked [8]byte
	if _, err := io.ReadFull(s, asked[:]); err != nil {
		return err
	}
	received, sum, err := p.drain(s)
	if err != nil {
		return err
	}
	p.emit(fields{"ev": "perf", "peer": s.Conn().RemotePeer(), "received": received, "sha256": sum})
	return writePattern(s, binary.BigEndian.Uint64(asked[:]), nil)
}

// Reads to the end: how many bytes, and their hash where checksums are on.
func (p *peerProgram) drain(r io.Reader) (received uint64, sum *string, err error) {
	hasher := p.newHash()
	buffer := make([]byte, len(pattern))
	for {
		n, err := r.Read(buffer)
		received += uint64(n)
		if hasher != nil {
			hasher.Write(buffer[:n])
		}
		if errors.Is(err, io.EOF) {
			return received, hexOf(hasher), nil
		}
		if err != nil {
			return received, nil, err
		}
	}
}

func (p *peerProgram) newHash() hash.Hash {
	if !p.checksums {
		return nil
	}
	return sha256.New()
}

func hexOf(sum hash.Hash) *string {
	if sum == nil {
		return nil
	}
	text := hex.EncodeToString(sum.Sum(nil))
	return &text
}

func serveEcho(s network.Stream) error {
	_, err := io.Copy(s, s)
	return err
}

func serveReset(s network.Stream) {
	io.ReadFull(s, make([]byte, 1))
	s.Reset()
}

func (p *peerProgram) serveHold(s network.Stream) {
	var one [1]byte
	if _, err := io.ReadFull(s, one[:]); err != nil {
		s.Reset()
		return
	}
	_, err := s.Write(one[:])
	if err == nil {
		_, err = io.Copy(io.Discard, s)
	}
	end := "eof"
	if err != nil {
		end = "reset"
	}
	p.emit(fields{"ev": "stream_end", "protocol": holdProtocol, "peer": s.Conn().RemotePeer(), "end": end})
	finish(s, err)
}
