#!/usr/bin/env python3
"""Writes a corpus for fuzz_jsonata: each expression of the shared suite as one file.

    make_jsonata_corpus.py SHARED_DATA CORPUS_FOLDER
"""
import hashlib
import json
import pathlib
import sys

groups = pathlib.Path(sys.argv[1]) / 'reference/jsonata/groups'
corpus = pathlib.Path(sys.argv[2])
corpus.mkdir(parents=True, exist_ok=True)
for path in sorted(groups.glob('*/*.json')):
    cases = json.loads(path.read_text())
    for case in cases if isinstance(cases, list) else [cases]:
        if 'expr' in case:
            text = case['expr'].encode('utf-8', 'surrogatepass')
            (corpus / hashlib.sha256(text).hexdigest()[:16]).write_bytes(text)
