#!/usr/bin/env python3
"""model.py TABLE: the API's table (api_operations, as TABLE prints it) against AWS's own model of the service: every operation that we have
has exactly AWS's members, with their types, whether they are required, their bounds and their choices.

The last line is 'N passed, N failed, N skipped': an operation each."""

import json
import os
import subprocess
import sys

# Lengths that limits.h can raise are not in the table: the engine checks them.
RAISED = {"Definition", "SensitiveData"}
# In the model, a choice's bounds are those of its words.
FLOATS = {"double", "float"}


def differences(ours, model, name):
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
    for name, members in operations.items():
        found = list(differences(members, model, name))
        for difference in found:
            print(f"{name}: {difference}")
        failed += bool(found)
    missing = sorted(set(model["operations"]) - set(operations))
    if missing:
        print("not there yet: " + ", ".join(missing))
    print(f"{len(operations) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
