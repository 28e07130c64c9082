#!/usr/bin/env python3
"""Random expressions through this implementation and through the reference, compared.

    run.py BUILD/tests/jsonata/jsonata-evaluate-lines [COUNT [SEED]]

Needs Node.js. The reference (the npm package jsonata) is installed beside the program on the first run; JSONATA_MODULE names one that is
there already. COUNT is 2,000 unless given; a seed that was printed repeats a run. Ends with 'N agree, N differ'."""
import os
import pathlib
import subprocess
import sys

if len(sys.argv) < 2:
    sys.exit(__doc__)
here, program = pathlib.Path(__file__).resolve().parent, pathlib.Path(sys.argv[1]).resolve()
module = os.environ.get('JSONATA_MODULE')
if not module:
    folder = program.parent / 'jsonata-reference'
    module = str(folder / 'node_modules/jsonata')
    if not os.path.isdir(module):
        folder.mkdir(exist_ok=True)
        subprocess.run(['npm', 'install', '--silent', '--prefix', str(folder), 'jsonata@2.2.2'], check=True)
sys.exit(subprocess.run(['node', str(here / 'differential.js'), str(program), *sys.argv[2:]], env=dict(os.environ, JSONATA_MODULE=module)).returncode)
