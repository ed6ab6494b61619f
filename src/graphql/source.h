// Where answers come from, and who is told of changes: what the API gives the executor for one request, on behalf of whoever
// asks. It checks that one's role itself.
//
// Thread rule: one thread at a time; the calls of Source may wait. A stream's next() does not, and its `wake` is called from any
// thread. Errors: SourceError, whose text is for people.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "history/answer.h"
#include "history/query.h"

namespace cvf::graphql {

struct SourceError {
    std::string message;
    std::string code = "BAD_USER_INPUT";  // FORBIDDEN, NOT_FOUND, CONFLICT, UNAVAILABLE, NOT_HERE …
    boost::json::object extensions = {};  // more than the code
};

struct FollowText {
    std::string filter;
    std::vector<std::string> types;
    std::vector<std::string> keys;  // that the answer needs
};

struct ListText {
    std::string kind, labels;  // empty: all
    std::string after;         // key of the last one of the page before: of a directive kind and name, of a node its name
    size_t most = 0;
    bool states = false;  // of directives: with what each agent has said
};

// Live records.
class RecordStream {
 public:
    struct Item {
        std::string_view line = {};  // JSON; empty: nothing now. Valid until the next call
        uint64_t lost = 0;           // records left out before it
        bool ended = false;
    };
    virtual ~RecordStream() = default;
    virtual Item next() = 0;
};

class Source {
 public:
    using Result = std::expected<boost::json::value, SourceError>;
    using Done = std::expected<history::Progress, SourceError>;

    virtual ~Source() = default;

    virtual Done query(const history::QueryText& text, const history::Receiver& receiver) = 0;
    virtual Result directives(const ListText& text) = 0;                         // an array, in order of keys
    virtual Result directive(std::string_view kind, std::string_view name) = 0;  // null: there is none
    virtual Result nodes(const ListText& text) = 0;                              // likewise
    virtual Result node(std::string_view name) = 0;
    virtual Result history() = 0;                                             // what is kept
    virtual Result apply(std::string_view document, bool dry_run) = 0;        // an array of {change, directive}
    virtual Result remove(std::string_view kind, std::string_view name) = 0;  // the directive there was
    virtual std::expected<std::unique_ptr<RecordStream>, SourceError> follow(const FollowText& text,
                                                                             std::function<void()> wake) = 0;
};

}  // namespace cvf::graphql
