#!/usr/bin/env python3
"""Compares this implementation's speed with the reference's on Node.js, in one run, on this machine.

    run.py BENCH_PROGRAM [FOLDER]

FOLDER (default: jsonata-bench beside BENCH_PROGRAM) gets the documents and, by npm, the reference. Set JSONATA_MODULE to use one that is
there already. Both programs are measured one after the other, so the machine should have nothing else to do.

The smallest ratios are those of `path` and `transform` over 10 MB: they compute next to nothing, and what is left, going over the document in
memory and making the result, costs both programs much the same.
"""
import math
import os
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
program = pathlib.Path(sys.argv[1]).resolve()
folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else program.parent / 'jsonata-bench').resolve()
folder.mkdir(parents=True, exist_ok=True)
module = os.environ.get('JSONATA_MODULE')
if not module:
    module = str(folder / 'node_modules/jsonata')
    if not os.path.isdir(module):
        subprocess.run(['npm', 'install', '--silent', '--prefix', str(folder), 'jsonata@2.2.2'], check=True)
subprocess.run(['node', str(here / 'document.js'), str(folder)], check=True)
expressions = str(here / 'expressions.json')


def measure(command, **more):
    text = subprocess.run(command + [expressions, str(folder)], check=True, stdout=subprocess.PIPE, text=True, **more).stdout
    rows = [line.split('\t') for line in text.splitlines()]
    return {tuple(row[:-1]): float(row[-1]) for row in rows}


ours = measure([str(program)])
theirs = measure(['node', '--max-old-space-size=4096', str(here / 'reference.js')], env=dict(os.environ, JSONATA_MODULE=module))
print(f'{"expression":22}{"document":>9}{"ours ns":>15}{"reference ns":>16}{"ratio":>8}')
ratios = []
for key in ours:
    if key == ('peak',):
        continue
    ratio = theirs[key] / ours[key]
    ratios.append(ratio)
    print(f'{key[0]:22}{key[1]:>9}{ours[key]:15,.0f}{theirs[key]:16,.0f}{ratio:8.1f}')
print(f'geometric mean of {len(ratios)} ratios: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.1f}')
print(f'peak memory: ours {ours[("peak",)] / 1024:.0f} MiB, reference {theirs[("peak",)] / 1024:.0f} MiB')
