// The value of an expression that is more than a field or a constant.
#include "filter/arithmetic.h"
#include "filter/evaluation.h"
#include "filter/values.h"

namespace cvf::filter {

using record::Kind;
using record::Value;

const Value* Evaluation::compute(const Node& n, Value& scratch) noexcept {
    switch (n.op) {
        case Op::variable:
            return variables_[n.slot];
        case Op::entry:
            return find_entry(n, scratch);
        case Op::item: {
            Value index;
            const Value* list = value(child(n, 0), scratch);
            const Value* at = list ? value(child(n, 1), index) : nullptr;
            if (!at || (at->kind != Kind::sint && at->kind != Kind::uint) || at->uint >= list->as_items().size()) return nullptr;
            return &list->as_items()[at->uint];
        }
        case Op::choice: {
            const Outcome o = test(child(n, 0));
            return o == Outcome::error ? nullptr : value(child(n, o == Outcome::yes ? 1 : 2), scratch);
        }
        case Op::size_text: {
            TextBuffer buffer;
            std::string_view text;
            const Value* v = value(child(n, 0), scratch);
            return v && as_text(*v, buffer, text) && charge(text.size() / matched_per_step) ? put(scratch, count_characters(text))
                                                                                            : nullptr;
        }
        case Op::size_list:
        case Op::size_map: {
            const Value* v = value(child(n, 0), scratch);
            return v ? put(scratch, v->size) : nullptr;
        }
        case Op::negate:
        case Op::add:
        case Op::subtract:
        case Op::multiply:
        case Op::divide:
        case Op::remainder:
            return arithmetic(n, scratch);
        case Op::to_integer:
        case Op::to_unsigned:
        case Op::to_real:
            return convert_one(n, scratch);
        case Op::to_ip:
            return to_ip(child(n, 0), scratch);
        case Op::to_cidr:
            return to_cidr(child(n, 0), scratch);
        case Op::family: {
            const Value* ip = to_ip(child(n, 0), scratch);
            return ip ? put(scratch, ip->short_size == 4 ? 4 : 6) : nullptr;
        }
        case Op::prefix_length: {
            const Value* network = to_cidr(child(n, 0), scratch);
            return network ? put(scratch, network->size) : nullptr;
        }
        default: {
            const Outcome o = test(n);
            if (o == Outcome::error) return nullptr;
            scratch.kind = Kind::flag;
            scratch.flag = o == Outcome::yes;
            return &scratch;
        }
    }
}

const Value* Evaluation::arithmetic(const Node& n, Value& scratch) noexcept {
    Value one, other{};
    const Value* a = value(child(n, 0), one);
    if (!a) return nullptr;
    if (n.op == Op::negate) return negate(*a, n.type, scratch) ? &scratch : nullptr;
    const Value* b = value(child(n, 1), other);
    return b && calculate(n.op, n.type, *a, *b, scratch) ? &scratch : nullptr;
}

const Value* Evaluation::convert_one(const Node& n, Value& scratch) noexcept {
    Value one;
    const Value* v = value(child(n, 0), one);
    return v && convert(n.type, *v, scratch) ? &scratch : nullptr;
}

}  // namespace cvf::filter
