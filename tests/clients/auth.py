#!/usr/bin/env python3
"""Authentication as clients meet it: signatures made here (with Python's hmac, by AWS's description) and by botocore, the AWS command line and
curl where they are installed; roles, keys, sessions, TLS."""

import datetime
import hashlib
import hmac
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "server"))
from driver import Server, Skipped, clean_environment, main, tests_of

ROOT, ROOT_SECRET = "ROOTKEY", "a-secret-of-the-test-0123456789"
EMPTY = hashlib.sha256(b"").hexdigest()
PASSES = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
ROLE = "arn:aws:iam::000000000000:role/test"

# What each operation needs, said a second time.
READ = """DescribeStateMachine ListStateMachines ValidateStateMachineDefinition DescribeExecution ListExecutions GetExecutionHistory DescribeMapRun
    ListMapRuns DescribeActivity ListActivities ListTagsForResource DescribeStateMachineForExecution ListStateMachineVersions
    DescribeStateMachineAlias ListStateMachineAliases""".split()
OPERATE = """StartExecution StartSyncExecution StopExecution SendTaskSuccess SendTaskFailure SendTaskHeartbeat RedriveExecution UpdateMapRun
    GetActivityTask TestState""".split()
ADMINISTER = """CreateStateMachine UpdateStateMachine DeleteStateMachine CreateActivity DeleteActivity TagResource UntagResource
    PublishStateMachineVersion DeleteStateMachineVersion CreateStateMachineAlias UpdateStateMachineAlias DeleteStateMachineAlias""".split()


# ---- signing, by AWS's description ---------------------------------------------------------------------------

def _mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _signing_key(secret, date, region, service):
    return _mac(_mac(_mac(_mac(b"AWS4" + secret.encode(), date), region), service), "aws4_request")


def _quote(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_.~")


def _canonical_query(query):
    return "&".join(sorted(f"{_quote(name)}={_quote(value)}" for name, value in urllib.parse.parse_qsl(query, keep_blank_values=True)))


class Signer:
    def __init__(self, key=ROOT, secret=ROOT_SECRET, region="us-east-1", service="states", offset_s=0):
        self.key, self.region, self.service = key, region, service
        self.time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
        self.stamp = self.time.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.stamp[:8]}/{region}/{service}/aws4_request"
        self.signing_key = _signing_key(secret, self.stamp[:8], region, service)

    def _signature(self, method, path, query, headers, payload):
        names = sorted(name.lower() for name in headers)
        by_name = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        canonical = "\n".join([method, _quote(path, "/"), _canonical_query(query), "".join(f"{name}:{by_name[name]}\n" for name in names), ";".join(names), payload])
        text = "\n".join(["AWS4-HMAC-SHA256", self.stamp, self.scope, hashlib.sha256(canonical.encode()).hexdigest()])
        return _mac(self.signing_key, text).hex(), ";".join(names)

    def headers(self, method, path, host, body=b"", payload=None, headers=None):
        """Headers of a signed request; `payload` is what X-Amz-Content-Sha256 says (None: it is not sent)."""
        path, _, query = path.partition("?")
        sent = {"Host": host, "X-Amz-Date": self.stamp, **(headers or {})}
        if payload:
            sent["X-Amz-Content-Sha256"] = payload
        signature, names = self._signature(method, path, query, sent, payload or hashlib.sha256(body).hexdigest())
        self.seed = signature
        sent["Authorization"] = f"AWS4-HMAC-SHA256 Credential={self.key}/{self.scope}, SignedHeaders={names}, Signature={signature}"
        return sent

    def presign(self, method, path, host, expires=60, body=b"", headers=None):
        sent = {"Host": host, **(headers or {})}
        names = ";".join(sorted(name.lower() for name in sent))
        query = urllib.parse.urlencode({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": f"{self.key}/{self.scope}", "X-Amz-Date": self.stamp,
                                        "X-Amz-Expires": str(expires), "X-Amz-SignedHeaders": names})
        signature, _ = self._signature(method, path, query, sent, hashlib.sha256(body).hexdigest())
        return f"{path}?{query}&X-Amz-Signature={signature}", sent

    def chunks(self, pieces, trailers=None):
        """An aws-chunked body whose chunks continue the signature of headers()."""
        last, out = self.seed, b""
        for piece in pieces + [b""]:
            text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", self.stamp, self.scope, last, EMPTY, hashlib.sha256(piece).hexdigest()])
            last = _mac(self.signing_key, text).hex()
            out += f"{len(piece):x};chunk-signature={last}\r\n".encode() + piece + (b"\r\n" if piece else b"")
        if trailers:
            lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
            text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self.stamp, self.scope, last, hashlib.sha256(lines.encode()).hexdigest()])
            out += lines.replace("\n", "\r\n").encode() + f"x-amz-trailer-signature:{_mac(self.signing_key, text).hex()}\r\n".encode()
        return out + b"\r\n"


