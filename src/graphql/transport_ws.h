// graphql-transport-ws: operations over a WebSocket, as a state machine that knows neither sockets, threads nor clocks.
//
// Its owner gives it each message of the client's, asks for what is to be sent, and runs the jobs it hands out, one at a time,
// wherever it likes: every operation is one, for reading, checking and answering it may take long. There is none to be had while
// an answer waits to be sent. A subscription that its job has found good is read here, round-robin, one answer a call: a client
// that reads slowly makes the stream shed, and what it lost is told. Who the client is, is asked of the owner: when it begins,
// with the `authorization` of its connection_init, and again for each operation.
//
// Thread rule: one thread at a time, but for Job::run, which runs on any, and `wake`, which is called from any. Limits:
// Limits::concurrent operations that wait or run, and bytes of an id. Source: the protocol of the library graphql-ws ("GraphQL
// over WebSocket").
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "graphql/engine.h"

namespace cvf::graphql {

inline constexpr std::string_view transport_protocol = "graphql-transport-ws";
inline constexpr std::chrono::seconds transport_init_time{3};  // until the client's connection_init
inline constexpr size_t max_operation_id = 128;

class Transport {
 public:
    struct Closed {
        uint16_t code;
        std::string reason;
    };
    struct Owner {
        // May the client go on? `authorization` is what its connection_init has, "Bearer …", empty without; null later, when its
        // operations begin.
        std::function<std::optional<Closed>(const std::string* authorization)> let = {};
        // For subscriptions, on the owner's thread; asked when one begins.
        std::function<Source&()> source;
    };
    Transport(Owner owner, Limits limits, std::function<void()> wake)
        : owner_(std::move(owner)), limits_(limits), wake_(std::move(wake)) {}

    void receive(std::string_view message, bool text);
    void init_time_over();
    bool acknowledged() const { return acknowledged_; }
    void close(uint16_t code, std::string reason);

    // What to send next; nothing: wait until woken.
    std::optional<std::string> next();

    // Set when the connection is to be closed, once next() has nothing more.
    const std::optional<Closed>& closed() const { return closed_; }

    struct Result {
        std::shared_ptr<const Prepared> subscription;  // it is one, and can begin
        std::optional<boost::json::array> errors;      // it can't be executed
        boost::json::object answer;                    // else
    };
    struct Job {
        uint64_t number;
        RequestText text;
        // `source` is used by this job alone.
        Result run(const Schema& schema, const Limits& limits, Source& source) const;
    };
    // Nothing: there is none, one is under way, or answers wait to be sent.
    std::optional<Job> take_job();
    // The client still waits for the job under way.
    bool wanted() const;
    void finish(Result result);

    size_t operations() const { return operations_.size(); }

 private:
    struct Operation {
        uint64_t number;
        std::shared_ptr<const Prepared> prepared = {};  // of a subscription that has begun
        std::unique_ptr<RecordStream> stream = {};      // likewise
        uint64_t lost = 0;                              // not yet told
    };

    void subscribe(const boost::json::object& message);
    void fail(const std::string& id, boost::json::array errors);
    void send(std::string_view type, const std::string& id, boost::json::value payload = nullptr);
    // An answer of this subscription's, sent. False: it has none now.
    bool pull(const std::string& id, Operation& operation);

    const Owner owner_;
    const Limits limits_;
    const std::function<void()> wake_;
    bool acknowledged_ = false;
    std::optional<Closed> closed_;
    std::deque<std::string> out_;
    std::deque<Job> jobs_;
    uint64_t running_ = 0;  // number of the job under way; 0: none
    std::map<std::string, Operation> operations_;
    std::string turn_;  // id of the subscription read last
    uint64_t numbers_ = 0;
};

}  // namespace cvf::graphql
