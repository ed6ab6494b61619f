#!/usr/bin/env bash
# What a running agent costs and how it keeps up, as `cvf up` with its defaults but without keeping records (CVF_HISTORY_SIZE=1GiB: with): memory and CPU at rest, latency at light load, loss and
# CPU per HTTP exchange at full load.
#
#   bench/live.sh PATH-OF-cvf
#
#   SECONDS_EACH  length of each load (default 10)
#   TYPES         record types (default http,flow,health); "" for all
#   OUTPUT        where records go (default /dev/null)
#
# Two network namespaces joined by a veth pair; nginx and wrk share the machine's cores with the agent. Needs root, nginx, wrk, python3, bpftool.
# Leaves nothing behind.
set -uo pipefail
CVF=$(readlink -f "${1:?path of cvf}"); EACH=${SECONDS_EACH:-10}; TYPES=${TYPES-http,flow,health}; OUTPUT=${OUTPUT:-/dev/null}
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/live_setup.sh"
need nginx wrk python3 bpftool
STATS=$(cat /proc/sys/kernel/bpf_stats_enabled)
at_end() { echo "$STATS" > /proc/sys/kernel/bpf_stats_enabled; }
namespaces
web_server
types=(${TYPES:+--types "$TYPES"})

bpf_ns() { bpftool -j prog show | python3 -c 'import json,sys
p=[x for x in json.load(sys.stdin) if x.get("name","").startswith("cvf_")]
print(sum(x.get("run_time_ns",0) for x in p), sum(x.get("run_cnt",0) for x in p))'; }
served() { ip netns exec $S python3 -c 'import urllib.request as u; print(u.urlopen("http://127.0.0.1:8081/").read().split()[9].decode())'; }
echo "$(machine), types ${TYPES:-all}, output $OUTPUT"

# At rest.
start "$OUTPUT" "${types[@]}"; sleep 2
a=$(ticks); sleep "$EACH"; b=$(ticks)
row "memory at rest, MiB resident" "$(awk -v k="$(rss)" 'BEGIN{printf "%.1f", k/1024}')"
row "CPU at rest, % of a core" "$(awk -v d=$((b-a)) -v h="$HZ" -v s="$EACH" 'BEGIN{printf "%.2f", 100*d/h/s}')"
stop

# Latency: from the answer's last packet (as the record has it) to the record's arrival at a reader of standard output.
mkfifo "$TMP/fifo"
python3 - "$TMP/fifo" > "$TMP/latency" <<'P' & READER=$!
import json, re, sys, time, datetime
late = []
for line in open(sys.argv[1], "rb", buffering=0):
    now = time.time_ns()
    if b'"record.type":"http"' not in line: continue
    r = json.loads(line)
    if "event.duration" not in r: continue
    whole, _, frac = r["@timestamp"].rstrip("Z").partition(".")
    begun = int(datetime.datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(frac.ljust(9, "0"))
    late.append(now - begun - r["event.duration"])
late.sort()
if late: print(len(late), late[len(late) // 2] / 1e6, late[int(len(late) * 0.99)] / 1e6, late[-1] / 1e6)
P
start "$TMP/fifo" "${types[@]}"; sleep 1
ip netns exec $C python3 - "$EACH" $SERVER <<'P'
import http.client, sys, time
end = time.time() + float(sys.argv[1]); c = http.client.HTTPConnection(sys.argv[2], 8080)
while time.time() < end: c.request("GET", "/"); c.getresponse().read(); time.sleep(0.01)
P
sleep 0.5; stop; wait $READER
read -r n p50 p99 most < "$TMP/latency"
row "packet to record on stdout at 100 req/s, ms" "$(printf 'p50 %.1f, p99 %.1f, most %.1f (%s records)' "$p50" "$p99" "$most" "$n")"

load() { # load NAME WRK-OPTIONS...
    local name=$1; shift
    start "$OUTPUT" "${types[@]}"; sleep 1
    local a b x y n
    n=$(served)
    a=$(ticks)
    ip netns exec $C wrk -t1 -c16 "-d${EACH}s" "$@" http://$SERVER:8080/ > "$TMP/wrk"
    sleep 1; b=$(ticks)
    local memory; memory=$(rss)
    n=$(($(served) - n)) # with the second of the two questions; the agent saw both
    # The figures are a second's snapshot: a record may be on its way to the output in one of them, not in all.
    for _ in 1 2 3 4 5; do
        sleep 1.5; metric > "$TMP/metrics"
        awk '$1 == "cvf_records_waiting" {exit $2 > 0}' "$TMP/metrics" && break
    done
    local requests; requests=$(awk '/requests in/{print $1}' "$TMP/wrk")
    row "$name: requests/s" "$(awk '/^Requests\/sec/{print $2}' "$TMP/wrk")"
    awk -v n="$name" -v r="$requests" -v d=$((b-a)) -v h="$HZ" -v mem="$memory" -v served="$n" '
      {m[$1]=$2}
      END { f="%-52s %s\n"
        printf f, n ": agent CPU per exchange, µs", sprintf("%.2f", 1e6*d/h/r)
        printf f, n ": memory, MiB resident", sprintf("%.1f", mem/1024)
        printf f, n ": exchanges (nginx); records of all types made", sprintf("%d; %d", served, m["cvf_records_made_total"])
        printf f, n ": records written + lost", sprintf("%d + %d%s%s", m["cvf_records_written_total"], m["cvf_records_lost_total"], m["cvf_records_waiting"] ? sprintf(" + %d on their way", m["cvf_records_waiting"]) : "", m["cvf_records_made_total"] == m["cvf_records_written_total"] + m["cvf_records_lost_total"] + m["cvf_records_waiting"] ? " = made" : " IS NOT made")
        printf f, n ": kernel events; of these lost, late", sprintf("%d; %d, %d", m["cvf_kernel_events_total"], m["cvf_kernel_events_lost_total"], m["cvf_kernel_events_late_total"]) }' "$TMP/metrics"
    # Another run for the kernel's side: its own clock costs, so it is not on while the rest is measured.
    echo 1 > /proc/sys/kernel/bpf_stats_enabled
    x=$(bpf_ns)
    ip netns exec $C wrk -t1 -c16 "-d$((EACH / 2 + 1))s" "$@" http://$SERVER:8080/ > "$TMP/wrk"
    y=$(bpf_ns); echo "$STATS" > /proc/sys/kernel/bpf_stats_enabled
    requests=$(awk '/requests in/{print $1}' "$TMP/wrk")
    row "$name: BPF per exchange, ns; runs" "$(awk -v x="$x" -v y="$y" -v r="$requests" 'BEGIN{split(x,a," ");split(y,b," "); printf "%.0f; %.1f (both ends; with the measuring clock)", (b[1]-a[1])/r, (b[2]-a[2])/r}')"
    stop
}
load "keep-alive"
load "a connection each" -H "Connection: close"