# ---- a server ------------------------------------------------------------------------------------------------

class Context:
    def __init__(self, ratchet, folder):
        self.ratchet, self.folder, self.server = ratchet, folder, None
        self.env = clean_environment(folder, ROOT_SECRET=ROOT_SECRET)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.server:
            status = self.server.stop()
            assert kind or status == 0, self.server.log()

    def serve(self, *arguments, store="memory:", root=True, **config):
        config = {"auth": "sigv4", **config}
        if root:
            config["root_key"] = {"id": ROOT, "secret": {"env": "ROOT_SECRET"}}
        self.server = Server(self.ratchet, self.folder, *arguments, store=store, config=config, env=self.env)
        self.host = f"127.0.0.1:{self.server.port}"
        return self.server

    def api(self, operation, request, signer=None, **more):
        """A signed call → (status, answer)."""
        body = json.dumps(request).encode()
        named = {"X-Amz-Target": "AWSStepFunctions." + operation, "Content-Type": "application/x-amz-json-1.0"}
        headers = (signer or Signer()).headers("POST", "/", self.host, body, headers=named, **more)
        status, _, answer = self.server.request("POST", "/", body, headers)
        return status, json.loads(answer)

    def v1(self, method, path, request=None, signer=None):
        body = b"" if request is None else json.dumps(request).encode()
        status, _, answer = self.server.request(method, path, body or None, (signer or Signer()).headers(method, path, self.host, body))
        return status, json.loads(answer)

    def refused(self, error, part, answer):
        status, body = answer
        assert status == 400 and body["__type"] == error and part in body["message"], (status, body)

    def key(self, role, name="someone"):
        status, key = self.v1("POST", "/v1/keys", {"name": name, "role": role})
        assert status == 201, key
        return key

    def cli(self, *arguments, status=0, env=None):
        done = subprocess.run([self.ratchet, *arguments], env={**self.env, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
        assert done.returncode == status, (arguments, done)
        return done.stdout if status == 0 else done.stderr


# ---- signatures ------------------------------------------------------------------------------------------------

def what_is_not_signed_is_refused(context):
    server = context.serve()
    status, headers, body = server.post("ListStateMachines", {})
    assert status == 400 and json.loads(body)["__type"] == "MissingAuthenticationTokenException" == headers["x-amzn-ErrorType"], body
    for path in ("/v1/info", "/metrics", "/v1/keys"):
        status, _, body = server.request("GET", path)
        assert status == 401 and json.loads(body)["error"]["code"] == "MissingAuthenticationToken", (path, status, body)
    for path in ("/", "/healthz", "/v1/session"):
        assert server.request("GET", path)[0] == 200, path
    assert server.request("GET", "/nowhere")[0] == 404


def what_is_signed_is_answered(context):
    context.serve()
    status, answer = context.api("CreateStateMachine", {"name": "m", "definition": PASSES, "roleArn": ROLE})
    assert status == 200, answer
    # The region of the scope is verified, and is not that of ARNs.
    status, answer = context.api("ListStateMachines", {}, Signer(region="eu-central-1"))
    assert status == 200 and answer["stateMachines"][0]["stateMachineArn"] == "arn:aws:states:us-east-1:000000000000:stateMachine:m", answer
    assert context.v1("GET", "/v1/info")[0] == 200
    assert context.v1("GET", "/v1/keys?b=1&a=%20x")[0] == 200
    assert context.v1("GET", "/v1/keys/a%3Ab%2Fc")[0] == 405


def a_wrong_secret_is_refused(context):
    context.serve()
    context.refused("InvalidSignatureException", "does not match", context.api("ListStateMachines", {}, Signer(secret=ROOT_SECRET + "x")))
    status, answer = context.v1("GET", "/v1/info", signer=Signer(secret="x"))
    assert status == 403 and answer["error"]["code"] == "InvalidSignature", answer


def an_unknown_key_is_refused(context):
    context.serve()
    context.refused("UnrecognizedClientException", "security token", context.api("ListStateMachines", {}, Signer(key="AKIANOBODY")))


def a_session_token_is_refused(context):
    context.serve()
    body, signer = b"{}", Signer()
    headers = signer.headers("POST", "/", context.host, body, headers={"X-Amz-Target": "AWSStepFunctions.ListStateMachines", "X-Amz-Security-Token": "t"})
    status, _, answer = context.server.request("POST", "/", body, headers)
    assert status == 400 and "AWS_SESSION_TOKEN" in json.loads(answer)["message"], answer


def a_clock_that_is_wrong_is_told_so(context):
    context.serve()
    for offset_s, words in ((-400, "Signature expired"), (400, "Signature not yet current")):
        context.refused("InvalidSignatureException", words, context.api("ListStateMachines", {}, Signer(offset_s=offset_s)))
    for offset_s in (-280, 280):
        assert context.api("ListStateMachines", {}, Signer(offset_s=offset_s))[0] == 200


def a_scope_of_another_service_is_refused(context):
    context.serve()
    context.refused("InvalidSignatureException", "correct service: 'states'", context.api("ListStateMachines", {}, Signer(service="lambda")))


def the_lambda_api_has_its_own_service_and_errors(context):
    server = context.serve()
    path = "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Anone/configuration"
    status, headers, body = server.request("GET", path)
    assert status == 403 and headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException" and "message" in json.loads(body), (status, body)
    status, headers, body = server.request("GET", path, headers=Signer().headers("GET", path, context.host))
    assert status == 403 and "correct service: 'lambda'" in json.loads(body)["message"], body
    status, headers, body = server.request("GET", path, headers=Signer(service="lambda").headers("GET", path, context.host))
    assert status == 404 and headers["x-amzn-ErrorType"] == "ResourceNotFoundException", (status, body)
    reader = context.key("read")
    invoke = path.replace("configuration", "invocations")
    status, headers, body = server.request("POST", invoke, b"{}", Signer(reader["id"], reader["secret"], service="lambda").headers("POST", invoke, context.host, b"{}"))
    assert status == 403 and headers["x-amzn-ErrorType"] == "AccessDeniedException", (status, body)


def what_was_changed_on_the_way_is_refused(context):
    server = context.serve()
    body = b'{"maxResults": 1}'
    named = {"X-Amz-Target": "AWSStepFunctions.ListStateMachines", "X-Other": "1"}

    def attempt(expected, sent_body=body, path="/", drop=(), **changed):
        headers = {**Signer().headers("POST", "/", context.host, body, headers=named), **{name.replace("_", "-"): value for name, value in changed.items()}}
        headers = {name: value for name, value in headers.items() if name not in drop}
        status, _, answer = server.request("POST", path, sent_body, headers)
        got = "good" if status == 200 else json.loads(answer).get("__type")
        assert got == expected, (sent_body, changed, status, answer)

    attempt("good")
    attempt("InvalidSignatureException", sent_body=b'{"maxResults": 2}')
    attempt("InvalidSignatureException", X_Amz_Target="AWSStepFunctions.ListActivities")
    attempt("InvalidSignatureException", X_Other="2")
    attempt("InvalidSignatureException", drop=["X-Other"])
    attempt("InvalidSignatureException", X_Amz_Trailer="more")
    attempt("InvalidSignatureException", path="/?a=1")
    attempt("InvalidSignatureException", Host="evil.example")
    attempt("IncompleteSignatureException", drop=["X-Amz-Date"])
    attempt("good", User_Agent="is not signed")


def payloads_come_in_several_forms(context):
    server = context.serve()
    body = json.dumps({"name": "m", "definition": PASSES, "roleArn": ROLE}).encode()
    target = {"X-Amz-Target": "AWSStepFunctions.CreateStateMachine"}
    chunked = {**target, "Content-Encoding": "aws-chunked", "X-Amz-Decoded-Content-Length": str(len(body))}
    trailer = {"x-amz-checksum-crc32": "AAAAAA=="}
    third = len(body) // 3
    pieces = [body[:third], body[third:2 * third], body[2 * third:]]

    def send(payload, headers, make):
        signer = Signer()
        signed = signer.headers("POST", "/", context.host, b"", payload, headers)
        status, _, answer = server.request("POST", "/", make(signer), signed)
        return status, json.loads(answer)

    assert send(hashlib.sha256(body).hexdigest(), target, lambda _: body)[0] == 200
    assert send("UNSIGNED-PAYLOAD", target, lambda _: body)[0] == 200
    assert send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked, lambda signer: signer.chunks(pieces))[0] == 200
    assert send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", chunked, lambda signer: signer.chunks(pieces, trailer))[0] == 200
    plain = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    assert send("STREAMING-UNSIGNED-PAYLOAD-TRAILER", chunked, lambda _: plain)[0] == 200

    invalid = "InvalidSignatureException"
    context.refused(invalid, "x-amz-content-sha256", send(hashlib.sha256(b"other").hexdigest(), target, lambda _: body))
    context.refused("IncompleteSignatureException", "UNSIGNED-PAYLOAD", send("NO-SUCH-PAYLOAD", target, lambda _: body))
    context.refused(invalid, "chunk", send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked, lambda signer: signer.chunks(pieces).replace(b"Pass", b"Fail")))
    context.refused(invalid, "chunk", send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked, lambda signer: signer.chunks(pieces)[:-5]))
    context.refused(invalid, "chunk", send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked, lambda signer: signer.chunks(pieces)[:third] + b"\r\n0\r\n\r\n"))
    context.refused(invalid, "Length", send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", chunked, lambda signer: signer.chunks(pieces[:2])))
    context.refused(invalid, "chunk", send("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", chunked,
                                           lambda signer: signer.chunks(pieces, trailer).replace(b"AAAAAA==", b"BBBBBB==")))
    context.refused(invalid, "chunk", send("STREAMING-UNSIGNED-PAYLOAD-TRAILER", chunked, lambda _: plain.replace(b"\r\n\r\n", b"\r\n")))


def a_presigned_request_is_good_until_it_expires(context):
    server = context.serve()
    path, headers = Signer().presign("GET", "/v1/info", context.host)
    for _ in range(2):  # reading may be repeated
        assert server.request("GET", path, headers=headers)[0] == 200
    assert server.request("GET", path.replace("/v1/info", "/v1/keys"), headers=headers)[0] == 403
    assert server.request("GET", path.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), headers=headers)[0] == 403
    path, headers = Signer(offset_s=-120).presign("GET", "/v1/info", context.host)
    status, _, answer = server.request("GET", path, headers=headers)
    assert status == 403 and "expired" in json.loads(answer)["error"]["message"], answer


