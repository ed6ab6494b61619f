// What is asked early never holds back what the filter would match: random expressions over random records.
#include <gmock/gmock.h>

#include <array>
#include <random>
#include <string>

#include <fmt/format.h>

#include "directive/pushdown.h"

namespace {

using namespace cvf;
using namespace cvf::directive;
using record::Field;

Pushdown of(std::string_view expression) {
    const auto filter = filter::Filter::compile(expression);
    if (!filter) {
        ADD_FAILURE() << filter.error().show(expression);
        return {};
    }
    return pushdown_of(*filter);
}

std::vector<PortRange> ports(std::initializer_list<PortRange> list) {
    return list;
}
std::vector<TextMatch> texts(std::initializer_list<TextMatch> list) {
    return list;
}

TEST(DirectivePushdown, reads_ports_addresses_and_owners_out_of_an_expression) {
    EXPECT_EQ(of("source.port == 53 || destination.port == 53").ports, ports({{53, 53}}));
    EXPECT_EQ(of("destination.port in [80, 443]").ports, ports({{80, 80}, {443, 443}}));
    EXPECT_EQ(of("1024 > destination.port").ports, ports({{0, 1023}}));
    EXPECT_EQ(of("destination.port >= 1024u").ports, ports({{1024, 65535}}));
    EXPECT_EQ(of("destination.port > 65535").ports, ports({}));
    EXPECT_TRUE(of("destination.port > 65535").nothing());
    EXPECT_EQ(of("destination.port != 80").ports, std::nullopt);
    EXPECT_EQ(of("!(destination.port == 80)").ports, std::nullopt);
    EXPECT_EQ(of("destination.port == 80 || has(error.type)").ports, std::nullopt);
    EXPECT_EQ(of("destination.port == 80 && has(error.type)").ports, ports({{80, 80}}));
    EXPECT_EQ(of("destination.port > 1024 && source.port == 22").ports, ports({{22, 22}}));

    const Pushdown p = of(
        "network.transport == \"tcp\" && cidr(\"10.0.0.0/8\").containsIP(source.address) && "
        "source.process.executable.name in [\"nginx\", \"envoy\"] && destination.process.linux.cgroup.startsWith(\"/shop/\") && "
        "source.k8s.namespace.name == \"shop\"");
    EXPECT_EQ(p.transports, texts({{"tcp", false}}));
    EXPECT_EQ(p.processes, texts({{"nginx", false}, {"envoy", false}}));
    EXPECT_EQ(p.cgroups, texts({{"/shop/", true}}));
    EXPECT_EQ(p.namespaces, texts({{"shop", false}}));
    ASSERT_TRUE(p.addresses && p.addresses->size() == 1);
    EXPECT_EQ(p.addresses->front().prefix, 8);
    EXPECT_EQ(p.ports, std::nullopt);
    EXPECT_EQ(of("source.address == \"2001:db8::1\"").addresses->front().prefix, 128);
}

TEST(DirectivePushdown, knows_the_types_that_can_match) {
    const Pushdown p = of("http.response.status_code >= 500");
    EXPECT_EQ(p.types, filter::TypeBits()
                           .set(static_cast<size_t>(record::RecordType::http))
                           .set(static_cast<size_t>(record::RecordType::metric)));  // may be grouped by it
    EXPECT_TRUE(of("false").nothing());
    EXPECT_FALSE(of("").nothing());
    EXPECT_TRUE(of("").types.all());
    const auto all = filter::Filter::compile("");
    EXPECT_TRUE(pushdown_of(*all, {}).nothing());
}

TEST(DirectivePushdown, of_several_directives_is_the_union) {
    const Pushdown p = either(of("source.port == 1 && network.transport == \"tcp\""), of("source.port == 2"));
    EXPECT_EQ(p.ports, ports({{1, 1}, {2, 2}}));
    EXPECT_EQ(p.transports, std::nullopt);
    EXPECT_EQ(either(of("false"), of("source.port == 2")), of("source.port == 2"));
}

TEST(DirectivePushdown, a_set_that_grows_too_large_is_left_out) {
    std::string list = "0";
    for (size_t i = 1; i <= max_pushdown_entries; ++i) list += fmt::format(", {}", i);
    EXPECT_EQ(of("source.port in [" + list + "]").ports, std::nullopt);
    EXPECT_EQ(of("source.port in [" + list + "] || source.port == 1").ports, std::nullopt);
}

// --- the property

class Random {
 public:
    explicit Random(uint32_t seed) : generator_(seed) {}
    size_t below(size_t n) { return generator_() % n; }
    template <typename T, size_t N>
    const T& one(const T (&list)[N]) {
        return list[below(N)];
    }

    std::string expression(int depth) {
        switch (depth == 0 ? 0 : below(9)) {
            case 1:
                return fmt::format("({} && {})", expression(depth - 1), expression(depth - 1));
            case 2:
                return fmt::format("({} || {})", expression(depth - 1), expression(depth - 1));
            case 3:
                return fmt::format("!({})", expression(depth - 1));
            case 4:
                return fmt::format("({} ? {} : {})", expression(depth - 1), expression(depth - 1), expression(depth - 1));
            case 5:
                return fmt::format("({} || {} || {})", expression(depth - 1), expression(depth - 1), expression(depth - 1));
            default:
                return atom();
        }
    }

