#!/usr/bin/env bash
# A fabric of a thousand simulated agents on this machine: nats-server, one `cvf controller`, cvf_bench_fleet; against what docs
# promise for directives, for the controller's processor and memory, and for agents that vanish.
#
#   bench/fleet.sh CVF FLEET        both of a release build; FLEET is the target cvf_bench_fleet
#
#   AGENTS (1000), RATE (50000 records/s of all), BURST (10: records an agent makes at once), SECONDS_EACH (30), PROBES (20)
#   ROWS ("real off on"): which parts: real agents, history off, history on
#   ALONE=1: pins the controller to core 0, and all else to the others
#
# Broker, fleet and controller share the cores; each one's share of them is told. In life the agents' thousands of threads run elsewhere: here
# they are nice and a session (a scheduling group) of their own, or they would outweigh the broker's and the controller's few. As root for the real agents, which have a cgroup
# each; without, they are left out. Leaves nothing behind.
set -uo pipefail
: "${2:?usage: bench/fleet.sh CVF FLEET}"
CVF=$(readlink -f "$1") FLEET=$(readlink -f "$2")
AGENTS=${AGENTS:-1000} RATE=${RATE:-50000} BURST=${BURST:-10} EACH=${SECONDS_EACH:-30} PROBES=${PROBES:-20} ROWS=${ROWS:-real off on}
export PATH=$PATH:/usr/sbin:/sbin
command -v nats-server >/dev/null || { echo "no nats-server here"; exit 77; }
ulimit -n "$(ulimit -Hn)"
HZ=$(getconf CLK_TCK) TMP=$(mktemp -d /tmp/cvf-fleet-XXXXXX) PIDS=() GROUPS_MADE=() BROKER= CONTROLLER= SERVER=
here=() there=()
if [[ ${ALONE:-} ]]; then here=(taskset -c 0) there=(taskset -c "1-$(($(nproc) - 1))"); fi