def a_presigned_change_is_good_once(context):
    server = context.serve()
    body = json.dumps({"name": "m", "definition": PASSES, "roleArn": ROLE}).encode()
    path, headers = Signer().presign("POST", "/", context.host, 600, body, {"X-Amz-Target": "AWSStepFunctions.CreateStateMachine"})
    assert server.request("POST", path, body.replace(b'"m"', b'"n"'), headers)[0] == 400  # which does not use it up
    assert server.request("POST", path, body, headers)[0] == 200
    status, _, answer = server.request("POST", path, body, headers)
    assert status == 400 and "used already" in json.loads(answer)["message"], answer


def a_retry_of_the_same_signed_request_is_answered(context):
    server = context.serve()
    body = json.dumps({"name": "m", "definition": PASSES, "roleArn": ROLE}).encode()
    headers = Signer().headers("POST", "/", context.host, body, headers={"X-Amz-Target": "AWSStepFunctions.CreateStateMachine"})
    assert [server.request("POST", "/", body, headers)[0] for _ in range(2)] == [200, 200]


# ---- other implementations ---------------------------------------------------------------------------------------

def botocore_signs(context):
    try:
        import boto3
        from botocore.auth import SigV4Auth, SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials
        from botocore.exceptions import ClientError
    except ImportError:
        raise Skipped("botocore is not installed")
    server = context.serve()

    def client(secret):
        return boto3.client("stepfunctions", endpoint_url=server.url, region_name="eu-west-1", aws_access_key_id=ROOT, aws_secret_access_key=secret)

    arn = client(ROOT_SECRET).create_state_machine(name="é".encode().hex(), definition=PASSES, roleArn=ROLE)["stateMachineArn"]
    execution = client(ROOT_SECRET).start_execution(stateMachineArn=arn, name="e")["executionArn"]
    try:
        client("wrong").list_state_machines()
        raise AssertionError("a wrong secret was good")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidSignatureException", error.response
    credentials = Credentials(ROOT, ROOT_SECRET)
    for path in ("/v1/info", "/v1/session?x=%20y&a=b%2Fc", "/v1/keys/" + urllib.parse.quote(execution, safe="")):
        for make in (SigV4Auth, SigV4QueryAuth):
            request = AWSRequest("GET", server.url + path)
            make(credentials, "states", "eu-west-1").add_auth(request)
            prepared = request.prepare()
            status, _, body = server.request("GET", prepared.url[len(server.url):], headers={name: value for name, value in prepared.headers.items()})
            assert status in (200, 405), (path, make, status, body)


