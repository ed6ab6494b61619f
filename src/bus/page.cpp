#include "bus/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "bus/bus.h"
#include "bus/subjects.h"

namespace cvf::bus {

namespace {

constexpr std::string_view introduction = R"(# The bus

What the nodes of a fabric say to each other, and to anyone else, goes over NATS or Kafka; on one machine, within the process. This page
is an open interface: subjects, topics, headers and encodings change only with the version in their names. Its tables are made from the
ones that the program uses (`src/bus/subjects.cpp`), and a test compares them.

## Connecting

| URL | what |
|---|---|
| `local:` or `local:NAME` | in this process; needs nothing installed; the default of `cvf up` |
| `nats://HOST:4222` | NATS; several servers separated by commas; `user:password@` or `token@` before the host |
| `tls://HOST:4222` | NATS with TLS; also when `nats://` is given certificates |
| `kafka://HOST:9092` | Kafka; with `user:password@` SASL: SCRAM-SHA-512, or with `--bus-sasl` SCRAM-SHA-256 and PLAIN (with Kafka 4 SCRAM needs librdkafka 2.6.1) |
| `kafka+tls://HOST:9093` | Kafka with TLS |

A server's certificate must come from the given authority (else the system's) and bear the name in the URL. In user, password and token,
the characters that a URL gives a meaning are written `%XX`. A broker that is not there, or refuses the login, is waited for.

## Listening in

    nats sub 'cvf.v1.records.>'
    kcat -C -b HOST:9092 -t cvf.v1.records.dns -f '%h %s\n'

One message is a batch: JSON lines, up to 32 kB of them or what came within 5 ms (Kafka: 20 ms), whichever is first. All records of a
batch have one type and come from one agent.

## Subjects

| subject | Kafka topic | headers there | content type | payload |
|---|---|---|---|---|
)";

constexpr std::string_view after_subjects = R"(
`<node>` and `<capture>` are escaped so that any name is one token: bytes other than `A-Z a-z 0-9 _ -` become `=XX` (upper-case hex), an
empty name becomes `=`. `node.1` is `node=2E1`. In Kafka's headers they stand as they are.

With Kafka a message's partition is its key, 16 hex digits, modulo the number of the topic's partitions (with no such key, chosen by the
subject). The key is a hash of the conversation (`flow.id`) folded to some lanes: all that is told of one conversation, by whatever node,
stands in one partition in the order in which its node told it.

## Headers

| header | for example | what |
|---|---|---|
)";

constexpr std::string_view delivery = R"(
## Delivery

At least once. A message is settled when the broker says that it has it: with NATS when a PING sent behind it has come back, with
JetStream and Kafka when it is acknowledged. What was not, the agent sends again (from memory, then from its spool), so the same batch may
come twice, with the same `Cvf-Agent` and `Cvf-First`; what it sheds leaves a hole in the sequence and is counted in its status. Order is
kept for one subject and key while the connection lasts; batches sent again come later. What the broker has not taken for a minute while it
takes others (a subject that is denied, a topic that can't be made) is given up and counted, and the agent's status says why.

While the broker is away an agent's batches are on its disk, but for those of the first second. An agent that is killed loses those, what it
was just filling, and what was on its way and not confirmed; its next run counts from 1, so that no hole tells of them.

NATS keeps nothing of plain messages: who is not connected misses them, and a subscriber that is too slow is shed by its library or cut
off by the server. What is *durable* is stored by JetStream before it counts as delivered, and carries a `Nats-Msg-Id` made of agent, first
sequence and subject, so that within the stream's window it is kept once. Agents publish their changes of status so; records they do not:
who wants those kept beside the controllers' histories makes a stream for them. A controller makes the stream of directives, which then keeps
each, however it was published, until it is dealt with. These streams are made when first needed, with three replicas where there are three servers; an operator's own stream for the same subjects is used
instead.

| stream | subjects | kept for | at most |
|---|---|---|---|
)";

constexpr std::string_view documents = R"(
Kafka stores every message (idempotent producer, `acks=all`, compressed with zstd unless told otherwise). Topics are made when first needed, with
six partitions and the brokers' default of replicas; where that is not allowed, they must be there.

