// Documents in JetStream's key-value buckets: put, remove, watch.
//
// put() and remove() try again until their time is over while the connection or JetStream is away. A watch is a consumer of the
// bucket's stream that is made anew whenever anything is amiss (a new connection, a missed heartbeat, a hole in its sequence);
// then what it tells is the difference from what it had told.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "bus/checks.h"
#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/nats_message.h"
#include "bus/worker.h"

namespace cvf::bus {

class NatsDocuments {
 public:
    NatsDocuments(NatsConnection& connection, Ledger& ledger, unsigned replicas)
        : connection_(connection), ledger_(ledger), replicas_(replicas) {}

    std::expected<uint64_t, std::string> put(std::string_view bucket, std::string_view key, std::string_view value,
                                             std::optional<uint64_t> expected);
    Checked remove(std::string_view bucket, std::string_view key, std::optional<uint64_t> expected);
    std::expected<Bus::Found, std::string> get(std::string_view bucket, std::string_view key);
    std::shared_ptr<Worker> watch(std::string bucket, OnDocument handler);

 private:
    using Store = std::shared_ptr<kvStore>;
    Store store(const NatsConnection::Session& session, std::string_view bucket, std::string& error);
    void forget(std::string_view bucket);
    // Tries until it is done (or refused for good), or the time is over. Nothing means "not now", and `error` says why.
    using Attempt = std::function<std::optional<Checked>(kvStore* store, jsCtx* jetstream, std::string& error)>;
    Checked insist(std::string_view bucket, const Attempt& attempt);

    NatsConnection& connection_;
    Ledger& ledger_;
    const unsigned replicas_;
    std::mutex mutex_;
    uint64_t session_ = 0;  // that the stores belong to
    std::map<std::string, Store, std::less<>> stores_;
};

}  // namespace cvf::bus
