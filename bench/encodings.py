#!/usr/bin/env python3
"""What MessagePack or CBOR would save: bytes of the same records in each, plain and as zstd packs batches of 32 kB, and the time to read one.

    cvf read --format json FILE... | bench/encodings.py        needs python3-msgpack, python3-cbor2, python3-zstandard
"""
import json
import sys
import time

import cbor2
import msgpack
import zstandard

BATCH = 32 * 1024


def batches(parts):
    batch = b""
    for part in parts:
        if batch and len(batch) + len(part) > BATCH:
            yield batch
            batch = b""
        batch += part
    yield batch


lines = [line for line in sys.stdin.buffer if line.strip()]
if not lines:
    sys.exit("encodings.py: no records on standard input: see --help in the file's head")
records = [json.loads(line) for line in lines]
packer = zstandard.ZstdCompressor(level=3)
print(f"{len(records)} records")
for name, parts, read in (
    ("JSON lines", lines, json.loads),
    ("MessagePack", [msgpack.packb(r) for r in records], msgpack.unpackb),
    ("CBOR", [cbor2.dumps(r) for r in records], cbor2.loads),
):
    packed = sum(len(packer.compress(batch)) for batch in batches(parts))
    began = time.process_time()
    for part in parts:
        read(part)
    took = (time.process_time() - began) / len(parts) * 1e6
    print(f"{name:12} {sum(map(len, parts)) / len(parts):8.1f} bytes a record, {packed / len(parts):6.1f} packed, {took:5.1f} us to read one in Python")
