// Lists and maps: members, entries, and the comprehensions over them.
#include <algorithm>

#include "filter/evaluation.h"
#include "filter/values.h"

namespace cvf::filter {

using record::Kind;
using record::Value;

Outcome Evaluation::member_of(const Node& n) noexcept {
    Value scratch, item;
    const Value* wanted = value(child(n, 0), scratch);
    if (!wanted) return Outcome::error;
    if (n.op == Op::in_set) {
        const std::vector<Value>& set = program_.sets[n.constant];
        const auto at = std::ranges::partition_point(set, [&](const Value& v) { return compare(n.order, v, *wanted) == -1; });
        return outcome(at != set.end() && compare(n.order, *at, *wanted) == 0);
    }
    bool found = false;
    if (n.op == Op::in_list) {
        const Value* list = value(child(n, 1), item);
        if (!list || !charge(list->size / compared_per_step)) return Outcome::error;
        for (const Value& v : list->as_items()) {
            if (compare(n.order, v, *wanted) != 0) continue;
            found = true;
            break;
        }
        return outcome(found);
    }
    // A list with a missing item is an error as a whole, also where another item is the one.
    for (size_t i = 1; i < n.count; ++i) {
        const Value* v = value(child(n, i), item);
        if (!v) return Outcome::error;
        found = found || compare(n.order, *v, *wanted) == 0;
    }
    return outcome(found);
}

Outcome Evaluation::has_entry(const Node& n) noexcept {
    Value map_scratch, entry_scratch;
    if (!value(child(n, 0), map_scratch)) return Outcome::error;
    return outcome(find_entry(n, entry_scratch) != nullptr);
}

const Value* Evaluation::find_entry(const Node& n, Value& scratch) noexcept {
    const Value* map = value(child(n, 0), scratch);
    if (!map || map->kind != Kind::map) return nullptr;
    Value key_scratch;
    TextBuffer buffer;
    std::string_view wanted;
    const Value* key = value(child(n, 1), key_scratch);
    if (!key || !as_text(*key, buffer, wanted)) return nullptr;
    if (!charge(map->size / compared_per_step)) return nullptr;
    const std::span<const Value> texts = items_of(*map);
    for (size_t i = 0; i + 1 < texts.size(); i += 2)
        if (texts[i].as_text() == wanted) return &texts[i + 1];
    return nullptr;
}

Outcome Evaluation::comprehension(const Node& n) noexcept {
    Value scratch{};  // filled by value(), which returns null where it is not
    std::span<const Value> items;
    size_t count = n.count - 1, stride = 1;
    if (n.over_items) {
        // All items of a literal list must be there before the first is looked at.
        for (size_t i = 1; i < n.count; ++i)
            if (!value(child(n, i), scratch)) return Outcome::error;
    } else {
        const Value* list = value(child(n, 1), scratch);
        if (!list) return Outcome::error;
        items = items_of(*list);
        stride = list->kind == Kind::map ? 2 : 1;  // over the keys
        count = list->size;
    }
    const Node& body = child(n, 0);
    size_t hits = 0;
    bool failed = false;
    for (size_t i = 0; i < count; ++i) {
        if ((steps_left_ -= n.number) < 0) return Outcome::error;
        Value item;
        variables_[n.slot] = n.over_items ? value(child(n, i + 1), item) : &items[i * stride];
        ++depth_;
        const Outcome o = test(body);
        --depth_;
        if (o == Outcome::error) {
            // exists() and all() may still be decided by another item; exists_one() may not.
            if (n.op == Op::exists_one) return o;
            failed = true;
        } else if (o == Outcome::yes) {
            if (n.op == Op::exists) return o;
            ++hits;
        } else if (n.op == Op::all) {
            return o;
        }
    }
    if (failed) return Outcome::error;
    return outcome(n.op == Op::exists_one ? hits == 1 : n.op == Op::all);
}

}  // namespace cvf::filter
