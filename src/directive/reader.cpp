#include "directive/reader.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "config/quantity.h"
#include "directive/quantity.h"
#include "record/nearest.h"

namespace cvf::directive {

namespace {

// A word of the document in a message: printable, and not longer than a line.
std::string shown(std::string_view text) {
    std::string out;
    for (const char c : text.substr(0, 60)) out += static_cast<uint8_t>(c) < 0x20 || c == 0x7f ? '?' : c;
    while (!out.empty() && text.size() > 60 && (static_cast<uint8_t>(out.back()) & 0xc0) == 0x80) out.pop_back();
    if (text.size() > 60) out += "…";
    return out;
}

// Patterns stand in constant tables: each is compiled once.
const RE2& compiled(const char* pattern) {
    static std::mutex mutex;
    static std::map<const char*, std::unique_ptr<RE2>> known;
    std::lock_guard lock(mutex);
    std::unique_ptr<RE2>& re = known[pattern];
    if (!re) re = std::make_unique<RE2>(pattern, RE2::Quiet);
    return *re;
}

bool fits(const char* pattern, std::string_view text) {
    return !pattern || RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), compiled(pattern));
}

size_t characters(std::string_view text) {
    return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

std::string_view type_name(Node::Type type) {
    switch (type) {
        case Node::Type::null:
            return "nothing";
        case Node::Type::text:
            return "a text";
        case Node::Type::number:
            return "a number";
        case Node::Type::flag:
            return "true or false";
        case Node::Type::list:
            return "a list";
        case Node::Type::map:
            return "a mapping";
    }
    return "";
}

bool has(const Key& key, uint32_t variant) {
    return (key.variants & variant) != 0;
}

}  // namespace

Reader::Step::Step(Reader& reader, std::string_view name) : reader_(reader), before_(reader.path_.size()) {
    if (!reader.path_.empty()) reader.path_ += '.';
    // A label's key has dots of its own.
    const bool plain = std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    if (plain) {
        reader.path_ += name;
    } else {
        if (!reader.path_.empty()) reader.path_.pop_back();
        reader.path_ += fmt::format("[\"{}\"]", shown(name));
    }
}
Reader::Step::Step(Reader& reader, size_t index) : reader_(reader), before_(reader.path_.size()) {
    reader.path_ += fmt::format("[{}]", index);
}

void Reader::fail(Position at, std::string message, std::string nearest, size_t expression_column) {
    if (problems_.size() >= max_problems) return;
    problems_.push_back({path_, std::move(message), std::move(nearest), at.line, at.column, expression_column, document_});
}

bool Reader::is(const Node& node, Node::Type type) {
    if (node.type == type) return true;
    if (node.type == Node::Type::null) {
        fail(node.at, "has no value; leave the key out, or say what it is");
    } else if (type == Node::Type::text && (node.type == Node::Type::number || node.type == Node::Type::flag)) {
        fail(node.at, fmt::format("is a text; put quotes around {}", shown(node.scalar)),
             fmt::format("\"{}\"", shown(node.scalar)));
    } else if (type == Node::Type::list && node.type == Node::Type::text) {
        fail(node.at, fmt::format("is a list; write [{}]", shown(node.scalar)), fmt::format("[{}]", shown(node.scalar)));
    } else {
        fail(node.at, fmt::format("is {} where {} is meant", type_name(node.type), type_name(type)));
    }
    return false;
}

// A bare number lacks its unit; what reads it says so best.
bool Reader::is_quantity(const Node& node) {
    return node.type == Node::Type::number || is(node, Node::Type::text);
}

bool Reader::text(const Node& node, const Shape& shape) {
    if (!is(node, Node::Type::text)) return false;
    const std::string& s = node.scalar;
    if (const size_t n = characters(s); n > shape.most) {
        fail(node.at, fmt::format("is {} characters long; {} are the most", n, shape.most));
        return false;
    } else if (n < shape.least) {
        fail(node.at, n == 0 ? std::string("is empty; leave the key out, or say what it is")
                             : fmt::format("is too short; {} characters are the least", shape.least));
        return false;
    }
    if (!fits(shape.pattern, s)) {
        std::string near = shape.suggest ? shape.suggest(s) : std::string();
        if (!near.empty() && !fits(shape.pattern, near)) near.clear();
        fail(node.at,
             near.empty() ? fmt::format("'{}' is not {}", shown(s), shape.says)
                          : fmt::format("'{}' is not {}; did you mean {}?", shown(s), shape.says, near),
             near);
        return false;
    }
    if (!shape.check) return true;
    std::optional<Fault> fault = shape.check(s);
    if (!fault) return true;
    fail(node.at, std::move(fault->message), std::move(fault->nearest), fault->expression_column);
    return false;
}

