#include "api/live.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "filter/filter.h"
#include "record/json.h"
#include "record/nearest.h"

namespace cvf::api {
namespace {

class FilterSelector final : public sink::Selector {
 public:
    explicit FilterSelector(filter::Filter filter) : filter_(std::move(filter)) {}
    bool matches(const record::Record& record) override { return filter_.matches(record); }
    std::string_view expression() const override { return filter_.source(); }

 private:
    filter::Filter filter_;
};

std::string no_type(std::string_view name) {
    std::array<std::string_view, record::type_count> names;
    for (size_t i = 0; i < names.size(); ++i) names[i] = record::info(static_cast<record::RecordType>(i)).name;
    const std::string_view near = record::nearest(name, names);
    return near.empty() ? fmt::format("there is no record type '{}'; there are {}", name, fmt::join(names, ", "))
                        : fmt::format("there is no record type '{}'; did you mean {}?", name, near);
}

}  // namespace

std::expected<sink::SubscriptionOptions, Problem> subscription_of(const ServerOptions& options, const Following& following) {
    sink::SubscriptionOptions out;
    out.queue_bytes = options.subscriber_queue_bytes;
    if (!following.types.empty()) {
        out.types.reset();
        for (const std::string& name : following.types) {
            const auto type = record::type_by_name(name);
            if (!type) return std::unexpected(parameter_problem("types", no_type(name)));
            out.types.set(static_cast<size_t>(*type));
        }
    }
    if (!following.fields.empty()) {
        auto projection = record::Projection::parse(following.fields);
        if (!projection) return std::unexpected(parameter_problem("fields", projection.error()));
        out.projection = *projection;
    }
    auto filter = filter::Filter::compile(following.filter);
    if (!filter) return std::unexpected(parameter_problem("filter", filter.error().message, filter.error().column));
    out.types &= filter->possible_types();
    if (!filter->always_true()) out.selector = std::make_unique<FilterSelector>(std::move(*filter));
    return out;
}

LiveReader::LiveReader(Streams& streams, sink::Hub& hub, sink::SubscriptionOptions options, std::shared_ptr<void> alive)
    : streams_(streams), hub_(hub), options_(std::move(options)), alive_(std::move(alive)) {
    streams_.open_.insert(this);
}

LiveReader::~LiveReader() {
    streams_.open_.erase(this);
    if (!subscription_) return;
    hub_.unsubscribe(subscription_);
    streams_.lost_before_ += lost();
    streams_.sent_before_ += sent();
}

void LiveReader::begin(std::function<void()> wake) {
    options_.wake = std::move(wake);
    subscription_ = hub_.subscribe(std::move(options_));
}

sink::Subscription::Taken LiveReader::take() {
    const auto taken = subscription_->take();
    sent_ += taken.records;
    return taken;
}

std::expected<std::unique_ptr<LiveReader>, Problem> Streams::open(const Services& services, const Following& following,
                                                                  sink::SubscriptionOptions options) {
    if (!services.hub) return std::unexpected(not_here_problem("no live records"));
    if (open_.size() >= most_)
        return std::unexpected(too_many_problem(fmt::format("{} streams are open, and no more are allowed", open_.size())));
    return std::unique_ptr<LiveReader>(
        new LiveReader(*this, *services.hub, std::move(options), services.follow ? services.follow(following) : nullptr));
}

uint64_t Streams::lost() const {
    uint64_t n = lost_before_;
    for (const LiveReader* one : open_) n += one->lost();
    return n;
}

uint64_t Streams::sent() const {
    uint64_t n = sent_before_;
    for (const LiveReader* one : open_) n += one->sent();
    return n;
}

}  // namespace cvf::api
