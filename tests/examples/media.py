#!/usr/bin/env python3
"""Runs the media example's workflow on small videos: a good one, a broken one, one without pictures, and one whose server is killed in the middle.

    media.py --ratchet BINARY

Needs ffmpeg and jq. The last line is 'N passed, N failed, N skipped'."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

EXAMPLE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "examples", "media-transcoding"))


class Run:
    def __init__(self, ratchet, folder):
        self.ratchet, self.folder, self.process = ratchet, folder, None

    def serve(self):
        self.process = subprocess.Popen([self.ratchet, "serve", "--config", f"{EXAMPLE}/ratchet.yaml", "--listen", "127.0.0.1:0", "--log-level", "warn",
                                         "--store", f"sqlite:{self.folder}/store.db"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        os.environ["RATCHET_ENDPOINT"] = self.process.stdout.readline().decode().strip()

    def command(self, *arguments):
        return subprocess.run([self.ratchet, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=120)

    def start(self, name, source, follow=True):
        output = f"{self.folder}/{name}"
        os.makedirs(output)
        return self.command("start", "media-transcoding", "--name", name, "--input", json.dumps({"source": source, "output": output}),
                            *(["--follow"] if follow else []))

    def describe(self, name):
        return json.loads(self.command("show", "--json", f"media-transcoding:{name}").stdout)

    def events(self, name):
        return json.loads(self.command("history", "--json", f"media-transcoding:{name}").stdout)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


def make_video(path, seconds, *codecs):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate=25:duration={seconds}",
                    "-f", "lavfi", "-i", f"sine=duration={seconds}", *(codecs or ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50"]),
                    "-c:a", "aac", "-shortest", path], check=True, stdin=subprocess.DEVNULL)


def probe(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", path], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def check_output(folder, seconds):
    manifest = json.load(open(f"{folder}/manifest.json"))
    assert len(manifest["renditions"]) == 1 and manifest["renditions"][0]["name"] == "360p", manifest
    assert len(manifest["thumbnails"]) == 4
    for thumbnail in manifest["thumbnails"]:
        assert probe(f"{folder}/{thumbnail}")["streams"][0]["width"] == 320
    for playlist in ("master.m3u8", manifest["renditions"][0]["playlist"]):
        found = probe(f"{folder}/{playlist}")
        video = [stream for stream in found["streams"] if stream["codec_type"] == "video"][0]
        assert video["height"] == 360, video
        assert abs(float(found["format"]["duration"]) - seconds) < 0.5, found["format"]
    left = [name for root, _, files in os.walk(folder) for name in files if ".part" in name]
    assert not left, left


def a_video_becomes_playable_renditions(run):
    make_video(f"{run.folder}/good.mp4", 6)
    done = run.start("good", f"{run.folder}/good.mp4")
    assert done.returncode == 0, done.stderr
    check_output(f"{run.folder}/good", 6)
    assert json.loads(done.stdout)["manifest"] == f"{run.folder}/good/manifest.json"
    types = [event["type"] for event in run.events("good")]
    assert types[0] == "ExecutionStarted" and types[-1] == "ExecutionSucceeded"


def a_file_that_is_no_video_fails_with_an_explanation(run):
    with open(f"{run.folder}/broken.mp4", "w") as file:
        file.write("this is no video\n")
    done = run.start("broken", f"{run.folder}/broken.mp4")
    assert done.returncode == 1, done
    found = run.describe("broken")
    assert found["status"] == "FAILED" and found["error"] == "Media.Unreadable", found
    assert found["cause"].startswith(f"{run.folder}/broken.mp4 cannot be transcoded: ") and "Invalid data" in found["cause"], found
    states = [event["stateEnteredEventDetails"]["name"] for event in run.events("broken") if "stateEnteredEventDetails" in event]
    assert states == ["Probe", "ExplainBadInput", "Failed"], states


def a_sound_file_fails_for_want_of_pictures(run):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "sine=duration=1", f"{run.folder}/sound.wav"], check=True,
                   stdin=subprocess.DEVNULL)
    done = run.start("sound", f"{run.folder}/sound.wav")
    assert done.returncode == 1
    assert run.describe("sound")["error"] == "Media.NoVideo"


def a_server_killed_while_it_transcodes_finishes_after_its_restart(run):
    make_video(f"{run.folder}/long.mp4", 16)
    run.start("killed", f"{run.folder}/long.mp4", follow=False)
    deadline = time.monotonic() + 60
    while not any(event["type"] == "TaskSucceeded" and "Map" in str(previous) for event, previous in with_previous_types(run.events("killed"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.process.kill()
    run.process.wait()
    run.serve()
    while run.describe("killed")["status"] == "RUNNING":
        assert time.monotonic() < deadline, [event["type"] for event in run.events("killed")][-5:]
        time.sleep(0.1)
    found = run.describe("killed")
    assert found["status"] == "SUCCEEDED", found
    check_output(f"{run.folder}/killed", 16)


def with_previous_types(events):
    """Each event with the types of all events that led to it."""
    chains = {0: ()}
    for event in events:
        chains[event["id"]] = chains[event["previousEventId"]] + (event["type"],)
        yield event, chains[event["previousEventId"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratchet", required=True)
    options = parser.parse_args()
    missing = [tool for tool in ("ffmpeg", "ffprobe", "jq") if not shutil.which(tool)]
    if missing:
        print(f"skipped: {', '.join(missing)} missing (scripts/packages demo installs them)\n0 passed, 0 failed, 1 skipped")
        sys.exit(77)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        run = Run(os.path.abspath(options.ratchet), folder)
        run.serve()
        deployed = run.command("deploy", "media-transcoding", f"{EXAMPLE}/workflow.asl.json")
        assert deployed.returncode == 0, deployed.stderr
        for test in (a_video_becomes_playable_renditions, a_file_that_is_no_video_fails_with_an_explanation,
                     a_sound_file_fails_for_want_of_pictures, a_server_killed_while_it_transcodes_finishes_after_its_restart):
            try:
                test(run)
                passed += 1
            except (AssertionError, subprocess.SubprocessError, KeyError, OSError) as problem:
                failed += 1
                print(f"FAILED {test.__name__}: {type(problem).__name__} {problem}")
        run.end()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
