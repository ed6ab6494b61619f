// Reads a stream of server-sent events in pieces of any size.
//
// A parser owns the line it is in the middle of and the event it is collecting, both bounded. Bytes are foreign: nothing but the
// bounds is asked of them. One thread per parser. Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace cvf::api {

class EventParser {
 public:
    // `name` is the event's type ("message" when it has none), `data` its data lines joined by '\n'. Borrowed; false ends the
    // parse.
    using OnEvent = std::function<bool(std::string_view name, std::string_view data)>;

    explicit EventParser(OnEvent on_event, size_t max_event_bytes = 1024 * 1024)
        : on_event_(std::move(on_event)), max_event_bytes_(max_event_bytes) {}

    // False when the callback wants no more or an event is over the bound (then too_long() is true). Nothing may follow.
    bool feed(std::string_view bytes);
    bool too_long() const { return too_long_; }

 private:
    bool line(std::string_view text);

    OnEvent on_event_;
    const size_t max_event_bytes_;
    std::string partial_;  // a line whose end has not come
    std::string name_, data_;
    bool after_return_ = false;  // the last byte was CR: an LF now belongs to it
    bool first_line_ = true;
    bool too_long_ = false;
};

}  // namespace cvf::api
