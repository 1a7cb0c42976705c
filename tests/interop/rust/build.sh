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
built=$(CARGO_TARGET_DIR=$target cargo build --release --locked --message-format=json-render-diagnostics)
cp "$target/release/interop-peer" "$into/peer"

# rust-libp2p's peer score is not public: the files that it is made of, as they are, are compiled apart with our replay.
library=$(sed -n 's|.*"manifest_path":"\([^"]*/libp2p-gossipsub-[^"]*\)/Cargo.toml".*|\1/src|p' <<<"$built" | head -1)
[ -f "$library/peer_score.rs" ] || { echo "libp2p-gossipsub has no src/peer_score.rs" >&2; exit 1; }
replay="$into/replay"
rm -rf "$replay"
cp -r scores "$replay"
cp Cargo.lock "$replay/"
cp -r "$library"/{peer_score.rs,peer_score,time_cache.rs} src/score_params.rs "$replay/src/"
cd "$replay"
export CARGO_TARGET_DIR=$target
# The lock file names it all, so that nothing has to be asked of a registry unless it is missing here.
cargo build --release --offline || cargo build --release
cp "$target/release/interop-scores" "$into/scores"
