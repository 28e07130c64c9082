#!/usr/bin/env python3
"""Runs the media example's workflow on small videos: good ones, broken ones, many chunks of which one fails, and servers that are killed.

    media.py --ratchet BINARY [--chunks N] [-k PART]

Needs ffmpeg, jq and node. The last line is 'N passed, N failed, N skipped'.

What encodes were made is told by two witnesses: the example's own encodes.log (a line when an encode begins and when it ended
well), and the outputs' content and time of change. Chunks are of one picture each, so that many of them are cheap."""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

EXAMPLE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "examples", "media-transcoding"))
MACHINE = "media-transcoding"
PICTURES_PER_SECOND = 25


class Run:
    def __init__(self, ratchet, folder, chunks):
        self.ratchet, self.folder, self.chunks, self.process, self.endpoint = ratchet, folder, chunks, None, None

    def serve(self):
        # HOME reaches every worker and what it starts: by it their processes are told from all others.
        env = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
        self.process = subprocess.Popen([self.ratchet, "serve", "--config", f"{EXAMPLE}/ratchet.yaml", "--listen", "127.0.0.1:0", "--log-level", "warn",
                                         "--store", f"sqlite:{self.folder}/store.db"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                        env={**env, "HOME": self.folder})
        self.endpoint = self.process.stdout.readline().decode().strip()

    def command(self, *arguments, status=0, seconds=600):
        done = subprocess.run([self.ratchet, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              timeout=seconds, env={**os.environ, "RATCHET_ENDPOINT": self.endpoint})
        assert done.returncode == status, f"{arguments} ended with {done.returncode}: {done.stdout} {done.stderr}"
        return done

    def start(self, name, source, **more):
        output = f"{self.folder}/{name}"
        os.makedirs(output)
        self.command("start", MACHINE, "--name", name, "--input", json.dumps({"source": source, "output": output, **more}))
        return output

    def describe(self, name):
        return json.loads(self.command("show", "--json", f"{MACHINE}:{name}").stdout)

    def events(self, name):
        return json.loads(self.command("history", "--json", f"{MACHINE}:{name}").stdout)

    def wait(self, name, seconds=120):
        wait_until(lambda: self.describe(name)["status"] != "RUNNING", seconds, f"{name} ends")
        return self.describe(name)

    def get(self, path):
        with urllib.request.urlopen(self.endpoint + path, timeout=30) as answer:
            return json.load(answer)

    def letters(self):
        return {letter["name"]: letter for letter in json.loads(self.command("dlq", "ls", "--json").stdout)}

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(30)
        self.process.stdout.close()
        assert status == 0, f"the server ended with status {status}"

    def processes(self):
        """Those that live, but the server itself: {pid: command line}."""
        mark, found = f"HOME={self.folder}".encode(), {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    ours = mark in file.read().split(b"\0")
                with open(f"/proc/{pid}/cmdline") as file:
                    line = file.read().replace("\0", " ")
            except OSError:
                continue
            if ours and line and int(pid) != self.process.pid:
                found[int(pid)] = line
        return found


def wait_until(question, seconds, what, every=0.05):
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(every)


def make_video(path, seconds, *codecs):
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", f"testsrc2=size=640x360:rate={PICTURES_PER_SECOND}:duration={seconds}",
                    "-f", "lavfi", "-i", f"sine=duration={seconds}", *(codecs or ["-c:v", "libx264", "-preset", "ultrafast", "-g", "50"]),
                    "-c:a", "aac", "-shortest", path], check=True, stdin=subprocess.DEVNULL)


def make_pictures(path, count):
    """A silent video in which each picture is a keyframe, and so can be a chunk of its own."""
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", f"testsrc2=size=64x36:rate={PICTURES_PER_SECOND}",
                    "-frames:v", str(count), "-c:v", "libx264", "-preset", "ultrafast", "-g", "1", path], check=True, stdin=subprocess.DEVNULL)


def probe(path):
    out = subprocess.run(["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", path], stdout=subprocess.PIPE, check=True)
    return json.loads(out.stdout)


def encodes(output):
    """(begun, done): for each chunk how often."""
    begun, done = {}, {}
    with open(f"{output}/encodes.log") as file:
        for line in file:
            word, chunk, _ = line.split()
            counts = {"begun": begun, "done": done}[word]
            counts[chunk] = counts.get(chunk, 0) + 1
    return begun, done


