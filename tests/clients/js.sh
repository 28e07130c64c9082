#!/usr/bin/env bash
# The AWS SDK for JavaScript v3 walks through the whole API (js/walk.mjs).
#   js.sh RATCHET
#
# The SDK is installed from npm beside the walk when it is not there yet; so is Node.js (node/) where the machine's is older than 20.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
ratchet=$(realpath "$1")

skip() {
  echo "skipped: $1"
  echo "0 passed, 0 failed, 1 skipped"
  exit 77
}

. "$here/js_tools.sh"
folder=$(mktemp -d)
timeout -s KILL 600 "$ratchet" serve --listen 127.0.0.1:0 --store "sqlite:$folder/store.db" --log-level warn > "$folder/url" < /dev/null &
server=$!
trap 'kill $server; wait $server || true; rm -rf "$folder"' EXIT
for _ in $(seq 100); do
  [ -s "$folder/url" ] && break
  sleep 0.1
done
cd "$here/js"
env -i PATH="$PATH" HOME="$folder" timeout 300 "$node" walk.mjs "$(head -n 1 "$folder/url")"
