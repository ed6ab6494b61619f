#!/usr/bin/env bash
# Records per second through each bus, as batches of 32 kB, with brokers of its own on loopback; and the broker's CPU beside ours.
#
#   bench/bus.sh BENCH [SECONDS]     BENCH is cvf_bench_bus (target of the build, release)
#
# Broker and agent share the machine: figures of one run compare with each other, not with those of another machine.
set -euo pipefail
root=$(readlink -f "$(dirname "$(readlink -f "$0")")/..")
bench=$(readlink -f "${1:?usage: bench/bus.sh BENCH [SECONDS]}") seconds=${2:-5}
work=$(mktemp -d) pin=()
source "$root/bench/brokers.sh"
trap 'end_broker; rm -rf "$work"' EXIT
ticks() { awk '{print $14 + $15}' "/proc/$broker/stat"; }
# run NAME URL [durable]: a line, and what the broker used.
run() {
    local before; before=$(ticks)
    "$bench" "$1" "$2" "$seconds" "${3:-}"
    echo "                   (broker: $(((($(ticks) - before) * 1000) / $(getconf CLK_TCK))) ms of CPU in all)"
}

"$bench" --head
"$bench" local local: "$seconds"
if nats_broker; then
    run nats "$url"
    run "nats durable" "$url" durable
    end_broker
fi
if kafka_broker; then
    run kafka "$url"
    end_broker
fi
