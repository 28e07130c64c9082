#!/usr/bin/env python3
"""Takes what `targets` are told, and refuses what was not signed with the secret, or long ago.

    OPS_SECRET=… python3 receiver.py [PORT]

Prints a line for each event that is new. `is_genuine` is what a receiver in another place needs."""

import hashlib
import hmac
import http.server
import json
import os
import sys
import time

TOLERANCE_S = 300
BODY_BYTES_MAX = 2 << 20


def is_genuine(secret, signature, body, now_s=None, tolerance_s=TOLERANCE_S):
    """`signature`: the header X-Ratchet-Signature, "t=SECONDS,v1=HEX"; `secret`, `body`: bytes, as they came."""
    parts = dict(part.split("=", 1) for part in (signature or "").split(",") if "=" in part)
    seconds, given = parts.get("t", ""), parts.get("v1", "")
    if not (seconds.isascii() and seconds.isdigit()) or not given.isascii():
        return False
    expected = hmac.new(secret, seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
    fresh = abs((time.time() if now_s is None else now_s) - int(seconds)) <= tolerance_s
    return hmac.compare_digest(expected, given) and fresh


class Receiver(http.server.BaseHTTPRequestHandler):
    secret = b""
    seen = set()  # ids: an event may come more than once

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.answer(413)
            return
        body = self.rfile.read(int(length))
        if not is_genuine(self.secret, self.headers.get("X-Ratchet-Signature"), body):
            self.answer(401)
            return
        event = json.loads(body)
        if event["id"] not in self.seen:
            self.seen.add(event["id"])
            detail = event["detail"]
            print(event["time"], event["detail-type"], detail.get("status", ""), detail.get("executionArn", detail["stateMachineArn"]), flush=True)
        self.answer(204)  # only now is it taken; anything but 2xx, and it comes again

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


if __name__ == "__main__":
    Receiver.secret = os.environ["OPS_SECRET"].encode()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Receiver)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
