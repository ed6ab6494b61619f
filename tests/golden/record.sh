#!/usr/bin/env bash
# Records the project's own captures from real clients and servers, in two network namespaces of its own joined by a veth pair:
#
#   client 192.0.2.1, 2001:db8::1   ───   192.0.2.2, 2001:db8::2 server (and router to 198.51.100.0/24)
#
#   tests/golden/record.sh [NAME...]        as root; without names all; writes tests/golden/captures/NAME.pcap
#
# Needs the test packages of ../../packages; `quic` also python3-venv and the PyPI package aioquic, fetched into a temporary folder.
# Recording again changes every capture (times, ports, keys): afterwards look at what `run --update` makes of expected/ by eye.
# Everything started here is ended here, by process id; the namespaces go with it.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
out=$here/captures
work=$(mktemp -d)
client=cvfgold$$c server=cvfgold$$s
declare -a started=()
exec {say}>&2  # where people read, whatever a case redirects

tidy() {
    local status=$?
    [[ $status -eq 0 || ! -s $work/case.log ]] || tail -n 20 "$work/case.log" >&"$say"
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    ip netns del "$client" 2>/dev/null || true
    ip netns del "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap tidy EXIT

c() { timeout 20 ip netns exec "$client" "$@"; }
# In the background at the server's end, until the case is over; its standard input is open and empty.
s() { ip netns exec "$server" "$@" >"$work/server.log" 2>&1 <"$work/nothing" & started+=($!); }
# Waits until the server listens: tcp or udp PORT.
listening() {
    for _ in $(seq 100); do
        ip netns exec "$server" ss -Hln"${1:0:1}" "sport = :$2" | grep -q . && return
        sleep 0.05
    done
    echo "record: nothing listens on $1 $2" >&2
    cat "$work/server.log" >&2
    exit 1
}
# capture NAME [tcpdump options]: from now until the end of the case, at the server's end.
capture() {
    local name=$1; shift
    ip netns exec "$server" tcpdump -q -U -n --immediate-mode -w "$work/$name.pcap" -i "${device:-veth}" "$@" 2>"$work/tcpdump.log" & tcpdump=$!
    started+=("$tcpdump")
    for _ in $(seq 100); do grep -q 'listening on' "$work/tcpdump.log" && return; sleep 0.05; done
    cat "$work/tcpdump.log" >&2; exit 1
}
captured() {
    sleep 0.3
    kill -INT "$tcpdump"; wait "$tcpdump" 2>/dev/null || true
    cp "$work/$1.pcap" "$out/$1.pcap"
}
stop_servers() {
    for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
    started=()
}

setup() {
    mkfifo "$work/nothing"
    exec {nothing}<>"$work/nothing"
    ip netns add "$client"
    ip netns add "$server"
    ip -n "$client" link add veth type veth peer name veth netns "$server"
    local side address
    for side in "$client 1" "$server 2"; do
        set -- $side
        ip netns exec "$1" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.veth.accept_dad=0
        ip -n "$1" link set veth address "02:00:00:00:00:0$2"
        ip -n "$1" link set lo up
        ip -n "$1" link set veth up
        ip -n "$1" address add "192.0.2.$2/24" dev veth
        ip -n "$1" address add "2001:db8::$2/64" dev veth nodad
    done
    ip -n "$client" route add 198.51.100.0/24 via 192.0.2.2
    ip -n "$client" -6 route add 2001:db8:1::/48 via 2001:db8::2
    ip netns exec "$server" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0
    ip -n "$server" route add 198.51.100.0/26 via 192.0.2.1
    ip -n "$server" -6 route add 2001:db8:1::/64 via 2001:db8::1
    ip -n "$server" route add unreachable 198.51.100.128/25
    ip -n "$server" route add prohibit 198.51.100.64/26
    certificates
}

# An authority, a server of two kinds of key with names, a client, an expired one.
certificates() {
    cd "$work"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 3650 -subj "/O=CVF Golden/CN=CVF Golden CA" 2>/dev/null
    issue() {  # NAME SUBJECT ALTERNATIVE-NAMES DAYS KEY-OPTIONS...
        local name=$1 subject=$2 names=$3 days=$4; shift 4
        openssl req -newkey "$@" -nodes -keyout "$name.key" -out "$name.csr" -subj "$subject" 2>/dev/null
        openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" -out "$name.pem" \
            -extfile <(printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$names") 2>/dev/null
    }
    issue ec "/O=CVF Golden/CN=www.example.test" "DNS:www.example.test,DNS:*.example.test,IP:192.0.2.2" 825 ec -pkeyopt ec_paramgen_curve:P-384
    issue rsa "/C=DE/O=CVF Golden/OU=Tests/CN=rsa.example.test" "DNS:rsa.example.test" 825 rsa:2048
    issue ed "/CN=ed.example.test" "DNS:ed.example.test" 30 ed25519
    issue user "/O=CVF Golden/CN=alice" "email:alice@example.test" 30 ec -pkeyopt ec_paramgen_curve:P-256
    openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.pem -days 1 -subj "/CN=self.example.test" 2>/dev/null
    cat ec.pem ca.pem >chain.pem
    cd - >/dev/null
}

