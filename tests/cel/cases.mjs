// Records and expressions that the judge runs through both implementations. Every expression meets every record.
//
// Left out, for here the judge is not CEL to the letter (the language definition, or cel-go, agrees with ours): the least int modulo -1,
// ints beyond 2^53 ordered against doubles, matches() as a function, a comment at the very end, unknown escapes, ints out of range.

const base = { "@timestamp": "2026-01-02T03:04:05.5Z", "record.type": "dns", "record.id": "1", "host.name": "node-1" };

export const records = [
    {
        ...base,
        "source.address": "10.9.0.1", "source.port": 40000, "destination.address": "2001:db8::35", "destination.port": 53,
        "network.transport": "udp", "event.duration": 2500000,
        "dns.question.name": "shop.svc.cluster.local", "dns.question.type": "A", "dns.response_code": "NOERROR",
        "dns.answers": ["192.0.2.7", "alias.example."], "dns.resolved_ip": ["192.0.2.7", "2001:db8::7"], "cvf.dns.answer.ttls": [60, 300],
        "dns.header_flags": ["RD", "RA"], "cvf.dns.edns.cookie": "abcd01ff", "cvf.truncated": false,
        "source.process.executable.name": "dig", "source.process.pid": 4711,
        "source.container.label": { app: "cart", "app.kubernetes.io/name": "shop" },
    },
    {
        ...base,
        "record.type": "http", "source.address": "192.168.1.20", "source.port": 51000, "destination.address": "10.0.0.80",
        "destination.port": 80, "network.transport": "tcp", "event.duration": 150000000, "cvf.truncated": true,
        "http.request.method": "GET", "url.path": "/größe/42", "http.response.status_code": 503,
        "http.request.header.content-type": ["text/html", "text/plain"], "destination.container.label": {},
        "source.process.pid": 0, "host.name": "42",
    },
    {
        ...base,
        "record.type": "dns", "source.address": "127.0.0.1", "source.port": 1, "destination.address": "fe80::1", "destination.port": 65535,
        "dns.question.name": "", "dns.answers": [], "dns.resolved_ip": [], "cvf.dns.answer.ttls": [0], "event.duration": 0,
        "source.process.pid": "18446744073709551615", "network.transport": "1",
    },
    { ...base, "record.type": "health", "@timestamp": "1969-12-31T23:59:59.25Z", "host.name": "node-1\nsecond line" },
];