void Reader::value(const Node& node, const Shape& shape, std::string& out) {
    if (text(node, shape)) out = node.scalar;
}

bool Reader::is_list(const Node& node, const Shape& shape) {
    if (!is(node, Node::Type::list)) return false;
    const size_t n = node.children.size();
    if (n <= shape.most_items && n >= shape.fewest_items) return true;
    fail(node.at, n > shape.most_items ? fmt::format("has {} items; {} are the most", n, shape.most_items)
                                       : fmt::format("has {} items; {} is the least", n, shape.fewest_items));
    return false;
}

void Reader::value(const Node& node, const Shape& shape, std::vector<std::string>& out) {
    if (!is_list(node, shape)) return;
    std::vector<std::string> items;
    bool good = true;
    for (size_t i = 0; i < node.children.size(); ++i) {
        const Step step(*this, i);
        good &= text(node.children[i], shape);
        items.push_back(node.children[i].scalar);
    }
    if (good) out = std::move(items);
}

void Reader::value(const Node& node, const Shape& shape, Labels& out) {
    if (!is(node, Node::Type::map)) return;
    if (node.children.size() > shape.most_items)
        return fail(node.at, fmt::format("has {} entries; {} are the most", node.children.size(), shape.most_items));
    Labels entries;
    bool good = true;
    for (size_t i = 0; i < node.children.size(); ++i) {
        const Step step(*this, node.keys[i].text);
        if (!fits(shape.key_pattern, node.keys[i].text) || node.keys[i].text.size() > 253) {
            good = false;
            fail(node.keys[i].at,
                 fmt::format(
                     "'{}' is no label; letters, digits, '-', '_' and '.' make one, at most 63, with a domain and '/' before "
                     "them where needed",
                     shown(node.keys[i].text)));
        }
        good &= text(node.children[i], shape);
        entries.insert_or_assign(node.keys[i].text, node.children[i].scalar);
    }
    if (good) out = std::move(entries);
}

void Reader::value(const Node& node, const Shape& shape, std::chrono::nanoseconds& out) {
    if (!is_quantity(node)) return;
    const auto parsed = config::parse_duration(node.scalar);
    if (!parsed) return fail(node.at, parsed.error());
    const auto outside = [&](std::string_view what, uint64_t bound) {
        std::string near = format_duration(std::chrono::nanoseconds(static_cast<int64_t>(bound)));
        std::string message =
            fmt::format("{} is too {}; {} is the {}", shown(node.scalar), what, near, what == "short" ? "least" : "most");
        fail(node.at, std::move(message), std::move(near));
    };
    if (static_cast<uint64_t>(parsed->count()) < shape.least) return outside("short", shape.least);
    if (static_cast<uint64_t>(parsed->count()) > shape.most) return outside("long", shape.most);
    out = *parsed;
}

void Reader::value(const Node& node, const Shape& shape, uint64_t& out) {
    std::expected<uint64_t, std::string> parsed;
    std::string (*format)(uint64_t) = nullptr;
    switch (shape.form) {
        case Form::size:
            if (!is_quantity(node)) return;
            parsed = config::parse_size(node.scalar);
            format = format_size;
            break;
        case Form::rate:
            if (!is_quantity(node)) return;
            parsed = parse_rate(node.scalar);
            format = [](uint64_t v) { return format_size(v) + "/s"; };
            break;
        case Form::frequency:
            if (!is_quantity(node)) return;
            parsed = parse_frequency(node.scalar);
            format = [](uint64_t v) { return fmt::format("{}/s", v); };
            break;
        default:
            if (!is(node, Node::Type::number)) return;
            parsed = config::parse_count(node.scalar);
            format = [](uint64_t v) { return fmt::format("{}", v); };
    }
    if (!parsed) return fail(node.at, parsed.error());
    if (*parsed < shape.least)
        return fail(node.at, fmt::format("{} is too small; {} is the least", shown(node.scalar), format(shape.least)),
                    format(shape.least));
    if (*parsed > shape.most)
        return fail(node.at, fmt::format("{} is too large; {} is the most", shown(node.scalar), format(shape.most)),
                    format(shape.most));
    out = *parsed;
}