def the_aws_command_line_signs(context):
    if not shutil.which("aws"):
        raise Skipped("the AWS command line is not installed")
    server = context.serve()
    env = {**context.env, "HOME": os.environ.get("HOME", ""), "PATH": os.environ["PATH"], "AWS_ACCESS_KEY_ID": ROOT, "AWS_DEFAULT_REGION": "us-east-1",
           "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": context.folder + "/none", "AWS_SHARED_CREDENTIALS_FILE": context.folder + "/none"}

    def aws(secret):
        return subprocess.run(["aws", "--endpoint-url", server.url, "stepfunctions", "list-state-machines"], env={**env, "AWS_SECRET_ACCESS_KEY": secret},
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)

    done = aws(ROOT_SECRET)
    assert done.returncode == 0 and json.loads(done.stdout) == {"stateMachines": []}, done
    done = aws("wrong")
    assert done.returncode != 0 and "(InvalidSignatureException)" in done.stderr, done


def curl_signs(context):
    curl = shutil.which("curl")
    if not curl or "--aws-sigv4" not in subprocess.run([curl, "--help", "all"], stdout=subprocess.PIPE, text=True).stdout:
        raise Skipped("there is no curl that signs")
    server = context.serve()
    for path in ("/v1/info", "/v1/keys/a%3Ab"):
        done = subprocess.run([curl, "-s", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4", "aws:amz:us-east-1:states", "--user", f"{ROOT}:{ROOT_SECRET}",
                               server.url + path], stdout=subprocess.PIPE, text=True, timeout=30)
        assert done.stdout in ("200", "405"), (path, done)


