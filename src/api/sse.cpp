#include "api/sse.h"

namespace cvf::api {

bool EventParser::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (after_return_) {
            after_return_ = false;
            if (bytes.front() == '\n') {
                bytes.remove_prefix(1);
                continue;
            }
        }
        const size_t end = bytes.find_first_of("\r\n");
        const std::string_view piece = bytes.substr(0, end);
        if (partial_.size() + piece.size() + data_.size() > max_event_bytes_) {
            too_long_ = true;
            return false;
        }
        if (end == std::string_view::npos) {
            partial_ += piece;
            return true;
        }
        after_return_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        bool go_on;
        if (partial_.empty()) {
            go_on = line(piece);  // the common case needs no copy
        } else {
            partial_ += piece;
            go_on = line(partial_);
            partial_.clear();
        }
        if (!go_on) return false;
    }
    return true;
}

bool EventParser::line(std::string_view text) {
    if (first_line_) {
        first_line_ = false;
        if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    }
    if (text.empty()) {
        if (data_.empty()) {
            name_.clear();
            return true;
        }
        data_.pop_back();  // the '\n' behind the last data line
        const bool go_on = on_event_(name_.empty() ? std::string_view("message") : std::string_view(name_), data_);
        name_.clear();
        data_.clear();
        return go_on;
    }
    const size_t colon = text.find(':');
    const std::string_view field = text.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "data") {
        data_ += value;
        data_ += '\n';
    } else if (field == "event") {
        name_ = value;
    }  // id, retry, comments and what is not known: not needed
    return true;
}

}  // namespace cvf::api
