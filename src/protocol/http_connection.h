// The state of one HTTP/1 connection: where each direction is, and the exchanges that wait for their end. http.cpp has the way in
// (heads and bodies as they come), http_ending.cpp every way out (ends, losses, records).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "protocol/dissector.h"
#include "protocol/http_body.h"
#include "protocol/http_exchange.h"
#include "protocol/http_head.h"

namespace cvf::protocol::http1 {

enum class Role : uint8_t { client = 0, server = 1 };

enum class Phase : uint8_t {
    head,     // at the start of a message, or inside its head
    body,     // inside its body
    waiting,  // client: behind CONNECT or Upgrade, until the response tells what the bytes are
    lost,     // bytes are missing: until a delivery begins with a first line
};

struct Side {
    Phase phase = Phase::head;
    bool begun = false;       // a message has begun: `start` holds
    bool salvaged = false;    // the record of the head being received was written already
    bool after_loss = false;  // bytes were lost since the last message
    bool expecting = false;   // client: "100-continue" was asked for and no byte of the body has come
    uint32_t scanned = 0;     // bytes of an incomplete head in which its end is not
    int64_t start = 0;        // time of its first byte
    Body body;
    // Copy of an incomplete head: what a gap leaves of it. Null nearly always, and an idle connection is small.
    std::unique_ptr<std::string> partial;
};

class Http final : public Dissector {
 public:
    Http() = default;
    Http(const Http&) = delete;
    Http& operator=(const Http&) = delete;
    ~Http() override {
        while (front_) drop_front();
    }

    size_t data(Direction dir, Bytes bytes, Context& ctx) override;
    void gap(Direction dir, uint64_t bytes, Context& ctx) override;
    void close(Direction dir, Context& ctx) override;
    void finish(Context& ctx) override;
    size_t memory() const override {
        size_t sum = waiting_bytes_ + response_kept_.bytes();
        for (const Side& s : sides_)
            if (s.partial) sum += s.partial->capacity();
        return sum;
    }

 private:
    Role role_of(Direction dir) const { return dir == client_ ? Role::client : Role::server; }
    Direction direction_of(Role role) const { return role == Role::client ? client_ : opposite(client_); }
    Side& side(Role role) { return sides_[static_cast<size_t>(role)]; }

    Role find_client(Direction dir, std::string_view text, Context& ctx);
    bool head(Role role, std::string_view text, Head& head, Context& ctx, size_t& used);
    bool head_ended(Side& side, std::string_view text);
    void on_request(Head& head, Context& ctx, bool cut);
    bool on_response(Head& head, Context& ctx, bool cut);
    void on_simple_response(Context& ctx);
    Framing response_framing(const Head& head) const;
    void message_ended(Role role, Context& ctx);
    void salvage(Role role, Context& ctx);
    void lose(Role role, Context& ctx);
    void report(std::string_view reason, Exchange* exchange, Context& ctx);
    void confirm(const Head& head, Context& ctx);

    void push(Exchange* exchange);
    void drop_front();
    void emit_front(Context& ctx);
    void emit(const Exchange& exchange, std::span<const Item> response, Context& ctx);
    void abandon_oldest(Context& ctx);
    void stand_in();
    bool body_refused() const;

    Direction client_ = Direction::from_initiator;
    bool client_known_ = false;
    bool confirmed_ = false;
    bool named_ = false;
    bool over_ = false;       // handed over, or of no interest
    bool pipelined_ = false;  // more than one response is on its way: where the next begins can't be foretold
    uint8_t version_ = 255;
    bool response_repeated_ = false;
    uint32_t sequence_ = 0;
    Side sides_[2];

    // Exchanges in the order of their requests; the front one's response is next or has begun.
    Exchange* front_ = nullptr;
    Exchange* back_ = nullptr;
    uint32_t waiting_ = 0, waiting_bytes_ = 0;
    // Requests that were recorded without their responses, for too many waited: the next so many responses are theirs. Bit n:
    // the method of the one n before the youngest was HEAD.
    uint32_t abandoned_ = 0;
    uint64_t abandoned_heads_ = 0;
    Exchange* receiving_ = nullptr;  // its request's body is being received
    // Texts of the front's response: borrowed from the head that is being worked on, or kept from an earlier call.
    const Head* response_head_ = nullptr;
    KeptItems response_kept_;
};

}  // namespace cvf::protocol::http1
