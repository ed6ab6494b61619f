# Sourced by the measurements on a live machine: tools, two network namespaces joined by a veth pair with nginx in one, an agent and what is
# asked of it. All of it is taken away at the end.
#
# Gives TMP (a folder), S and C (the server's and the client's namespace), SERVER (its address), PIDS (what to end), and PORT and AGENT of
# start(). CVF is the program under test, where there is one.

export CVF_STATE_DIRECTORY=
export CVF_HISTORY_SIZE=${CVF_HISTORY_SIZE:-0}  # the data path alone; with a size, records are kept as well and that is measured too
export PATH=$PATH:/usr/sbin:/sbin
HZ=$(getconf CLK_TCK)
TMP=$(mktemp -d)
PIDS=() AGENT= PORT=
S=bs$$ C=bc$$ SERVER=10.214.77.1

# More to do at the end is added to this by those who source it.
at_end() { :; }
cleanup() {
    at_end
    local p
    for p in "${PIDS[@]}" $AGENT; do kill "$p" 2>/dev/null; done
    wait 2>/dev/null
    ip netns del "$S" 2>/dev/null
    ip netns del "$C" 2>/dev/null
    rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

need() {
    local tool
    for tool in ip awk "$@"; do command -v "$tool" >/dev/null || { echo "missing: $tool" >&2; exit 2; }; done
    [[ $EUID -eq 0 ]] || { echo "this needs root" >&2; exit 2; }
}

namespaces() {
    ip netns add "$S" && ip netns add "$C" && ip link add vs netns "$S" type veth peer name vc netns "$C" || exit 2
    ip -n "$S" addr add $SERVER/24 dev vs
    ip -n "$C" addr add 10.214.77.2/24 dev vc
    ip -n "$S" link set lo up
    ip -n "$C" link set lo up
    ip -n "$S" link set vs up
    ip -n "$C" link set vc up
}

# An answer of 512 bytes at $SERVER:8080, and nginx's own count at 127.0.0.1:8081 of its namespace.
web_server() {
    cat > "$TMP/nginx.conf" <<N
worker_processes 1; daemon off; pid $TMP/nginx.pid; error_log $TMP/nginx.err;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000;
  client_body_temp_path $TMP/b; proxy_temp_path $TMP/p; fastcgi_temp_path $TMP/f; uwsgi_temp_path $TMP/u; scgi_temp_path $TMP/s;
  server { listen $SERVER:8080; location / { default_type text/plain; return 200 "$(head -c 512 /dev/zero | tr '\0' x)"; } }
  server { listen 127.0.0.1:8081; location / { stub_status; } } }
N
    ip netns exec "$S" nginx -c "$TMP/nginx.conf" -p "$TMP" & PIDS+=($!)
    sleep 1
}

# start OUTPUT OPTIONS...: an agent with JSON records to OUTPUT.
start() {
    local out=$1; shift
    PORT=${PORT:-$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
    "$CVF" up --quiet --format json --listen "127.0.0.1:$PORT" --token-file "$TMP/token" "$@" > "$out" 2> "$TMP/agent.err" & AGENT=$!
    local i
    for ((i = 0; i < 100; i++)); do [[ -s $TMP/token ]] && return; sleep 0.1; done
    echo "the agent does not start:" >&2; cat "$TMP/agent.err" >&2; exit 1
}
stop() { kill -TERM "$AGENT"; wait "$AGENT" 2>/dev/null; AGENT=; rm -f "$TMP/token"; }
ticks() { awk '{sub(/.*\) /,""); print $12 + $13}' "/proc/$AGENT/stat"; }
rss() { awk '/^VmRSS/{print $2}' "/proc/$AGENT/status"; }
# The agent's own numbers, a line each.
metric() { python3 - "$PORT" "$TMP/token" <<'P'
import sys, urllib.request
r = urllib.request.Request(f"http://127.0.0.1:{sys.argv[1]}/metrics", headers={"Authorization": "Bearer " + open(sys.argv[2]).read().strip()})
print("\n".join(l for l in urllib.request.urlopen(r).read().decode().splitlines() if l[:1] != "#"))
P
}

machine() { echo "$(uname -sr), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"; }
row() { printf '%-52s %s\n' "$1" "$2"; }
