"""The Lambda Runtime API's client for Python handlers: asks for events, calls the handler, gives its answer back.

Started by the server with _HANDLER (module.function), LAMBDA_TASK_ROOT and AWS_LAMBDA_RUNTIME_API in its environment.
Standard library only. One connection, kept; written with plain sockets, because a warm call should cost little.
"""
import os
import sys

sys.path[0:1] = [os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())]  # the handler's folder, instead of this file's

import importlib
import json
import socket
import time
import traceback

PREFIX = "/2018-06-01/runtime/"


class Channel:
    """HTTP/1.1 over one kept connection."""

    def __init__(self, address):
        self.host, _, port = address.rpartition(":")
        self.port = int(port)
        self.socket = self.reader = None

    def connect(self):
        self.socket = socket.create_connection((self.host, self.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = self.socket.makefile("rb")

    def call(self, method, path, body=b"", headers=""):
        if self.socket is None:
            self.connect()
        head = "%s %s HTTP/1.1\r\nHost: %s:%d\r\n%sContent-Length: %d\r\n\r\n" % (
            method, PREFIX + path, self.host, self.port, headers, len(body))
        self.socket.sendall(head.encode("latin-1") + body)
        status = int(self.reader.readline(65536).split(b" ", 2)[1])
        answer = {}
        while True:
            line = self.reader.readline(1 << 20)
            if line in (b"\r\n", b"\n", b""):
                break
            name, _, value = line.partition(b":")
            answer[name.decode("latin-1").lower()] = value.strip().decode("utf-8", "replace")
        body = self.reader.read(int(answer.get("content-length", 0)))
        if answer.get("connection", "").lower() == "close":
            self.socket.close()
            self.socket = None
        return status, answer, body


class Record(dict):
    """A JSON object whose members are attributes too."""
    __getattr__ = dict.get


class ClientContext:
    def __init__(self, given):
        self.custom = given.get("custom")
        self.env = given.get("env")
        self.client = Record(given["client"]) if isinstance(given.get("client"), dict) else None


class Context:
    def __init__(self, headers):
        env = os.environ
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id", "")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn", "")
        self.function_name = env.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = env.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.memory_limit_in_mb = env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
        self.log_group_name = env.get("AWS_LAMBDA_LOG_GROUP_NAME", "")
        self.log_stream_name = env.get("AWS_LAMBDA_LOG_STREAM_NAME", "")
        self.identity = Record(json.loads(headers.get("lambda-runtime-cognito-identity") or "{}"))
        given = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(given)) if given else None
        self.idempotency_key = headers.get("ratchet-idempotency-key")
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms") or 0)

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


def describe(error, request_id="", skip=1):
    """What the Runtime API wants of an exception; our own frames left out."""
    frames = traceback.extract_tb(error.__traceback__)[skip:]
    return {"errorMessage": str(error), "errorType": type(error).__name__, "requestId": request_id,
            "stackTrace": traceback.format_list(frames)}


class InitError(Exception):
    def __init__(self, kind, message, trace=()):
        self.answer = {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": list(trace)}


def load(entry):
    module_name, _, function_name = entry.rpartition(".")
    if not module_name:
        raise InitError("Runtime.MalformedHandlerName", "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % entry)
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as e:
        raise InitError("Runtime.ImportModuleError", "Unable to import module '%s': %s" % (module_name, e))
    except SyntaxError as e:
        raise InitError("Runtime.UserCodeSyntaxError", "Syntax error in module '%s': %s" % (module_name, e),
                        ["  File \"%s\" Line %s\n    %s" % (e.filename, e.lineno, (e.text or "").strip())])
    handler = getattr(module, function_name, None)
    if handler is None:
        raise InitError("Runtime.HandlerNotFound", "Handler '%s' missing on module '%s'" % (function_name, module_name))
    return handler


def default(value):
    try:
        import decimal
        if isinstance(value, decimal.Decimal):
            return float(value)
    except ImportError:
        pass
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def serve(channel, handler):
    while True:
        status, headers, body = channel.call("GET", "invocation/next")
        if status != 200:
            return
        request_id = headers.get("lambda-runtime-aws-request-id", "")
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("lambda-runtime-trace-id", "")
        path, more = "response", ""
        try:
            event = json.loads(body)
            try:
                result = handler(event, Context(headers))
                kind = None
            except Exception as e:
                kind, answer = type(e).__name__, describe(e, request_id)
                print("[ERROR] %s: %s\nTraceback (most recent call last):\n%s" % (kind, e, "".join(answer["stackTrace"])))
            if kind is None:
                try:
                    answer = json.dumps(result, default=default, ensure_ascii=False).encode("utf-8")
                except Exception as e:
                    kind = "Runtime.MarshalError"
                    answer = {"errorMessage": "Unable to marshal response: %s" % e, "errorType": kind,
                              "requestId": request_id, "stackTrace": []}
                    print("[ERROR] %s: %s" % (kind, answer["errorMessage"]))
        except ValueError as e:
            kind = "Runtime.UnmarshalError"
            answer = {"errorMessage": "Unable to unmarshal input: %s" % e, "errorType": kind,
                      "requestId": request_id, "stackTrace": []}
        if kind is not None:
            path, more = "error", "Lambda-Runtime-Function-Error-Type: Unhandled\r\n"
            answer = json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        sys.stdout.flush()
        sys.stderr.flush()
        channel.call("POST", "invocation/%s/%s" % (request_id, path), answer,
                     more + "Content-Type: application/json\r\n")


def main():
    channel = Channel(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        try:
            handler = load(os.environ["_HANDLER"])
        except InitError:
            raise
        except Exception as e:
            answer = describe(e, "", 2)
            answer["errorMessage"] = str(e)
            raise InitError(answer["errorType"], answer["errorMessage"], answer["stackTrace"])
    except InitError as e:
        print("[ERROR] %s: %s\n%s" % (e.answer["errorType"], e.answer["errorMessage"], "".join(e.answer["stackTrace"])))
        sys.stdout.flush()
        channel.call("POST", "init/error", json.dumps(e.answer, separators=(",", ":")).encode("utf-8", "replace"),
                     "Lambda-Runtime-Function-Error-Type: %s\r\n" % e.answer["errorType"])
        sys.exit(1)
    serve(channel, handler)


if __name__ == "__main__":
    main()
