#!/usr/bin/env bash
# package: joins the chunks of one rendition, without encoding, and cuts it into an HLS playlist with its segments.
# stdin: {output, rendition}. stdout: {name, height, playlist, bandwidth}.
# The playlist's folder gets its name when it is complete: who finds it is done.
set -euo pipefail
event=$(cat)
eval "$(jq -r '@sh "name=\(.rendition.name) output=\(.output)"' <<<"$event")"

chunks=$output/scratch/$name
hls=$output/hls/$name
if [ ! -d "$hls" ]; then
  part=$hls.$RATCHET_REQUEST_ID.part
  trap 'rm -rf "$part" "$chunks.list"' EXIT
  mkdir -p "$part"
  find "$chunks" -name '*.mp4' | sort | sed "s/'/'\\\\''/g; s/.*/file '&'/" >"$chunks.list"
  ffmpeg -hide_banner -nostdin -nostats -y -f concat -safe 0 -i "$chunks.list" -c copy -f hls -hls_time 4 -hls_playlist_type vod \
    -hls_segment_filename "$part/%05d.ts" "$part/index.m3u8" >&2
  mv -T "$part" "$hls"
fi
jq -c --arg playlist "$hls/index.m3u8" '.rendition | {name, height, $playlist, bandwidth: ((.video_kbps + .audio_kbps) * 1000)}' <<<"$event"
