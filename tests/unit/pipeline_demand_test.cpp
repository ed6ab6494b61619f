// What of what is wanted can be asked of a socket.
#include "pipeline/demand.h"

#include <gtest/gtest.h>

namespace cvf::pipeline {
namespace {

using directive::Pushdown;
using record::RecordType;

TypeBits types(std::initializer_list<RecordType> all) {
    TypeBits bits;
    for (const RecordType type : all) bits.set(static_cast<size_t>(type));
    return bits;
}

Selection selection(TypeBits of, std::string_view expression = "") {
    Selection s;
    s.types = of;
    if (!expression.empty()) {
        auto filter = filter::Filter::compile(expression);
        EXPECT_TRUE(filter) << expression;
        if (filter) s.filter = std::move(*filter);
    }
    return s;
}

bool asks_nothing(const Pushdown& p) {
    return !p.nothing() && !p.ports && !p.addresses && !p.transports;
}

class Expression final : public sink::Selector {
 public:
    explicit Expression(std::string text) : text_(std::move(text)) {}
    bool matches(const record::Record&) override { return true; }
    std::string_view expression() const override { return text_; }

 private:
    std::string text_;
};

TEST(Demand, AFiltersPortsAreAskedFor) {
    const Pushdown p = demand_of(selection(types({RecordType::http}), "destination.port in [80, 8080]"));
    ASSERT_TRUE(p.ports);
    EXPECT_EQ(p.ports->size(), 2u);
}

TEST(Demand, WithoutAFilterEverythingOfASocketIsWanted) {
    EXPECT_TRUE(asks_nothing(demand_of(selection(types({RecordType::flow})))));
    EXPECT_TRUE(asks_nothing(demand_of(selection(types({RecordType::event})))));
}

TEST(Demand, RecordsThatAreOfNoSocketAskNothingOfSockets) {
    EXPECT_TRUE(demand_of(selection(types({RecordType::health, RecordType::process, RecordType::metric}))).nothing());
    const Pushdown both = directive::either(demand_of(selection(types({RecordType::health}))),
                                            demand_of(selection(types({RecordType::dns}), "destination.port == 53")));
    ASSERT_TRUE(both.ports);
    EXPECT_EQ(*both.ports, (std::vector<directive::PortRange>{{53, 53}}));
}

TEST(Demand, OneThatWantsEverythingOutweighsAFilter) {
    EXPECT_TRUE(asks_nothing(directive::either(demand_of(selection(types({RecordType::http}), "destination.port == 80")),
                                               demand_of(selection(types({RecordType::flow}))))));
}

TEST(Demand, ANameThatMayComeFromTheDnsNeedsTheOtherConversationToo) {
    const char* named = "destination.port == 443 && server.address == \"a.example\"";
    EXPECT_TRUE(asks_nothing(demand_of(selection(types({RecordType::flow}), named))));
    EXPECT_FALSE(asks_nothing(demand_of(selection(types({RecordType::http}), named))));
}

TEST(Demand, ASubscribersExpressionIsReadAndAStrangeSelectorWantsEverything) {
    sink::SubscriptionOptions s;
    s.types = types({RecordType::http});
    EXPECT_TRUE(asks_nothing(demand_of(s)));
    s.selector = std::make_unique<Expression>("source.address == \"10.0.0.1\"");
    ASSERT_TRUE(demand_of(s).addresses);
    EXPECT_EQ(demand_of(s).addresses->size(), 1u);
    s.selector = std::make_unique<Expression>("");
    EXPECT_TRUE(asks_nothing(demand_of(s)));
}

}  // namespace
}  // namespace cvf::pipeline
