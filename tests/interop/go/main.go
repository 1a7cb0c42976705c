// The go-libp2p peer of the interop tests: ../README.md is the contract that it keeps. As `peer contract` it keeps
// the libp2p project's own transport-interop contract instead (contract.go).
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == "contract" {
		exitWith(runContract())
	}
	options := hostOptions{listen: true, earlyMuxer: true}
	flag.StringVar(&options.transport, "transport", "tcp", "tcp or ws")
	flag.StringVar(&options.security, "security", "noise", "noise or tls")
	earlyMuxer := flag.String("early-muxer", "on", "on or off: negotiate the muxer within the security handshake")
	flag.Uint64Var(&options.seed, "seed", 0, "makes the identity; without it a new one is made")
	timeLimit := flag.Float64("time-limit", 120, "seconds after which the peer ends itself")
	noListen := flag.Bool("no-listen", false, "only dial")
	checksums := flag.Bool("checksums", false, "hash what perf carries")
	scoring := flag.String("scoring", "", "parameters of peer scoring and of the mesh, as JSON")
	scripted := flag.Bool("scripted", false, "a peer of gossipsub that says what it is told to")
	bench := flag.String("bench", "", "mesh or memory: a benchmark in place of a peer")
	nodes := flag.Int("nodes", 10, "hosts of the benchmark")
	messages := flag.Int("messages", 2000, "messages that the mesh benchmark publishes")
	size := flag.Int("size", 1000, "bytes a message of the mesh benchmark")
	connections := flag.Int("connections", 8, "connections a host in the memory benchmark")
	flag.Parse()

	flag.Visit(func(f *flag.Flag) { options.seeded = options.seeded || f.Name == "seed" })
	options.listen = !*noListen
	switch *earlyMuxer {
	case "on", "off":
		options.earlyMuxer = *earlyMuxer == "on"
	default:
		usageError(fmt.Errorf("--early-muxer is on or off, not %q", *earlyMuxer))
	}
	if flag.NArg() > 0 {
		usageError(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	}

	time.AfterFunc(time.Duration(*timeLimit*float64(time.Second)), func() {
		fmt.Fprintf(os.Stderr, "error: the time limit of %g s is over\n", *timeLimit)
		os.Exit(1)
	})
	var err error
	switch *bench {
	case "":
		err = runPeer(options, *checksums, *scoring, *scripted)
	case "mesh":
		err = benchMesh(*nodes, *messages, *size)
	case "memory":
		err = benchMemory(*nodes, *connections)
	default:
		usageError(fmt.Errorf("no such benchmark: %q", *bench))
	}
	exitWith(err)
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func usageError(err error) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(2)
}
