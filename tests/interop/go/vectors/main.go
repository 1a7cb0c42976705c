// Prints test vectors that the go libraries make: `go run ./vectors identities|addresses|cids`. Its output is kept as
// tests/vectors/go-identities.txt, go-addresses.txt and go-cids.txt: one vector a line, its kind first.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

func main() {
	kinds := map[string]func(){"identities": identities, "addresses": addresses, "cids": cids}
	if len(os.Args) != 2 || kinds[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: vectors identities|addresses|cids")
		os.Exit(2)
	}
	kinds[os.Args[1]]()
}

// Begins a file: what its lines are, and what made them.
func header(lines []string, modules ...string) {
	for _, line := range lines {
		fmt.Println("#", line)
	}
	fmt.Print("# Source:")
	for _, module := range modules {
		fmt.Print(" ", module, " ", version(module), ",")
	}
	fmt.Printf(" built with %s, run on %s\n", runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	fmt.Println("# (tests/interop/go/vectors); the output of a program, under no licence.")
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return dependency.Version
		}
	}
	panic("not built with " + module)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
