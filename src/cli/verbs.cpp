#include "cli/verbs.h"

namespace cvf::cli {

namespace {

constexpr Verb table[] = {
    {"up", config::command_up, "Watch this machine: agent, controller and API in one, no broker needed",
     "Examples:\n"
     "  cvf up                                          a table of who says what to whom\n"
     "  cvf up --format json | jq .                     every record as one JSON line\n"
     "  cvf up --types http,dns --filter 'http.response.status_code >= 500'\n"
     "  cvf up --output records.jsonl.zst --output-rotate-size 64MiB --output-keep 10\n"
     "  cvf up --cgroup /sys/fs/cgroup/system.slice     only what runs below this cgroup\n"},
    {"agent", config::command_agent, "Watch this node and publish its records on the bus",
     "Examples:\n"
     "  cvf agent --bus nats://10.0.0.5:4222\n"
     "  cvf agent --bus nats://a:4222,nats://b:4222,nats://c:4222 --bus-credentials /etc/cvf/agent.creds\n"
     "  cvf agent --bus kafka://10.0.0.5:9092 --node web-3 --labels zone=a,role=web\n"
     "  cvf agent --bus tls://broker:4222 --bus-ca ca.pem --require-signature --trusted-keys ops.pem\n"},
    {"controller", config::command_controller, "Steer the agents on a bus, keep their records, answer questions",
     "Examples:\n"
     "  cvf controller --bus nats://10.0.0.5:4222 --listen 0.0.0.0:7380 --tls-cert api.pem --tls-key api.key\n"
     "  cvf controller --bus nats://10.0.0.5:4222 --clickhouse http://10.0.0.6:8123/cvf\n"
     "  cvf controller --bus kafka://10.0.0.5:9092 --history-size 20GiB --history-age 48h\n"},
    {"read", config::command_read, "Turn captures into records",
     "Examples:\n"
     "  cvf read trace.pcapng                           records as JSON lines, a health record last\n"
     "  cvf read a.pcap b.pcap.gz c.pcapng.zst --types tls\n"
     "  tcpdump -w - -i any | cvf read -                from standard input\n"
     "  cvf read trace.pcap --format table              for the eye\n"
     "  cvf read trace.pcap --fields '@timestamp,source.*,dns.*' --output dns.jsonl\n"
     "  cvf read trace.pcap --bus nats://10.0.0.5:4222  published in the fabric\n"},
    {"watch", config::command_watch, "Follow live records, of this machine or of the whole fabric",
     "Examples:\n"
     "  cvf watch\n"
     "  cvf watch 'dns.question.name.endsWith(\".svc.cluster.local\") && source.port > 1024'\n"
     "  cvf watch 'source.process.executable.name == \"curl\"' --format json\n"
     "  cvf watch --server https://cvf.example:7380 --token-file ~/.cvf-token --types http\n"},
    {"query", config::command_query, "Ask the records that are kept",
     "Examples:\n"
     "  cvf query 'http.response.status_code >= 500' --since 10m --limit 20\n"
     "  cvf query --types dns --since 1h --count --by dns.question.name --top 10\n"
     "  cvf query --types http --since 1h --p99 event.duration --by destination.address\n"
     "  cvf query --types flow --since 1h --sum source.bytes --every 5m\n"},
    {"apply", config::command_manage, "Put directives in force, or change them",
     "Examples:\n"
     "  cvf apply -f errors.yaml --wait                 until every agent it selects reports it active\n"
     "  cvf apply -f directives/ -f more.yaml           all of a folder, and another\n"
     "  cvf apply -f errors.yaml --dry-run              ask the server what would change\n"
     "  cvf apply -f errors.yaml --dry-run=client       check it here, with no server\n"
     "  cat errors.yaml | cvf apply -f -\n"},
    {"get", config::command_manage, "List directives or nodes",
     "Examples:\n"
     "  cvf get directives\n"
     "  cvf get metadata shop-errors -o yaml\n"
     "  cvf get metadata/shop-errors capture/web\n"
     "  cvf get directives -l team=shop,tier!=test\n"
     "  cvf get nodes -l zone=a\n"},
    {"describe", config::command_manage, "Say all about a directive or a node, agent by agent",
     "Examples:\n"
     "  cvf describe metadata shop-errors\n"
     "  cvf describe metadata/shop-errors node/web-3\n"},
    {"edit", config::command_manage, "Change a directive in $EDITOR and apply it",
     "Example:\n"
     "  cvf edit metadata shop-errors\n"},
    {"delete", config::command_manage, "End directives",
     "Examples:\n"
     "  cvf delete metadata shop-errors\n"
     "  cvf delete metadata/shop-errors capture/web\n"
     "  cvf delete -f errors.yaml\n"},
    {"doctor", config::command_doctor, "Say what this kernel and these privileges allow",
     "Examples:\n"
     "  cvf doctor\n"
     "  cvf doctor --verbose                            with what the kernel said\n"},
};

}  // namespace

std::span<const Verb> verbs() {
    return table;
}

}  // namespace cvf::cli