def fingerprints(output):
    """For each finished chunk its content's hash and the time of its change."""
    folder, found = f"{output}/scratch/360p", {}
    for name in os.listdir(folder):
        if name.endswith(".mp4"):
            with open(f"{folder}/{name}", "rb") as file:
                found[name.removesuffix(".mp4")] = hashlib.sha256(file.read()).hexdigest(), os.stat(file.name).st_mtime_ns
    return found


def succeeded_chunks(events):
    """Chunks of which the history says that they are done: {chunk: what the function gave}."""
    inputs, found = {}, {}
    for event in events:
        if event["type"] == "LambdaFunctionScheduled":
            details = event["lambdaFunctionScheduledEventDetails"]
            if details["resource"].endswith(":transcode"):
                inputs[event["id"]] = json.loads(details["input"])["chunk"]
    previous = {event["id"]: event["previousEventId"] for event in events}
    for event in events:
        if event["type"] == "LambdaFunctionSucceeded":
            at = event["id"]
            while at and at not in inputs:
                at = previous[at]
            # The nearest task before it must be its own: a state of another function would stop at that one.
            if at and is_own(events, previous, event["id"], at):
                found[inputs[at]] = json.loads(event["lambdaFunctionSucceededEventDetails"]["output"])
    return found


def is_own(events, previous, succeeded, scheduled):
    types = {event["id"]: event["type"] for event in events}
    at = previous[succeeded]
    while at != scheduled:
        if types[at] != "LambdaFunctionStarted":
            return False
        at = previous[at]
    return True


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
    assert not left and not os.path.exists(f"{folder}/scratch"), left


def a_video_becomes_playable_renditions(run):
    make_video(f"{run.folder}/good.mp4", 6)
    output = run.start("good", f"{run.folder}/good.mp4")
    done = run.wait("good")
    assert done["status"] == "SUCCEEDED", done
    check_output(output, 6)
    assert json.loads(done["output"])["manifest"] == f"{output}/manifest.json"
    assert "ready: " in run.command("functions", "logs", "notify").stdout


def while_it_encodes_the_log_has_ffmpegs_words_and_the_task_its_progress(run):
    """As the page shows it: GET /v1/executions/ARN tells the task's progress, …/logs what ffmpeg prints, before the end."""
    make_video(f"{run.folder}/watched.mp4", 40, "-c:v", "libx264", "-preset", "ultrafast", "-g", "1000")
    run.start("watched", f"{run.folder}/watched.mp4")
    path = "/v1/executions/" + urllib.parse.quote(run.describe("watched")["executionArn"], safe="")

    def progress():
        return [task["progress"] for task in run.get(path).get("tasks", []) if task["state"] == "Transcode" and 0 < task.get("progress", 0) < 1]
    wait_until(progress, 60, "a progress between 0 and 1")
    assert "libx264" in run.command("functions", "logs", "transcode").stdout
    assert run.describe("watched")["status"] == "RUNNING"
    assert run.wait("watched")["status"] == "SUCCEEDED"


def a_poison_file_is_a_dead_letter_alone(run):
    """Among files that succeed; when the file was replaced, its redrive goes on from where it failed."""
    make_video(f"{run.folder}/small.mp4", 2)
    with open(f"{run.folder}/poison.mp4", "w") as file:
        file.write("this is no video\n")
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "sine=duration=1", f"{run.folder}/sound.wav"], check=True,
                   stdin=subprocess.DEVNULL)
    before = set(run.letters())
    sources = {"first": "small.mp4", "poison": "poison.mp4", "second": "small.mp4", "sound": "sound.wav", "third": "small.mp4"}
    for name, source in sources.items():
        run.start(name, f"{run.folder}/{source}")
    ends = {name: run.wait(name) for name in sources}
    assert [ends[name]["status"] for name in sources] == ["SUCCEEDED", "FAILED", "SUCCEEDED", "FAILED", "SUCCEEDED"], ends
    letters = run.letters()
    assert set(letters) - before == {"poison", "sound"}, letters
    assert letters["poison"]["error"] == "Unreadable" and letters["poison"]["state"] == "Probe" and letters["sound"]["error"] == "NoVideo", letters
    assert "Invalid data" in run.command("dlq", "show", f"{MACHINE}:poison").stdout
    os.replace(f"{run.folder}/small.mp4", f"{run.folder}/poison.mp4")
    run.command("dlq", "redrive", f"{MACHINE}:poison", "--yes", "--wait")
    assert run.describe("poison")["status"] == "SUCCEEDED"
    check_output(f"{run.folder}/poison", 2)
    assert set(run.letters()) - before == {"sound"}


