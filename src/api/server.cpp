#include "api/server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <unordered_set>

#include "api/problem.h"
#include "api/token.h"
#include "filter/filter.h"
#include "record/fields.h"

namespace cvf::api {
namespace {

using http::BodySource;
using http::IncomingRequest;
using http::OutgoingResponse;

class FilterSelector final : public sink::Selector {
 public:
    explicit FilterSelector(filter::Filter filter) : filter_(std::move(filter)) {}
    bool matches(const record::Record& record) override { return filter_.matches(record); }

 private:
    filter::Filter filter_;
};

class RecordSource;

struct Streams {
    std::unordered_set<const RecordSource*> open;
    uint64_t lost_before = 0;  // of streams that have ended
    uint64_t sent_before = 0;
};

// One subscriber's stream of events.
class RecordSource final : public BodySource {
 public:
    RecordSource(sink::Hub& hub, sink::SubscriptionOptions options, Streams& streams)
        : hub_(hub), options_(std::move(options)), streams_(streams) {
        streams_.open.insert(this);
    }
    ~RecordSource() override {
        streams_.open.erase(this);
        if (!subscription_) return;
        hub_.unsubscribe(subscription_);
        streams_.lost_before += lost();
        streams_.sent_before += sent();
    }
    RecordSource(const RecordSource&) = delete;
    RecordSource& operator=(const RecordSource&) = delete;

    void start(http::Waker waker) override {
        options_.wake = std::move(waker);
        subscription_ = hub_.subscribe(std::move(options_));
    }

    Piece next() override {
        if (!greeted_) {
            greeted_ = true;
            return {State::more, ": records follow\n\n"};
        }
        if (held_) return {State::more, std::exchange(held_, nullptr)->view()};
        const auto taken = subscription_->take();
        sent_ += taken.records;
        if (taken.lost_before > 0) {
            text_ = fmt::format("event: lost\ndata: {{\"lost\":{}}}\n\n", taken.lost_before);
            held_ = taken.batch;
            return {State::more, text_};
        }
        if (taken.batch) return {State::more, taken.batch->view()};
        return {State::wait, {}};
    }
    std::string_view idle() override { return ":\n\n"; }

    uint64_t lost() const { return subscription_ ? subscription_->lost() : 0; }
    uint64_t sent() const { return sent_; }

 private:
    sink::Hub& hub_;
    sink::SubscriptionOptions options_;
    Streams& streams_;
    std::shared_ptr<sink::Subscription> subscription_;
    const record::Buffer* held_ = nullptr;
    std::string text_;
    uint64_t sent_ = 0;
    bool greeted_ = false;
};

std::vector<std::string> split_commas(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const size_t comma = text.find(',');
        std::string_view item = text.substr(0, comma);
        while (item.starts_with(' ')) item.remove_prefix(1);
        while (item.ends_with(' ')) item.remove_suffix(1);
        if (!item.empty()) out.emplace_back(item);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    return out;
}

OutgoingResponse json_response(const boost::json::value& value) {
    OutgoingResponse response;
    response.content_type = "application/json";
    response.body = boost::json::serialize(value) + "\n";
    return response;
}

class ApiServer final : public Server {
 public:
    ApiServer(ServerOptions options, std::string token) : options_(std::move(options)), token_(std::move(token)) {}
    ~ApiServer() override {
        http_.reset();
        // Another agent may have put its own token there since.
        if (const auto there = read_token_file(options_.token_file); there && *there == token_)
            ::unlink(options_.token_file.c_str());
    }

    std::optional<std::string> open() {
        auto server = http::Server::start(
            options_.listen, [this](const IncomingRequest& request) { return handle(request); }, options_.limits);
        if (!server) return server.error();
        http_ = std::move(*server);
        return std::nullopt;
    }

    std::string address() const override { return http_->address(); }
    uint16_t port() const override { return http_->port(); }
    const std::string& token() const override { return token_; }

 private:
    OutgoingResponse handle(const IncomingRequest& request) {
        using Route = OutgoingResponse (ApiServer::*)(const IncomingRequest&);
        static constexpr std::pair<std::string_view, Route> routes[] = {
            {"/api/v1/records", &ApiServer::records}, {"/api/v1/", &ApiServer::index}, {"/api/v1", &ApiServer::index},
            {"/healthz", &ApiServer::health},         {"/readyz", &ApiServer::ready},  {"/metrics", &ApiServer::metrics},
        };
        for (const auto& [path, route] : routes) {
            if (request.target.path != path) continue;
            if (request.method == "GET" || request.method == "HEAD") {
                auto response = (this->*route)(request);
                response.headers.push_back({"X-Content-Type-Options", "nosniff"});
                return response;
            }
            auto response = to_response({405, "Method not allowed", fmt::format("{} takes GET only", path), {}, 0});
            response.headers.push_back({"Allow", "GET, HEAD"});
            return response;
        }
        return to_response({404, "Not found", "there is no such path; GET /api/v1/ tells what there is", {}, 0});
    }

