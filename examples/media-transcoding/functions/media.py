"""What the handlers share: asking ffprobe, running ffmpeg, and files that are there whole or not at all."""

import collections
import json
import os
import subprocess
import sys
import threading

LAST_WORDS = 5


class Unreadable(Exception):
    """It is not media, or not whole."""


class FfmpegFailed(Exception):
    pass


def probe(path):
    """What ffprobe finds in a file: {format, streams}."""
    found = subprocess.run(["ffprobe", "-v", "error", "-print_format", "json", "-show_format", "-show_streams", "-i", path],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if found.returncode != 0:
        raise Unreadable(found.stderr.strip() or f"ffprobe ended with {found.returncode}")
    return json.loads(found.stdout)


def video_stream(found):
    return next((stream for stream in found["streams"] if stream["codec_type"] == "video"), None)


def tell_progress(fraction):
    """A line of this form is the task's progress and its heartbeat; every other line is a heartbeat and goes to its live log."""
    print(json.dumps({"progress": round(max(0.0, min(1.0, fraction)), 3)}), flush=True)


def _pass_on(stream, last):
    for line in stream:
        last.append(line.strip())
        print(line, end="", file=sys.stderr, flush=True)


def ffmpeg(arguments, duration_s=0):
    """Runs ffmpeg: its words go to the live log as they come, how far it is becomes progress. Its last words are the error's."""
    command = ["ffmpeg", "-hide_banner", "-nostdin", "-nostats", "-y", "-progress", "pipe:1", *arguments]
    last = collections.deque(maxlen=LAST_WORDS)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        words = threading.Thread(target=_pass_on, args=(process.stderr, last))
        words.start()
        for line in process.stdout:
            name, _, value = line.strip().partition("=")
            if name == "out_time_us" and value.isdigit() and duration_s > 0:
                tell_progress(int(value) / 1e6 / duration_s)
        words.join()
    if process.returncode != 0:
        raise FfmpegFailed(f"ffmpeg ended with {process.returncode}: " + "\n".join(last))


def write_text(path, text):
    """Under another name first, so that what bears the name is whole."""
    part = f"{path}.{os.getpid()}.part"
    with open(part, "w") as file:
        file.write(text)
    os.rename(part, path)