def fail_one_chunk(run, name, victim):
    """Breaks one chunk of many after the split, and waits until the execution has failed by it. The path of the chunk's whole content."""
    video = f"{run.folder}/pictures.mp4"
    if not os.path.exists(video):
        make_pictures(video, run.chunks)
    output = run.start(name, video, chunk_s=0.9 / PICTURES_PER_SECOND, keep=True)
    chunk, whole = f"{output}/scratch/chunks/{victim:05d}.mkv", f"{run.folder}/{name}.whole"
    wait_until(lambda: os.path.exists(chunk), 120, "the split", every=0.001)
    os.rename(chunk, whole)
    with open(chunk, "w") as file:
        file.write("this is no chunk\n")
    ended = run.wait(name, 60 + run.chunks)
    assert ended["status"] == "FAILED" and ended["error"] == "FfmpegFailed" and f"{victim:05d}.mkv" in ended["cause"], ended
    assert len(os.listdir(f"{output}/scratch/chunks")) == run.chunks + 1, "not as many chunks as there should be"
    assert name in run.letters()
    return output, chunk, whole


def redrive_repaired(run, name, output, chunk, whole, victim):
    begun, done = encodes(output)
    before = fingerprints(output)
    assert set(before) == set(done) and f"{victim:05d}" not in done and begun[f"{victim:05d}"] == 3, (len(before), len(done))
    os.replace(whole, chunk)
    run.command("dlq", "redrive", f"{MACHINE}:{name}", "--yes", "--wait", seconds=120 + run.chunks)
    assert run.describe(name)["status"] == "SUCCEEDED"
    after = fingerprints(output)
    assert len(after) == run.chunks
    changed = [chunk for chunk in before if after[chunk] != before[chunk]]
    assert not changed, f"these were done and are other files now: {changed}"
    return begun, encodes(output)[0], done, encodes(output)[1]


def of_many_chunks_the_one_that_failed_is_encoded_again_and_no_other(run):
    """The last one fails, so that all others are done: its redrive encodes one chunk."""
    victim = run.chunks - 1
    output, chunk, whole = fail_one_chunk(run, "last", victim)
    assert len(fingerprints(output)) == run.chunks - 1, "the others should be done by now"
    begun, begun_after, _, done_after = redrive_repaired(run, "last", output, chunk, whole, victim)
    more = {chunk: count - begun.get(chunk, 0) for chunk, count in begun_after.items() if count != begun.get(chunk, 0)}
    assert more == {f"{victim:05d}": 1}, f"encoded after the redrive: {more}"
    assert set(done_after.values()) == {1} and len(done_after) == run.chunks


def a_failure_in_the_middle_of_many_chunks_costs_no_work_that_was_done(run):
    """What was done stays; what had not begun is encoded once; what was cut off beside the failure (one at most) begins a second time."""
    victim = run.chunks // 4
    output, chunk, whole = fail_one_chunk(run, "middle", victim)
    begun, begun_after, done, done_after = redrive_repaired(run, "middle", output, chunk, whole, victim)
    print(f"  {len(done)} of {run.chunks} chunks were done when it failed")
    assert set(done_after.values()) == {1} and len(done_after) == run.chunks
    again = [chunk for chunk, count in begun_after.items() if count > 1 and chunk != f"{victim:05d}"]
    assert len(again) <= 1 and all(chunk not in done for chunk in again), again


