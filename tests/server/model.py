#!/usr/bin/env python3
"""model.py TABLE: the API's table (api_operations, as TABLE prints it) against AWS's own model of the service: there are exactly AWS's operations;
each takes exactly AWS's members, with their types, whether they are required, their bounds and their choices; gives exactly AWS's members, with
what stands inside them; and has exactly AWS's errors.

The last line is 'N passed, N failed, N skipped': an operation each."""

import json
import os
import subprocess
import sys

# Lengths that limits.h can raise are not in the table: the engine checks them.
RAISED = {"Definition", "SensitiveData"}
# In the model, a choice's bounds are those of its words.
FLOATS = {"double", "float"}
# What stands inside these is not in the table: the events of a history and the look into a tested state have tables of their own.
ELSEWHERE = {"HistoryEventList", "InspectionData"}
WORDS = {"timestamp": "time", "boolean": "flag", "integer": "integer", "long": "integer", "float": "float", "double": "float", "map": "map",
         "string": "string"}


def read_shape(text):
    """An output as the table writes it (server/api_shape.h) → {member: (kind, required)}; a list is [kind], an object such a dictionary."""
    at = 0

    def word(ends):
        nonlocal at
        start = at
        while at < len(text) and text[at] not in ends:
            at += 1
        return text[start:at]

    def kind():
        nonlocal at
        if text[at] == "{":
            at += 1
            found = members()
            at += 1
            return found
        if text[at] == "[":
            at += 1
            found = [kind()]
            at += 1
            return found
        return word("! ]}") or "string"

    def members():
        nonlocal at
        found = {}
        while at < len(text) and text[at] != "}":
            name, what, required = word(":! }"), "string", False
            if text[at:at + 1] == ":":
                at += 1
                what = kind()
            if text[at:at + 1] == "!":
                at, required = at + 1, True
            found[name] = (what, required)
            while text[at:at + 1] == " ":
                at += 1
        return found

    return members()


def model_shape(shapes, name):
    """The same of a shape of the model."""
    shape = shapes[name]
    if name in ELSEWHERE:
        return "any"
    if shape["type"] == "structure":
        return {member: (model_shape(shapes, row["shape"]), member in shape.get("required", [])) for member, row in shape["members"].items()}
    if shape["type"] == "list":
        return [model_shape(shapes, shape["member"]["shape"])]
    return WORDS[shape["type"]]


def answer_differences(row, model, operation):
    ours, wanted = read_shape(row["output"]), model_shape(model["shapes"], operation["output"]["shape"])
    for member in sorted(set(ours) | set(wanted)):
        if ours.get(member) != wanted.get(member):
            yield f"answer: {member} is {ours.get(member)}, AWS has {wanted.get(member)}"
    errors, known = row["errors"].split(), [error["shape"] for error in operation["errors"]]
    for error in sorted(set(errors) ^ set(known)):
        yield f"error {error}: {'not in the table' if error in known else 'AWS has no such error here'}"
    if len(errors) != len(set(errors)):
        yield "an error is named twice"


def differences(table_row, model, name):
    ours = table_row["input"]
    shapes = model["shapes"]
    operation = model["operations"].get(name)
    if not operation:
        yield "AWS has no such operation"
        return
    wanted = shapes[operation["input"]["shape"]]
    for member in sorted(set(ours) ^ set(wanted["members"])):
        yield f"{member}: {'not in the table' if member in wanted['members'] else 'AWS has no such member'}"
    for member in sorted(set(ours) & set(wanted["members"])):
        row, shape_name = ours[member], wanted["members"][member]["shape"]
        shape = shapes[shape_name]
        kind = "float" if shape["type"] in FLOATS else "integer" if shape["type"] == "long" else shape["type"]
        if row["type"] != kind:
            yield f"{member}: is {row['type']}, AWS has {kind}"
        if row["required"] != (member in wanted.get("required", [])):
            yield f"{member}: required is {row['required']}"
        choices = set(row["choices"].split(", ")) if row["choices"] else set()
        if choices != set(shape.get("enum", [])):
            yield f"{member}: choices are {row['choices']}, AWS has {shape.get('enum')}"
        if row["least"] != shape.get("min", 0):
            yield f"{member}: least is {row['least']}, AWS has {shape.get('min', 0)}"
        if row["most"] != shape.get("max", 0) and not (row["most"] == 0 and shape_name in RAISED):
            yield f"{member}: most is {row['most']}, AWS has {shape.get('max', 0)}"
    yield from answer_differences(table_row, model, operation)


def main():
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
    data = os.environ.get("RATCHET_TEST_DATA", os.path.join(root, "..", "shared"))
    path = os.path.join(data, "reference", "aws-api", "botocore-service-2.json")
    if not os.path.exists(path):
        print("skipped: AWS's model of the API is not here\n0 passed, 0 failed, 1 skipped")
        return 77
    with open(path) as file:
        model = json.load(file)
    operations = json.loads(subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout)["operations"]
    failed = 0
    for name, row in operations.items():
        found = list(differences(row, model, name))
        for difference in found:
            print(f"{name}: {difference}")
        failed += bool(found)
    for name in sorted(set(model["operations"]) - set(operations)):
        print(f"{name}: not in the table")
        failed += 1
    print(f"{max(0, len(operations) - failed)} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