    OutgoingResponse index(const IncomingRequest&) {
        boost::json::array types;
        for (size_t i = 0; i < record::type_count; ++i) {
            const auto name = record::info(static_cast<record::RecordType>(i)).name;
            types.emplace_back(boost::json::string_view(name.data(), name.size()));
        }
        return json_response({{"name", "cvf"},
                              {"version", options_.version},
                              {"records", "/api/v1/records{?filter,types,fields}"},
                              {"types", types},
                              {"health", "/healthz"},
                              {"ready", "/readyz"},
                              {"metrics", "/metrics"}});
    }

    OutgoingResponse health(const IncomingRequest&) {
        OutgoingResponse response;
        response.body = "ok\n";
        return response;
    }

    OutgoingResponse ready(const IncomingRequest& request) {
        const auto why_not = options_.why_not_ready ? options_.why_not_ready() : std::nullopt;
        if (why_not) return to_response({503, "Not ready", *why_not, {}, 0});
        return health(request);
    }

    OutgoingResponse metrics(const IncomingRequest&) {
        std::vector<Metric> all;
        if (options_.metrics) all = options_.metrics();
        uint64_t lost = streams_.lost_before, sent = streams_.sent_before;
        for (const RecordSource* source : streams_.open) {
            lost += source->lost();
            sent += source->sent();
        }
        const auto stats = http_ ? http_->stats() : http::ServerStats{};
        all.push_back(Metric::counter("cvf_api_requests_total", "HTTP requests answered.", stats.requests));
        all.push_back(Metric::gauge("cvf_api_connections", "HTTP connections open now.", stats.connections));
        all.push_back(
            Metric::counter("cvf_api_connections_refused_total", "HTTP connections closed at once: too many.", stats.refused));
        all.push_back(Metric::gauge("cvf_api_subscribers", "Streams of live records open now.", streams_.open.size()));
        all.push_back(Metric::counter("cvf_api_records_sent_total", "Records handed to streams.", sent));
        all.push_back(
            Metric::counter("cvf_api_records_lost_total", "Records left out of streams whose client read too slowly.", lost));
        OutgoingResponse response;
        response.content_type = metrics_content_type;
        response.body = write_metrics(all);
        return response;
    }

    OutgoingResponse records(const IncomingRequest& request) {
        if (!authorized(request.header("authorization"), token_)) {
            auto response = to_response(
                {401, "Unauthorized", fmt::format("a bearer token is needed: it stands in {}", options_.token_file), {}, 0});
            response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"cvf\""});
            return response;
        }
        for (const auto& [name, value] : request.target.query)
            if (name != "filter" && name != "types" && name != "fields")
                return to_response({400, "Bad parameter",
                                    fmt::format("unknown parameter '{}': filter, types and fields there are", name), name, 0});

        sink::SubscriptionOptions subscription;
        subscription.before_line = "data: ";
        subscription.after_line = "\n";
        subscription.queue_bytes = options_.subscriber_queue_bytes;
        if (const auto types = request.target.parameter("types")) {
            subscription.types.reset();
            for (const std::string& name : split_commas(*types)) {
                const auto type = record::type_by_name(name);
                if (!type) return to_response({400, "Bad parameter", fmt::format("unknown record type '{}'", name), "types", 0});
                subscription.types.set(static_cast<size_t>(*type));
            }
            if (subscription.types.none()) subscription.types.set();
        }
        if (const auto fields = request.target.parameter("fields")) {
            if (const auto patterns = split_commas(*fields); !patterns.empty()) {
                auto projection = record::Projection::parse(patterns);
                if (!projection) return to_response({400, "Bad parameter", projection.error(), "fields", 0});
                subscription.projection = *projection;
            }
        }
        if (const auto text = request.target.parameter("filter")) {
            auto filter = filter::Filter::compile(*text);
            if (!filter) return to_response({400, "Bad filter", filter.error().message, "filter", filter.error().column});
            subscription.types &= filter->possible_types();
            if (!filter->always_true()) subscription.selector = std::make_unique<FilterSelector>(std::move(*filter));
        }
        OutgoingResponse response;
        response.content_type = "text/event-stream";
        response.headers.push_back({"Cache-Control", "no-store"});
        if (request.method == "HEAD") return response;
        if (streams_.open.size() >= options_.max_subscribers) {
            auto busy = to_response({503,
                                     "Too many subscribers",
                                     fmt::format("{} streams are open, and no more are allowed", streams_.open.size()),
                                     {},
                                     0});
            busy.headers.push_back({"Retry-After", "5"});
            return busy;
        }
        response.source = std::make_unique<RecordSource>(*options_.hub, std::move(subscription), streams_);
        return response;
    }

    const ServerOptions options_;
    const std::string token_;
    Streams streams_;  // the API's thread
    std::unique_ptr<http::Server> http_;
};

}  // namespace

std::expected<std::unique_ptr<Server>, std::string> Server::start(ServerOptions options) {
    if (options.token_file.empty()) options.token_file = default_token_file;
    auto token = make_token_file(options.token_file);
    if (!token) return std::unexpected(std::move(token.error()));
    auto server = std::make_unique<ApiServer>(std::move(options), std::move(*token));
    if (auto error = server->open()) return std::unexpected(std::move(*error));
    return server;
}

}  // namespace cvf::api