void Reader::value(const Node& node, const Shape&, int64_t& out) {
    if (!is(node, Node::Type::text)) return;
    const auto parsed = parse_time(node.scalar);
    if (!parsed) return fail(node.at, parsed.error());
    out = *parsed;
}

void Reader::value(const Node& node, const Shape&, Sample& out) {
    if (!is_quantity(node)) return;
    const auto parsed = parse_sample(node.scalar);
    if (!parsed) return fail(node.at, parsed.error());
    out = *parsed;
}

std::optional<size_t> Reader::choice(const Node& node, const Shape& shape) {
    if (!is(node, Node::Type::text)) return {};
    const auto at = std::ranges::find(shape.choices, node.scalar);
    if (at != shape.choices.end()) return static_cast<size_t>(at - shape.choices.begin());
    std::string_view near = record::nearest(node.scalar, shape.choices);
    // Said in other letters ("metadata") is nearest of all.
    for (const std::string_view choice : shape.choices)
        if (std::ranges::equal(choice, node.scalar, [](char a, char b) { return (a | 0x20) == (b | 0x20); })) near = choice;
    fail(node.at,
         near.empty() ? fmt::format("'{}' is not known here; there {} {}", shown(node.scalar),
                                    shape.choices.size() == 1 ? "is" : "are", fmt::join(shape.choices, ", "))
                      : fmt::format("'{}' is not known here; did you mean {}?", shown(node.scalar), near),
         std::string(near));
    return {};
}

void Reader::unknown(const Node::Key& key, const Group& group, uint32_t variant) {
    std::vector<std::string_view> names;
    for (const Key& k : group.keys) {
        if (has(k, variant)) names.push_back(k.name);
        if (k.name != key.text || has(k, variant)) continue;
        // A key of another kind.
        const std::span<const std::string_view> variants = group.variants.empty() ? std::span(kind_names) : group.variants;
        std::vector<std::string_view> owners;
        for (size_t i = 0; i < variants.size(); ++i)
            if (k.variants >> i & 1) owners.push_back(variants[i]);
        return fail(key.at, fmt::format("is for {}, not for this {}", fmt::join(owners, ", "),
                                        group.chosen_by.empty() ? "kind of directive" : "sink"));
    }
    std::string_view near = record::nearest(key.text, names);
    for (const std::string_view name : names)
        if (std::ranges::equal(name, key.text, [](char a, char b) { return (a | 0x20) == (b | 0x20); })) near = name;
    fail(key.at,
         near.empty() ? fmt::format("is not known here; there {} {}", names.size() == 1 ? "is" : "are", fmt::join(names, ", "))
                      : fmt::format("is not known here; did you mean {}?", near),
         std::string(near));
}

void Reader::object(const Node& node, const Group& group, void* object, uint32_t variant) {
    if (!is(node, Node::Type::map)) return;
    if (!group.chosen_by.empty()) {
        // The one that chooses comes first, wherever it stands. Unknown, it lets every key pass: one mistake, one report.
        variant = every_variant;
        const Node* chooser = node.find(group.chosen_by);
        if (chooser && chooser->type == Node::Type::text) {
            const auto at = std::ranges::find(group.variants, chooser->scalar);
            if (at != group.variants.end()) variant = 1u << (at - group.variants.begin());
        }
    }
    const uint32_t around = std::exchange(variant_, variant);
    for (size_t i = 0; i < node.keys.size(); ++i) {
        const Step step(*this, node.keys[i].text);
        const auto key = std::ranges::find(group.keys, node.keys[i].text, &Key::name);
        if (key == group.keys.end() || !has(*key, variant)) {
            unknown(node.keys[i], group, variant);
            continue;
        }
        key->read(*this, node.children[i], *key, object);
    }
    for (const Key& key : group.keys) {
        if ((key.required & variant) == 0 || node.find(key.name)) continue;
        // Where the kind is not known, only what every kind must have is missed.
        if (variant == every_variant && key.required != every_variant) continue;
        const Step step(*this, key.name);
        fail(node.at, fmt::format("is missing: {}", key.doc));
    }
    variant_ = around;
}

}  // namespace cvf::directive