def no_chunk_whose_success_was_committed_is_encoded_again_after_a_kill(run):
    video = f"{run.folder}/pictures.mp4"
    if not os.path.exists(video):
        make_pictures(video, run.chunks)
    output = run.start("killed", video, chunk_s=0.9 / PICTURES_PER_SECOND, keep=True)
    for part in (5, 2):
        wait_until(lambda: os.path.exists(f"{output}/encodes.log") and len(encodes(output)[1]) >= run.chunks // part, 60 + run.chunks, "some chunks are done")
        run.kill()
        killed_at = time.monotonic()
        wait_until(lambda: not run.processes(), 10, f"all workers end with the server: {run.processes()}")
        print(f"  no worker {time.monotonic() - killed_at:.2f} s after the kill")
        done_before, begun_before = encodes(output)[1], encodes(output)[0]
        before = fingerprints(output)
        run.serve()
        committed = succeeded_chunks(run.events("killed"))
        assert len(committed) >= run.chunks // part - 2, (len(committed), len(before))
        assert set(committed) <= set(before) and set(done_before) <= set(before)
    done = run.wait("killed", 60 + run.chunks)
    assert done["status"] == "SUCCEEDED", done
    begun, finished = encodes(output)
    again = [chunk for chunk in before if begun[chunk] != begun_before[chunk]]
    assert not again, f"finished before the kill, and begun again: {again}"
    after = fingerprints(output)
    assert len(after) == run.chunks and all(after[chunk] == before[chunk] for chunk in before)
    assert set(finished.values()) == {1}
    results = succeeded_chunks(run.events("killed"))
    assert len(results) == run.chunks
    print(f"  {len(before)} of {run.chunks} chunks were finished at the second kill, {len(committed)} were committed")


def a_chunk_that_was_finished_and_not_committed_is_recognized_by_its_name(run):
    """The server stands still while the encoder finishes, and is killed: the file is there, and the history does not know."""
    video = f"{run.folder}/uncommitted.mp4"
    make_video(video, 3, "-c:v", "libx264", "-preset", "ultrafast", "-g", "1000")
    output = run.start("uncommitted", video, keep=True)
    wait_until(lambda: os.path.exists(f"{output}/encodes.log"), 60, "the encode begins", every=0.001)
    run.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: encodes(output)[1], 60, "the encode ends")
    before = fingerprints(output)
    run.kill()
    wait_until(lambda: not run.processes(), 10, "all workers end with the server")
    run.serve()
    done = run.wait("uncommitted")
    assert done["status"] == "SUCCEEDED", done
    assert encodes(output) == ({"00000": 1}, {"00000": 1}), encodes(output)
    assert fingerprints(output) == before
    assert succeeded_chunks(run.events("uncommitted"))["00000"]["reused"] is True


def a_stopped_execution_leaves_no_encoder_behind(run):
    make_video(f"{run.folder}/endless.mp4", 120, "-c:v", "libx264", "-preset", "ultrafast", "-g", "10000")
    output = run.start("stopped", f"{run.folder}/endless.mp4")

    def encoders():
        return [line for line in run.processes().values() if line.startswith("ffmpeg ") and output in line]
    wait_until(lambda: os.path.exists(f"{output}/encodes.log") and encoders(), 60, "the encode begins")
    run.command("stop", f"{MACHINE}:stopped")
    wait_until(lambda: not encoders(), 10, "the encoder ends")
    assert run.describe("stopped")["status"] == "ABORTED"
    assert not encodes(output)[1]
    assert "stopped" not in run.letters()


def a_server_that_ends_leaves_no_process_behind(run):
    run.start("cut", f"{run.folder}/endless.mp4")
    wait_until(lambda: any("ffmpeg " in line for line in run.processes().values()), 60, "an encoder runs")
    run.end()
    wait_until(lambda: not run.processes(), 5, f"its processes end: {run.processes()}")
    run.serve()
    run.command("stop", f"{MACHINE}:cut")


TESTS = (a_video_becomes_playable_renditions, while_it_encodes_the_log_has_ffmpegs_words_and_the_task_its_progress, a_poison_file_is_a_dead_letter_alone,
         of_many_chunks_the_one_that_failed_is_encoded_again_and_no_other, a_failure_in_the_middle_of_many_chunks_costs_no_work_that_was_done,
         no_chunk_whose_success_was_committed_is_encoded_again_after_a_kill, a_chunk_that_was_finished_and_not_committed_is_recognized_by_its_name,
         a_stopped_execution_leaves_no_encoder_behind, a_server_that_ends_leaves_no_process_behind)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratchet", required=True)
    parser.add_argument("--chunks", type=int, default=60, help="of the videos with many chunks (60)")
    parser.add_argument("-k", metavar="PART", default="", help="only tests with PART in their name")
    options = parser.parse_args()
    missing = [tool for tool in ("ffmpeg", "ffprobe", "jq", "node") if not shutil.which(tool)]
    if missing:
        print(f"skipped: {', '.join(missing)} missing (scripts/packages demo installs them)\n0 passed, 0 failed, 1 skipped")
        sys.exit(77)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        run = Run(os.path.abspath(options.ratchet), folder, options.chunks)
        run.serve()
        run.command("deploy", MACHINE, f"{EXAMPLE}/workflow.asl.json")
        for test in TESTS:
            if options.k not in test.__name__:
                continue
            began = time.monotonic()
            try:
                test(run)
                passed += 1
                print(f"{test.__name__}: {time.monotonic() - began:.1f} s", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED {test.__name__} after {time.monotonic() - began:.1f} s")
                traceback.print_exc(file=sys.stdout)
                sys.stdout.flush()
        run.end()
    print(f"{passed} passed, {failed} failed, 0 skipped")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
