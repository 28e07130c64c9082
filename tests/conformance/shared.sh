#!/usr/bin/env bash
# Runs the shared conformance cases (answers recorded from the real service) against the server, when their folder is there.
#   shared.sh RATCHET RUN_OPTIONS...
# Known misses are in known-misses beside this file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ratchet=$(realpath "$1")
shift
data=${RATCHET_TEST_DATA:-$here/../../../shared}/conformance
if [ ! -f "$data/run.py" ]; then
  echo "skipped: the shared conformance cases are not there ($data; set RATCHET_TEST_DATA)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 77
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 "$data/run.py" --engine "$ratchet serve --listen 127.0.0.1:$port --store sqlite:$folder/store.db --log-level warn" \
  --endpoint "http://127.0.0.1:$port" --known-misses "$here/known-misses" -f "$@"
