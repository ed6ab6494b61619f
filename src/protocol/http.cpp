// HTTP/1.0 and HTTP/1.1: RFC 9110 (semantics), RFC 9112 (messages).
//
// Found by the first line: a request line that ends in HTTP/1.x, or a status line. RTSP and SIP look alike up to the version and
// are told apart by it; HTTP/2's preface names version 2. HTTP/0.9 is taken only as the one line that a connection begins with.
//
// One record per request and its final response, written when both have ended; 1xx responses are noted on it. Requests may be
// pipelined: they wait in a queue for their responses, which come in order. A response met without a request, and a request that
// gets none by the end, have records of their own. Bodies are counted, never looked at: they are skipped, so the kernel may
// withhold them. After CONNECT and 101 the connection is handed on.
//
// Lost bytes: inside a body of known length the parse goes on exactly behind it. Elsewhere the direction is lost until a delivery
// begins with a first line; what was going on is recorded as truncated.
#include <algorithm>

#include "protocol/http_connection.h"
#include "protocol/http_text.h"

namespace cvf::protocol {

namespace http1 {

namespace {

constexpr std::string_view versions[] = {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9", "0.9"};
// Requests that may wait for responses, and the bytes they may take; behind them the oldest is recorded without one.
constexpr size_t max_waiting = 64, max_waiting_bytes = 256 * 1024;

}  // namespace

size_t Http::data(Direction dir, Bytes bytes, Context& ctx) {
    if (over_) return 0;
    Role role = role_of(dir);
    if (!client_known_ && !bytes.empty()) {
        role = find_client(dir, decode::as_text(bytes), ctx);
        dir = direction_of(role);
    }
    Side& s = side(role);
    s.body.skip_passed();

    Head parsed;
    size_t at = 0;
    for (bool more = true; more && !over_;) {
        const Bytes rest = bytes.subspan(at);
        size_t used = 0;
        switch (s.phase) {
            case Phase::head:
                more = !rest.empty() && head(role, decode::as_text(rest), parsed, ctx, used);
                break;
            case Phase::body: {
                if (s.expecting && role == Role::client) {
                    // Nothing is skipped before the first byte: it may be that of another request.
                    const bool refused = body_refused();
                    const Match next = refused && !rest.empty() ? match_known_request(decode::as_text(rest)) : Match::no;
                    if (rest.empty() || next == Match::maybe) {
                        more = false;
                        break;
                    }
                    if (next == Match::yes) {
                        message_ended(role, ctx);
                        break;
                    }
                    s.expecting = false;
                }
                const Body::Step step = s.body.advance(dir, rest, ctx, used);
                more = step != Body::Step::more;
                if (step == Body::Step::complete) {
                    message_ended(role, ctx);
                } else if (step == Body::Step::malformed) {
                    report(s.body.violation(), role == Role::client ? receiving_ : front_, ctx);
                    lose(role, ctx);
                }
                break;
            }
            case Phase::waiting:
                // A refused upgrade is answered like any request, and a client that saw none go on may send the next one.
                more = (!front_ || front_->method != Method::connect) && match_known_request(decode::as_text(rest)) == Match::yes;
                if (more) s.phase = Phase::head;
                break;
            case Phase::lost: {
                const std::string_view text = decode::as_text(rest);
                const Match match = role == Role::client ? match_known_request(text) : match_response(text);
                more = match == Match::yes;
                if (more)
                    s.phase = Phase::head;
                else if (match == Match::no)
                    used = rest.size();
                break;
            }
        }
        at += used;
    }
    if (response_head_) {
        if (front_ && front_->response_seen) response_kept_.keep(response_head_->items());
        response_head_ = nullptr;
    }
    return at;
}

// Capture may begin in the middle: a status line from the initiator, or a request from the responder, shows who is who.
Role Http::find_client(Direction dir, std::string_view text, Context& ctx) {
    const bool response = match_response(text) == Match::yes;
    if (!response && match_request(text) != Match::yes) return role_of(dir);
    client_known_ = true;
    const Direction client = response ? opposite(dir) : dir;
    if (client == Direction::from_initiator) {
        ctx.set_initiator(client);  // as it was taken to be; now it is known
        return response ? Role::server : Role::client;
    }
    const uint16_t before = ctx.port(Direction::from_initiator);
    ctx.set_initiator(client);
    // The flow may know better who opened the conversation; then its directions stay.
    if (ctx.port(Direction::from_initiator) == before) client_ = client;
    return response ? Role::server : Role::client;
}

// One head. False when more bytes are needed.
bool Http::head(Role role, std::string_view text, Head& head, Context& ctx, size_t& used) {
    Side& s = side(role);
    if (!s.begun) {
        s.begun = true;
        s.start = ctx.now;
    }
    if (role == Role::server && front_ && front_->simple && match_response(text) == Match::no) {
        on_simple_response(ctx);
        return true;
    }
    if (s.scanned && !head_ended(s, text)) return false;
    if (role == Role::server && front_ && front_->response_seen) emit_front(ctx);  // its request has still not ended
    const Head::Parsed result = role == Role::client ? head.parse_request(text, false) : head.parse_response(text, false);
    if (result == Head::Parsed::incomplete) {
        s.scanned = static_cast<uint32_t>(std::max<size_t>(empty_lines(text), 1));
        head_ended(s, text);
        return false;
    }
    s.scanned = 0;
    s.partial.reset();
    if (result == Head::Parsed::malformed && role == Role::client && !confirmed_ && head.parse_simple_request(text)) {
        used = text.size();
        on_request(head, ctx, false);
        s.phase = Phase::waiting;
        return true;
    }
    if (result == Head::Parsed::malformed) {
        // What stands where a response must begin is what the front request got.
        report(role == Role::client ? "no HTTP/1 request line" : "no HTTP/1 status line", role == Role::client ? nullptr : front_,
               ctx);
        lose(role, ctx);
        if (!confirmed_) return false;
        used = std::min(text.find('\n'), text.size() - 1) + 1;
        return true;
    }
    used = head.size;
    if (role == Role::client) {
        on_request(head, ctx, false);
        return true;
    }
    return on_response(head, ctx, false);
}

// Looks for the empty line that ends a head only in bytes not searched before, and keeps a copy of them: they are gone after a
// gap.
bool Http::head_ended(Side& s, std::string_view text) {
    if (!s.partial) s.partial = std::make_unique<std::string>();
    if (s.partial->size() < text.size()) s.partial->append(text.substr(s.partial->size()));
    for (;;) {
        const size_t newline = text.find('\n', s.scanned);
        if (newline == std::string_view::npos) {
            s.scanned = static_cast<uint32_t>(std::max<size_t>(text.size(), 1));
            return false;
        }
        // The end is a line feed followed by an empty line. What follows is not there yet: look again from here.
        const size_t next = newline + 1;
        if (next >= text.size() || (text[next] == '\r' && next + 1 >= text.size())) {
            s.scanned = static_cast<uint32_t>(std::max<size_t>(newline, 1));
            return false;
        }
        if (text[next] == '\n' || (text[next] == '\r' && text[next + 1] == '\n')) return true;
        s.scanned = static_cast<uint32_t>(next);
    }
}

void Http::confirm(const Head& head, Context& ctx) {
    if (head.minor_version != version_) {
        version_ = head.minor_version;
        ctx.confirm(versions[version_]);
    }
    if (confirmed_) return;
    confirmed_ = true;
    ctx.want(Direction::from_initiator, Want::heads);
    ctx.want(Direction::from_responder, Want::heads);
}

void Http::on_request(Head& head, Context& ctx, bool cut) {
    Side& s = side(Role::client);
    confirm(head, ctx);
    if (!named_ && head.has(Slot::host)) {
        named_ = true;
        for (const Item& item : head.items())
            if (item.slot == Slot::host) ctx.host(item.text());
    }
    const bool connect = head.method == Method::connect, upgrade = head.has(Slot::upgrade);
    if (!connect && !upgrade && !ctx.wanted(record::RecordType::http)) {
        over_ = true;
        for (Direction d : {Direction::from_initiator, Direction::from_responder}) {
            ctx.want(d, Want::none);
            ctx.skip(d, skip_all);
        }
        return;
    }
    const bool begun_before = s.salvaged;  // written when its response came before its end
    s.salvaged = false;
    s.begun = false;
    Exchange* x = nullptr;
    if (!begun_before) {
        // Where responses were lost, a new request means that the earlier ones were answered in what is missing.
        if (side(Role::server).phase == Phase::lost)
            while (front_) {
                front_->truncated = true;
                emit_front(ctx);
                abandoned_ = 0;
            }
        x = Exchange::make(head.items());
        while (waiting_ > 0 && (waiting_ >= max_waiting || waiting_bytes_ + x->memory > max_waiting_bytes)) {
            const size_t before = waiting_;
            abandon_oldest(ctx);
            if (waiting_ == before) break;  // only what is being answered is left
        }
        x->request_seen = true;
        x->request_start = s.start;
        x->method = head.method;
        x->port = head.port;
        x->expect_continue = head.expect_continue;
        x->repeated = head.repeated;
        x->shortened = head.shortened;
        x->absolute = head.absolute;
        x->simple = head.minor_version == Head::simple;
        x->truncated = cut;
        x->sequence = ++sequence_;
        x->request_size = head.size;
        push(x);
        // The next head comes in the same turn, perhaps in the same instant as what is before it.
        if (waiting_ > 1 && !pipelined_) {
            pipelined_ = true;
            ctx.want(direction_of(Role::server), Want::all);
        }
        if (!head.violation.empty()) report(head.violation, x, ctx);
    }
    if (cut) {
        if (x) x->request_done = true;
        return;
    }
    receiving_ = x;
    Framing framing = Framing::none;
    if (head.chunked)
        framing = Framing::chunked;
    else if (head.has_transfer_encoding)
        framing = Framing::until_close;
    else if (head.has_length && head.length > 0)
        framing = Framing::length;
    s.phase = Phase::body;
    s.expecting = head.expect_continue;
    s.body.begin(framing, head.length);
    if (framing == Framing::none) message_ended(Role::client, ctx);
    if (x && (connect || upgrade) && s.phase == Phase::head) s.phase = Phase::waiting;
}

void Http::on_simple_response(Context& ctx) {
    Side& s = side(Role::server);
    front_->response_seen = true;
    front_->response_start = s.start;
    front_->response_head = front_->response_end = ctx.now;
    response_repeated_ = false;
    s.begun = false;
    s.phase = Phase::body;
    s.body.begin(Framing::until_close, 0);
}

// RFC 9112 section 6.3.
Framing Http::response_framing(const Head& head) const {
    if (front_->method == Method::head || head.status / 100 == 1 || head.status == 204 || head.status == 304)
        return Framing::none;
    if (head.chunked) return Framing::chunked;
    if (head.has_transfer_encoding) return Framing::until_close;
    if (head.has_length) return head.length > 0 ? Framing::length : Framing::none;
    return Framing::until_close;
}

// False when the bytes behind are no longer HTTP.
bool Http::on_response(Head& head, Context& ctx, bool cut) {
    Side& s = side(Role::server);
    // A request that has not ended in what was seen, and will not: its response is here.
    if (!front_ && side(Role::client).phase == Phase::head && side(Role::client).partial) salvage(Role::client, ctx);
    if (over_) return false;
    if (abandoned_ > 0 && !(front_ && front_->stands_in)) {
        stand_in();
        front_->response_start = s.start;
    }
    if (!front_) {
        confirm(head, ctx);
        Exchange* x = Exchange::make({});
        x->request_done = true;
        x->sequence = ++sequence_;
        x->response_start = s.start;
        x->truncated = side(Role::client).after_loss;
        push(x);
    }
    Exchange& x = *front_;
    s.begun = false;
    s.salvaged = false;
    s.after_loss = false;
    side(Role::client).after_loss = false;
    if (!head.violation.empty()) report(head.violation, &x, ctx);
    if (head.status / 100 == 1 && head.status != 101) {
        if (x.interim_count < std::size(x.interim)) x.interim[x.interim_count++] = head.status;
        return true;
    }
    if (x.stands_in) --abandoned_;
    x.response_seen = true;
    x.status = head.status;
    x.response_start = s.start;
    x.response_head = x.response_end = ctx.now;
    x.response_size = head.size;
    x.shortened = x.shortened || head.shortened;
    response_head_ = &head;
    response_repeated_ = head.repeated;
    if (cut) {
        x.truncated = true;
        x.response_done = true;
        return true;
    }
    const bool success = head.status / 100 == 2;
    const bool tunnel = success && (x.method == Method::connect || (!x.request_seen && head.tunnel_made && !head.has_length));
    if (tunnel || head.status == 101) {
        x.response_done = x.response_size_known = true;
        x.request_done = true;
        std::string_view next;
        for (const Item& item : head.items())
            if (item.slot == Slot::upgrade && !tunnel) next = item.text();
        if (next == "h2c") next = "http2";
        std::string_view known;
        for (const Protocol* p : all_protocols())
            if (equal_ignoring_case(p->name, next)) known = p->name;
        emit_front(ctx);
        over_ = true;
        ctx.want(Direction::from_initiator, Want::all);
        ctx.want(Direction::from_responder, Want::all);
        ctx.hand_over(known);
        return false;
    }
    // The client goes on in HTTP: what it wanted was refused.
    if (side(Role::client).phase == Phase::waiting) side(Role::client).phase = Phase::head;
    const Framing framing = response_framing(head);
    s.phase = Phase::body;
    s.body.begin(framing, head.length);
    if (framing == Framing::none) message_ended(Role::server, ctx);
    return true;
}

namespace {

Match match(Direction, Bytes bytes, uint16_t, uint16_t) {
    const std::string_view text = decode::as_text(bytes);
    const Match response = match_response(text);
    if (response == Match::yes) return response;
    const Match request = match_request(text);
    if (request == Match::yes) return request;
    return request == Match::maybe || response == Match::maybe ? Match::maybe : Match::no;
}

std::unique_ptr<Dissector> make() {
    return std::make_unique<Http>();
}

constexpr record::RecordType types[] = {record::RecordType::http};

}  // namespace
}  // namespace http1

const Protocol http = {"http", static_cast<uint8_t>(Transport::tcp), &http1::match, &http1::make, http1::types};

}  // namespace cvf::protocol
