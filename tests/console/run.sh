#!/usr/bin/env bash
# The console's tests as meson runs them: fetches what they need (playwright-core, axe-core, the type checker), then run.mjs.
#
#   run.sh --ratchet BINARY --out FOLDER [--files NAME,…] [--only TEXT]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
web=$here/../../visualizer/web

skip() {
  echo "skipped: $1"
  echo "0 passed, 0 failed, 1 skipped"
  exit 77
}

command -v node >/dev/null && command -v npm >/dev/null || skip "no Node.js or npm; scripts/packages test installs them"
for folder in "$here" "$web"; do
  (
    flock 9
    wanted=$(sha256sum <"$folder/package-lock.json")
    [ "$(cat "$folder/node_modules/.tests-ready" 2>/dev/null)" = "$wanted" ] && exit 0
    cd "$folder"
    npm ci --include=dev --prefer-offline --fetch-retries=1 --fetch-timeout=30000 >/dev/null 2>&1 </dev/null || exit 1
    echo "$wanted" >node_modules/.tests-ready
    # build.py's own mark: what is there suits it too.
    sha256sum <package-lock.json | cut -d' ' -f1 | tr -d '\n' >node_modules/.ready
  ) 9<"$folder/package-lock.json" || skip "the packages of $(basename "$folder") cannot be fetched"
done
exec node "$here/run.mjs" "$@"