# ---- roles and keys ----------------------------------------------------------------------------------------------

def each_operation_needs_its_role(context):
    context.serve()
    signers = {role: Signer(key["id"], key["secret"]) for role in ("read", "operate", "administer") for key in [context.key(role, role)]}
    may = {"read": READ, "operate": READ + OPERATE, "administer": READ + OPERATE + ADMINISTER}
    assert len(may["administer"]) == 37
    for operation in may["administer"]:
        for role, signer in signers.items():
            status, answer = context.api(operation, {"activityArn": 1}, signer)  # refused for its members at the latest
            denied = answer.get("__type") == "AccessDeniedException"
            assert denied == (operation not in may[role]), (operation, role, answer)
            if denied:
                assert status == 400 and f"states:{operation}" in answer["message"] and role in answer["message"], answer
    for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys"), ("DELETE", "/v1/keys/x")):
        status, answer = context.v1(method, path, signer=signers["operate"])
        assert status == 403 and answer["error"]["code"] == "AccessDenied" and "administer is needed" in answer["error"]["message"], answer
    assert context.v1("GET", "/v1/info", signer=signers["read"])[0] == 200


def keys_come_and_go(context):
    context.serve()
    key = context.key("operate", "anna")
    signer = Signer(key["id"], key["secret"])
    assert key["id"].startswith("AKIA") and len(key["id"]) == 20 and len(key["secret"]) == 40
    assert context.api("ListStateMachines", {}, signer)[0] == 200
    status, listed = context.v1("GET", "/v1/keys")
    assert [row["name"] for row in listed["keys"]] == ["root", "anna"] and key["secret"] not in json.dumps(listed), listed
    assert "last_used_ms" in listed["keys"][1] and listed["keys"][0]["source"] == "configuration"
    assert context.v1("PUT", "/v1/keys/" + key["id"], {"disabled": True})[1]["disabled"] is True
    context.refused("UnrecognizedClientException", "", context.api("ListStateMachines", {}, signer))
    assert context.v1("PUT", "/v1/keys/" + key["id"], {"disabled": False})[0] == 200
    assert context.api("ListStateMachines", {}, signer)[0] == 200
    assert context.v1("DELETE", "/v1/keys/" + key["id"]) == (200, {})
    context.refused("UnrecognizedClientException", "", context.api("ListStateMachines", {}, signer))
    for method, path, body, wanted in (("DELETE", "/v1/keys/" + key["id"], None, 404), ("DELETE", "/v1/keys/" + ROOT, None, 409),
                                       ("POST", "/v1/keys", {"name": "a b", "role": "read"}, 400), ("POST", "/v1/keys", {"name": "a", "role": "king"}, 400),
                                       ("POST", "/v1/keys", {"name": "x" * 65, "role": "read"}, 400), ("PUT", "/v1/keys/" + ROOT, {"disabled": 1}, 400)):
        assert context.v1(method, path, body)[0] == wanted, (method, path, body)


def the_first_key_is_made_in_the_store(context):
    store = f"sqlite:{context.folder}/store.db"
    refused = context.cli("serve", "--auth", "sigv4", "--store", store, "--listen", "127.0.0.1:0", status=2)
    assert "ratchet keys add" in refused, refused
    fresh = f"{context.folder}/fresh.db"
    assert "No such file" in context.cli("keys", "ls", "--store", f"sqlite:{fresh}", status=2) and not os.path.exists(fresh)
    context.cli("keys", "add", "boss", "--role", "administer", "--store", f"sqlite:{fresh}")
    assert os.stat(fresh).st_mode & 0o777 == 0o600
    made = dict(line.split("=", 1) for line in context.cli("keys", "add", "boss", "--role", "administer", "--store", store).splitlines())
    server = context.serve(store=store, root=False)
    env = {**made, "RATCHET_ENDPOINT": server.url}
    assert "boss" in context.cli("keys", "ls", env=env)
    assert "server has the store" in context.cli("keys", "ls", "--store", store, status=2)
    context.cli("ls", env=env)
    assert "AWS_ACCESS_KEY_ID" in context.cli("ls", env={"RATCHET_ENDPOINT": server.url}, status=2)
    assert "does not match" in context.cli("ls", env={**env, "AWS_SECRET_ACCESS_KEY": "x"}, status=2)
    own = {"RATCHET_ACCESS_KEY_ID": made["AWS_ACCESS_KEY_ID"], "RATCHET_SECRET_ACCESS_KEY": made["AWS_SECRET_ACCESS_KEY"]}
    context.cli("keys", "ls", env={"AWS_ACCESS_KEY_ID": "other", "AWS_SECRET_ACCESS_KEY": "x", **own, "RATCHET_ENDPOINT": server.url})
    # The last one that administers stays.
    assert "last key" in context.cli("keys", "rm", made["AWS_ACCESS_KEY_ID"], env=env, status=2)
    other = json.loads(context.cli("keys", "add", "reader", "--role", "read", "--json", env=env))
    assert server.stop() == 0
    context.server = None
    listed = json.loads(context.cli("keys", "ls", "--json", "--store", store))["keys"]
    assert [(key["name"], key["role"]) for key in listed] == [("boss", "administer"), ("reader", "read")], listed
    context.cli("keys", "disable", other["id"], "--store", store)
    server = context.serve(store=store, root=False)
    env["RATCHET_ENDPOINT"] = server.url
    assert "disabled" in context.cli("keys", "ls", env=env)
    for secret in (made["AWS_SECRET_ACCESS_KEY"], other["secret"]):
        assert secret not in server.log()