export const expressions = String.raw`
true
false
!true
!!false
source.port == 40000
source.port != 40000
source.port == 40000u
source.port == 40000.0
source.port == 0x9c40
source.port > 1024
1024 < source.port
source.port >= 51000
source.port <= 1
source.port < 40000.5
source.port > 39999.5
source.port > -1
source.port > -0.5
-source.port == -1
source.port == -1
source.process.pid > 9223372036854775807
source.process.pid == 18446744073709551615u
source.process.pid > 1e19
source.process.pid < 1e20
source.process.pid + 1 > 0
source.process.pid == 0 || source.process.pid > 4000
source.port + destination.port == 40053
source.port - destination.port > 0
source.port * 2 == 80000
source.port / 3 == 13333
source.port % 3 == 1
-7 / 2 == -3
-7 % 3 == -1
7 / -2 == -3
source.port / (destination.port - 53) == 1
source.port % 0 == 1
9223372036854775807 + source.port > 0
-9223372036854775808 < source.port
-9223372036854775808 / -1 > 0
1u - 2u > 0u
3u - 2u == 1u
2u * 3u == 6u && 7u / 2u == 3u && 7u % 2u == 1u
18446744073709551615u + 1u > 0u
1.5 + 1.5 == 3.0
1.0 / 0.0 > 1e308
0.0 / 0.0 == 0.0 / 0.0
0.0 / 0.0 != 0.0 / 0.0
0.0 / 0.0 < 1.0
double(source.port) / 3.0 > 13333.0
double(source.port) == 40000.0
int(2.9) == 2 && int(-2.9) == -2
int("42") == 42
int(host.name) == 42
int(dns.question.name) == 1
int("9223372036854775808") == 1
int(1e19) == 1
uint(7) == 7u
uint(-1) == 1u
uint("7") == 7u
uint(2.9) == 2u
uint(source.port) == 40000u
double("1.5") == 1.5
double("x") == 1.5
int(9223372036854775808u) > 0
int(5u) == 5
9007199254740993 == 9007199254740992.0
1 == 1.0 && 1u == 1.0 && 1 == 1u
dns.question.name == "shop.svc.cluster.local"
dns.question.name != "shop.svc.cluster.local"
dns.question.name == ""
"shop.svc.cluster.local" == dns.question.name
dns.question.name < "shoq"
dns.question.name > "shop"
dns.question.name >= ""
"" <= dns.question.name
dns.question.name.startsWith("shop")
dns.question.name.endsWith(".local")
dns.question.name.contains(".svc.")
dns.question.name.contains("")
dns.question.name.startsWith("")
dns.question.name.endsWith("shop.svc.cluster.local and more")
dns.question.name.contains("SHOP")
dns.question.name.startsWith(dns.question.name)
dns.question.name.matches("s[h-i]op")
dns.question.name.matches("^shop")
dns.question.name.matches("^svc")
dns.question.name.matches("local$")
dns.question.name.matches("^shop$")
dns.question.name.matches("^shop.svc.cluster.local$")
dns.question.name.matches("")
dns.question.name.matches("^$")
dns.question.name.matches("(?i)SHOP\\.")
dns.question.name.matches(r"\.local$")
dns.question.name.matches("^(shop|cart)\\.")
host.name.matches("line$")
host.name.matches("^second")
host.name.matches("node-1$")
host.name.matches("node-1.second")
host.name.matches("(?s)node-1.second")
host.name == "node-1\nsecond line"
url.path.matches("^/gr..e/[0-9]+$")
size(dns.question.name) == 22
dns.question.name.size() == 0
size(url.path) == 9
url.path.contains("ö")
url.path == "/gr\u00f6\u00dfe/42"
url.path == '/größe/42'
url.path.startsWith('''/gr''')
url.path.endsWith("""/42""")
"a\tb" == "a	b"
"\x41\u0042\103" == "ABC"
"\U0001F600".size() == 1
r"\n" == "\\n"
'it\'s' == "it's"
dns.question.name in ["a", "shop.svc.cluster.local", "z"]
dns.question.name in []
!(dns.question.name in ["a"])
source.port in [80, 443, 40000]
source.port in [80u, 40000.0]
source.port in [source.port]
53 in [source.port, destination.port]
"10.9.0.1" in [source.address, destination.address]
destination.port in [53, 80]
network.transport in ["tcp", "udp"]
true in [false, true]
record.type == "dns"
record.type != "dns"
record.type in ["http", "tls"]
!(record.type in ["http", "tls"])
record.type.startsWith("h")
source.address == "10.9.0.1"
source.address != "10.9.0.1"
source.address in ["10.9.0.1", "::1"]
source.address.startsWith("10.")
source.address < destination.address
source.address == destination.address
source.address == source.address
destination.address == "2001:db8::35"
destination.address.endsWith(":35")
source.address.matches("^(10|127)\\.")
size(source.address) == 8
source.address.contains(".")
cvf.dns.edns.cookie == "abcd01ff"
cvf.dns.edns.cookie.startsWith("abc")
cvf.dns.edns.cookie in ["00", "abcd01ff"]
cvf.dns.edns.cookie.size() == 8
cidr("10.0.0.0/8").containsIP(source.address)
!cidr("10.0.0.0/8").containsIP(source.address)
cidr("10.9.0.0/31").containsIP(source.address)
cidr("0.0.0.0/0").containsIP(destination.address)
cidr("2001:db8::/33").containsIP(destination.address)
cidr("10.0.0.0/8").containsIP(dns.question.name)
cidr("10.0.0.0/8").containsIP(ip("10.200.0.1"))
cidr("10.0.0.0/8").containsIP("11.0.0.1")
cidr("10.0.0.0/8").containsCIDR("10.1.0.0/16")
cidr("10.1.0.0/16").containsCIDR(cidr("10.0.0.0/8"))
cidr("10.0.0.0/8").prefixLength() == 8
ip(source.address).family() == 4
ip(destination.address).family() == 6
ip(source.address).isLoopback()
ip(destination.address).isLinkLocalUnicast()
ip(source.address).isGlobalUnicast()
ip(dns.question.name).isLoopback()
isIP(source.address)
isIP(dns.question.name)
isCIDR("10.0.0.0/33")
dns.resolved_ip.exists(a, cidr("192.0.2.0/24").containsIP(a))
dns.resolved_ip.all(a, ip(a).family() == 4)
dns.response_code == "NOERROR"
dns.response_code != "NOERROR"
!(dns.response_code == "NOERROR")
dns.response_code in ["NOERROR", "NXDOMAIN"]
dns.response_code == "NOERROR" || source.port > 0
source.port > 0 || dns.response_code == "NOERROR"
dns.response_code == "NOERROR" && source.port > 0
source.port < 0 && dns.response_code == "NOERROR"
!(source.port < 0 && dns.response_code == "NOERROR")
!(dns.response_code == "NOERROR" && source.port < 0)
dns.response_code == "x" || http.request.method == "GET" || record.type == "health"
dns.response_code == "x" || http.request.method == "POST" || record.type == "flow"
http.response.status_code >= 500 && !source.address.startsWith("10.9.")
http.response.status_code >= 500 ? true : false
(dns.response_code == "x" ? true : false) || true
has(dns.question.name)
!has(dns.question.name)
has(dns.question.name) && dns.question.name == ""
has(dns.question.name) ? dns.question.name == "" : record.type == "http"
has(source.process.pid) || has(http.request.method)
has(source.container.label)
has(source.container.label.app)
!has(source.container.label.tier)
has(destination.container.label.app)
source.container.label["app"] == "cart"
source.container.label.app == "cart"
source.container.label["app.kubernetes.io/name"].startsWith("sh")
"app" in source.container.label
!("app" in source.container.label)
"app" in destination.container.label
size(source.container.label) == 2
size(destination.container.label) == 0
source.container.label.exists(k, source.container.label[k] == "shop")
source.container.label.all(k, k.startsWith("app"))
destination.container.label.all(k, k == "x")
source.container.label.exists_one(k, k == "app")
source.container.label["no"] == "x"
source.container.label[host.name] == "x" || true
http.request.header["content-type"][0] == "text/html"
"text/plain" in http.request.header["content-type"]
"content-type" in http.request.header
!("referer" in http.request.header)
source["port"] == 40000
dns["question"]["name"] == ""
"192.0.2.7" in dns.answers
!("192.0.2.7" in dns.answers)
"2001:db8::7" in dns.resolved_ip
60 in cvf.dns.answer.ttls
300.0 in cvf.dns.answer.ttls
dns.answers[0] == "192.0.2.7"
dns.answers[1].startsWith("alias")
dns.answers[2] == "x"
dns.answers[-1] == "x"
dns.answers[destination.port - 53] == "192.0.2.7"
size(dns.answers) == 2
dns.answers.size() == 0
dns.answers.exists(a, a.startsWith("alias"))
dns.answers.all(a, a.startsWith("alias"))
dns.answers.all(a, a.size() > 3)
dns.answers.exists_one(a, a.startsWith("alias"))
dns.answers.exists_one(a, a.size() > 3)
dns.answers.exists(a, a == "192.0.2.7" || int(a) == 1)
dns.answers.exists(a, a == "alias.example." || int(a) == 1)
dns.answers.exists(a, int(a) == 1)
!dns.answers.exists(a, int(a) == 1)
dns.answers.all(a, a == "x" || int(a) == 1)
dns.answers.all(a, a == "192.0.2.7" || int(a) == 1)
dns.answers.exists_one(a, a == "192.0.2.7" || int(a) == 1)
cvf.dns.answer.ttls.all(t, t >= 60 && t < 301)
cvf.dns.answer.ttls.exists(t, t + 1 == 61)
cvf.dns.answer.ttls.exists(t, 10 / t > 1)
["svc", "prod"].exists(s, dns.question.name.contains(s))
["svc", "prod"].all(s, dns.question.name.contains(s))
[source.port, destination.port].exists(p, p == 53)
[source.port, destination.port].all(p, p > 1)
[source.port, destination.port].exists_one(p, p == 80)
[dns.response_code, "x"].exists(s, s == "x")
[].all(x, x == "a")
[].exists(x, x == "a")
dns.resolved_ip.exists(a, dns.answers.exists(b, a == b))
dns.answers.all(a, dns.answers.exists(b, a == b))
dns.answers.exists(dns, dns == "192.0.2.7")
cvf.truncated
!cvf.truncated
cvf.truncated == true
cvf.truncated != true
(source.port > 1000) == (destination.port > 1000)
(source.port > 1000) != cvf.truncated
source.port > 1000 ? cvf.truncated : true
(source.port > 1000 ? source.address : destination.address) == "10.9.0.1"
false < true
false && false || true
true || false && false
(true || false) && false
1 + 2 * 3 == 7
(1 + 2) * 3 == 9
7 - 2 - 1 == 4
-2 + 3 == 1
- 2 + 3 == 1
true ? false : true ? true : true
1 < 2 == true
1e3 == 1000.0 && .5 == 0.5 && 1.5e-1 == 0.15
timestamp == timestamp("2026-01-02T03:04:05.5Z")
timestamp > timestamp("2026-01-02T03:04:05Z")
timestamp < timestamp("1970-01-01T00:00:00Z")
timestamp >= timestamp("2026-01-02T05:04:05.5+02:00")
timestamp - timestamp("2026-01-02T03:00:00Z") == duration("4m5.5s")
timestamp + duration("1s") > timestamp("2026-01-02T03:04:06Z")
duration("1s") + timestamp == timestamp("2026-01-02T03:04:06.5Z")
timestamp - duration("500ms") == timestamp("2026-01-02T03:04:05Z")
int(timestamp) == 1767323045
int(timestamp) == -1
duration("1h30m") == duration("90m")
duration("-1s") < duration("0s")
duration("1.5s") - duration("500ms") == duration("1s")
duration("100us") > duration("99000ns")
event.duration > duration("1ms")
event.duration == duration("2500us")
duration("1h") > event.duration
event.duration <= duration("0s") || event.duration != duration("150ms")
event.duration > 2000000
`.trim().split("\n");

// What neither accepts: ours when it compiles, CEL by refusing to parse or by an error on every record.
export const refused = String.raw`
source.port ==
source.port = 1
source.port == 1 and true
(source.port == 1
"unclosed
source.port + 1.0 > 2.0
1 + 1u == 2
1 < 2 < 3
"a" && true
!source.port
-"a" == "b"
source.port.startsWith("4")
size(source.port) == 1
dns.question.name.matches("(")
dns.question.name.nope()
nope(dns.question.name)
duration("1 second") > duration("0s")
timestamp("yesterday") < timestamp
duration("1s") > timestamp
cidr("10.0.0.0").containsIP(source.address)
ip("300.0.0.1").isLoopback()
source.nope == 1
in == 1
1.5 % 2.0 == 1.0
-1u == 1u
true + 1 == 2
source.port in dns.question.name
dns.answers["a"] == "x"
`.trim().split("\n");
