// How HTTP/1 messages and connections end: whole, in lost bytes, or with the conversation; and the record that comes of it.
#include <string>
#include <utility>

#include "protocol/http_connection.h"

namespace cvf::protocol::http1 {

void Http::message_ended(Role role, Context& ctx) {
    Side& s = side(role);
    s.phase = Phase::head;
    s.begun = false;
    if (role == Role::client) {
        Exchange* x = receiving_;
        receiving_ = nullptr;
        if (!x) return;
        x->request_body = s.body.body_bytes();
        x->request_size += s.body.wire_bytes();
        x->request_size_known = true;
        x->request_done = true;
    } else {
        if (!front_) return;
        front_->response_body = s.body.body_bytes();
        front_->response_size += s.body.wire_bytes();
        front_->response_size_known = true;
        front_->response_done = true;
        front_->response_end = ctx.now;
    }
    if (front_ && front_->request_done && front_->response_done) emit_front(ctx);
    if (pipelined_ && waiting_ < 2 && !over_) {
        pipelined_ = false;
        ctx.want(direction_of(Role::server), Want::heads);
    }
}

void Http::gap(Direction dir, uint64_t bytes, Context& ctx) {
    if (over_) return;
    const Role role = role_of(dir);
    Side& s = side(role);
    switch (s.phase) {
        case Phase::body:
            s.expecting = false;
            switch (s.body.gap(dir, bytes, ctx)) {
                case Body::Step::more:
                    break;
                case Body::Step::complete:
                    message_ended(role, ctx);
                    break;
                case Body::Step::malformed:
                    lose(role, ctx);
                    break;
            }
            break;
        case Phase::head:
            salvage(role, ctx);
            lose(role, ctx);
            break;
        case Phase::waiting:
            lose(role, ctx);
            break;
        case Phase::lost:
            break;
    }
    response_head_ = nullptr;
}

// Takes what there is of a head that will not be completed.
void Http::salvage(Role role, Context& ctx) {
    Side& s = side(role);
    if (!s.partial) return;
    const std::unique_ptr<std::string> partial = std::move(s.partial);
    s.scanned = 0;
    if (s.salvaged) return;
    Head head;
    if (role == Role::client) {
        if (head.parse_request(*partial, true) != Head::Parsed::complete) return;
        on_request(head, ctx, true);
        s.salvaged = true;
    } else {
        if (head.parse_response(*partial, true) != Head::Parsed::complete) return;
        if (on_response(head, ctx, true) && front_ && front_->response_seen) emit_front(ctx);
        response_head_ = nullptr;
    }
}

// The place in this direction is not known any more.
void Http::lose(Role role, Context& ctx) {
    Side& s = side(role);
    const bool in_body = s.phase == Phase::body;
    s.phase = Phase::lost;
    s.begun = s.salvaged = false;
    s.after_loss = true;
    s.scanned = 0;
    s.partial.reset();
    if (!in_body) return;
    if (role == Role::client) {
        if (!receiving_) return;
        receiving_->truncated = true;
        receiving_->request_done = true;
        receiving_ = nullptr;
        if (front_ && front_->request_done && front_->response_done) emit_front(ctx);
    } else if (front_ && front_->response_seen) {
        s.body.end(direction_of(role), ctx);
        front_->response_body = s.body.body_bytes();
        front_->response_size += s.body.wire_bytes();
        front_->response_size_known = true;
        front_->response_end = ctx.now;
        front_->truncated = true;
        front_->response_done = true;
        emit_front(ctx);
    }
}

void Http::close(Direction dir, Context& ctx) {
    if (over_) return;
    const Role role = role_of(dir);
    Side& s = side(role);
    salvage(role, ctx);
    if (s.phase == Phase::body) {
        if ((role == Role::client && body_refused()) || s.body.end(dir, ctx)) {
            message_ended(role, ctx);
        } else {
            Exchange* x = role == Role::client ? receiving_ : front_;
            if (x && x->error.empty()) x->error = role == Role::client ? "incomplete_request" : "incomplete_response";
            message_ended(role, ctx);
        }
    }
    if (role == Role::server && s.phase != Phase::lost)
        while (front_) {
            if (!front_->response_seen) front_->error = "no_response";
            emit_front(ctx);
        }
}

void Http::finish(Context& ctx) {
    if (over_) return;
    salvage(Role::client, ctx);
    salvage(Role::server, ctx);
    for (Role role : {Role::client, Role::server}) {
        Side& s = side(role);
        Exchange* x = role == Role::client ? receiving_ : front_;
        if (s.phase != Phase::body || !x) continue;
        // Cut short by the end of the conversation as we see it: what is known goes on the record.
        if (!(role == Role::client && body_refused()) && !s.body.end(direction_of(role), ctx)) x->truncated = true;
        message_ended(role, ctx);
    }
    while (front_) emit_front(ctx);
    over_ = true;
}

void Http::report(std::string_view reason, Exchange* exchange, Context& ctx) {
    if (exchange && exchange->violation.empty()) exchange->violation = reason;
    ctx.violation(reason);
}

void Http::push(Exchange* exchange) {
    (back_ ? back_->next : front_) = exchange;
    back_ = exchange;
    ++waiting_;
    waiting_bytes_ += exchange->memory;
}

void Http::drop_front() {
    Exchange* x = front_;
    front_ = x->next;
    if (!front_) back_ = nullptr;
    if (receiving_ == x) receiving_ = nullptr;
    --waiting_;
    waiting_bytes_ -= x->memory;
    Exchange::free(x);
}

void Http::emit_front(Context& ctx) {
    const Exchange& x = *front_;
    emit(x, response_head_ ? response_head_->items() : response_kept_.items(), ctx);
    if (x.response_seen) {
        response_head_ = nullptr;
        response_kept_.clear();
    }
    drop_front();
}

void Http::emit(const Exchange& x, std::span<const Item> response, Context& ctx) {
    if (!ctx.wanted(record::RecordType::http)) return;
    record::Record& record = ctx.start(record::RecordType::http, x.request_seen ? x.request_start : x.response_start);
    fill_record(record, x, response, response_repeated_);
    ctx.emit(record);
}

// Records the oldest request that has no response yet; its response comes all the same, and is counted off then.
void Http::abandon_oldest(Context& ctx) {
    Exchange* const before = front_->response_seen || front_->stands_in ? front_ : nullptr;
    Exchange* const x = before ? before->next : front_;
    if (!x) return;
    emit(*x, {}, ctx);
    ++abandoned_;
    abandoned_heads_ = abandoned_heads_ << 1 | (x->method == Method::head ? 1 : 0);
    (before ? before->next : front_) = x->next;
    if (back_ == x) back_ = before;
    if (receiving_ == x) receiving_ = nullptr;
    --waiting_;
    waiting_bytes_ -= x->memory;
    Exchange::free(x);
}

// Puts what takes the response of the oldest abandoned request in front.
void Http::stand_in() {
    Exchange* x = Exchange::make({});
    x->stands_in = true;
    x->request_done = true;
    const bool head = abandoned_ <= 64 && (abandoned_heads_ >> (abandoned_ - 1) & 1);
    x->method = head ? Method::head : Method::other;
    // Requests are numbered one by one, so that the two records can be told to belong together.
    x->sequence = (front_ ? front_->sequence : sequence_ + 1) - abandoned_;
    x->next = front_;
    front_ = x;
    if (!back_) back_ = x;
    ++waiting_;
    waiting_bytes_ += x->memory;
}

// The client asked whether to send a body, was told no, and has sent none.
bool Http::body_refused() const {
    return sides_[0].expecting && receiving_ && receiving_->response_seen && receiving_->status >= 400;
}

}  // namespace cvf::protocol::http1
