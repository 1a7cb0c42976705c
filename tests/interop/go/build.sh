#!/usr/bin/env bash
# Builds the go-libp2p peer into a folder, as `peer`: build.sh FOLDER
set -euo pipefail
into=$(realpath -m "$1")
mkdir -p "$into"
cd "$(dirname "${BASH_SOURCE[0]}")"
go build -o "$into/peer" .

# go-libp2p-pubsub's peer score is not exported: a copy of the package, with our test in it, is compiled apart.
package="$into/pubsub"
rm -rf "$package"
cp -r "$(go list -m -f '{{.Dir}}' github.com/libp2p/go-libp2p-pubsub)" "$package"
chmod -R u+w "$package"
rm -f "$package"/*_test.go
cp ../scores/probe_test.go "$package/"
cp go.mod "$into/scores.mod"
cp go.sum "$into/scores.sum"
go mod edit -replace "github.com/libp2p/go-libp2p-pubsub=$package" "$into/scores.mod"
go test -c -modfile "$into/scores.mod" -o "$into/scores" github.com/libp2p/go-libp2p-pubsub
