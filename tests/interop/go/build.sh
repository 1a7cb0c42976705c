#!/usr/bin/env bash
# Builds the go-libp2p peer into a folder, as `peer`: build.sh FOLDER
set -euo pipefail
into=$(realpath -m "$1")
mkdir -p "$into"
cd "$(dirname "${BASH_SOURCE[0]}")"
go build -o "$into/peer" .
