// graphql-transport-ws: operations over a WebSocket, as a state machine that knows neither sockets, threads nor clocks.
//
// Its owner gives it each message of the client's, asks for what is to be sent, runs the jobs it hands out (queries and
// mutations, which may wait) wherever it likes, and says when the time for the client's first word is over. Subscriptions are
// read here, round-robin, one answer a call: a client that reads slowly makes the stream shed, and what it lost is told.
//
// Thread rule: one thread at a time, but for Job::run, which runs on any, and `wake`, which is called from any. Limits:
// Limits::concurrent operations, and bytes of an id. Source: the protocol of the library graphql-ws ("GraphQL over WebSocket").
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
    // `source` is used for subscriptions on the owner's thread, and by jobs one at a time.
    Transport(const Schema& schema, Source& source, Limits limits, std::function<void()> wake)
        : schema_(schema), source_(source), limits_(limits), wake_(std::move(wake)) {}

    void receive(std::string_view message, bool text);
    void init_time_over();

    // What to send next; nothing: wait until woken.
    std::optional<std::string> next();

    struct Closed {
        uint16_t code;
        std::string reason;
    };
    // Set when the connection is to be closed, once next() has nothing more.
    const std::optional<Closed>& closed() const { return closed_; }

    struct Job {
        uint64_t number;
        std::shared_ptr<const Prepared> prepared;
        boost::json::object run(Source& source) const { return execute(prepared->request(), source); }
    };
    std::optional<Job> take_job();
    void finish(const Job& job, boost::json::object result);

    size_t operations() const { return operations_.size(); }

 private:
    struct Operation {
        uint64_t number;
        std::shared_ptr<const Prepared> prepared;
        std::unique_ptr<RecordStream> stream;  // of a subscription
        uint64_t lost = 0;                     // not yet told
    };

    void close(uint16_t code, std::string reason);
    void subscribe(const boost::json::object& message);
    void fail(const std::string& id, boost::json::array errors);
    void send(std::string_view type, const std::string& id, boost::json::value payload = nullptr);
    // An answer of this subscription's, sent. False: it has none now.
    bool pull(const std::string& id, Operation& operation);

    const Schema& schema_;
    Source& source_;
    const Limits limits_;
    const std::function<void()> wake_;
    bool acknowledged_ = false;
    std::optional<Closed> closed_;
    std::deque<std::string> out_;
    std::deque<Job> jobs_;
    std::map<std::string, Operation> operations_;
    std::string turn_;  // id of the subscription read last
    uint64_t numbers_ = 0;
};

}  // namespace cvf::graphql
