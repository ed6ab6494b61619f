// A Context and a stream for dissector tests: the records as lines of JSON, every call kept, and reassembly's side of the bargain
// played.
#pragma once

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/dissector.h"
#include "record/json.h"

namespace cvf::protocol::test {

inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// The value of a key in a record's JSON, as it is written there (strings with their quotes); empty when the key is absent.
inline std::string json_value(std::string_view record, std::string_view key) {
    const std::string name = "\"" + std::string(key) + "\":";
    size_t begin = record.find("," + name);
    begin = begin == std::string_view::npos ? record.find("{" + name) : begin;
    if (begin == std::string_view::npos) return "";
    begin += 1 + name.size();
    bool quoted = false;
    int depth = 0;
    size_t end = begin;
    for (; end < record.size(); ++end) {
        const char c = record[end];
        if (quoted) {
            if (c == '\\') ++end;
            if (c == '"') quoted = false;
            continue;
        }
        if (c == '"') quoted = true;
        if (c == '[' || c == '{') ++depth;
        if (depth == 0 && (c == ',' || c == '}')) break;
        if (c == ']' || c == '}') --depth;
    }
    return std::string(record.substr(begin, end - begin));
}

class FakeContext final : public Context {
 public:
    std::vector<std::string> records;  // JSON without the newline
    std::vector<std::string> versions, violations, hosts;
    std::vector<std::string> names;  // of name_seen(): "name address ttl"
    std::vector<std::pair<Direction, Want>> wants;
    std::optional<std::string> handed_over;
    std::bitset<record::type_count> types_wanted = std::bitset<record::type_count>().set();
    uint64_t skip_asked[2] = {};  // by Direction, until the Player takes it
    uint64_t skipped_so_far[2] = {};
    bool swap_allowed = true, swapped = false;
    uint16_t initiator_port = 40000, responder_port = 0;
    size_t most_memory = 0;  // bytes that the texts of one record took

    record::Record& start(record::RecordType type, int64_t timestamp) override {
        record_.begin(type, timestamp);
        return record_;
    }
    void emit(record::Record& record) override {
        record::Buffer buffer;
        most_memory = std::max(most_memory, record.arena().capacity());
        record::write_json(record, nullptr, buffer);
        records.emplace_back(buffer.view().substr(0, buffer.size() - 1));
    }
    void confirm(std::string_view version) override { versions.emplace_back(version); }
    void violation(std::string_view reason) override { violations.emplace_back(reason); }
    void host(std::string_view name) override { hosts.emplace_back(name); }
    void skip(Direction dir, uint64_t bytes) override { skip_asked[static_cast<size_t>(dir)] = bytes; }
    uint64_t skipped(Direction dir) const override { return skipped_so_far[static_cast<size_t>(dir)]; }
    void want(Direction dir, Want want) override { wants.emplace_back(dir, want); }
    void hand_over(std::string_view protocol) override { handed_over = protocol; }
    bool wanted(record::RecordType type) const override { return types_wanted[static_cast<size_t>(type)]; }
    uint16_t port(Direction end) const override {
        return (end == Direction::from_initiator) != swapped ? initiator_port : responder_port;
    }
    void set_initiator(Direction dir) override {
        if (!swap_allowed || dir == Direction::from_initiator) return;
        swapped = !swapped;
        std::swap(skip_asked[0], skip_asked[1]);
        std::swap(skipped_so_far[0], skipped_so_far[1]);
    }
    void name_seen(std::string_view name, Bytes ip, uint32_t ttl) override {
        char text[48];
        names.push_back(std::string(name) + " " + std::string(text, record::write_ip(text, ip)) + " " + std::to_string(ttl));
    }

 private:
    record::Record record_;
};

// Two directions of a stream, as reassembly gives them to a dissector. Ends are 0 and 1; 0 is the initiator until the ends change
// places.
class Player {
 public:
    Player(Dissector& dissector, FakeContext& ctx) : dissector_(dissector), ctx_(ctx) {}

    // `end` sends `text`, in segments of so many bytes; 0: all at once.
    void send(int end, std::string_view text, size_t segment = 0) {
        while (!text.empty()) {
            const std::string_view piece = text.substr(0, segment ? segment : text.size());
            text.remove_prefix(piece.size());
            ends_[end].pending += piece;
            drain(end);
            if (ends_[end].pending.size() > max_pending) {
                const uint64_t lost = ends_[end].pending.size();
                ends_[end].pending.clear();
                dissector_.gap(direction(end), lost, ctx_);
                take_skip(end);
            }
        }
    }
    // So many bytes of `end` were not seen: what of them is in a skip is no loss.
    void gap(int end, uint64_t bytes) {
        take_skip(end);
        const uint64_t passed = pass(end, bytes);
        if (passed == bytes) {
            if (passed && ends_[end].skip == 0) deliver(end);
            return;
        }
        ends_[end].pending.clear();
        dissector_.gap(direction(end), bytes - passed, ctx_);
        take_skip(end);
    }
    void close(int end) { dissector_.close(direction(end), ctx_); }
    void finish() { dissector_.finish(ctx_); }

    size_t pending(int end) const { return ends_[end].pending.size(); }
    uint64_t skip_left(int end) const { return ends_[end].skip; }

 private:
    struct End {
        std::string pending;
        uint64_t skip = 0;
    };

    Direction direction(int end) const { return static_cast<Direction>(end ^ static_cast<int>(ctx_.swapped)); }
    void take_skip(int end) {
        uint64_t& asked = ctx_.skip_asked[static_cast<size_t>(direction(end))];
        if (asked) ends_[end].skip = std::exchange(asked, 0);
    }
    // Counts up to `bytes` bytes into the skip that is open.
    uint64_t pass(int end, uint64_t bytes) {
        End& e = ends_[end];
        const uint64_t n = std::min(e.skip, bytes);
        if (e.skip != skip_all) e.skip -= n;
        ctx_.skipped_so_far[static_cast<size_t>(direction(end))] += n;
        return n;
    }
    void drain(int end) {
        take_skip(end);
        End& e = ends_[end];
        const uint64_t passed = pass(end, e.pending.size());
        e.pending.erase(0, passed);
        if (e.skip == 0 && (passed || !e.pending.empty())) deliver(end);
    }
    void deliver(int end) {
        if (ctx_.handed_over) return;
        End& e = ends_[end];
        // Memory of just this size, gone after the call: a sanitizer sees reading beyond it, and keeping a view of it.
        const std::vector<uint8_t> exact(e.pending.begin(), e.pending.end());
        const size_t used = dissector_.data(direction(end), exact, ctx_);
        e.pending.erase(0, std::min(used, e.pending.size()));
        take_skip(end);
        if (e.skip) drain(end);
    }

    Dissector& dissector_;
    FakeContext& ctx_;
    End ends_[2];
};

}  // namespace cvf::protocol::test
