#include "sink/webhook.h"

#include <fmt/format.h>

#include "record/json.h"
#include "sink/http_carrier.h"
#include "sink/outbox.h"

namespace cvf::sink {

namespace {

using Clock = std::chrono::steady_clock;

class Webhook final : public RecordSink {
 public:
    Webhook(const WebhookOptions& options, OutboxOptions outbox, std::unique_ptr<Carrier> carrier)
        : batch_bytes_(options.batch_bytes), linger_(options.linger), outbox_(std::move(outbox), std::move(carrier)) {}
    ~Webhook() override { Webhook::finish(std::chrono::milliseconds(0)); }

    size_t write(const record::Record& record, const record::Projection* fields) override {
        if (!open_) {
            open_ = outbox_.begin();
            since_ = Clock::now();
        }
        const size_t before = open_->bytes.size();
        record::write_json(record, fields, open_->bytes);
        open_->records++;
        outbox_.give(1);
        const size_t size = open_->bytes.size() - before;
        if (open_->bytes.size() >= batch_bytes_) outbox_.put(std::move(open_));
        return size;
    }

    void flush() override {
        if (open_ && Clock::now() - since_ >= linger_) outbox_.put(std::move(open_));
    }

    void finish(std::chrono::milliseconds wait) override {
        if (open_) outbox_.put(std::move(open_));
        outbox_.finish(wait);
    }

    RecordSinkStats stats() const override { return outbox_.stats(); }

 private:
    const size_t batch_bytes_;
    const std::chrono::milliseconds linger_;
    ParcelPtr open_;
    Clock::time_point since_;
    Outbox outbox_;
};

}  // namespace

std::expected<std::unique_ptr<RecordSink>, std::string> make_webhook_sink(WebhookOptions options) {
    const auto url = split_url(options.url);
    if (!url) return std::unexpected(url.error());
    if (!options.token_file.empty())
        if (auto secret = read_secret(options.token_file); !secret) return std::unexpected(secret.error());
    HttpWay way;
    way.where = url->where;
    way.targets[0] = url->target;
    way.content_type = "application/x-ndjson";
    way.token_file = options.token_file;
    way.tls = options.tls;
    way.timeout = options.timeout;
    OutboxOptions outbox;
    outbox.name = "webhook " + url->where;  // path and query may hold a secret
    outbox.memory_bytes = options.memory_bytes;
    outbox.first_wait = options.first_wait;
    outbox.longest_wait = options.longest_wait;
    outbox.complain = options.complain;
    return std::make_unique<Webhook>(options, std::move(outbox), std::make_unique<HttpCarrier>(std::move(way)));
}

}  // namespace cvf::sink
