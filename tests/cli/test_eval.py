#!/usr/bin/env python3
"""`ratchet eval`, and the examples of docs/expressions.md, which are run as they stand on the page.

On the page a block `json input` is the document of the examples that follow; `jsonpath`, `jsonata`, `states` hold an expression, `json machine` a state
machine; the block behind it holds the result (`json`), or what is said on stderr (`text`)."""

import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from test_cli import Context, main, tests_of

PAGE = os.path.join(HERE, "..", "..", "docs", "expressions.md")
OPTIONS = {"jsonpath": ["--jsonpath"], "jsonata": ["--jsonata"], "states": ["--states", "--jsonata"]}
NOTHING_SAID = re.compile(r"gives nothing|: [TDU]\d{4}:|States\.")


def _blocks():
    with open(PAGE, encoding="utf-8") as page:
        return re.findall(r"^```([a-z ]+)\n(.*?)^```$", page.read(), re.M | re.S)


def _example(context, kind, text, wanted_kind, wanted, document):
    """What is wrong with it, or None."""
    status = 0 if wanted_kind == "json" else 1 if NOTHING_SAID.search(wanted) else 2
    if kind == "json machine":
        out, said = context.run("run", context.file("machine.asl.json", text), "--input", "@" + document, status=status)
    else:
        out, said = context.run("eval", "--json", "--input", document, *OPTIONS[kind], text.rstrip("\n"), status=status)
    good = json.loads(out) == json.loads(wanted) if wanted_kind == "json" else said == wanted and not out
    return None if good else f"{text}gives\n{out}{said}and not\n{wanted}"


def the_page_s_examples_give_what_it_says(context):
    blocks, document, wrong, count = _blocks(), None, [], 0
    for (kind, text), (wanted_kind, wanted) in zip(blocks, blocks[1:] + [("", "")]):
        if kind == "json input":
            document = context.file("input.json", text)
        elif kind in OPTIONS or kind == "json machine":
            assert wanted_kind in ("json", "text"), f"no result behind: {text}"
            count += 1
            wrong.append(_example(context, kind, text, wanted_kind, wanted, document))
    wrong = [what for what in wrong if what]
    assert not wrong, "\n".join(wrong)
    assert count >= 30, count


def the_document_may_come_from_standard_input(context):
    out, _ = context.run("eval", "--jsonata", "$sum(a)", "--input", "-", stdin=b'{"a": [1, 2]}')
    assert out == "3\n", out


def without_a_document_there_is_no_input(context):
    assert context.run("eval", "--jsonata", "1 + 1")[0] == "2\n"
    assert context.run("eval", "--jsonata", "$exists($)")[0] == "false\n"
    context.run("eval", "--jsonata", "a", status=1)


def a_result_is_indented_unless_one_line_is_asked_for(context):
    assert context.run("eval", "--jsonata", "{'a': [1]}")[0] == '{\n  "a": [\n    1\n  ]\n}\n'
    assert context.run("eval", "--jsonata", "{'a': [1]}", "--json")[0] == '{"a":[1]}\n'


def numbers_and_texts_come_through_as_they_are(context):
    document = context.file("input.json", b'{"n": 12345678901234567890, "d": 1.10, "s": "\\ud83d\\ude00"}')
    assert context.run("eval", "--jsonpath", "$", "--input", document, "--json")[0] == '{"n":12345678901234567890,"d":1.10,"s":"\\ud83d\\ude00"}\n'


def the_caret_stands_under_the_place_in_its_line(context):
    _, said = context.run("eval", "--jsonata", "(\n  $é := 1;\n  $é + )\n)", status=2)
    assert said.splitlines()[1:] == ["    $é + )", "         ^"], said


def what_is_asked_wrongly_is_a_usage_error(context):
    for arguments in [], ["--jsonata", "1", "--jsonpath", "$"], ["--states", "--jsonpath", "$"], ["--jsonata", "1", "--input", "/nonexistent"]:
        out, said = context.run("eval", *arguments, status=2)
        assert not out and said.startswith("ratchet: "), (arguments, said)
    _, said = context.run("eval", "--jsonata", "1", "--input", context.file("bad.json", b"{"), status=2)
    assert "bad.json" in said, said


def an_expression_that_would_not_end_is_stopped(context):
    _, said = context.run("eval", "--jsonata", "($f := function($n) { $f($n) }; $f(1))", status=1)
    assert "U1001" in said, said


if __name__ == "__main__":
    main(tests_of(globals()), Context, __doc__)