def a_command_deploys_and_follows_with_its_key(context):
    server = context.serve()
    env = {"AWS_ACCESS_KEY_ID": ROOT, "AWS_SECRET_ACCESS_KEY": ROOT_SECRET, "RATCHET_ENDPOINT": server.url}
    with open(context.folder + "/m.json", "w") as file:
        file.write(PASSES)
    context.cli("deploy", "m", context.folder + "/m.json", env=env)
    assert json.loads(context.cli("start", "m", "--follow", "--json", "--input", '{"a": "é"}', env=env))["status"] == "SUCCEEDED"


# ---- sessions ------------------------------------------------------------------------------------------------------

class Browser:
    def __init__(self, context):
        self.server, self.cookie, self.csrf, self.origin = context.server, None, None, f"http://{context.host}"

    def ask(self, method, path, request=None, **changed):
        headers = {"Origin": self.origin} if method != "GET" else {}
        if self.cookie:
            headers["Cookie"] = "other=1; ratchet_session=" + self.cookie
        if self.csrf:
            headers["X-Ratchet-Csrf"] = self.csrf
        headers.update({name.replace("_", "-"): value for name, value in changed.items()})
        headers = {name: value for name, value in headers.items() if value is not None}
        status, answered, body = self.server.request(method, path, None if request is None else json.dumps(request), headers)
        return status, answered, json.loads(body) if body else None

    def sign_in(self, key=ROOT, secret=ROOT_SECRET):
        status, headers, body = self.ask("POST", "/v1/session", {"accessKeyId": key, "secretAccessKey": secret})
        if status == 200:
            cookie = headers["Set-Cookie"]
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "Secure" not in cookie, cookie
            self.cookie, self.csrf = cookie.split(";")[0].split("=", 1)[1], body["csrf"]
        return status, body


