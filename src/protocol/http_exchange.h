// One request and its response while they are on their way, and the texts of a head that must outlive the call that delivered it.
//
// An Exchange is one block of memory with its texts behind it, of just the size needed and given back with the record: a
// connection that waits between two requests, as most of many thousands do, keeps nothing.
#pragma once

#include <memory>
#include <new>
#include <span>

#include "protocol/http_head.h"

namespace cvf::protocol::http1 {

// Copies of a head's items in one block.
class KeptItems {
 public:
    void keep(std::span<const Item> items);
    void clear() { block_.reset(); }
    std::span<const Item> items() const { return {reinterpret_cast<const Item*>(block_.get()), block_ ? count_ : 0}; }
    size_t bytes() const { return block_ ? bytes_ : 0; }

 private:
    struct Free {
        void operator()(char* p) const { ::operator delete(p); }
    };
    std::unique_ptr<char, Free> block_;
    uint32_t count_ = 0, bytes_ = 0;
};

// Bytes the copies of `items` take, and the copying to `memory`, which is aligned for Item.
size_t kept_size(std::span<const Item> items);
void keep_items(std::span<const Item> items, void* memory);

struct Exchange {
    Exchange* next = nullptr;
    int64_t request_start = 0;   // first byte, ns UTC
    int64_t response_start = 0;  // first byte of the final response
    int64_t response_head = 0;   // end of its head
    int64_t response_end = 0;
    uint64_t request_size = 0, request_body = 0;
    uint64_t response_size = 0, response_body = 0;
    std::string_view violation;
    std::string_view error;
    uint32_t sequence = 0;
    uint32_t item_count = 0;  // request texts behind this struct
    uint32_t memory = 0;      // bytes of all that
    uint16_t status = 0;
    uint16_t port = 0;
    Method method = Method::other;
    uint8_t interim_count = 0;
    uint16_t interim[8] = {};
    bool request_seen = false, request_done = false;
    bool response_seen = false, response_done = false;
    bool request_size_known = false, response_size_known = false;
    bool expect_continue = false, repeated = false;
    bool shortened = false, truncated = false, absolute = false;
    bool simple = false;     // HTTP/0.9: the response is a body and nothing else
    bool stands_in = false;  // for a request that was recorded without waiting longer for its response, which this is

    std::span<const Item> request_items() const { return {reinterpret_cast<const Item*>(this + 1), item_count}; }

    // The caller owns what is made and gives it back with free().
    static Exchange* make(std::span<const Item> request);
    static void free(Exchange* exchange) { ::operator delete(exchange); }
};
static_assert(sizeof(Exchange) % alignof(Item) == 0 && std::is_trivially_destructible_v<Exchange>);

// Puts an exchange on a record. `response` are the texts of its final response; they and the exchange must outlive the record's
// writing.
void fill_record(record::Record& record, const Exchange& exchange, std::span<const Item> response, bool response_repeated);

}  // namespace cvf::protocol::http1
