#!/usr/bin/env python3
"""Makes the fuzzers' first inputs: small texts of our own for each target, and records as a server really stores them.

    make_corpus.py --ratchet BINARY CORPUS_FOLDER

Writes CORPUS_FOLDER/TARGET/HASH. What a fuzzer has found since stays beside them; tests/long.py fuzz begins from both."""

import argparse
import hashlib
import json
import os
import pathlib
import sqlite3
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
from kill import ROLE, Server  # noqa: E402

PASS, END = {"Type": "Pass"}, {"End": True}
DEFINITIONS = [
    {"StartAt": "A", "States": {"A": {**PASS, "Result": {"x": [1, 2.5e3, "é"]}, "ResultPath": "$.r", "Next": "B"}, "B": {"Type": "Succeed"}}},
    {"StartAt": "C", "States": {"C": {"Type": "Choice", "Default": "F", "Choices": [
        {"And": [{"Variable": "$.n", "NumericGreaterThan": 1}, {"Not": {"Variable": "$.s", "StringMatches": "a*b"}}], "Next": "D"}]},
        "D": {**PASS, **END}, "F": {"Type": "Fail", "Error": "E", "Cause": "c"}}},
    {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "End": True, "ItemSelector": {"v.$": "$$.Map.Item.Value"},
                                     "ItemProcessor": {"StartAt": "P", "States": {"P": {**PASS, **END}}}}}},
    {"StartAt": "X", "States": {"X": {"Type": "Parallel", "End": True, "Branches": [
        {"StartAt": "V", "States": {"V": {"Type": "Wait", "Seconds": 1, **END}}}, {"StartAt": "W", "States": {"W": {"Type": "Fail"}}}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.e", "Next": "Z"}]}, "Z": {**PASS, **END}}},
    {"QueryLanguage": "JSONata", "StartAt": "J", "States": {"J": {**PASS, "Assign": {"v": "{% $states.input.n + 1 %}"}, "Output": "{% $v %}", **END}}},
    {"StartAt": "T", "TimeoutSeconds": 60, "States": {"T": {"Type": "Task", "Resource": "arn:ratchet:exec:::none", "HeartbeatSeconds": 5, "TimeoutSeconds": 9,
                                                             "Retry": [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1,
                                                                        "BackoffRate": 1.5, "JitterStrategy": "FULL"}], **END}}},
]
TEXTS = {
    "json": ['{"a":[1,-2.5e-7,1E400,"\\ud83d\\ude00\\u0000",null,true,false,{}]}', '[' * 40 + ']' * 40, '"\\ud800"', " 12345678901234567890.10 ", '{"a":1,"a":2}'],
    "timestamp": ["2024-02-29T23:59:59.999Z", "1999-12-31T23:59:60+14:00", "0000-01-01T00:00:00Z", "2024-01-01T00:00:00.123456-05:30"],
    "jsonpath": ["$.a[0]\n{\"a\":[1]}", "$..b[?(@.c > 1 && @.d =~ /x/i)]", "$['a','b'][1:5:2]", "$.a[-1:]", "$.length()", "$[?(@.a in [1,'x'])]", "$$.Execution.Id"],
    "intrinsic": ["States.Format('{} {}', $.a, 1)", "States.ArrayPartition(States.Array(1, 2, 3), 2)", "States.JsonMerge($.a, $.b, false)",
                  "States.MathRandom(1, 9, 3)", "States.Base64Encode('é')", "States.StringSplit($.s, ',')", "States.Hash($.a, 'SHA-256')"],
    "jsonata": ["Account.Order[0].Product.{Description.Colour: $sum(Price * Quantity)}", "$map([1..5], function($v, $i){ $v * $i })", "a ~> |b|{'c': 1}|",
                "$match('aab', /a+(b)/)", "$fromMillis(0, '[Y0001]-[M01]-[D01]')", "($f := function($n){ $n < 2 ? 1 : $n * $f($n - 1) }; $f(5))",
                "$formatNumber(1234.5, '#,##0.00')", "$states.input.a^(>b, <c)"],
    "yaml": ["StartAt: A\nStates:\n  A:\n    Type: Pass # why\n    Result: [1, 'it''s', \"x\\n\", >-\n      two\n      lines\n    ]\n    End: true\n",
             "QueryLanguage: JSONata\nStartAt: \u00c4\nStates: {\u00c4: {Type: Fail, Error: '{% 1 + %}'}}\n", "a: &x [*x]\n--- !!map\n? [k]\n: v",
             "listen: 127.0.0.1:0\nlimits:\n  payload_bytes: 1000\nexec:\n  a: {program: /bin/true, args: [\"{$.x}\", '-']}\n", "- 1\n- null\n- 'it''s'\n- |\n  text\n",
             "{\"a\": [true, 1e3]}", "a: &x 1\nb: *x\n", "? a\n: b\n", ""],
    "definition": [json.dumps(definition) for definition in DEFINITIONS] + ['{"StartAt":', '{"StartAt":"A","States":{"A":{"Type":"Nope"}}}'],
}


SIGNED = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/states/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + "0123456789abcdef" * 4
CHUNK = ";chunk-signature=" + "0123456789abcdef" * 4
TEXTS["sigv4"] = [
    f"POST /\nHost:a\nX-Amz-Date:20260101T000000Z\nAuthorization:{SIGNED}\n\n{{}}",
    f"PUT /v1/keys/a%3Ab?b=1&a=%20+&c\nHost: a  b \nX-Amz-Date:20260101T000000Z\nAuthorization:{SIGNED}\n\n{{}}",
    "GET /v1/info?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%2F20260101%2Fr%2Fstates%2Faws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=60"
    "&X-Amz-SignedHeaders=host&X-Amz-Signature=" + "0123456789abcdef" * 4 + "\nHost:a\n\n",
    f"POST /\nHost:a\nX-Amz-Date:20260101T000000Z\nX-Amz-Content-Sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\nAuthorization:{SIGNED}\n\n"
    f"3{CHUNK}\r\nabc\r\n0{CHUNK}\r\nx-amz-checksum-crc32:AAAA\r\nx-amz-trailer-signature:" + "0123456789abcdef" * 4 + "\r\n\r\n",
    "POST /\n\n3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "POST /\n\nffffffff\r\nabc", "POST /\n\n0\r\n\r\n",
]


MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
EXECUTION = "arn:aws:states:us-east-1:000000000000:execution:m:e"
CALLS = [
    ("CreateStateMachine", {"name": "m", "roleArn": ROLE, "definition": json.dumps(DEFINITIONS[0]), "tags": [{"key": "a", "value": "b"}]}),
    ("UpdateStateMachine", {"stateMachineArn": MACHINE, "definition": json.dumps(DEFINITIONS[2]), "publish": True}),
    ("StartExecution", {"stateMachineArn": MACHINE, "name": "e", "input": '{"items":[1,2]}'}), ("DescribeExecution", {"executionArn": EXECUTION}),
    ("GetExecutionHistory", {"executionArn": EXECUTION, "maxResults": 3, "reverseOrder": True}), ("StopExecution", {"executionArn": EXECUTION, "error": "E"}),
    ("ListExecutions", {"stateMachineArn": MACHINE, "statusFilter": "RUNNING", "maxResults": 1}), ("ListStateMachines", {"maxResults": 2}),
    ("SendTaskSuccess", {"taskToken": "x", "output": "{}"}), ("TagResource", {"resourceArn": MACHINE, "tags": [{"key": "k", "value": "v"}]}),
    ("ValidateStateMachineDefinition", {"definition": json.dumps(DEFINITIONS[1])}), ("DeleteStateMachine", {"stateMachineArn": MACHINE}),
    ("TestState", {"definition": json.dumps(DEFINITIONS[0]["States"]["A"]), "input": "{}", "roleArn": ROLE}),
    ("CreateActivity", {"name": "a"}), ("PublishStateMachineVersion", {"stateMachineArn": MACHINE}),
]


def records(binary):
    """What a server stores for each definition: one record to an input (fuzz_record.c says how)."""
    with tempfile.TemporaryDirectory(prefix="ratchet-corpus-") as folder:
        with open(f"{folder}/ratchet.yaml", "w") as config:
            config.write("exec:\n  none:\n    program: /bin/false\n")
        server = Server(binary, folder)
        server.start()
        for i, definition in enumerate(DEFINITIONS):
            machine = server.call("CreateStateMachine", name=f"m{i}", roleArn=ROLE, definition=json.dumps(definition))["stateMachineArn"]
            server.call("StartExecution", stateMachineArn=machine, name="e", input='{"n": 2, "s": "b", "items": [1, 2, 3]}')
        time.sleep(3)
        server.stop()
        store = sqlite3.connect(f"{folder}/store.db")
        yield from (b"\0\0" + bytes(row[0]) for row in store.execute("SELECT bytes FROM record"))
        store.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ratchet", default="build/ratchet")
    parser.add_argument("folder")
    options = parser.parse_args()
    inputs = {target: [text.encode() for text in texts] for target, texts in TEXTS.items()}
    inputs["http"] = [f"{operation}\n{json.dumps(body)}".encode() for operation, body in CALLS]
    inputs["record"] = list(records(os.path.abspath(options.ratchet)))
    for target, texts in inputs.items():
        folder = pathlib.Path(options.folder) / target
        folder.mkdir(parents=True, exist_ok=True)
        for text in texts:
            (folder / hashlib.sha256(text).hexdigest()[:16]).write_bytes(text)
        print(f"{target}: {len(texts)} inputs")


if __name__ == "__main__":
    main()
