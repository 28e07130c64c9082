"""api_model.py: what the walks of the clients share: the current model of the API for clients that are older than it, and a look at raw answers.

The model is AWS's and is not part of this source tree: it is taken from RATCHET_TEST_DATA/reference/aws-api (default: ../shared beside the
source) where that is there, and put into a folder as AWS_DATA_PATH wants it.

    python3 api_model.py FOLDER     makes FOLDER/stepfunctions/…; prints the model's operations; status 77 and one line if there is no model"""

import json
import os
import shutil
import sys

FILES = {"botocore-service-2.json": "service-2.json", "botocore-paginators-1.json": "paginators-1.json",
         "botocore-endpoint-rule-set-1.json": "endpoint-rule-set-1.json", "botocore-examples-1.json": "examples-1.json"}
MISSING = "AWS's model of the API is not here: only what the client itself knows is walked"


def source():
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    folder = os.path.join(os.environ.get("RATCHET_TEST_DATA") or os.path.join(root, "..", "shared"), "reference", "aws-api")
    return folder if os.path.exists(os.path.join(folder, "botocore-service-2.json")) else None


def data_path(folder):
    """Makes a folder for AWS_DATA_PATH; None if the model is not here."""
    found = source()
    if not found:
        return None
    to = os.path.join(folder, "stepfunctions", "2016-11-23")
    os.makedirs(to, exist_ok=True)
    for name, wanted in FILES.items():
        if os.path.exists(os.path.join(found, name)):
            shutil.copyfile(os.path.join(found, name), os.path.join(to, wanted))
    return folder


def read():
    """The model itself, or None."""
    found = source()
    if not found:
        return None
    with open(os.path.join(found, "botocore-service-2.json")) as file:
        return json.load(file)


JSON_TYPES = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": (int, float), "float": (int, float), "double": (int, float),
              "structure": dict, "map": dict, "list": list}


def problems(model, shape_name, value, where):
    """What is wrong in an answer: unknown members, missing ones, other types, words that are no choice."""
    shape = model["shapes"][shape_name]
    kind = shape["type"]
    if not isinstance(value, JSON_TYPES[kind]) or (kind != "boolean" and isinstance(value, bool)):
        yield f"{where} is {value!r}, which is no {kind}"
    elif kind == "structure":
        for name in sorted(set(value) - set(shape["members"])):
            yield f"{where}.{name} is unknown"
        for name in sorted(set(shape.get("required", [])) - set(value)):
            yield f"{where}.{name} is missing"
        for name in sorted(set(value) & set(shape["members"])):
            yield from problems(model, shape["members"][name]["shape"], value[name], f"{where}.{name}")
    elif kind == "list":
        for i, item in enumerate(value):
            yield from problems(model, shape["member"]["shape"], item, f"{where}[{i}]")
    elif kind == "map":
        for name, item in value.items():
            yield from problems(model, shape["value"]["shape"], item, f"{where}.{name}")
    elif "enum" in shape and value not in shape["enum"]:
        yield f"{where} is {value!r}, none of {shape['enum']}"


def answer_problems(model, operation, status, body):
    """The same for a whole answer, or an error: it must be one of the operation's."""
    row = model["operations"][operation]
    answer = json.loads(body)
    if status == 200:
        yield from problems(model, row["output"]["shape"], answer, operation)
    else:
        known = {error["shape"] for error in row["errors"]} | {"ValidationException"}
        if answer.get("__type") not in known:
            yield f"{operation} refused with {answer.get('__type')}, which is none of its errors"
        if not isinstance(answer.get("message"), str):
            yield f"{operation} refused without a message"


if __name__ == "__main__":
    if not data_path(sys.argv[1]):
        print(f"skipped: {MISSING}")
        sys.exit(77)
    print("\n".join(sorted(read()["operations"])))