    void fill(record::Record& r, record::FieldSet& owner) {
        r.begin(one(types), 1);
        owner.clear();
        for (const bool source : {true, false}) {
            const auto at = [&](Field f) { return source ? f : record::at_destination(f); };
            if (below(8) != 0) {
                const std::array<uint8_t, 4> v4{10, static_cast<uint8_t>(below(2)), 0, static_cast<uint8_t>(below(3))};
                std::array<uint8_t, 16> v6{0x20, 1, 0xd, 0xb8};
                v6[15] = static_cast<uint8_t>(below(3));
                if (below(3) != 0)
                    r.ip(at(Field::source_address), v4);
                else
                    r.ip(at(Field::source_address), v6);
            }
            if (below(8) != 0) r.uint(at(Field::source_port), one(port_values));
            if (below(3) != 0) owner.text(at(Field::source_process_name), one(names));
            if (below(3) != 0) owner.text(at(Field::source_process_cgroup), one(paths));
            if (below(3) != 0) owner.text(at(Field::source_pod_namespace), one(names));
            if (below(3) != 0) owner.text(at(Field::source_pod_name), one(names));
            if (below(3) != 0) owner.text(at(Field::source_container_id), one(names));
        }
        if (below(8) != 0) r.text(Field::network_transport, one(transports));
        if (r.type() == record::RecordType::http && below(2) == 0) r.uint(Field::http_response_status_code, 500);
        if (r.type() == record::RecordType::process) owner.text(Field::process_name, one(names));
        r.attach(&owner);
    }

 private:
    std::string end() { return below(2) != 0 ? "source" : "destination"; }
    std::string port() { return fmt::format("{}.port", end()); }
    std::string text_field() {
        static constexpr std::string_view fields[] = {"process.executable.name", "process.linux.cgroup", "k8s.namespace.name",
                                                      "k8s.pod.name", "container.id"};
        return fmt::format("{}.{}", end(), one(fields));
    }
    std::string text() { return fmt::format("\"{}\"", below(2) != 0 ? one(names) : one(paths)); }
    std::string number() {
        static constexpr std::string_view suffix[] = {"", "", "u", ".0"};
        return fmt::format("{}{}", one(port_values), one(suffix));
    }
    std::string atom() {
        static constexpr std::string_view relations[] = {"==", "!=", "<", "<=", ">", ">="};
        static constexpr std::string_view networks[] = {"10.0.0.0/8",    "10.1.0.0/16", "10.0.0.1/32",
                                                        "2001:db8::/32", "0.0.0.0/0",   "10.0.0.2/31"};
        static constexpr std::string_view addresses[] = {"10.0.0.1", "10.1.0.2", "2001:db8::1", "2001:db8:0::2"};
        switch (below(14)) {
            case 0:
                return fmt::format("{} {} {}", port(), one(relations), number());
            case 1:
                return fmt::format("{} {} {}", number(), one(relations), port());
            case 2:
                return fmt::format("{} in [{}, {}]", port(), one(port_values), one(port_values));
            case 3:
                return fmt::format("{}.address == \"{}\"", end(), one(addresses));
            case 4:
                return fmt::format("cidr(\"{}\").containsIP({}.address)", one(networks), end());
            case 5:
                return fmt::format("{} == {}", text_field(), text());
            case 6:
                return fmt::format("{} in [{}, {}]", text_field(), text(), text());
            case 7:
                return fmt::format("{}.startsWith({})", text_field(), text());
            case 8:
                return fmt::format("network.transport == \"{}\"", one(transports));
            case 9:
                return fmt::format("has({})", below(2) != 0 ? port() : text_field());
            case 10:
                return "http.response.status_code >= 500";
            case 11:
                return below(2) != 0 ? "true" : "false";
            case 12:
                return fmt::format("process.executable.name == {}", text());
            default:
                return fmt::format("{} + 1 == {}", port(), one(port_values));
        }
    }

    static constexpr record::RecordType types[] = {record::RecordType::flow, record::RecordType::http, record::RecordType::dns,
                                                   record::RecordType::process};
    static constexpr uint32_t port_values[] = {0, 1, 53, 80, 443, 1024, 65534, 65535};
    static constexpr std::string_view names[] = {"nginx", "ngi", "envoy", "a"};
    static constexpr std::string_view paths[] = {"/", "/shop", "/shop/cart", "/other"};
    static constexpr std::string_view transports[] = {"tcp", "udp"};

    std::mt19937 generator_;
};

TEST(DirectivePushdown, never_holds_back_what_matches) {
    Random random(2026);
    record::Record r;
    record::FieldSet owner;
    size_t matched = 0, held_back = 0, differing = 0;
    for (int round = 0; round < 6'000; ++round) {
        const std::string expression = random.expression(4);
        const auto filter = filter::Filter::compile(expression);
        ASSERT_TRUE(filter) << filter.error().show(expression);
        const Pushdown pushdown = pushdown_of(*filter);
        bool useful = false;
        for (int i = 0; i < 40; ++i) {
            random.fill(r, owner);
            const bool passes = may_match(pushdown, r), matches = filter->matches(r);
            ASSERT_TRUE(passes || !matches) << expression;
            // A union passes what either passes.
            if (passes) {
                ASSERT_TRUE(may_match(either(pushdown, of("destination.port == 7")), r)) << expression;
            }
            matched += matches;
            held_back += !passes;
            useful |= !passes;
        }
        differing += useful;
    }
    // The property says nothing unless both happen often.
    EXPECT_GT(matched, 20'000u);
    EXPECT_GT(held_back, 20'000u);
    EXPECT_GT(differing, 1'000u);
}

}  // namespace