A group of consumers that share the work is a queue group with NATS and a consumer group with Kafka, by the same name.

## Documents

What must be known to whoever comes later is kept as documents: key-value buckets of JetStream, compacted topics of one partition in Kafka
(a message without a value, a tombstone, removes the key). The bucket's or topic's name is the one given here.

| bucket | key | document | what |
|---|---|---|---|
)";

constexpr std::string_view end_of_page = R"(
Keys of NATS are escaped as nodes are, but `/` stays: `Metadata/shop-errors`, `node=2E1`. Kafka's stand as they are.

A document's revision grows with each change of its bucket (NATS: the stream's sequence; Kafka: offset + 1). With NATS a writer may say
which revision it replaces, and the server compares. Kafka can't compare: there a writer holds it against what it has read up to the end
of the topic, and two that do so at the same moment may both win, the later one lasting. Who needs more than that uses NATS.

Nothing on a bus forbids two agents of one name. Their documents take turns under one key, and their records share a subject, told apart by
the instance in `Cvf-Agent`. Each of the two sees that another writes its document (with NATS; Kafka can't be asked for one document), says
so in its log and among its `problems`; the controller lists the node as `doubled` with the other's instance in `namesakes`, and notes it in
`cvf-audit`. A restart is not taken for that: an instance that was replaced does not come back.

## Limits

- A message or document has at most {0} bytes: under the default of both kinds of brokers ({1}).
- A subject has at most 255 bytes, a key 512.
- What an agent has sent and the broker has not confirmed is bounded (16 MiB by default); beyond that the sink's spool takes over.
- A connection that carries nothing for some seconds is tested; one whose server does not answer is given up within {2} s.
- Brokers: NATS 2.9 and later (JetStream, `-js`, for what is durable and for documents); Kafka 2.4 and later, 4.x too.
)";

std::string subject_text(const Channel& channel) {
    std::string out;
    std::string_view names = channel.tokens;
    for (char c : channel.pattern) {
        if (c != '*') {
            out += c;
            continue;
        }
        const size_t end = std::min(names.find(' '), names.size());
        out += fmt::format("<{}>", names.substr(0, end));
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    return out;
}

std::string topic_text(const Channel& channel) {
    const std::string subject = subject_text(channel);
    size_t end = 0;
    for (unsigned i = 0; i < channel.topic_tokens && end != subject.npos; i++) end = subject.find('.', end + (end > 0));
    return subject.substr(0, end);
}

std::string span_text(uint64_t seconds) {
    if (seconds % 86400 == 0) return fmt::format("{} {}", seconds / 86400, seconds == 86400 ? "day" : "days");
    return fmt::format("{} {}", seconds / 3600, seconds == 3600 ? "hour" : "hours");
}

}  // namespace

std::string reference_page() {
    std::string out(introduction);
    for (const Channel& c : channels()) {
        std::string names;
        for (std::string_view token : tokens_in_headers(topic_text(c))) {
            names += fmt::format("{}`{}`", names.empty() ? "" : ", ", header_of_token(token));
        }
        out += fmt::format("| `{}` | `{}` | {} | `{}` | {}: {} |\n", subject_text(c), topic_text(c), names, c.content_type,
                           c.payload, c.doc);
    }
    out += after_subjects;
    for (const HeaderInfo& h : headers()) {
        out += fmt::format("| `{}` | `{}` | {}{} |\n", h.name, h.example, h.doc, h.kafka_only ? "; Kafka only" : "");
    }
    out += delivery;
    for (const Channel& c : channels()) {
        out += fmt::format("| `cvf-{}` | `{}` | {} | {} MiB |\n", c.name, c.pattern, span_text(c.stream_seconds),
                           c.stream_bytes / (1024 * 1024));
    }
    out += documents;
    for (const Bucket& b : buckets()) {
        out += fmt::format("| `{}` | {} | {} | {}{} |\n", b.name, b.key, b.value, b.doc,
                           b.keep_seconds > 0 ? fmt::format("; each kept for {}", span_text(b.keep_seconds)) : "");
    }
    out += fmt::format(end_of_page, max_payload, "1 MB", 6);
    return out;
}

}  // namespace cvf::bus
