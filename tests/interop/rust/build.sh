#!/usr/bin/env bash
# Builds the rust-libp2p peer into a folder, as `peer`: build.sh FOLDER
# Dependencies are compiled once a machine: all checkouts share the target folder in the cache.
set -euo pipefail
into=$(realpath -m "$1")
target=${MESOCOSM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mesocosm}/interop-rust
mkdir -p "$into" "$target"
cd "$(dirname "${BASH_SOURCE[0]}")"
exec 9>"$target.lock"
flock 9 # another checkout's build would replace the program before it is copied
CARGO_TARGET_DIR=$target cargo build --release --locked
cp "$target/release/interop-peer" "$into/peer"

# rust-libp2p's peer score is not public: the files that it is made of, as they are, are compiled apart with our replay.
library=$(cargo metadata --locked --offline --format-version 1 |
  /usr/bin/python3 -c 'import json, sys; print(*(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "libp2p-gossipsub"))')
library=$(dirname "$library")/src
replay="$into/replay"
rm -rf "$replay"
cp -r scores "$replay"
cp Cargo.lock "$replay/"
cp -r "$library"/{peer_score.rs,peer_score,time_cache.rs} src/score_params.rs "$replay/src/"
cd "$replay"
CARGO_TARGET_DIR=$target cargo build --release --offline # nothing but what the lock file names
cp "$target/release/interop-scores" "$into/scores"
