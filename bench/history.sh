#!/usr/bin/env bash
# The embedded history: records written a second, and the time of questions over all of them.
#
#   bench/history.sh PATH-OF-cvf_bench_history [PATH-OF-cvf]
#
#   RECORDS  how many (default 10000000: about 1 GB on disk)
#   FOLDER   where (default: a folder of its own under TMPDIR, removed again)
#
# The records are those of the project's captures, varied (bench/history.cpp). With cvf they are read anew, else the committed ones are taken.
set -euo pipefail
BENCH=${1:?path of cvf_bench_history}; CVF=${2:-}; RECORDS=${RECORDS:-10000000}
HERE=$(cd "$(dirname "$0")/.." && pwd); TMP=$(mktemp -d); trap 'rm -rf "$TMP"' EXIT
FOLDER=${FOLDER:-$TMP/history}
if [ -n "$CVF" ]; then
    "$CVF" read --format json --quiet "$HERE"/tests/golden/captures/* > "$TMP/records.jsonl" || true
    set -- "$TMP/records.jsonl"
else
    set -- "$HERE"/tests/golden/expected/*.jsonl
fi
"$BENCH" "$FOLDER" "$RECORDS" "$@"
