#!/usr/bin/env bash
# Records per second through each bus, as batches of 32 kB, with brokers of its own on loopback; and the broker's CPU beside ours.
#
#   bench/bus.sh BENCH [SECONDS]     BENCH is cvf_bench_bus (target of the build, release)
#
# Broker and agent share the machine: figures of one run compare with each other, not with those of another machine.
set -euo pipefail
root=$(readlink -f "$(dirname "$(readlink -f "$0")")/..")
bench=$(readlink -f "${1:?usage: bench/bus.sh BENCH [SECONDS]}") seconds=${2:-5}
export PATH=$PATH:/usr/sbin
work=$(mktemp -d) broker=
end_broker() { [[ -z $broker ]] || { kill -9 "$broker" 2>/dev/null; wait "$broker" 2>/dev/null || true; broker=; }; }
trap 'end_broker; rm -rf "$work"' EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_port() {
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "the broker does not start" >&2
    exit 1
}
ticks() { awk '{print $14 + $15}' "/proc/$broker/stat"; }
# run NAME URL [durable]: a line, and what the broker used.
run() {
    local before; before=$(ticks)
    "$bench" "$1" "$2" "$seconds" "${3:-}"
    echo "                   (broker: $(((($(ticks) - before) * 1000) / $(getconf CLK_TCK))) ms of CPU in all)"
}

"$bench" --head
"$bench" local local: "$seconds"
if command -v nats-server >/dev/null; then
    port=$(free_port)
    nats-server -a 127.0.0.1 -p "$port" -js -sd "$work/nats" >"$work/log" 2>&1 & broker=$!
    wait_port "$port"
    run nats "nats://127.0.0.1:$port"
    run "nats durable" "nats://127.0.0.1:$port" durable
    end_broker
else
    echo "nats: no nats-server here"
fi
if jars=$("$root/tests/bus/fetch-kafka"); then
    port=$(free_port) controller=$(free_port)
    cat >"$work/kafka" <<EOF
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$controller
log.dirs=$work/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
EOF
    java -cp "$jars/*" kafka.tools.StorageTool format --standalone -t J8qXRwI-Qyi2G0guFTiuYw -c "$work/kafka" >/dev/null
    java -Xmx512m -cp "$jars/*" kafka.Kafka "$work/kafka" >"$work/log" 2>&1 & broker=$!
    wait_port "$port"
    run kafka "kafka://127.0.0.1:$port"
    end_broker
fi
