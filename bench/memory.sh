#!/usr/bin/env bash
# What memory a running agent takes: at rest, and with many conversations alive at once, each with an HTTP exchange behind it.
#
#   bench/memory.sh PATH-OF-cvf
#
#   FLOWS     conversations at once (default 100000)
#   ENDS      "one both" (default): with one end on the agent's node (the other in a cgroup it does not see), and with both
#   OPTIONS   more options of `cvf up`, such as "--types flow"
#
# Prints resident memory, its peak while they were opened, and what is left when they are closed. Limits: 48 MiB at rest, 128 MiB with
# 100,000 conversations; exit 1 above. A network namespace of its own, loopback addresses, pairs of processes with 8,000 connections each; some
# 2 GiB of the kernel's memory for 100,000. Needs root, python3. Leaves nothing behind.
set -uo pipefail
CVF=$(readlink -f "${1:?path of cvf}") FLOWS=${FLOWS:-100000} ENDS=${ENDS:-one both} EACH=8000
HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
source "$HERE/live_setup.sh"
need python3
read -ra options <<< "${OPTIONS:-}"
failed=0 HOLDERS=() SERVERS=()

TREE=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
if [[ -z $TREE ]]; then
    mkdir "$TMP/tree" && mount -t cgroup2 none "$TMP/tree" || exit 2
    TREE=$TMP/tree
fi
GROUP=$TREE/cvf-bench-$$
at_end() {
    [[ ${#HOLDERS[@]} -eq 0 ]] || let_go
    rmdir "$GROUP"
    [[ $TREE != "$TMP/tree" ]] || umount "$TREE"
} 2>/dev/null
mkdir "$GROUP" || exit 2

namespaces
# Every pair has its own address; nothing of this is the machine's.
ip netns exec "$S" sh -c 'echo "1024 65535" > /proc/sys/net/ipv4/ip_local_port_range; echo 4096 > /proc/sys/net/core/somaxconn' 2>/dev/null

# hold: opens the conversations; the clients live in GROUP.
hold() {
    local left=$FLOWS n=0 count
    while ((left > 0)); do
        count=$((left < EACH ? left : EACH)) n=$((n + 1)) left=$((left - count))
        mkfifo "$TMP/server$n" "$TMP/client$n"
        ip netns exec "$S" python3 "$HERE/connections.py" serve 127.0.1.$n 9000 > "$TMP/server$n" & SERVERS+=($!)
        PIDS+=($!)
        read -r _ < "$TMP/server$n"
        sh -c 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"' sh "$GROUP" ip netns exec "$S" \
            python3 "$HERE/connections.py" hold 127.0.1.$n 9000 $count > "$TMP/client$n" & HOLDERS+=($!)
        PIDS+=($!)
    done
    local i answer
    for ((i = 1; i <= n; i++)); do
        read -r answer < "$TMP/client$i"
        [[ $answer == ready ]] || { echo "the connections could not be made" >&2; exit 2; }
    done
}
let_go() {
    kill "${HOLDERS[@]}"; wait "${HOLDERS[@]}"
    sleep 2 # the servers close theirs
    kill "${SERVERS[@]}"; wait "${SERVERS[@]}"
    HOLDERS=() SERVERS=() PIDS=()
    rm -f "$TMP"/server* "$TMP"/client*
} 2>/dev/null

mib() { awk -v k="$1" 'BEGIN{printf "%.1f", k / 1024}'; }
peak() { awk '/^VmHWM/{print $2}' "/proc/$AGENT/status"; }
# limit NAME KIB LIMIT-MIB
limit() {
    if (($2 > $3 * 1024)); then
        failed=1
        row "$1" "$(mib "$2") (above the $3 allowed)"
    else
        row "$1" "$(mib "$2") (at most $3)"
    fi
}

echo "$(machine)${OPTIONS:+, $OPTIONS}"
start /dev/null "${options[@]}"
sleep 3
limit "memory at rest, MiB resident" "$(rss)" 48
stop

for ends in $ENDS; do
    part=()
    [[ $ends == both ]] || part=(--cgroup "$GROUP")
    start /dev/null "${part[@]}" "${options[@]}"
    hold
    sleep 3
    metric > "$TMP/metrics"
    name="$FLOWS conversations, $ends local end$([[ $ends == one ]] || echo s)"
    limit "$name: MiB resident" "$(rss)" 128
    row "$name: peak, MiB" "$(mib "$(peak)")"
    row "$name: followed now" "$(awk '{m[$1]=$2} END {printf "%d, of %d sockets; %d sockets untracked, %d events lost", m["cvf_flows"], m["cvf_sockets"], m["cvf_sockets_untracked_total"], m["cvf_kernel_events_lost_total"]}' "$TMP/metrics")"
    let_go
    sleep 8
    row "$name: MiB when closed" "$(mib "$(rss)")"
    stop
done
exit $failed
