#include "directive/rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "directive/keys.h"
#include "directive/selection.h"

namespace cvf::directive {

namespace {

class Rules {
 public:
    Rules(const Directive& directive, const Node& tree, size_t document, Problems& problems)
        : d_(directive), s_(directive.spec), tree_(tree), document_(document), problems_(problems) {}

    void run(const ParseOptions& options) {
        end();
        outputs();
        selection();
        if (!s_.selector.interfaces.empty() && s_.tap != Tap::wire && d_.kind != Kind::capture)
            fail("spec.selector.interfaces", "are devices of the wire tap; add `tap: wire`, or leave them out", "tap: wire");
        if (d_.kind == Kind::capture && options.check_pcap_filter && !s_.pcap_filter.empty())
            if (const auto wrong = options.check_pcap_filter(s_.pcap_filter)) fail("spec.pcapFilter", *wrong);
        if (s_.by == By::packet && s_.sample.per_second != 0)
            fail("spec.sample", "a rate keeps conversations whole; for single packets write 1/N", "1/10");
        if (s_.aggregate) sums();
        if (d_.signature && d_.signature->issued >= d_.signature->expires)
            fail("signature.expires", "is not after `issued`: it would never hold");
    }

 private:
    void sums() {
        auto by = s_.aggregate->by;
        std::ranges::sort(by);
        if (std::ranges::adjacent_find(by) != by.end()) fail("spec.aggregate.by", "names a field twice");
        if (!s_.fields.empty())
            fail("spec.fields", "are of single records; a sum has the fields of `aggregate.by` and `aggregate.values`");
        const TypeBits types = types_of(d_);
        const auto bit = [](record::RecordType type) { return static_cast<size_t>(type); };
        if (types == TypeBits().set(bit(record::RecordType::metric)))
            fail("spec.types", "are sums already; name the types of the records to be summed");
        for (const Sum sum : {Sum::bytes, Sum::packets})
            if (!types[bit(record::RecordType::flow)] &&
                std::ranges::find(s_.aggregate->values, sum) != s_.aggregate->values.end())
                return fail("spec.aggregate.values", "bytes and packets are of flow records, which are not among the types",
                            "latency");
    }

    void fail(std::string path, std::string message, std::string nearest = {}) {
        if (problems_.size() >= max_problems) return;
        const Position at = position(path);
        problems_.push_back({std::move(path), std::move(message), std::move(nearest), at.line, at.column, 0, document_});
    }

    // Of the nearest part of the path that the document has.
    Position position(std::string_view path) const {
        const Node* node = &tree_;
        while (!path.empty()) {
            const size_t end = std::min(path.find_first_of(".["), path.size());
            const std::string_view part = path.substr(0, end);
            const Node* next = nullptr;
            if (part.ends_with(']')) {
                const auto index = static_cast<size_t>(std::stoul(std::string(part)));
                if (index < node->children.size()) next = &node->children[index];
            } else {
                next = node->find(part);
            }
            if (!next) break;
            node = next;
            path.remove_prefix(std::min(end + 1, path.size()));
        }
        return node->at;
    }

    void end() {
        if (d_.kind != Kind::capture && d_.kind != Kind::plaintext) return;
        if (std::ranges::any_of(problems_,
                                [&](const Problem& p) { return p.document == document_ && p.path.starts_with("spec.limits"); }))
            return;  // what was meant to end it is wrong
        if (s_.limits.duration.count() != 0 || s_.limits.bytes != 0 || s_.limits.packets != 0 || s_.limits.records != 0) return;
        fail("spec.limits",
             fmt::format("a {} ends by itself: say a duration or a volume (bytes{})", name_of(d_.kind),
                         d_.kind == Kind::capture ? ", packets" : ", records"),
             "duration: 10m");
    }

    void outputs() {
        const uint32_t allowed = sinks_of(d_.kind);
        for (size_t i = 0; i < s_.output.size(); ++i) {
            const Output& o = s_.output[i];
            const std::string path = fmt::format("spec.output[{}]", i);
            const std::string_view sink = sink_names[static_cast<size_t>(o.sink)];
            if ((allowed >> static_cast<size_t>(o.sink) & 1) == 0) {
                std::vector<std::string_view> names;
                for (size_t k = 0; k < std::size(sink_names); ++k)
                    if (allowed >> k & 1) names.push_back(sink_names[k]);
                fail(path + ".sink",
                     fmt::format("{} goes to {} only, not to {}", name_of(d_.kind), fmt::join(names, " or "), sink),
                     std::string(names.front()));
                continue;
            }
            if (o.sink == SinkKind::ipfix &&
                (types_of(d_) != TypeBits().set(static_cast<size_t>(record::RecordType::flow)) || s_.aggregate))
                fail(path + ".sink", "IPFIX is of single flow records; use `kind: Flow` or `types: [flow]`, without `aggregate`");
            if (o.keep != 0 && o.rotate_size == 0 && o.rotate_age.count() == 0)
                fail(path + ".keep", "files are kept where they are rotated; add rotateSize or rotateAge");
            if (std::ranges::find(s_.output.begin(), s_.output.begin() + static_cast<ptrdiff_t>(i), o) !=
                s_.output.begin() + static_cast<ptrdiff_t>(i))
                fail(path, "stands here a second time");
        }
    }

    void selection() {
        // Each part has been checked by itself; where one was wrong there is nothing to put together.
        const bool sound = std::ranges::none_of(problems_, [&](const Problem& p) {
            return p.document == document_ && (p.path.starts_with("spec.filter") || p.path.starts_with("spec.selector") ||
                                               p.path.starts_with("spec.types") || p.path == "kind");
        });
        if (!sound) return;
        const auto compiled = compile(d_);
        if (!compiled) return fail("spec.selector", compiled.error());
        const auto own = filter::Filter::compile(s_.filter);
        const bool of_records = d_.kind != Kind::capture && d_.kind != Kind::topology;
        if (of_records && own && (own->possible_types() & types_of(d_)).none()) {
            std::vector<std::string_view> names;
            for (size_t i = 0; i < record::type_count; ++i)
                if (own->possible_types()[i] && i != static_cast<size_t>(record::RecordType::metric))
                    names.push_back(record::info(static_cast<record::RecordType>(i)).name);
            fail("spec.filter", names.empty() ? std::string("matches no record whatever it holds")
                                              : fmt::format("matches no record of the types wanted here; it can match {}",
                                                            fmt::join(names, ", ")));
        }
    }

    const Directive& d_;
    const Spec& s_;
    const Node& tree_;
    size_t document_;
    Problems& problems_;
};

}  // namespace

void check_rules(const Directive& directive, const Node& tree, const ParseOptions& options, size_t document, Problems& problems) {
    Rules(directive, tree, document, problems).run(options);
}

}  // namespace cvf::directive
