#!/usr/bin/env bash
# What the endpoint tap costs in the kernel, in ns per run above an empty cgroup_skb program that sees the same packets in the same run.
# "all programs": the sum over every program of the tap, above empty ones on the same hooks.
#
#   bench/endpoint.sh PATH-OF-cvf_bench_endpoint
#
#   ROUNDS   rounds of all workloads and modes (default 15); the median over rounds is printed
#   SECONDS_EACH  length of each run (default 2)
#   MODES    "counters payload unwanted" (default): --no-payload, the shipped default, and a selector of a port that no load has
#   WORKLOADS     "keepalive connection udp iperf" (default)
#
# Two network namespaces joined by a veth pair; nginx, wrk, iperf3. Needs root. Leaves nothing behind.
set -uo pipefail
BENCH=${1:?path of cvf_bench_endpoint}
ROUNDS=${ROUNDS:-15}; EACH=${SECONDS_EACH:-2}; MODES=${MODES:-counters payload unwanted}; WORKLOADS=${WORKLOADS:-keepalive connection udp iperf}
source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/live_setup.sh"
need nginx wrk iperf3
namespaces
ip netns exec $S iperf3 -s -B $SERVER >/dev/null 2>&1 & PIDS+=($!)
web_server
workload() {
    case $1 in
    keepalive) echo "wrk -t1 -c16 -d${EACH}s http://$SERVER:8080/";;
    connection) echo "wrk -t1 -c16 -d${EACH}s -H 'Connection: close' http://$SERVER:8080/";;
    udp) echo "iperf3 -c $SERVER -u -b 0 -l 64 -t $EACH";;
    iperf) echo "iperf3 -c $SERVER -t $EACH";;
    esac
}
for r in $(seq "$ROUNDS"); do
    for w in $WORKLOADS; do
        for m in $MODES; do
            flag=; [ "$m" = counters ] && flag=--no-payload
            [ "$m" = full ] && flag=--full
            [ "$m" = unwanted ] && flag="--port 9"
            eval "\"$BENCH\" $flag ip netns exec $C $(workload $w)" > "$TMP/out" 2>"$TMP/err" || { echo "failed: $w $m" >&2; tail -3 "$TMP/err" >&2; continue; }
            awk -v w=$w -v m=$m -F'\t' '
              $1=="Requests/sec:"||/^Requests\/sec/ { split($0,a," "); rate=a[2] }
              NF==4 { runs[$1]=$2; ns[$1]=$3; per[$1]=$4; if ($1 !~ /^floor/) total+=$3; else floor+=$3 }
              $1=="agent_cpu" { cpu=$2 } $1=="lost" { lost=$2 } $1=="events" { ev=$2 }
              /requests in/ { req=$1+0; split($0,b," "); req=b[1] }
              END { o=per["cvf_egress"]-per["floor_egress"]; i=per["cvf_ingress"]-per["floor_ingress"]
                printf "%s\t%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%d\t%d\n", w, m, o, i, (o+i)/2, per["floor_egress"], per["floor_ingress"], req ? (total-floor)/req : 0, req ? cpu*1e6/req : 0, ev, lost }' "$TMP/out" >> "$TMP/rows"
            [ "${VERBOSE:-0}" = 1 ] && { echo "## $w $m"; cat "$TMP/out"; }
        done
    done
done
printf 'workload\tmode\tegress\tingress\tmean\tfloor out\tfloor in\tall programs ns/request\tagent us/request\tevents\tlost\n'
for w in $WORKLOADS; do for m in $MODES; do
    awk -F'\t' -v w=$w -v m=$m '
      function med(c,  i,j,t,A,n) { n=0; for (i=1;i<=N;i++) A[++n]=V[i,c]; for(i=1;i<=n;i++)for(j=i+1;j<=n;j++)if(A[j]<A[i]){t=A[i];A[i]=A[j];A[j]=t}
          return n%2?A[(n+1)/2]:(A[n/2]+A[n/2+1])/2 }
      $1==w&&$2==m { N++; for (c=3;c<=11;c++) V[N,c]=$c }
      END { if (N) { printf "%s\t%s",w,m; for (c=3;c<=11;c++) printf "\t%.*f", c==9?2:0, med(c); print "" } }' "$TMP/rows"
done; done