start_nginx() {
    mkdir -p "$work/www/sub"
    printf 'hello\n' >"$work/www/index.html"
    head -c 3000 /dev/zero | tr '\0' 'x' >"$work/www/big.txt"
    printf '{"a": 1}\n' >"$work/www/data.json"
    cat >"$work/nginx.conf" <<CONF
daemon off; master_process off; worker_processes 1; pid $work/nginx.pid; error_log /dev/null;
events {}
http {
    access_log off; server_tokens off; root $work/www; default_type text/plain;
    types { text/html html; application/json json; }
    gzip on; gzip_types text/plain; gzip_min_length 100;
    client_body_temp_path $work/body; proxy_temp_path $work/proxy; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
    server {
        listen 80; listen [::]:80;
        location /old { return 301 /index.html; }
        location /broken { return 503 "out of order\n"; }
        location /private { auth_basic "x"; auth_basic_user_file /dev/null; }
        location /upload { client_max_body_size 1m; proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; }
        location /plain { return 200 "plain\n"; }
    }
}
CONF
    s "$(PATH=$PATH:/usr/sbin command -v nginx)" -c "$work/nginx.conf" -p "$work"
    listening tcp 80
    s python3 "$here/peers.py" upload 127.0.0.1 8080
    listening tcp 8080
}

case_http() {
    start_nginx
    capture http
    local url=http://www.example.test
    local curl=(c curl -s -o /dev/null --resolve www.example.test:80:192.0.2.2 --max-time 10)
    "${curl[@]}" $url/ -o /dev/null $url/data.json -o /dev/null "$url/plain?q=1&token=secret"   # keep-alive
    "${curl[@]}" -I $url/big.txt
    "${curl[@]}" --compressed $url/big.txt
    "${curl[@]}" -r 10-99 $url/big.txt
    "${curl[@]}" -H "If-None-Match: $(c curl -sI http://192.0.2.2/index.html | tr -d '\r' | sed -n 's/^ETag: //p')" $url/index.html
    "${curl[@]}" $url/absent
    "${curl[@]}" $url/old
    "${curl[@]}" $url/broken
    "${curl[@]}" -u user:password $url/private
    "${curl[@]}" -X DELETE $url/data.json
    "${curl[@]}" -X PURGE $url/data.json
    "${curl[@]}" -0 $url/plain
    "${curl[@]}" -H 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' -H 'X-Forwarded-For: 203.0.113.7' -H 'X-Request-Id: r-1' $url/plain
    "${curl[@]}" -H 'Expect: 100-continue' -H 'Content-Type: application/json' -d '{"b": 2}' $url/upload
    head -c 5000 /dev/zero | "${curl[@]}" -T - -H 'Expect:' $url/upload                          # chunked both ways
    "${curl[@]}" -g -6 'http://[2001:db8::2]/plain'
    captured http
}

