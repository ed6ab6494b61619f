// The fabric's transport: messages that stream, and small documents that last.
//
// Three implementations: `local` (in this process, the default of `cvf up`), NATS and Kafka. A bus never touches the disk and
// never blocks its callers for the network: what it can't take now it refuses, and the sink that asked keeps it (see
// sink/bus_sink.h).
//
// Streams: publish() copies the message and returns at once. Each accepted message is settled exactly once through
// Options::on_settled, in any order: `delivered` when the broker has said that it has it, else not. A message that is settled as
// not delivered may still have arrived (the broker died between taking it and saying so), so delivery is at least once.
//
// Documents: a bucket is a map from key to bytes that outlives every process of the fabric (local: that lives as long as the
// process). watch() tells what it holds now, then says `caught_up`, then each change; a watch survives reconnection, after which
// what changed meanwhile is told. The last writer wins unless put() is given the revision that it expects to replace.
//
// Thread rule: all functions may be called from any thread. Handlers run on the bus's threads, one at a time for each
// subscription or watch; they may publish, and must not block or destroy the bus. The destructor waits for running handlers;
// after it none runs. Errors: connect() fails at once only for what waiting can't mend (a bad URL, an unreadable certificate); a
// broker that is not there is a state, and the bus keeps trying for as long as it lives.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::bus {

struct Header {
    std::string_view name, value;
};

struct Message {
    std::string_view subject;  // as in subjects.h: cvf.v1.records.dns.node-1
    std::string_view payload;
    std::span<const Header> headers;
    uint64_t partition_key = 0;  // messages of one subject and key keep their order (Kafka: they share a partition)
    uint64_t token = 0;          // handed back when settled
    bool durable = false;        // the broker stores it before it says that it has it (NATS: JetStream)
    bool* untaken = nullptr;     // of one that arrives: a queue's handler that can't take it now says so here, and it comes again
};

// The largest payload that publish() and put() take: under the default limit of both kinds of brokers with room for headers.
inline constexpr size_t max_payload = 960 * 1024;

enum class Accepted : uint8_t {
    yes,
    full,     // Options::pending_bytes are waiting: try again when some are settled
    down,     // no connection at present; nothing is kept
    refused,  // never will be: more than max_payload, or no subject (empty tokens, wildcards, white space); State::last_error
              // says
};

struct Settled {
    uint64_t token;
    bool delivered;
    bool refused = false;  // not delivered, and never will be: too large, or not to be put in the broker's form
};

struct Document {
    std::string_view key;
    std::string_view value;  // empty when removed
    uint64_t revision;       // grows with each change of the bucket, as long as the broker keeps its disk
    bool removed = false;
};

struct State {
    bool connected = false;
    std::string server;      // the one connected to, or tried last
    std::string last_error;  // why it is not connected, or the last thing that went wrong
    uint64_t reconnects = 0;
    uint64_t published = 0, delivered = 0, undelivered = 0;  // messages
    uint64_t published_bytes = 0, received = 0;
    uint64_t dropped = 0;                            // arrived for a handler that was too slow, and were shed
    size_t pending_messages = 0, pending_bytes = 0;  // accepted, not settled
};

struct Options {
    // nats://host:4222, tls://host:4222, kafka://host:9092, kafka+tls://host:9093, local:; several servers separated by commas.
    // All of a process that connect to local: (or to one local:NAME) share one bus.
    std::string url = "local:";
    std::string client_name = "cvf";
    std::string user, password, token;         // or in the URL, user:password@ or token@; Kafka: SASL, which has no token
    std::string sasl_mechanism;                // Kafka: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 (default, when there is a user)
    std::string credentials_file;              // NATS .creds
    std::string ca_file, cert_file, key_file;  // PEM; no ca_file: the system's authorities
    // Of what is created at the broker because it is absent: streams, buckets, topics.
    unsigned replicas = 0;    // 0: NATS three where there are three servers, else one; Kafka the broker's default
    unsigned partitions = 6;  // Kafka, of topics that are no bucket
    size_t pending_bytes = 16 * 1024 * 1024;
    std::chrono::milliseconds reconnect_wait{250};  // grows to ten times that
    std::string compression = "zstd";               // Kafka: none, lz4, zstd
    std::chrono::milliseconds linger{20};           // Kafka: the longest wait for a fuller batch
    std::function<void(const Settled&)> on_settled;
    std::function<void(bool connected)> on_state;
};

// Ends its subscription or watch when destroyed, which waits for a running handler (unless it is called from it).
class Subscription {
 public:
    virtual ~Subscription() = default;
};

using OnMessage = std::function<void(const Message&)>;  // borrowed for the call
// Null: all that the bucket held has been told.
using OnDocument = std::function<void(const Document*)>;

class Bus {
 public:
    // The error is one line for people, with what to do.
    static std::expected<std::unique_ptr<Bus>, std::string> connect(Options options);
    virtual ~Bus() = default;

    virtual Accepted publish(const Message& message) = 0;
    // `pattern`: a subject in which "*" stands for one token and a last ">" for the rest. What is published after this returned
    // is seen, as far as there is a connection. `queue`: not empty, each message goes to one of the subscribers of that name in
    // the whole fabric. Such a name keeps its place while nobody is there, its first subscriber beginning with the oldest
    // message: with Kafka for every pattern, with JetStream for a family of one subject. There a message comes again when its
    // handler has not returned, or has set `untaken`.
    virtual std::expected<std::unique_ptr<Subscription>, std::string> subscribe(std::string_view pattern, std::string_view queue,
                                                                                OnMessage handler) = 0;

    // Documents. These wait for the broker, at most `timeout`.
    static constexpr std::chrono::milliseconds timeout{5000};
    // The revision it got. An error says why, or that `expected` is no longer the revision there (0: expects no document). Kafka
    // can't compare at the broker: there `expected` is held against what this process has read so far, which is best effort.
    virtual std::expected<uint64_t, std::string> put(std::string_view bucket, std::string_view key, std::string_view value,
                                                     std::optional<uint64_t> expected = {}) = 0;
    // Removing what is not there is no error, but with an `expected` revision, which must be another than 0.
    virtual std::expected<void, std::string> remove(std::string_view bucket, std::string_view key,
                                                    std::optional<uint64_t> expected = {}) = 0;
    // What is there now; revision 0: nothing is. Kafka has no question for one document: an error there, who must know watches.
    struct Found {
        std::string value;
        uint64_t revision = 0;
    };
    virtual std::expected<Found, std::string> get(std::string_view bucket, std::string_view key);
    virtual std::expected<std::unique_ptr<Subscription>, std::string> watch(std::string_view bucket, OnDocument handler) = 0;

    virtual State state() const = 0;
    // Waits until all that was accepted is settled; false when `wait` was not enough.
    virtual bool drain(std::chrono::milliseconds wait) = 0;
};

// Kinds of URL that connect() knows, for messages and help: "nats://", ...
std::span<const std::string_view> url_schemes();

}  // namespace cvf::bus
