#!/usr/bin/env bash
# What an agent costs by what is asked of it: everything, conversations alone, and records that none of the load can make. The
# kernel's share is of all programs of the tap, in ns for each HTTP exchange (both ends are here), the agent's in µs of CPU.
#
#   bench/selector.sh PATH-OF-cvf
#
#   SECONDS_EACH  length of each load (default 5)
#   ROUNDS        rounds of all (default 3); the median is printed
#
# Two network namespaces joined by a veth pair; nginx and wrk share the machine's cores with the agent. Needs root, nginx, wrk, python3,
# bpftool. Leaves nothing behind.
set -uo pipefail
CVF=$(readlink -f "${1:?path of cvf}"); EACH=${SECONDS_EACH:-5}; ROUNDS=${ROUNDS:-3}
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/live_setup.sh"
need nginx wrk python3 bpftool
STATS=$(cat /proc/sys/kernel/bpf_stats_enabled)
at_end() { echo "$STATS" > /proc/sys/kernel/bpf_stats_enabled; }
namespaces
web_server
# This agent's programs alone: those that came with it, for there may be other agents here.
programs() { bpftool -j prog show | python3 -c 'import json,sys; print(*[x["id"] for x in json.load(sys.stdin)])'; }
bpf_ns() { bpftool -j prog show | python3 -c 'import json,sys
print(sum(x.get("run_time_ns",0) for x in json.load(sys.stdin) if x.get("name","").startswith("cvf_") and str(x["id"]) not in sys.argv[1:]))' $OTHERS; }
exchanges() { awk '/requests in/{print $1}' "$TMP/wrk"; }
load() { ip netns exec $C wrk -t1 -c16 "-d${EACH}s" "${WRK[@]}" http://$SERVER:8080/ > "$TMP/wrk"; }

measure() { # measure NAME OPTIONS...
    local name=$1 a b x y n passed; shift
    OTHERS=$(programs)
    start /dev/null "$@"; sleep 1.5
    a=$(ticks); load; sleep 0.5; b=$(ticks); n=$(exchanges)
    # Apart: the kernel's own clock costs.
    echo 1 > /proc/sys/kernel/bpf_stats_enabled
    x=$(bpf_ns); load; y=$(bpf_ns)
    echo "$STATS" > /proc/sys/kernel/bpf_stats_enabled
    sleep 1.5; metric > "$TMP/metrics"
    passed=$(awk '$1=="cvf_kernel_packets_passed_over_total"{print $2}' "$TMP/metrics")
    printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$(awk -v d=$((b-a)) -v h="$HZ" -v r="$n" 'BEGIN{printf "%.2f", 1e6*d/h/r}')" \
        "$(awk -v d=$((y-x)) -v r="$(exchanges)" 'BEGIN{printf "%.0f", d/r}')" "$(awk '/^Requests\/sec/{print $2}' "$TMP/wrk")" "${passed:-0}" >> "$TMP/rows"
    stop
}
for ((round = 0; round < ROUNDS; round++)); do
    for kind in kept new; do
        WRK=(); [[ $kind = new ]] && WRK=(-H 'Connection: close')
        measure "$kind: everything"
        measure "$kind: http of this port" --types http --filter 'destination.port == 8080'
        measure "$kind: conversations alone" --types flow
        measure "$kind: http of another port" --types http --filter 'destination.port == 9'
        measure "$kind: health alone" --types health
    done
done
printf '%s\t%s\t%s\t%s\t%s\n' "$(machine)" "agent µs/exchange" "kernel ns/exchange" "exchanges/s" "packets passed over" | column -t -s $'\t'
python3 - "$TMP/rows" <<'P' | column -t -s $'\t'
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    name, *numbers = line.rstrip("\n").split("\t")
    rows.setdefault(name, []).append([float(n) for n in numbers])
for name, all in rows.items():
    m = [statistics.median(c) for c in zip(*all)]
    print(f"{name}\t{m[0]:.2f}\t{m[1]:.0f}\t{m[2]:.0f}\t{m[3]:.0f}")
P
