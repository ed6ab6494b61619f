#include "graphql/transport_ws.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace cvf::graphql {

namespace json = boost::json;

namespace {

// A member that is a text, else empty.
std::string text_of(const json::object& object, std::string_view name) {
    const json::value* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string().data(), value->get_string().size()) : std::string();
}

}  // namespace

void Transport::close(uint16_t code, std::string reason) {
    if (closed_) return;
    if (reason.size() > 120) reason.resize(120);
    closed_ = Closed{code, std::move(reason)};
    operations_.clear();
    jobs_.clear();
    out_.clear();
}

void Transport::init_time_over() {
    if (!acknowledged_) close(4408, "Connection initialisation timeout");
}

void Transport::send(std::string_view type, const std::string& id, json::value payload) {
    json::object out;
    if (!id.empty()) out["id"] = id;
    out["type"] = type;
    if (!payload.is_null()) out["payload"] = std::move(payload);
    out_.push_back(json::serialize(out));
}

void Transport::receive(std::string_view message, bool text) {
    if (closed_) return;
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = 64;
    const json::value parsed = text ? json::parse({message.data(), message.size()}, error, {}, options) : json::value(nullptr);
    const json::object* object = error ? nullptr : parsed.if_object();
    const std::string type = object ? text_of(*object, "type") : std::string();
    if (type == "connection_init") {
        if (acknowledged_) return close(4429, "Too many initialisation requests");
        const json::value* payload = object->if_contains("payload");
        const json::object* members = payload ? payload->if_object() : nullptr;
        std::string authorization;
        for (const char* name : {"authorization", "Authorization"})
            if (members && authorization.empty()) authorization = text_of(*members, name);
        if (auto no = owner_.let ? owner_.let(&authorization) : std::nullopt) return close(no->code, std::move(no->reason));
        acknowledged_ = true;
        return send("connection_ack", {});
    }
    if (type == "ping") {
        // A flood of pings must not become a heap of pongs.
        if (out_.size() < limits_.concurrent) send("pong", {});
        return;
    }
    if (type == "pong") return;
    if (type == "subscribe") {
        if (!acknowledged_) return close(4401, "Unauthorized");
        return subscribe(*object);
    }
    if (type == "complete") {
        const std::string id = text_of(*object, "id");
        if (id.empty()) return close(4400, "complete needs an id");
        const auto found = operations_.find(id);
        if (found == operations_.end()) return;  // it has ended meanwhile
        std::erase_if(jobs_, [&](const Job& job) { return job.number == found->second.number; });
        operations_.erase(found);
        return;
    }
    close(4400, type.empty() ? "a message is a JSON object with a type" : "there is no such type of message");
}

void Transport::fail(const std::string& id, json::array errors) {
    send("error", id, std::move(errors));
}

void Transport::subscribe(const json::object& message) {
    const std::string id = text_of(message, "id");
    if (id.empty() || id.size() > max_operation_id)
        return close(4400, fmt::format("subscribe needs an id of at most {} bytes", max_operation_id));
    if (operations_.contains(id)) return close(4409, fmt::format("Subscriber for {} already exists", id));
    const json::value* payload = message.if_contains("payload");
    auto text = payload ? request_text(*payload) : std::unexpected(std::string("subscribe needs a payload"));
    if (!text) return close(4400, text.error());
    // Answers that wait to be sent count too: whoever sends errors by the thousand does not make us keep them.
    if (operations_.size() + out_.size() >= limits_.concurrent)
        return close(4429, fmt::format("at most {} operations at once", limits_.concurrent));
    if (auto no = owner_.let ? owner_.let(nullptr) : std::nullopt) return close(no->code, std::move(no->reason));
    operations_.emplace(id, Operation{++numbers_});
    jobs_.push_back({numbers_, std::move(*text)});
}

Transport::Result Transport::Job::run(const Schema& schema, const Limits& limits, Source& source) const {
    auto prepared = prepare(schema, text, limits);
    if (!prepared) return {nullptr, prepared.error().list(), {}};
    if ((*prepared)->operation().kind == OperationKind::subscription) return {std::move(*prepared), std::nullopt, {}};
    return {nullptr, std::nullopt, execute((*prepared)->request(), source)};
}

std::optional<Transport::Job> Transport::take_job() {
    if (jobs_.empty() || running_ != 0 || !out_.empty()) return std::nullopt;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    running_ = job.number;
    return job;
}

bool Transport::wanted() const {
    return std::ranges::any_of(operations_, [&](const auto& one) { return one.second.number == running_; });
}

void Transport::finish(Result result) {
    const uint64_t number = std::exchange(running_, 0);
    const auto found = std::ranges::find_if(operations_, [&](const auto& one) { return one.second.number == number; });
    if (found == operations_.end()) return;  // the client does not want it any more
    if (result.subscription) {
        auto stream = graphql::subscribe(result.subscription->request(), owner_.source(), wake_);
        if (stream) {
            found->second.prepared = std::move(result.subscription);
            found->second.stream = std::move(*stream);
            return;
        }
        result.errors = json::array{stream.error().json()};
    }
    if (result.errors) {
        fail(found->first, std::move(*result.errors));
    } else {
        send("next", found->first, std::move(result.answer));
        send("complete", found->first);
    }
    operations_.erase(found);
}

bool Transport::pull(const std::string& id, Operation& operation) {
    const RecordStream::Item item = operation.stream->next();
    operation.lost += item.lost;
    if (!item.line.empty()) {
        boost::system::error_code error;
        json::value record = json::parse({item.line.data(), item.line.size()}, error);
        if (error) return false;
        json::object result = execute_event(operation.prepared->request(), std::move(record));
        if (operation.lost != 0) result["extensions"] = json::object{{"lost", std::exchange(operation.lost, 0)}};
        send("next", id, std::move(result));
        return true;
    }
    if (!item.ended) return false;
    send("complete", id);
    operations_.erase(std::string(id));
    return true;
}

std::optional<std::string> Transport::next() {
    if (out_.empty() && !closed_ && !operations_.empty()) {
        // Each subscription in turn, beginning behind the one read last.
        auto at = operations_.upper_bound(turn_);
        for (size_t tried = 0; tried < operations_.size(); ++tried, ++at) {
            if (at == operations_.end()) at = operations_.begin();
            if (!at->second.stream) continue;
            turn_ = at->first;
            if (pull(turn_, at->second)) break;
        }
    }
    if (out_.empty()) return std::nullopt;
    std::string message = std::move(out_.front());
    out_.pop_front();
    return message;
}

}  // namespace cvf::graphql