def a_browser_signs_in_and_out(context):
    context.serve()
    browser = Browser(context)
    assert browser.ask("GET", "/v1/session")[2] == {"auth": True}
    assert browser.sign_in(secret="wrong-wrong-wrong")[0] == 403
    assert browser.sign_in(key="AKIANOBODY")[1]["error"]["code"] == "InvalidCredentials"
    status, session = browser.sign_in()
    assert status == 200 and session["role"] == "administer" and session["name"] == "root" and session["key"] == ROOT, session
    again = browser.ask("GET", "/v1/session")[2]
    assert again["csrf"] == session["csrf"] and again["expires_ms"] > 0
    assert browser.ask("GET", "/v1/info")[0] == 200
    key = browser.ask("POST", "/v1/keys", {"name": "a", "role": "read"})
    assert key[0] == 201, key
    target = {"X_Amz_Target": "AWSStepFunctions.ListStateMachines"}
    assert browser.ask("POST", "/", {}, **target)[0] == 200
    for changed in ({"X_Ratchet_Csrf": None}, {"X_Ratchet_Csrf": "0" * 64}, {"Origin": None}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert browser.ask("POST", "/v1/keys", {"name": "b", "role": "read"}, **changed)[0] == 403, changed
        assert browser.ask("POST", "/", {}, **target, **changed)[0] in (400, 403), changed
    assert browser.ask("DELETE", "/v1/session", X_Ratchet_Csrf=None)[0] == 403
    assert browser.ask("DELETE", "/v1/session")[0] == 200
    assert browser.ask("GET", "/v1/info")[0] == 401
    browser.cookie = "0" * 64
    assert browser.ask("GET", "/v1/info")[0] == 401


def a_session_ends_with_its_key(context):
    context.serve()
    for method, body in (("PUT", {"disabled": True}), ("DELETE", None)):
        key = context.key("read")
        browser = Browser(context)
        assert browser.sign_in(key["id"], key["secret"])[1]["role"] == "read"
        assert browser.ask("GET", "/v1/info")[0] == 200
        status, _, answer = browser.ask("POST", "/v1/keys", {"name": "a", "role": "read"})
        assert status == 403 and answer["error"]["code"] == "AccessDenied", answer
        assert context.v1(method, "/v1/keys/" + key["id"], body)[0] == 200
        assert browser.ask("GET", "/v1/info")[0] == 401


def a_stream_ends_with_its_key_or_session(context):
    context.serve()
    key, browser, stays = context.key("read"), Browser(context), Browser(context)
    assert browser.sign_in()[0] == 200 and stays.sign_in()[0] == 200
    path = "/v1/events?topics=overview"
    opened = [Signer(key["id"], key["secret"]).headers("GET", path, context.host)]
    opened += [{"Cookie": "ratchet_session=" + one.cookie} for one in (browser, stays)]
    streams = []
    for headers in opened:
        connection = http.client.HTTPConnection(context.host, timeout=20)
        connection.request("GET", path, headers=headers)
        streams.append(connection.getresponse())
        assert streams[-1].status == 200
    assert context.v1("PUT", "/v1/keys/" + key["id"], {"disabled": True})[0] == 200
    assert browser.ask("DELETE", "/v1/session")[0] == 200
    assert all(b"hello" in stream.read() for stream in streams[:2])  # to its end
    assert any(b"still here" in streams[2].readline() for _ in range(20))


def guessing_is_slow(context):
    context.serve()
    browser = Browser(context)
    answers = [browser.sign_in(secret=f"guess-{i:016}")[0] for i in range(15)]
    assert answers[:10] == [403] * 10 and 429 in answers[10:], answers
    status, headers, _ = browser.ask("POST", "/v1/session", {"accessKeyId": ROOT, "secretAccessKey": ROOT_SECRET})
    assert status == 429 and int(headers["Retry-After"]) > 0
    assert context.api("ListStateMachines", {})[0] == 200  # who signs is not held up


def sessions_are_bounded(context):
    context.serve()
    first = Browser(context)
    assert first.sign_in()[0] == 200
    for _ in range(256):
        assert Browser(context).sign_in()[0] == 200
    assert first.ask("GET", "/v1/info")[0] == 401


def without_authentication_nobody_signs_in(context):
    context.serve(auth="none", root=False)
    assert json.loads(context.server.request("GET", "/v1/session")[2]) == {"auth": False, "role": "administer"}
    assert context.server.request("POST", "/v1/session", "{}")[0] == 404
    status, _, body = context.server.request("POST", "/v1/keys", json.dumps({"name": "a", "role": "administer"}))
    assert status == 201, body


def what_is_sent_without_a_key_is_not_kept(context):
    server = context.serve()
    before = server.memory_kib()
    for _ in range(20):
        status, _, _ = server.post("CreateStateMachine", "x" * 900000)
        assert status == 400
    connections = []
    for _ in range(100):
        connection = server.connect()
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 900000)
        connections.append(connection)
    assert server.request("GET", "/healthz")[0] == 200
    assert server.memory_kib() - before < 30000, (before, server.memory_kib())
    for connection in connections:
        connection.close()
    try:
        status = server.request("POST", "/v1/session", "x" * 100000)[0]
    except (ConnectionError, http.client.HTTPException):
        status = 413
    assert status == 413


# ---- names, addresses, TLS -------------------------------------------------------------------------------------------

def hosts_are_any_or_those_configured(context):
    server = context.serve()
    for host in ("ratchet.example", "10.0.0.1:8083"):
        assert server.request("GET", "/healthz", headers={"Host": host})[0] == 200
        assert server.request("GET", "/healthz", headers={"Host": host, "Origin": "http://" + host})[0] == 200
        assert server.request("GET", "/healthz", headers={"Host": host, "Origin": "http://other.example"})[0] == 403
    server.stop()
    server = context.serve(hosts="ratchet.example, [fd00::1]")
    for host, status in (("ratchet.example", 200), ("RATCHET.example:443", 200), ("[fd00::1]:8083", 200), ("evil.example", 403),
                         (context.host, 200), ("ratchet.example.evil", 403)):
        assert server.request("GET", "/healthz", headers={"Host": host})[0] == status, host


def beyond_this_machine_authentication_is_needed(context):
    refused = context.cli("serve", "--listen", "0.0.0.0:0", "--store", "memory:", status=2)
    assert "--auth sigv4" in refused, refused
    server = context.serve("--listen", "0.0.0.0:0")
    assert "is not a loopback address and there is no TLS" in server.log(), server.log()
    assert context.api("ListStateMachines", {})[0] == 200


