// Which nodes and which records a directive selects.
#include <gmock/gmock.h>

#include <array>
#include <string>

#include "directive/glob.h"
#include "directive/parse.h"
#include "directive/selection.h"

namespace {

using namespace cvf;
using namespace cvf::directive;
using record::Field;

TEST(DirectiveGlob, a_star_stands_for_any_characters) {
    EXPECT_TRUE(glob_matches("*", ""));
    EXPECT_TRUE(glob_matches("a*c", "abbc"));
    EXPECT_TRUE(glob_matches("a*c", "ac"));
    EXPECT_TRUE(glob_matches("*a*b*", "xxaxxbxx"));
    EXPECT_TRUE(glob_matches("a**b", "ab"));
    EXPECT_FALSE(glob_matches("a*c", "abcd"));
    EXPECT_FALSE(glob_matches("a.c", "abc"));
    EXPECT_FALSE(glob_matches("", "a"));
    EXPECT_TRUE(glob_matches("", ""));
    // No exponential walk.
    std::string stars;
    for (int i = 0; i < 100; ++i) stars += "a*";
    EXPECT_FALSE(glob_matches(stars + "b", std::string(2'000, 'a')));
}

TEST(DirectiveSelection, nodes_are_chosen_by_name_and_label) {
    Selector s;
    EXPECT_TRUE(selects_node(s, "n1", {}));
    s.nodes = {"edge-*", "n2"};
    EXPECT_TRUE(selects_node(s, "edge-7", {}));
    EXPECT_TRUE(selects_node(s, "n2", {}));
    EXPECT_FALSE(selects_node(s, "n21", {}));
    s.node_labels = {{"zone", "a"}};
    EXPECT_FALSE(selects_node(s, "n2", {}));
    EXPECT_FALSE(selects_node(s, "n2", {{"zone", "b"}}));
    EXPECT_TRUE(selects_node(s, "n2", {{"zone", "a"}, {"more", ""}}));
}

// A connection from a pod of the shop's cart to a process outside all pods.
class DirectiveRecords : public testing::Test {
 protected:
    DirectiveRecords() {
        cart.text(Field::source_pod_namespace, "shop");
        cart.text(Field::source_pod_name, "cart-7f9c-x2");
        cart.text(Field::source_k8s_container_name, "app");
        cart.text(Field::source_container_name, "k8s_app_cart");
        cart.text(Field::source_container_id, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        cart.text(Field::source_process_name, "node");
        cart.text(Field::source_process_path, "/usr/bin/node");
        static constexpr std::pair<std::string_view, std::string_view> labels[] = {{"app", "cart"}, {"quote\"d", "a\\b"}};
        cart.map(Field::source_container_label, labels);
        nginx.text(Field::destination_process_name, "nginx");
        nginx.text(Field::destination_process_path, "/usr/sbin/nginx");
        r.begin(record::RecordType::http, 1);
        r.uint(Field::source_port, 40'000);
        r.uint(Field::destination_port, 80);
        r.attach(&cart);
        r.attach(&nginx);
    }

    bool selects(const Selector& selector, std::string_view filter = {}, std::string_view restriction = {}) {
        Directive d;
        d.metadata.name = "x";
        d.spec.selector = selector;
        d.spec.filter = filter;
        EXPECT_TRUE(validate(d).empty()) << selector_expression(selector);
        const auto selection = compile(d, restriction);
        if (!selection) {
            ADD_FAILURE() << selection.error();
            return false;
        }
        const bool matches = selection->filter.matches(r);
        if (matches) {
            EXPECT_TRUE(may_match(selection->pushdown, r)) << selection->filter.source();
        }
        return matches;
    }

    record::FieldSet cart, nginx;
    record::Record r;
};

TEST_F(DirectiveRecords, no_condition_selects_everything) {
    EXPECT_EQ(selector_expression({}), "true");
    EXPECT_TRUE(selects({}));
    Directive d;
    EXPECT_TRUE(compile(d)->filter.always_true());
    d.spec.filter = " // all\n";
    EXPECT_TRUE(compile(d)->filter.always_true());
}

TEST_F(DirectiveRecords, each_condition_is_of_either_end) {
    EXPECT_TRUE(selects({.namespaces = {"shop"}}));
    EXPECT_TRUE(selects({.namespaces = {"x", "shop"}}));
    EXPECT_FALSE(selects({.namespaces = {"shopping"}}));
    EXPECT_TRUE(selects({.pods = {"cart-*"}}));
    EXPECT_TRUE(selects({.pods = {"*-x2"}}));
    EXPECT_TRUE(selects({.pods = {"cart-*-x2"}}));
    EXPECT_FALSE(selects({.pods = {"cart-*-x3"}}));
    EXPECT_FALSE(selects({.pods = {"cart.*"}}));
    EXPECT_TRUE(selects({.namespaces = {"*"}}));
    EXPECT_TRUE(selects({.pod_labels = {{"app", "cart"}}}));
    EXPECT_FALSE(selects({.pod_labels = {{"app", "cart"}, {"tier", "web"}}}));
    EXPECT_TRUE(selects({.containers = {"app"}}));
    EXPECT_TRUE(selects({.containers = {"k8s_*"}}));
    EXPECT_TRUE(selects({.containers = {"0123456789ab"}}));
    EXPECT_FALSE(selects({.containers = {"0123456789a"}}));
    EXPECT_TRUE(selects({.processes = {"nginx"}}));
    EXPECT_TRUE(selects({.processes = {"/usr/sbin/*"}}));
    EXPECT_FALSE(selects({.processes = {"/usr/sbin"}}));
}

TEST_F(DirectiveRecords, all_conditions_hold_at_the_same_end) {
    EXPECT_TRUE(selects({.namespaces = {"shop"}, .processes = {"node"}}));
    EXPECT_FALSE(selects({.namespaces = {"shop"}, .processes = {"nginx"}}));
    EXPECT_TRUE(selects({.namespaces = {"shop"}, .processes = {"nginx", "node"}}));
}

TEST_F(DirectiveRecords, selector_and_filter_both_hold) {
    EXPECT_TRUE(selects({.namespaces = {"shop"}}, "destination.port == 80 // the web"));
    EXPECT_FALSE(selects({.namespaces = {"shop"}}, "destination.port == 81"));
    EXPECT_FALSE(selects({.namespaces = {"x"}}, "destination.port == 80 || source.port == 1"));
}

TEST_F(DirectiveRecords, odd_names_are_quoted) {
    EXPECT_TRUE(selects({.pod_labels = {{"app", "cart"}}, .processes = {"node", "a\"b", "c\\d", "e'f", "(g)*[h]", "*\"*\\*"}}));
    EXPECT_EQ(glob_expression("x.y", {"a\"b\\"}), R"(x.y == "a\"b\\")");
    EXPECT_EQ(expression_literal("\n\x01"), R"("\n\u0001")");
}

TEST_F(DirectiveRecords, a_process_of_its_own_is_an_end) {
    record::FieldSet owner;
    r.begin(record::RecordType::process, 1);
    record::Record process;
    process.begin(record::RecordType::process, 1);
    process.text(Field::process_name, "nginx");
    Directive d;
    d.spec.selector.processes = {"nginx"};
    EXPECT_TRUE(compile(d)->filter.matches(process));
    d.spec.selector.processes = {"node"};
    EXPECT_FALSE(compile(d)->filter.matches(process));
}

TEST_F(DirectiveRecords, an_exclusion_holds_back_both_ends_and_lets_the_unknown_pass) {
    EXPECT_EQ(exclusion_expression({}), "true");
    EXPECT_FALSE(selects({}, {}, exclusion_expression({"shop"})));
    EXPECT_FALSE(selects({}, {}, exclusion_expression({"kube-*", "sh*"})));
    EXPECT_TRUE(selects({}, {}, exclusion_expression({"kube-system"})));
    EXPECT_TRUE(selects({.processes = {"nginx"}}, {}, exclusion_expression({"kube-system"})));
    record::Record bare;
    bare.begin(record::RecordType::dns, 1);
    Directive d;
    EXPECT_TRUE(compile(d, exclusion_expression({"shop"}))->filter.matches(bare));
}

TEST(DirectiveTypes, follow_from_kind_and_types) {
    Directive d;
    EXPECT_TRUE(types_of(d).all());
    d.spec.types = {"http", "dns"};
    EXPECT_EQ(types_of(d).count(), 2u);
    d.spec.types.clear();
    d.kind = Kind::flow;
    EXPECT_EQ(types_of(d), TypeBits().set(static_cast<size_t>(record::RecordType::flow)));
    d.kind = Kind::topology;
    EXPECT_TRUE(types_of(d).none());
}

TEST(DirectiveTypes, fields_make_a_projection) {
    Directive d;
    EXPECT_FALSE(compile(d)->fields);
    d.spec.fields = {"source.*"};
    const auto selection = compile(d);
    EXPECT_TRUE(selection->fields->has(Field::source_port));
    EXPECT_FALSE(selection->fields->has(Field::destination_port));
}

TEST(DirectiveTrigger, is_compiled_with_the_selector) {
    Directive d;
    d.kind = Kind::capture;
    d.spec.selector.processes = {"nginx"};
    d.spec.trigger = "http.response.status_code >= 500";
    const auto trigger = compile_trigger(d);
    ASSERT_TRUE(trigger);
    record::Record r;
    r.begin(record::RecordType::http, 1);
    r.uint(Field::http_response_status_code, 503);
    EXPECT_FALSE(trigger->matches(r));
    r.text(Field::destination_process_name, "nginx");
    EXPECT_TRUE(trigger->matches(r));
}

}  // namespace
