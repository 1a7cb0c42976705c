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
