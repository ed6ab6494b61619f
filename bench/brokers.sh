# Brokers for measurements, on loopback with free ports and all they write in $work; one at a time. Sourced.
#
#   nats_broker, kafka_broker   start one; $url says where, $broker is its process. Kafka: fails, and says why, where it can't be had
#   end_broker                  ends it
# $pin, an array, stands before its command.
export PATH=$PATH:/usr/sbin:/sbin
broker= url= pin=("${pin[@]}")

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_port() {
    local i
    for i in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "the broker does not start" >&2
    return 1
}
end_broker() {
    [[ -z $broker ]] || { kill -9 "$broker" 2>/dev/null; wait "$broker" 2>/dev/null || true; }
    broker=
}
nats_broker() {
    command -v nats-server >/dev/null || { echo "no nats-server here" >&2; return 1; }
    local port; port=$(free_port)
    rm -rf "$work/nats"
    "${pin[@]}" nats-server -a 127.0.0.1 -p "$port" -js -sd "$work/nats" >"$work/log" 2>&1 & broker=$!
    url=nats://127.0.0.1:$port
    wait_port "$port"
}
kafka_broker() {
    local jars port controller
    jars=$("$(dirname "${BASH_SOURCE[0]}")/../tests/bus/fetch-kafka") || return 1
    port=$(free_port) controller=$(free_port)
    rm -rf "$work/data"
    cat >"$work/kafka" <<K
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:$controller
log.dirs=$work/data
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
K
    java -cp "$jars/*" kafka.tools.StorageTool format --standalone -t J8qXRwI-Qyi2G0guFTiuYw -c "$work/kafka" >/dev/null || return 1
    "${pin[@]}" java -Xmx512m -cp "$jars/*" kafka.Kafka "$work/kafka" >"$work/log" 2>&1 & broker=$!
    url=kafka://127.0.0.1:$port
    wait_port "$port"
}
