#include "pipeline/demand.h"

namespace cvf::pipeline {

namespace {

TypeBits of_sockets(TypeBits types) {
    using record::RecordType;
    for (const RecordType type : {RecordType::process, RecordType::health, RecordType::metric, RecordType::arp, RecordType::lldp})
        types.reset(static_cast<size_t>(type));
    return types;
}

directive::Pushdown demand(const filter::Filter* filter, TypeBits types) {
    types = of_sockets(types);
    // A conversation may have its name from the DNS, that is, from another conversation.
    const bool named = filter && types[static_cast<size_t>(record::RecordType::flow)] &&
                       filter->used()[static_cast<size_t>(record::Field::server_address)];
    if (filter && !named) return directive::pushdown_of(*filter, types);
    directive::Pushdown all;
    all.types = filter ? types & filter->possible_types() : types;
    return all;
}

}  // namespace

directive::Pushdown demand_of(const Selection& selection) {
    return demand(selection.filter ? &*selection.filter : nullptr, selection.types);
}

directive::Pushdown demand_of(const sink::SubscriptionOptions& subscription) {
    const std::string_view expression = subscription.selector ? subscription.selector->expression() : std::string_view();
    if (expression.empty()) return demand(nullptr, subscription.types);
    const auto filter = filter::Filter::compile(expression);
    return demand(filter ? &*filter : nullptr, subscription.types);
}

}  // namespace cvf::pipeline
