#!/usr/bin/env bash
# Installs the js-libp2p peer into a folder, as `peer`: build.sh FOLDER
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
into=$1
mkdir -p "$into"
cp "$here"/{package.json,package-lock.json,.npmrc} "$here"/*.js "$into"
if ! cmp -s "$into/package-lock.json" "$into/node_modules/.installed"; then
  (cd "$into" && npm ci --loglevel=error >&2)
  cp "$into/package-lock.json" "$into/node_modules/.installed"
fi
cat >"$into/peer" <<'TEXT'
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec "$here"/node_modules/node-linux-*/bin/node --expose-gc "$here/peer.js" "$@"
TEXT
chmod +x "$into/peer"
