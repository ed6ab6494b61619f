#!/usr/bin/env python3
"""How many rows a second SQLite takes as an index of records: what the embedded history was measured against (decision 0005).

    bench/history_sqlite.py [ROWS] [FOLDER]

A row is a time, a type, a place in a segment and twenty columns that people ask for; with no index and with five. WAL, synchronous=OFF,
5,000 rows a transaction, prepared statement, values made beforehand. Then a top-10 over them.
"""
import os
import random
import sqlite3
import sys
import time

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
folder = sys.argv[2] if len(sys.argv) > 2 else "/tmp"
columns = [f"c{i}" for i in range(20)]
made = random.Random(1)
batch = [
    (i * 10_000, i % 8, i, *(f"value-{int(made.random() ** 3 * 5000)}" for _ in range(10)), *(made.randrange(1_000_000) for _ in range(10)))
    for i in range(5000)
]
for indexes in (0, 5):
    path = os.path.join(folder, f"history-{os.getpid()}.sqlite")
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=OFF")
    db.execute(f"CREATE TABLE records (time INTEGER, type INTEGER, place INTEGER, {', '.join(columns)})")
    for i in range(indexes):
        db.execute(f"CREATE INDEX i{i} ON records ({columns[i]}, time)")
    insert = f"INSERT INTO records VALUES ({', '.join('?' * 23)})"
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(rows // len(batch)):
        db.execute("BEGIN")
        db.executemany(insert, batch)
        db.execute("COMMIT")
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    start = time.process_time()
    db.execute("SELECT c0, count(*), sum(c10) FROM records GROUP BY c0 ORDER BY 2 DESC LIMIT 10").fetchall()
    top = time.process_time() - start
    size = sum(os.path.getsize(path + end) for end in ("", "-wal") if os.path.exists(path + end))
    print(f"{indexes} indexes: {rows / wall:,.0f} rows/s of wall clock, {rows / cpu:,.0f} rows/s of one core, {size / rows:.0f} bytes a row, "
          f"top 10 with a sum over {rows:,} rows in {top:.2f} s")
    db.close()
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.unlink(path + end)
