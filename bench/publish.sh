#!/usr/bin/env bash
# One agent and a real broker on the same cores: records per second published of a replayed capture, none of them unaccounted for; and
# what the way over the bus adds to a record's age.
#
#   bench/publish.sh CVF FLEET CAPTURE     CVF and FLEET (the target cvf_bench_fleet) of a release build
#
#   COPIES (200: the capture is read so many times over), ROUNDS (3), RATE (10000 records/s, for the latency), SECONDS_EACH (10), BUSES ("nats kafka")
#
# NATS is nats-server, Kafka Apache Kafka in KRaft mode (tests/bus/fetch-kafka). The controller that counts what arrives in the last round
# takes its share of the cores, so that round is not timed. Must be: 150,000 records/s; p99 10 ms with NATS, 50 ms with Kafka.
set -uo pipefail
: "${3:?usage: bench/publish.sh CVF FLEET CAPTURE}"  # here, for in a substitution it would end only that
CVF=$(readlink -f "$1") FLEET=$(readlink -f "$2")
CAPTURE=$(readlink -f "$3")
COPIES=${COPIES:-200} ROUNDS=${ROUNDS:-3} RATE=${RATE:-10000} EACH=${SECONDS_EACH:-10} BUSES=${BUSES:-nats kafka}
captures=(); for _ in $(seq "$COPIES"); do captures+=("$CAPTURE"); done
work=$(mktemp -d /tmp/cvf-publish-XXXXXX) pin=()
source "$(dirname "$(readlink -f "$0")")/brokers.sh"
counter=
end_counter() { [[ -z $counter ]] || { kill "$counter" 2>/dev/null; wait "$counter" 2>/dev/null; }; counter=; }
trap 'end_counter; end_broker; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
row() { printf '%-62s %s\n' "$1" "$2"; }
metric() { curl -s -m 5 -H "Authorization: Bearer $(cat "$work/token")" "http://127.0.0.1:$port/metrics" | awk -v n="$1" '$1 == n {printf "%.0f", $2}'; }
# replay CAPTURE...: publishes them; sets `published`, `took`.
replay() {
    local began; began=$(date +%s.%N)
    "$CVF" read --bus "$url" --node replayed "$@" 2>"$work/said" >/dev/null || { cat "$work/said"; return 1; }
    took=$(awk -v a="$began" -v b="$(date +%s.%N)" 'BEGIN {printf "%.2f", b - a}')
    published=$(tr '\r' '\n' <"$work/said" | sed -n 's/^\([0-9,]*\) records published.*/\1/p' | tr -d ,)
}

made=$("$CVF" read --quiet --format json "${captures[@]}" | wc -l)
echo "$(nproc) cores; $made records in $COPIES times $(basename "$CAPTURE"); load before $(cut -d' ' -f1-3 /proc/loadavg)"
for bus in $BUSES; do
    "${bus}_broker" || { row "$bus" "left out"; continue; }
    rates=()
    replay "${captures[@]}" || continue  # topics are made, pages and the broker's code are warm
    for _ in $(seq "$ROUNDS"); do
        replay "${captures[@]}" || continue 2
        rates+=("$(awk -v n="$published" -v t="$took" 'BEGIN {printf "%.0f", n / t}')")
    done
    row "$bus: records/s, each round (must be 150,000)" "${rates[*]} (load $(cut -d' ' -f1 /proc/loadavg))"
    port=$(free_port)
    "$CVF" controller --bus "$url" --listen "127.0.0.1:$port" --token-file "$work/token" --history-size 0 2>"$work/controller" & counter=$!
    for _ in $(seq 100); do grep -q "API at" "$work/controller" && break; sleep 0.1; done
    sleep 2
    replay "${captures[@]}"
    for _ in $(seq 100); do [[ $(metric cvf_controller_records_total) -ge $published ]] && break; sleep 0.1; done
    row "$bus: made, published, come to a controller, missing" "$made, $published, $(metric cvf_controller_records_total), $(metric cvf_controller_records_missing)"
    end_counter
    "$FLEET" --agents 1 --bus "$url" --rate "$RATE" --latency --seconds "$EACH" >"$work/fleet" || cat "$work/fleet"
    row "$bus: record made -> consumer at $RATE/s (must be $([[ $bus == nats ]] && echo 10 || echo 50) ms)" \
        "$(sed -n 's/.*"latency_ms":{\(.*\)}}/\1/p' "$work/fleet" | tr -d '"') ms"
    row "$bus:   given, delivered, lost there" "$(sed -n 's/.*"given":\([0-9]*\),"delivered":\([0-9]*\),"lost":\([0-9]*\).*/\1, \2, \3/p' "$work/fleet") (load $(cut -d' ' -f1 /proc/loadavg))"
    end_broker
done