case_http-pipelined() {
    start_nginx
    capture http-pipelined
    c python3 "$here/peers.py" pipeline 192.0.2.2 80
    captured http-pipelined
}

case_http-odd() {
    s python3 "$here/peers.py" odd 192.0.2.2 8081
    listening tcp 8081
    capture http-odd
    for path in early-hints until-close cut trailers not-http; do
        c curl -s -o /dev/null --max-time 5 "http://192.0.2.2:8081/$path" || true
    done
    captured http-odd
}

case_http-proxy() {
    s python3 "$here/peers.py" proxy 192.0.2.2 3128
    listening tcp 3128
    start_nginx
    s openssl s_server -accept 127.0.0.1:8443 -cert "$work/chain.pem" -key "$work/ec.key" -www -quiet
    listening tcp 8443
    capture http-proxy tcp port 3128
    c curl -s -o /dev/null -x http://192.0.2.2:3128 http://127.0.0.1/plain
    c curl -s -o /dev/null -k -p -x http://192.0.2.2:3128 --connect-to www.example.test:443:127.0.0.1:8443 https://www.example.test/
    c curl -s -o /dev/null -p -x http://192.0.2.2:3128 http://127.0.0.1:1/ || true
    captured http-proxy
}

case_http-upgrade() {
    s python3 "$here/peers.py" websocket 192.0.2.2 8082
    listening tcp 8082
    capture http-upgrade
    c python3 "$here/peers.py" websocket-client 192.0.2.2 8082
    captured http-upgrade
}

start_dnsmasq() {
    s dnsmasq -k -C /dev/null -p 53 -R -h -u root -i veth --bind-interfaces --log-facility=/dev/null \
        --host-record=www.example.test,192.0.2.80,2001:db8::80 --cname=alias.example.test,www.example.test \
        --mx-host=example.test,mail.example.test,10 --txt-record=example.test,"v=spf1 -all",second \
        --srv-host=_http._tcp.example.test,www.example.test,8080,5,7 --ptr-record=80.2.0.192.in-addr.arpa,www.example.test \
        --caa-record=example.test,0,issue,ca.example.test --dns-rr=example.test,65,00010000010003026832 \
        --naptr-record=example.test,100,10,U,SIP+D2U,'!^.*$!sip:info@example.test!' --local=/example.test/ --edns-packet-max=1232
    listening udp 53
}

case_dns() {
    start_dnsmasq
    capture dns
    local dig=(c dig +tries=1 +time=2 @192.0.2.2)
    "${dig[@]}" www.example.test A
    "${dig[@]}" www.example.test AAAA
    "${dig[@]}" alias.example.test A
    "${dig[@]}" example.test MX
    "${dig[@]}" example.test TXT
    "${dig[@]}" _http._tcp.example.test SRV
    "${dig[@]}" example.test CAA
    "${dig[@]}" example.test HTTPS
    "${dig[@]}" example.test NAPTR
    "${dig[@]}" -x 192.0.2.80
    "${dig[@]}" nosuch.example.test A
    "${dig[@]}" +noedns www.example.test A
    "${dig[@]}" +subnet=203.0.113.0/24 +dnssec +nsid www.example.test A
    "${dig[@]}" refused.example.org A
    "${dig[@]}" +tcp +keepopen www.example.test A example.test TXT
    c dig +tries=1 +time=2 @2001:db8::2 www.example.test AAAA
    captured dns
}

# Nobody answers: sent again, then given up; a closed port says so by ICMP.
case_dns-silent() {
    s python3 "$here/peers.py" silent 192.0.2.2 5300
    listening udp 5300
    capture dns-silent
    c dig +tries=2 +time=1 @192.0.2.2 -p 5300 silent.example.test A || true
    c dig +tries=1 +time=1 @192.0.2.2 -p 5301 closed.example.test A || true
    captured dns-silent
}

