#include "bus/nats.h"

#include "bus/checks.h"
#include "bus/ledger.h"
#include "bus/nats_connection.h"
#include "bus/nats_documents.h"
#include "bus/nats_durable.h"
#include "bus/nats_publish.h"
#include "bus/nats_subscribe.h"

namespace cvf::bus {

namespace {

class NatsBus : public Bus {
 public:
    explicit NatsBus(const Options& options) : ledger_(options), replicas_(options.replicas) {}

    ~NatsBus() override { roster_.end(); }

    std::string begin(const Address& address, const Options& options) {
        auto connection = NatsConnection::create(address, options, ledger_);
        if (!connection) return connection.error();
        connection_ = std::move(*connection);
        documents_ = std::make_unique<NatsDocuments>(*connection_, ledger_, replicas_);
        publisher_ = std::make_unique<NatsPublisher>(*connection_, ledger_);
        return {};
    }

    Accepted publish(const Message& message) override {
        Taken taken;
        if (const Accepted accepted = ledger_.take(message, taken); accepted != Accepted::yes) return accepted;
        if (message.durable) {
            durable().publish(message, taken);
        } else {
            publisher_->publish(message, taken);
        }
        return Accepted::yes;
    }

    std::expected<std::unique_ptr<Subscription>, std::string> subscribe(std::string_view pattern, std::string_view queue,
                                                                        OnMessage handler) override {
        if (auto good = check_pattern(pattern); !good) return std::unexpected(good.error());
        return roster_.enlist(
            subscribe_nats(*connection_, ledger_, std::string(pattern), std::string(queue), replicas_, std::move(handler)));
    }

    std::expected<uint64_t, std::string> put(std::string_view bucket, std::string_view key, std::string_view value,
                                             std::optional<uint64_t> expected) override {
        if (auto good = check_document(bucket, key, value); !good) return std::unexpected(good.error());
        return documents_->put(bucket, key, value, expected);
    }

    std::expected<void, std::string> remove(std::string_view bucket, std::string_view key,
                                            std::optional<uint64_t> expected) override {
        if (auto good = check_document(bucket, key, {}); !good) return good;
        return documents_->remove(bucket, key, expected);
    }

    std::expected<Found, std::string> get(std::string_view bucket, std::string_view key) override {
        if (auto good = check_document(bucket, key, {}); !good) return std::unexpected(good.error());
        return documents_->get(bucket, key);
    }

    std::expected<std::unique_ptr<Subscription>, std::string> watch(std::string_view bucket, OnDocument handler) override {
        if (auto good = check_document(bucket, "any", {}); !good) return std::unexpected(good.error());
        return roster_.enlist(documents_->watch(std::string(bucket), std::move(handler)));
    }

    State state() const override { return ledger_.state(); }
    bool drain(std::chrono::milliseconds wait) override { return ledger_.drain(wait); }

 private:
    // Its two threads exist only where something durable is published.
    NatsDurable& durable() {
        std::call_once(durable_once_, [this] { durable_ = std::make_unique<NatsDurable>(*connection_, ledger_, replicas_); });
        return *durable_;
    }

    Ledger ledger_;
    const unsigned replicas_;
    // Destroyed from the last to the first: sessions are let go before the connection.
    std::unique_ptr<NatsConnection> connection_;
    std::unique_ptr<NatsDocuments> documents_;
    std::unique_ptr<NatsPublisher> publisher_;
    std::once_flag durable_once_;
    std::unique_ptr<NatsDurable> durable_;
    Roster roster_;
};

}  // namespace

std::expected<std::unique_ptr<Bus>, std::string> connect_nats(const Address& address, const Options& options) {
    auto bus = std::make_unique<NatsBus>(options);
    if (std::string error = bus->begin(address, options); !error.empty()) return std::unexpected(error);
    return bus;
}

}  // namespace cvf::bus