end() { kill -"${2:-9}" "$1" 2>/dev/null; wait "$1" 2>/dev/null; }
end_all() {
    local pid; for pid in "${PIDS[@]}"; do end "$pid"; done; PIDS=()
    local group; for group in "${GROUPS_MADE[@]}"; do rmdir "$group" 2>/dev/null; done; GROUPS_MADE=()
}
trap 'end_all; rm -rf "$TMP"' EXIT
trap 'exit 1' INT TERM
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_for() { local i; for i in $(seq "$1"); do "${@:2}" >/dev/null 2>&1 && return; sleep 0.1; done; echo "not in time: ${*:2}" >&2; return 1; }
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
below() { local pid sum=0; for pid in $(pgrep -P "$1"); do sum=$((sum + $(ticks "$pid"))); done; echo "$sum"; }
memory() { awk -v what="$2:" '$1 == what {printf "%.0f", $2 / 1024}' "/proc/$1/status"; }
row() { printf '%-62s %s\n' "$1" "$2"; }
cvf() { "$CVF" "$@" --server "127.0.0.1:$API" --token-file "$TMP/token"; }
metric() { curl -s -m 5 -H "Authorization: Bearer $(cat "$TMP/token")" "http://127.0.0.1:$API/metrics" | awk -v n="$1" '$1 == n {printf "%.0f", $2}'; }
value() { python3 -c 'import json, sys
d = {}
for line in open(sys.argv[1]): d.update(json.loads(line))
for key in sys.argv[2].split("."): d = d.get(key, {})
print(d if d != {} else "-")' "$1" "$2"; }

broker() {
    rm -rf "$TMP/js"
    local port; port=$(free_port)
    "${there[@]}" nats-server -a 127.0.0.1 -p "$port" -js -sd "$TMP/js" -l "$TMP/broker.log" & BROKER=$!
    PIDS+=("$BROKER"); SERVER=nats://127.0.0.1:$port
    wait_for 100 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
}
controller() { # history size
    API=$(free_port)
    rm -rf "$TMP/history"
    "${here[@]}" "$CVF" controller --bus "$SERVER" --listen "127.0.0.1:$API" --token-file "$TMP/token" --history-size "$1" \
        --history-directory "$TMP/history" 2>"$TMP/controller.errors" & CONTROLLER=$!
    PIDS+=("$CONTROLLER")
    wait_for 100 grep -q "API at" "$TMP/controller.errors"
    # What the simulated taps make is asked for in so many words: by itself an agent ends its flows with the first directive.
    cvf apply -f - >/dev/null <<'Y'
apiVersion: cvf/v1
kind: Metadata
metadata: {name: fleet-load}
spec: {types: [flow], selector: {nodes: ["fleet-*"]}}
Y
}
shown() { # STATE COUNT: so many nodes are listed with it
    [[ $(cvf get nodes | awk -v s="$1" '$2 == s' | wc -l) -ge $2 ]]
}

real() {
    local tree; tree=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
    [[ $(id -u) -eq 0 && -w $tree ]] || { row "real agents" "left out: they need root and a cgroup v2 tree"; return; }
    broker; controller 0
    local i
    for i in 1 2 3; do
        mkdir "$tree/cvf-fleet-$$-$i" && GROUPS_MADE+=("$tree/cvf-fleet-$$-$i")
        "$CVF" agent --bus "$SERVER" --node "real-$i" --cgroup "$tree/cvf-fleet-$$-$i" --spool-directory "$TMP/spool-$i" \
            --listen "127.0.0.1:$(free_port)" --token-file "$TMP/token-$i" 2>"$TMP/agent-$i.errors" & PIDS+=($!)
    done
    wait_for 200 shown ready 3
    python3 - "$CVF" "$API" "$TMP/token" "$((PROBES * 5))" <<'P'
import json, subprocess, sys, time, urllib.request
cvf, port, token, count = sys.argv[1], sys.argv[2], open(sys.argv[3]).read().strip(), int(sys.argv[4])
late, whole = [], []
for i in range(count):
    body = "apiVersion: cvf/v1\nkind: Metadata\nmetadata: {name: probe}\nspec: {types: [%s]}\n" % ("dns", "http")[i % 2]
    began = time.time_ns()
    subprocess.run([cvf, "apply", "-f", "-", "--server", "127.0.0.1:" + port, "--token-file", sys.argv[3], "--wait"], input=body, text=True,
                   check=True, capture_output=True)
    whole.append((time.time_ns() - began) / 1e9)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/directives/Metadata/probe", headers={"Authorization": "Bearer " + token})
    status = json.load(urllib.request.urlopen(request, timeout=5))["status"]
    assert status["good"] and len(status["nodes"]) == 3, status
    late += [(node["since"] - began) / 1e9 for node in status["nodes"] if node["since"] >= began]
late.sort(); whole.sort()
at = lambda v, p: v[int(p * (len(v) - 1))]
if late: print("%-62s p50 %.3f, p99 %.3f, max %.3f s (%d applies; must be 1 s)" % ("3 real agents: `cvf apply` begun -> in force there", at(late, .5), at(late, .99), late[-1], count))
print("%-62s p50 %.3f, p99 %.3f, max %.3f s" % ("  `cvf apply --wait` to its end", at(whole, .5), at(whole, .99), whole[-1]))
P
    end_all
}

fleet() { # NAME HISTORY-SIZE
    broker; controller "$2"
    rm -f "$TMP/ready"
    setsid nice -n 10 "${there[@]}" "$FLEET" --agents "$AGENTS" --rate "$RATE" --burst "$BURST" --bus "$SERVER" --seconds "$EACH" --probes "$PROBES" \
        --server "http://127.0.0.1:$API" --token-file "$TMP/token" --ready "$TMP/ready" >"$TMP/fleet" 2>"$TMP/fleet.errors" & local fleet=$!
    PIDS+=("$fleet")
    wait_for 1500 test -e "$TMP/ready" || { cat "$TMP/fleet.errors"; end_all; return; }
    local a b f g n m start=$SECONDS
    sleep 2
    a=$(ticks "$CONTROLLER") f=$(below "$fleet") n=$(ticks "$BROKER") start=$(date +%s.%N) m=$(metric cvf_controller_records_total)
    local batches; batches=$(metric cvf_controller_batches_total)
    sleep "$((EACH - 6))"
    b=$(ticks "$CONTROLLER") g=$(metric cvf_controller_records_total)
    row "$1: records/s at the controller, in batches/s" "$(awk -v r=$((g - m)) -v c=$(($(metric cvf_controller_batches_total) - batches)) -v s="$start" -v e="$(date +%s.%N)" 'BEGIN {printf "%.0f in %.0f", r / (e - s), c / (e - s)}')"
    share() { awk -v d="$1" -v h="$HZ" -v s="$start" -v e="$(date +%s.%N)" 'BEGIN {printf "%.2f", d / h / (e - s)}'; }
    row "$1: controller's CPU, cores (must be $([[ $2 == 0 ]] && echo 1 || echo 2))" "$(share $((b - a))) (fleet $(share $(($(below "$fleet") - f))), nats-server $(share $(($(ticks "$BROKER") - n)))); load $(cut -d' ' -f1 /proc/loadavg)"
    row "$1: controller's memory, MiB now, most (must be 512)" "$(memory "$CONTROLLER" VmRSS), $(memory "$CONTROLLER" VmHWM)"
    row "$1: nodes that \`cvf get nodes\` lists as ready" "$(cvf get nodes | awk '$2 == "ready"' | wc -l) of $AGENTS, in $( { time -p cvf get nodes >/dev/null; } 2>&1 | awk '/real/ {print $2}') s"
    wait "$fleet"
    row "$1: $AGENTS agents connected and steered after" "$(value "$TMP/fleet" started_s) s"
    row "$1: directive applied -> in force, p50, p99, max (must be 5 s)" "$(value "$TMP/fleet" in_force_s.p50), $(value "$TMP/fleet" in_force_s.p99), $(value "$TMP/fleet" in_force_s.max) s; missing $(value "$TMP/fleet" missing)"
    sleep 1
    row "$1: made = delivered + lost; come to the controller" "$(value "$TMP/fleet" given) = $(value "$TMP/fleet" delivered) + $(value "$TMP/fleet" lost); $(metric cvf_controller_records_total), missing $(metric cvf_controller_records_missing)"
    [[ $2 == 0 ]] || row "$1: kept; too fast for the history" "$(metric cvf_history_records_written_total); $(metric cvf_history_overrun_total)"
    cat "$TMP/fleet.errors" <(grep -v "API at" "$TMP/controller.errors") | sort | uniq -c | sort -rn | head -8
    # Those that end without a word.
    rm -f "$TMP/ready"
    setsid nice -n 10 "${there[@]}" "$FLEET" --agents "$AGENTS" --rate 1000 --bus "$SERVER" --seconds 60 --ready "$TMP/ready" >/dev/null 2>&1 & fleet=$!
    PIDS+=("$fleet")
    wait_for 1500 test -e "$TMP/ready"; sleep 6
    end "$fleet"
    local killed; killed=$(date +%s.%N)
    wait_for 200 shown lost "$AGENTS"
    row "$1: killed -9, all seen as lost after (must be 15 s)" "$(awk -v a="$killed" -v b="$(date +%s.%N)" 'BEGIN {printf "%.1f", b - a}') s"
    end_all
}

echo "$(nproc) cores, $(nats-server --version), $AGENTS agents, $RATE records/s in bursts of $BURST, load before $(cut -d' ' -f1-3 /proc/loadavg)"
for part in $ROWS; do
    case $part in
        real) real ;;
        off) fleet "history off" 0 ;;
        on) fleet "history on" 1GiB ;;
    esac
done