def _certificate(context, name="tls"):
    key, certificate = f"{context.folder}/{name}.key", f"{context.folder}/{name}.pem"
    if not shutil.which("openssl"):
        raise Skipped("openssl is not installed")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return key, certificate


def tls_carries_everything(context):
    key, certificate = _certificate(context)
    server = context.serve("--listen", "0.0.0.0:0", tls_certificate=certificate, tls_key=key)
    assert server.url.startswith("https://") and "loopback" not in server.log(), (server.url, server.log())
    url = f"https://127.0.0.1:{server.port}"
    env = {"AWS_ACCESS_KEY_ID": ROOT, "AWS_SECRET_ACCESS_KEY": ROOT_SECRET, "RATCHET_ENDPOINT": url}
    assert "not trusted" in context.cli("keys", "ls", env=env, status=3)
    assert "root" in context.cli("keys", "ls", "--ca-file", certificate, env=env)
    env["RATCHET_CA_FILE"] = certificate
    with open(context.folder + "/m.json", "w") as file:
        file.write(json.dumps({"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}))
    context.cli("deploy", "m", context.folder + "/m.json", "--type", "EXPRESS", env=env)
    trusting = ssl.create_default_context(cafile=certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=trusting, timeout=20)
    for operation, request in (("StartSyncExecution", {"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:m"}),  # is suspended meanwhile
                               ("ListStateMachines", {})):
        body = json.dumps(request).encode()
        connection.request("POST", "/", body, Signer().headers("POST", "/", context.host, body, headers={"X-Amz-Target": "AWSStepFunctions." + operation}))
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
    # A large body and a large answer, and a session whose cookie stays on TLS.
    definition = json.dumps({"Comment": "x" * 700000, "StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    for operation, request in (("CreateStateMachine", {"name": "large", "definition": definition, "roleArn": ROLE}),
                               ("DescribeStateMachine", {"stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:large"})):
        body = json.dumps(request).encode()
        connection.request("POST", "/", body, Signer().headers("POST", "/", context.host, body, headers={"X-Amz-Target": "AWSStepFunctions." + operation}))
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text[:300]
    assert len(text) > 700000
    connection.request("POST", "/v1/session", json.dumps({"accessKeyId": ROOT, "secretAccessKey": ROOT_SECRET}), {"Origin": f"https://{context.host}"})
    answer = connection.getresponse()
    assert answer.status == 200 and "Secure" in answer.headers["Set-Cookie"], answer.read()
    for version, good in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        done = subprocess.run(["openssl", "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect", f"127.0.0.1:{server.port}", "-CAfile", certificate,
                               "-verify_return_error"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20)
        assert (done.returncode == 0) == good, (version, done.stdout[-600:])
    # Somebody who does not speak TLS gets nothing, and disturbs nobody.
    plain = server.connect()
    plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"200 OK" not in plain.recv(1000)
    assert "root" in context.cli("keys", "ls", env=env)


def tls_settings_that_cannot_work_are_told(context):
    key, certificate = _certificate(context)
    other, _ = _certificate(context, "other")
    serve = ["serve", "--store", "memory:", "--listen", "127.0.0.1:0"]
    assert "go together" in context.cli(*serve, "--tls-key", key, status=2)
    assert "tls_certificate" in context.cli(*serve, "--tls-certificate", context.folder + "/none", "--tls-key", key, status=2)
    assert "no PEM" in context.cli(*serve, "--tls-certificate", "/bin/true", "--tls-key", key, status=2)
    assert "cannot start the HTTP server" in context.cli(*serve, "--tls-certificate", certificate, "--tls-key", other, status=2)


def a_server_without_authentication_may_speak_tls(context):
    key, certificate = _certificate(context)
    server = context.serve(auth="none", root=False, tls_certificate=certificate, tls_key=key)
    assert "no state machines" in subprocess.run([context.ratchet, "ls"], env={**context.env, "RATCHET_ENDPOINT": server.url, "RATCHET_CA_FILE": certificate},
                                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30).stdout


def a_root_key_must_be_one(context):
    for root_key, words in (({"id": ROOT}, "secret"), ({"secret": "0123456789abcdef"}, "id"), ({"id": "a b c", "secret": "0123456789abcdef"}, "letters"),
                            ({"id": ROOT, "secret": "short"}, "16"), ({"id": ROOT, "secret": {"env": "NOT_SET"}}, "NOT_SET"),
                            ({"id": ROOT, "secret": "0123456789abcdef", "colour": 1}, "colour")):
        path = context.folder + "/bad.yaml"
        with open(path, "w") as file:
            json.dump({"auth": "sigv4", "root_key": root_key}, file)
        refused = context.cli("serve", "--store", "memory:", "--listen", "127.0.0.1:0", "--config", path, status=2)
        assert words in refused and "0123456789abcdef" not in refused, refused


if __name__ == "__main__":
    main(tests_of(globals()), Context, __doc__.split("\n")[0])
