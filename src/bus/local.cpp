#include "bus/local.h"

#include <deque>

#include "bus/checks.h"
#include "bus/ledger.h"
#include "bus/local_exchange.h"
#include "bus/subjects.h"
#include "bus/worker.h"

namespace cvf::bus {

namespace {

// Settles the messages of one bus, in a thread of its own. Messages may outlive the bus in others' inboxes: what is not handled
// by then is settled as not delivered, once.
class Settler {
 public:
    explicit Settler(Ledger& ledger) : ledger_(&ledger) {}

    uint64_t expect(const Taken& taken) {
        const std::lock_guard lock(mutex_);
        waiting_.emplace(++last_, taken);
        return last_;
    }

    void handled(uint64_t id) {
        const std::lock_guard lock(mutex_);
        const auto it = waiting_.find(id);
        if (it == waiting_.end()) return;
        done_.push_back(it->second);
        waiting_.erase(it);
        if (done_.size() == 1) wake_.notify_one();
    }

    void run(Worker& worker) {
        std::deque<Taken> done;
        while (true) {
            {
                std::unique_lock lock(mutex_);
                wake_.wait(lock, [&] { return worker.stopping() || !done_.empty(); });
                done.swap(done_);
            }
            if (done.empty()) return;
            for (const Taken& t : done) ledger_->settle(t, true);
            done.clear();
        }
    }

    void wake() {
        const std::lock_guard lock(mutex_);
        wake_.notify_all();
    }

    // After the worker has ended.
    void close() {
        std::map<uint64_t, Taken> left;
        {
            const std::lock_guard lock(mutex_);
            left.swap(waiting_);
        }
        for (const auto& [id, taken] : left) ledger_->settle(taken, false);
    }

 private:
    Ledger* ledger_;
    std::mutex mutex_;
    std::condition_variable wake_;
    uint64_t last_ = 0;
    std::map<uint64_t, Taken> waiting_;
    std::deque<Taken> done_;
};

class LocalBus : public Bus {
 public:
    LocalBus(std::string_view name, const Options& options)
        : exchange_(LocalExchange::named(name)),
          ledger_(options),
          settler_(std::make_shared<Settler>(ledger_)),
          settling_([s = settler_](Worker& w) { s->run(w); }, [s = settler_] { s->wake(); }) {
        ledger_.connected("local", false);
    }

    ~LocalBus() override {
        roster_.end();
        settling_.end();
        settler_->close();
    }

    Accepted publish(const Message& message) override {
        Taken taken;
        if (const Accepted accepted = ledger_.take(message, taken); accepted != Accepted::yes) return accepted;
        auto copy = std::make_shared<LocalMessage>();
        copy->subject = message.subject;
        copy->payload = message.payload;
        for (const Header& h : message.headers) copy->headers.emplace_back(h.name, h.value);
        copy->partition_key = message.partition_key;
        copy->durable = message.durable;
        copy->handled = [s = settler_, id = settler_->expect(taken)] { s->handled(id); };
        exchange_->publish(std::move(copy));
        return Accepted::yes;
    }

    std::expected<std::unique_ptr<Subscription>, std::string> subscribe(std::string_view pattern, std::string_view queue,
                                                                        OnMessage handler) override {
        if (auto good = check_pattern(pattern); !good) return std::unexpected(good.error());
        auto inbox = std::make_shared<LocalInbox>();
        exchange_->subscribe(std::string(pattern), std::string(queue), inbox);
        const auto body = [this, inbox, handler = std::move(handler)](Worker&) {
            std::vector<Header> headers;
            while (auto m = inbox->pop()) {
                headers.clear();
                for (const auto& [name, value] : m->headers) headers.push_back({name, value});
                ledger_.received();
                handler({m->subject, m->payload, headers, m->partition_key, 0, m->durable});
            }
        };
        return roster_.enlist(std::make_shared<Worker>(body, [e = exchange_, inbox] {
            e->unsubscribe(inbox.get());
            inbox->close();
        }));
    }

    std::expected<uint64_t, std::string> put(std::string_view bucket, std::string_view key, std::string_view value,
                                             std::optional<uint64_t> expected) override {
        if (auto good = check_document(bucket, key, value); !good) return std::unexpected(good.error());
        return exchange_->put(bucket, key, value, expected);
    }

    std::expected<void, std::string> remove(std::string_view bucket, std::string_view key,
                                            std::optional<uint64_t> expected) override {
        if (auto good = check_document(bucket, key, {}); !good) return good;
        return exchange_->remove(bucket, key, expected);
    }

    std::expected<Found, std::string> get(std::string_view bucket, std::string_view key) override {
        if (auto good = check_document(bucket, key, {}); !good) return std::unexpected(good.error());
        return exchange_->get(bucket, key);
    }

    std::expected<std::unique_ptr<Subscription>, std::string> watch(std::string_view bucket, OnDocument handler) override {
        if (auto good = check_document(bucket, "any", {}); !good) return std::unexpected(good.error());
        auto watch = exchange_->watch(bucket);
        const auto body = [exchange = exchange_, watch, handler = std::move(handler)](Worker& worker) {
            bool caught_up = false;
            while (!worker.stopping()) {
                const auto change = exchange->next(*watch, caught_up);
                if (change) {
                    const Document document{change->key, change->value, change->revision, change->removed};
                    handler(&document);
                } else if (!caught_up && !worker.stopping()) {
                    caught_up = true;
                    handler(nullptr);
                }
            }
        };
        return roster_.enlist(std::make_shared<Worker>(body, [e = exchange_, watch] { e->close(watch); }));
    }

    State state() const override { return ledger_.state(); }
    bool drain(std::chrono::milliseconds wait) override { return ledger_.drain(wait); }

 private:
    const std::shared_ptr<LocalExchange> exchange_;
    Ledger ledger_;
    const std::shared_ptr<Settler> settler_;
    Worker settling_;
    Roster roster_;
};

}  // namespace

std::expected<void, std::string> keep_local_documents(const std::string& directory) {
    return LocalExchange::named({})->keep_in(directory);
}

std::unique_ptr<Bus> connect_local(std::string_view name, const Options& options) {
    return std::make_unique<LocalBus>(name, options);
}

}  // namespace cvf::bus
