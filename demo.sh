#!/usr/bin/env bash
# Builds Ratchet and runs the media example: a video that ffmpeg makes up is transcoded into HLS renditions.
#
#   ./demo.sh            build, serve, transcode, name the results, leave nothing running
#   ./demo.sh --keep     leave the server running and print its address
#
# Installs missing Debian packages (with sudo when not root). Results: examples/media-transcoding/out/
set -euo pipefail
cd "$(dirname "$0")"

keep=no
case ${1:-} in
  "") ;;
  --keep) keep=yes ;;
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "demo.sh: unknown option $1 (see --help)" >&2; exit 2 ;;
esac

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }

say "1. What is needed"
scripts/packages build demo
scripts/packages console || echo "without Node.js and npm the program is built without its console"
echo "compiler, libraries, ffmpeg, jq, python3 and node are there"

say "2. Building (release)"
[ -f build-demo/build.ninja ] || meson setup build-demo --buildtype=release -Dtests=disabled >/dev/null
meson compile -C build-demo ratchet | tail -n 1
ratchet=$PWD/build-demo/ratchet

example=$PWD/examples/media-transcoding
out=$example/out
mkdir -p "$out"

say "3. A video, made up by ffmpeg"
video=$out/source.mp4
if [ ! -f "$video" ]; then
  ffmpeg -v error -nostdin -y -f lavfi -i testsrc2=size=1280x720:rate=25:duration=20 -f lavfi -i sine=frequency=330:duration=20 \
    -c:v libx264 -preset veryfast -g 50 -pix_fmt yuv420p -c:a aac -shortest -f mp4 "$video.part"
  mv "$video.part" "$video"
fi
echo "$video"

say "4. The server"
: >"$out/server.log"
"$ratchet" serve --config "$example/ratchet.yaml" --store "sqlite:$out/ratchet.db" --listen 127.0.0.1:0 >"$out/address" 2>"$out/server.log" &
server=$!
finish() {
  kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT TERM
for _ in $(seq 100); do
  [ -s "$out/address" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$out/server.log" >&2; exit 1; }
  sleep 0.1
done
[ -s "$out/address" ] || { echo "the server does not answer; see $out/server.log" >&2; exit 1; }
RATCHET_ENDPOINT=$(cat "$out/address")
export RATCHET_ENDPOINT
echo "$RATCHET_ENDPOINT (its log: $out/server.log)"

say "5. The workflow"
"$ratchet" deploy media-transcoding "$example/workflow.asl.json"

say "6. Transcoding"
name=demo-$(date +%Y%m%d-%H%M%S)-$$
input=$(jq -cn --arg source "$video" --arg output "$out/$name" '{$source, $output}')
mkdir -p "$out/$name"
"$ratchet" start media-transcoding --name "$name" --input "$input" --follow >"$out/$name/result.json" || {
  echo "the execution failed; its history: $ratchet history media-transcoding:$name" >&2
  exit 1
}

say "7. Results in $out/$name"
(cd "$out/$name" && find . -type f ! -name '*.ts' | sort | sed 's/^\.\//  /')
echo
echo "play it:      ffplay $out/$name/master.m3u8"
if [ "$keep" = yes ]; then
  trap - EXIT
  disown "$server"
  echo "history:      $ratchet history --endpoint $RATCHET_ENDPOINT media-transcoding:$name"
  echo "server:       process $server; end it with: kill $server"
  echo "console:      $RATCHET_ENDPOINT/executions/$("$ratchet" show --json media-transcoding:"$name" | jq -r '.executionArn | @uri')"
else
  "$ratchet" history media-transcoding:"$name" --json >"$out/$name/history.json"
  echo "history:      $out/$name/history.json ($(jq length "$out/$name/history.json") events)"
fi