# tls PORT SERVER-OPTIONS -- CLIENT-OPTIONS
tls() {
    local port=$1; shift
    local server_options=()
    while [[ $1 != -- ]]; do server_options+=("$1"); shift; done
    shift
    s openssl s_server -accept "192.0.2.2:$port" -quiet -rev "${server_options[@]}"
    listening tcp "$port"
    (echo hi; sleep 0.3) | c openssl s_client -connect "192.0.2.2:$port" -quiet -no_ign_eof "$@" >/dev/null 2>&1 || true
    stop_tls
}
stop_tls() { kill "${started[-1]}" 2>/dev/null || true; wait "${started[-1]}" 2>/dev/null || true; unset 'started[-1]'; }

case_tls() {
    capture tls
    local ec=(-cert "$work/ec.pem" -key "$work/ec.key" -cert_chain "$work/ca.pem") rsa=(-cert "$work/rsa.pem" -key "$work/rsa.key")
    local weak=(-cipher 'ALL:@SECLEVEL=0') name=(-servername www.example.test)
    tls 4430 "${rsa[@]}" "${weak[@]}" -tls1 -- -tls1 "${weak[@]}" "${name[@]}"
    tls 4431 "${rsa[@]}" "${weak[@]}" -tls1_1 -- -tls1_1 "${weak[@]}"
    tls 4432 "${rsa[@]}" -- -tls1_2 -cipher AES128-GCM-SHA256 "${name[@]}"                      # RSA key exchange
    tls 4433 "${rsa[@]}" -- -tls1_2 -cipher DHE-RSA-AES256-GCM-SHA384
    tls 4434 "${ec[@]}" -alpn h2,http/1.1 -- -tls1_2 -curves P-384 -alpn h2,http/1.1 "${name[@]}"
    tls 4435 "${ec[@]}" -Verify 1 -CAfile "$work/ca.pem" -- -tls1_2 -cert "$work/user.pem" -key "$work/user.key" "${name[@]}"
    tls 4436 -cert "$work/self.pem" -key "$work/self.key" -- -tls1_2 -CAfile "$work/ca.pem" -verify_return_error    # alert: unknown_ca
    tls 4437 "${ec[@]}" -tls1_3 -- -tls1_2                                                      # alert: protocol_version
    captured tls
}

case_tls13() {
    capture tls13
    local ec=(-cert "$work/ec.pem" -key "$work/ec.key") name=(-servername www.example.test)
    tls 4440 "${ec[@]}" -- -tls1_3 -groups X25519 "${name[@]}" -alpn http/1.1
    tls 4441 "${ec[@]}" -- -tls1_3 -groups P-256 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 "${name[@]}"
    tls 4442 "${ec[@]}" -groups P-521 -- -tls1_3 -groups X25519:P-521 "${name[@]}"                # HelloRetryRequest
    tls 4443 -cert "$work/ed.pem" -key "$work/ed.key" -- -tls1_3 -groups X448 -servername ed.example.test
    tls 4444 "${ec[@]}" -groups P-384 -- -tls1_3 -groups X25519                                   # no group in common
    s gnutls-serv -p 4445 -q --x509certfile="$work/ec.pem" --x509keyfile="$work/ec.key" --echo
    listening tcp 4445
    (echo hi; sleep 0.5) | c gnutls-cli --insecure -p 4445 192.0.2.2 >/dev/null 2>&1 || true
    captured tls13
}

