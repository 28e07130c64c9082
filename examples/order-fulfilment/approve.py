#!/usr/bin/env python3
"""The page behind the link in the mail: shows the order with two buttons, and tells the engine what was decided.

    approve.py [HOST:PORT]        default: APPROVALS_LISTEN, else 127.0.0.1:8084; port 0 takes a free one

What the buttons do is one call of the Step Functions API, SendTaskSuccess or SendTaskFailure, with the token that the link
carries. RATCHET_ENDPOINT names the engine. The page's own address is written to out/approvals.url, where functions/approval.py
finds it."""

import html
import http.server
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

ENGINE = os.environ.get("RATCHET_ENDPOINT", "http://127.0.0.1:8083")
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "out")
BODY_BYTES_MAX = 4096

PAGE = """<!doctype html><meta charset="utf-8"><title>Order {order}</title>
<h1>Order {order}: {total}</h1>
<form method="post"><button name="decision" value="approve">Approve</button> <button name="decision" value="reject">Reject</button></form>
"""


def tell(token, decision):
    """The engine's refusal, or None."""
    if decision == "approve":
        operation, body = "SendTaskSuccess", {"taskToken": token, "output": json.dumps({"approved": True})}
    else:
        operation, body = "SendTaskFailure", {"taskToken": token, "error": "OrderRejected", "cause": "it was not approved"}
    request = urllib.request.Request(ENGINE + "/", json.dumps(body).encode(), {
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions." + operation})
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        return error.code, json.load(error).get("message", "refused")
    except OSError as error:
        return 502, f"the engine does not answer: {error}"
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text, kind="text/plain"):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind + "; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code="-", size="-"):
        # Without the query, in which the token stands.
        print(f"{self.command} {getattr(self, 'path', '').partition('?')[0]} {code}", file=sys.stderr, flush=True)

    def asked(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        return {name: query.get(name, [""])[0] for name in ("order", "total", "token")}

    def do_GET(self):
        asked = {name: html.escape(text) for name, text in self.asked().items()}
        self.answer(200, PAGE.format(**asked), "text/html")

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            return self.answer(400, "what was decided?\n")
        form = urllib.parse.parse_qs(self.rfile.read(int(length)).decode(errors="replace"))
        decision = form.get("decision", [""])[0]
        if decision not in ("approve", "reject"):
            return self.answer(400, "the decision is approve or reject\n")
        refused = tell(self.asked()["token"], decision)
        if refused:
            return self.answer(refused[0], refused[1] + "\n")
        self.answer(200, f"order {self.asked()['order']}: {'approved' if decision == 'approve' else 'rejected'}\n")


def main():
    listen = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("APPROVALS_LISTEN", "127.0.0.1:8084")
    host, _, port = listen.rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    os.makedirs(OUT, exist_ok=True)
    address = f"http://{host}:{server.server_port}/"
    with open(f"{OUT}/approvals.url", "w") as file:
        file.write(address + "\n")
    print(address, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
