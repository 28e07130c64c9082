#!/usr/bin/env python3
"""Shows that the simulator runs the product's own objects.

objects.py SIMULATION RATCHET SIMULATION_LIBRARY PRODUCTION_LIBRARY...

No function of the production libraries is defined by the simulator's own code, so that none is replaced; and every one of them that is in the
simulator is in the product too, with the same size and the same instructions (but for addresses, which the linker fills in)."""

import re
import subprocess
import sys
from collections import Counter

# What the simulator must contain: the turn, timers, admission, recovery, dispatch, the core.
NEEDED = ["engine_turn", "batches_settle", "timers_take_due", "engine_start", "mailbox_put", "engine_recover", "recovery_loaded", "cache_release",
          "dispatch_start", "core_begin", "core_apply", "core_finish", "core_redispatch", "execution_fold", "execution_snapshot",
          "program_compile", "value_parse"]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def defined(path):
    """Global functions and data that an archive or program defines: name -> size."""
    symbols = {}
    for line in run("nm", "-S", "--defined-only", path).splitlines():
        match = re.match(r"[0-9a-f]+ ([0-9a-f]+) [TDRB] (\w+)$", line)
        if match:
            symbols[match[2]] = int(match[1], 16)
    return symbols


def unique(path):
    """Names that only one symbol has, static ones included."""
    names = [line.split()[-1] for line in run("nm", "--defined-only", path).splitlines()]
    return {name for name, count in Counter(names).items() if count == 1}


def instructions(path, names):
    """The mnemonics of functions, in order: name -> text."""
    code = {}
    name = None
    for line in run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        begins = re.match(r"[0-9a-f]+ <(.+)>:$", line)
        if begins:
            name = begins[1] if begins[1] in names else None
            code.setdefault(name, [])
        elif name and "\t" in line:
            words = line.split("\t")[1]
            if "nop" not in words and words.strip() != "xchg   %ax,%ax":  # the space between functions
                code[name].append(words.split()[0])
    code.pop(None, None)
    return {name: " ".join(words) for name, words in code.items()}


def main():
    simulation, product, own, *libraries = sys.argv[1:]
    production = set()
    for library in libraries:
        production |= set(defined(library))
    replaced = production & set(defined(own))
    in_simulation, in_product = defined(simulation), defined(product)
    shared = sorted(production & set(in_simulation))
    absent = [name for name in shared if name not in in_product]
    other = [name for name in shared if name in in_product and in_product[name] != in_simulation[name]]
    names = set(shared) & unique(simulation) & unique(product)
    one, two = instructions(simulation, names), instructions(product, names)
    changed = [name for name in one if one[name] != two.get(name)]
    missing = [name for name in NEEDED if name not in in_simulation]
    problems = [("replaced by the simulator", sorted(replaced)), ("not in the product", absent), ("of another size", other),
                ("of other instructions", changed), ("not in the simulator", missing)]
    for words, found in problems:
        if found:
            print(f"{words}: {', '.join(found[:10])}")
    bad = sum(1 for _, found in problems if found)
    print(f"{len(shared)} symbols of the production libraries are in the simulator")
    print(f"{len(problems) - bad} passed, {bad} failed")
    return 1 if bad or not shared else 0


if __name__ == "__main__":
    sys.exit(main())