case_tls-resumed() {
    capture tls-resumed
    local options
    for options in "-tls1_2" "-tls1_2 -no_ticket" "-tls1_3"; do
        # shellcheck disable=SC2086
        s openssl s_server -accept 192.0.2.2:4450 -quiet -early_data -cert "$work/ec.pem" -key "$work/ec.key" $options
        listening tcp 4450
        local client_of=(c openssl s_client -connect 192.0.2.2:4450 -no_ign_eof $options)
        (echo hi; sleep 0.4) | "${client_of[@]}" -sess_out "$work/session" >/dev/null 2>&1 || true
        (echo hi; sleep 0.4) | "${client_of[@]}" -sess_in "$work/session" -sess_out "$work/session" >/dev/null 2>&1 || true
        if [[ $options == -tls1_3 ]]; then
            echo early >"$work/early"
            (echo hi; sleep 0.4) | "${client_of[@]}" -sess_in "$work/session" -early_data "$work/early" >/dev/null 2>&1 || true
        fi
        stop_tls
    done
    captured tls-resumed
}

case_dtls() {
    capture dtls
    s openssl s_server -accept 192.0.2.2:4460 -dtls1_2 -listen -cert "$work/rsa.pem" -key "$work/rsa.key" -mtu 600
    listening udp 4460
    (sleep 0.3; echo hi; sleep 0.3) | c openssl s_client -connect 192.0.2.2:4460 -dtls1_2 -mtu 600 -servername rsa.example.test >/dev/null 2>&1 || true
    captured dtls
}

case_quic() {
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q aioquic
    local peer=("$work/venv/bin/python" "$here/quic.py")
    s "${peer[@]}" server 192.0.2.2 4470 "$work/chain.pem" "$work/ec.key"
    s "${peer[@]}" server 192.0.2.2 4471 "$work/chain.pem" "$work/ec.key" --retry
    listening udp 4470
    listening udp 4471
    capture quic
    c "${peer[@]}" client 192.0.2.2 4470 www.example.test
    c "${peer[@]}" client 192.0.2.2 4470 v2.example.test --v2
    c "${peer[@]}" client 192.0.2.2 4471 retry.example.test
    c "${peer[@]}" client 192.0.2.2 4470 negotiate.example.test --unknown-version
    captured quic
}

case_icmp() {
    ip -n "$client" neigh flush dev veth
    ip -n "$server" neigh flush dev veth
    capture icmp
    c ping -q -c 2 -i 0.2 192.0.2.2 >/dev/null
    c ping -q -c 2 -i 0.2 2001:db8::2 >/dev/null
    c ping -q -c 1 -W 1 -t 1 198.51.100.9 >/dev/null || true          # TTL exceeded
    c ping -q -c 1 -W 1 -t 1 2001:db8:1::9 >/dev/null || true         # hop limit exceeded
    c ping -q -c 1 -W 1 198.51.100.200 >/dev/null || true             # host unreachable
    c ping -q -c 1 -W 1 198.51.100.70 >/dev/null || true              # prohibited
    c ping -q -c 1 -W 1 192.0.2.9 >/dev/null || true                  # nobody there: ARP without answer
    c ping -q -c 1 -s 3000 192.0.2.2 >/dev/null                       # fragments
    c ping -q -c 1 -s 3000 2001:db8::2 >/dev/null
    c python3 "$here/peers.py" datagram 192.0.2.2 9 || true           # port unreachable
    c python3 "$here/peers.py" datagram 2001:db8::2 9 || true
    captured icmp
}

# Refused, sent bytes both ways, closed by reset.
case_tcp() {
    s python3 "$here/peers.py" reset 192.0.2.2 9000
    listening tcp 9000
    capture tcp
    c python3 "$here/peers.py" chat 192.0.2.2 9000
    c python3 "$here/peers.py" chat 192.0.2.2 9001 || true
    captured tcp
}

case_vxlan() {
    local side
    for side in "$client 1 2" "$server 2 1"; do
        set -- $side
        ip -n "$1" link add vx type vxlan id 4242 dstport 4789 local "192.0.2.$2" remote "192.0.2.$3" dev veth
        ip -n "$1" link set vx address "02:00:00:00:01:0$2" up
        ip -n "$1" address add "10.9.0.$2/24" dev vx
    done
    start_nginx
    capture vxlan udp port 4789
    c ping -q -c 1 10.9.0.2 >/dev/null
    c curl -s -o /dev/null http://10.9.0.2/plain
    captured vxlan
    ip -n "$client" link del vx
    ip -n "$server" link del vx
}

