// A Context for dissector tests: keeps every record as a line of JSON, and every call, in order.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "protocol/dissector.h"
#include "record/json.h"

namespace cvf::protocol {

class FakeContext final : public Context {
 public:
    std::vector<std::string> records;  // JSON without the newline
    std::vector<std::string> violations, hosts, hand_overs;
    std::vector<std::pair<Direction, uint64_t>> skips;
    std::vector<std::pair<Direction, Want>> wants;
    std::vector<std::string> names;  // "name address ttl"
    std::vector<Direction> initiators;
    int confirmed = 0;
    std::string version;
    bool want_records = true;
    uint16_t initiator_port = 40000, responder_port = 0;

    record::Record& start(record::RecordType type, int64_t timestamp) override {
        record_.begin(type, timestamp);
        return record_;
    }
    void emit(record::Record& record) override {
        record::Buffer buffer;
        record::write_json(record, nullptr, buffer);
        records.emplace_back(buffer.view().substr(0, buffer.size() - 1));
    }
    void confirm(std::string_view v) override {
        ++confirmed;
        version = v;
    }
    void violation(std::string_view reason) override { violations.emplace_back(reason); }
    void host(std::string_view name) override { hosts.emplace_back(name); }
    void skip(Direction dir, uint64_t bytes) override { skips.emplace_back(dir, bytes); }
    void want(Direction dir, Want want) override { wants.emplace_back(dir, want); }
    void hand_over(std::string_view protocol) override { hand_overs.emplace_back(protocol); }
    bool wanted(record::RecordType) const override { return want_records; }
    uint16_t port(Direction end) const override { return end == Direction::from_initiator ? initiator_port : responder_port; }
    void set_initiator(Direction dir) override {
        initiators.push_back(dir);
        if (dir == Direction::from_responder) std::swap(initiator_port, responder_port);
    }
    void name_seen(std::string_view name, Bytes ip, uint32_t ttl) override {
        char text[48];
        names.push_back(std::string(name) + " " + std::string(text, record::write_ip(text, ip)) + " " + std::to_string(ttl));
    }

    // Whether record `i` has this text in it: "\"dns.id\":\"7\"" or the like.
    testing::AssertionResult has(size_t i, std::string_view text) const {
        if (i >= records.size()) return testing::AssertionFailure() << "only " << records.size() << " records";
        if (records[i].find(text) != std::string::npos) return testing::AssertionSuccess();
        return testing::AssertionFailure() << text << " is not in " << records[i];
    }

 private:
    record::Record record_;
};

}  // namespace cvf::protocol