# The same short traffic in other shapes of capture.
case_shapes() {
    start_nginx
    device=any capture cooked2 tcp port 80
    c curl -s -o /dev/null http://192.0.2.2/plain
    captured cooked2
    device=any capture cooked1 -y LINUX_SLL tcp port 80
    c curl -s -o /dev/null http://192.0.2.2/plain
    captured cooked1
    capture nanoseconds --time-stamp-precision=nano tcp port 80
    c curl -s -o /dev/null http://192.0.2.2/plain
    captured nanoseconds
    capture snapped -s 120 tcp port 80
    c curl -s -o /dev/null http://192.0.2.2/plain
    captured snapped
    tcprewrite --enet-vlan=add --enet-vlan-tag=42 --enet-vlan-cfi=0 --enet-vlan-pri=0 -i "$out/nanoseconds.pcap" -o "$work/vlan.pcap" >/dev/null
    cp "$work/vlan.pcap" "$out/vlan.pcap"
    editcap -F pcapng -a 1:"golden comment" "$out/nanoseconds.pcap" "$out/comment.pcapng"
    gzip -9nc "$out/nanoseconds.pcap" >"$out/compressed.pcap.gz"
    zstd -q -f "$out/nanoseconds.pcap" -o "$out/compressed.pcap.zst"
    editcap -F nsecpcap "$out/nanoseconds.pcap" "$out/midstream.pcap" 1-3                # the handshake not seen
    head -c $(($(stat -c %s "$out/nanoseconds.pcap") - 20)) "$out/nanoseconds.pcap" >"$out/cut.pcap"
}

# Two interfaces with their names, and what people have written into the capture: on it, on an exchange's request and answer, on a
# packet of another exchange of the same conversation, on ARP, on a packet of the other interface.
case_annotated() {
    start_nginx
    ip -n "$client" neigh flush dev veth
    ip netns exec "$server" dumpcap -q -i veth -f "arp or tcp port 80" -i lo -f "tcp port 80" -w "$work/raw.pcapng" 2>"$work/tcpdump.log" & tcpdump=$!
    started+=("$tcpdump")
    for _ in $(seq 100); do grep -q '^File:' "$work/tcpdump.log" && break; sleep 0.05; done
    c curl -s -o /dev/null http://192.0.2.2/plain -o /dev/null http://192.0.2.2/data.json
    ip netns exec "$server" curl -s -o /dev/null http://127.0.0.1/plain
    sleep 0.5
    kill -INT "$tcpdump"; wait "$tcpdump" 2>/dev/null || true
    frame() { tshark -n -r "$work/raw.pcapng" -Y "$1" -T fields -e frame.number 2>/dev/null | sed -n "${2:-1}p"; }
    editcap --capture-comment "golden: a capture with notes" -a "$(frame arp):who asks" \
        -a "$(frame 'http.request.uri == "/plain" && ip.addr == 192.0.2.2'):the question" -a "$(frame http.response):the answer" \
        -a "$(frame 'http.request.uri == "/data.json"'):another question" -a "$(frame 'ip.addr == 127.0.0.1 && tcp.flags.fin == 1'):the end" \
        "$work/raw.pcapng" "$out/annotated.pcapng"
}

all=(http http-pipelined http-odd http-proxy http-upgrade dns dns-silent tls tls13 tls-resumed dtls quic icmp tcp vxlan shapes annotated)
[[ $EUID -eq 0 ]] || { echo "record: needs root, for network namespaces" >&2; exit 1; }
mkdir -p "$out"
setup
for name in "${@:-${all[@]}}"; do
    echo "record: $name" >&2
    "case_$name" >"$work/case.log" 2>&1
    stop_servers
done
du -cb "$out"/* | tail -1
