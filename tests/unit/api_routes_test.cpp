// The REST API over real sockets, on a real controller over the in-process bus and a real history.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/socket.h>

#include <mutex>

#include "api/pages.h"
#include "api/token.h"
#include "api_fabric.h"

namespace cvf::api {
namespace {

struct ApiRoutes : ApiFabric {};

TEST_F(ApiRoutes, create_read_change_and_delete_a_directive) {
    start();
    const auto created = ask("PUT", "/api/v1/directives/metadata/shop", shop);
    EXPECT_EQ(created.status, 201u) << created.body;
    EXPECT_EQ(created.header("cvf-change"), "created");
    EXPECT_EQ(created.header("location"), "/api/v1/directives/Metadata/shop");
    const auto tag = std::string(created.header("etag"));
    EXPECT_EQ(object(created).at("metadata").at("generation"), 1);
    const auto again = ask("PUT", "/api/v1/directives/Metadata/shop", shop);
    EXPECT_EQ(again.status, 200u);
    EXPECT_EQ(again.header("cvf-change"), "unchanged");
    EXPECT_EQ(again.header("etag"), tag);

    const auto got = ask("GET", "/api/v1/directives/METADATA/shop");
    EXPECT_EQ(got.header("etag"), tag);
    EXPECT_EQ(object(got).at("status").at("agents"), 0);
    EXPECT_EQ(ask("GET", "/api/v1/directives/Metadata/shop", {}, {{"If-None-Match", tag}}).status, 304u);
    const auto yaml = ask("GET", "/api/v1/directives/Metadata/shop", {}, {{"Accept", "application/yaml"}});
    EXPECT_TRUE(directive::parse_one(yaml.body)) << yaml.body;

    // What was got, changed and put back: its status is let pass.
    auto document = object(got);
    document["spec"].as_object()["filter"] = "http.response.status_code >= 400";
    const auto changed = ask("PUT", "/api/v1/directives/Metadata/shop", json::serialize(document),
                             {{"If-Match", tag}, {"Content-Type", "application/json"}});
    EXPECT_EQ(changed.status, 200u) << changed.body;
    EXPECT_EQ(changed.header("cvf-change"), "configured");
    EXPECT_EQ(object(changed).at("metadata").at("generation"), 2);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", shop, {{"If-Match", tag}}).status, 412u) << "that was the old one";
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", shop, {{"If-None-Match", "*"}}).status, 412u);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Flow/new", doc("new"), {{"If-Match", "*"}}).status, 412u) << "there is none";
    EXPECT_EQ(ask("DELETE", "/api/v1/directives/Metadata/shop", {}, {{"If-Match", tag}}).status, 412u);

    const auto deleted = ask("DELETE", "/api/v1/directives/Metadata/shop");
    EXPECT_EQ(deleted.status, 200u);
    EXPECT_EQ(object(deleted).at("metadata").at("name"), "shop");
    EXPECT_EQ(ask("GET", "/api/v1/directives/Metadata/shop").status, 404u);
    EXPECT_EQ(ask("DELETE", "/api/v1/directives/Metadata/shop").status, 404u);
    EXPECT_EQ(ask("GET", "/api/v1/directives/Nonsense/shop").status, 404u);
}

TEST_F(ApiRoutes, try_a_change_without_making_it) {
    start();
    const auto tried = ask("PUT", "/api/v1/directives/Metadata/shop?dryRun=true", shop);
    EXPECT_EQ(tried.status, 200u);
    EXPECT_EQ(tried.header("cvf-change"), "created");
    EXPECT_TRUE(directives->list().empty());
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop?dryRun=perhaps", shop).status, 400u);
}

TEST_F(ApiRoutes, say_everything_that_is_wrong_with_a_document_and_where) {
    start();
    const auto bad =
        ask("PUT", "/api/v1/directives/Metadata/shop",
            "apiVersion: cvf/v1\nkind: Metadata\nmetadata: {name: shop}\nspec:\n  types: [htp]\n  filter: 'source.prot == 1'\n",
            {{"Content-Type", "application/yaml"}});
    EXPECT_EQ(bad.status, 422u);
    EXPECT_EQ(bad.header("content-type"), "application/problem+json");
    const auto problems = object(bad).at("problems").as_array();
    ASSERT_EQ(problems.size(), 2u) << bad.body;
    EXPECT_EQ(problems[0].at("line"), 5);
    EXPECT_EQ(problems[0].at("nearest"), "http");
    EXPECT_EQ(problems[1].at("path"), "spec.filter");
    EXPECT_EQ(problems[1].at("expressionColumn"), 1);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/other", shop).status, 422u) << "another name than the path's";
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", "{").status, 422u);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", "", {{"Content-Type", "application/json"}}).status, 422u);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", std::string(2 << 20, ' ')).status, 413u);
}

TEST_F(ApiRoutes, store_several_or_none) {
    start();
    const auto several = ask("POST", "/api/v1/directives", "[" + doc("a") + "," + doc("b") + "]");
    EXPECT_EQ(several.status, 200u) << several.body;
    EXPECT_EQ(object(several).at("items").as_array().size(), 2u);
    EXPECT_EQ(object(several).at("items").at(1).at("change"), "created");
    const auto mixed =
        ask("POST", "/api/v1/directives",
            std::string("[") + doc("c") + R"(,{"apiVersion":"cvf/v1","kind":"Flow","metadata":{"name":"NO"},"spec":{}}])");
    EXPECT_EQ(mixed.status, 422u);
    EXPECT_EQ(object(mixed).at("problems").at(0).at("document"), 1);
    EXPECT_EQ(directives->list().size(), 2u) << "c is not there";
}

TEST_F(ApiRoutes, list_in_pages_that_stay_good_while_the_list_changes) {
    start();
    for (int i = 0; i < 25; ++i)
        ASSERT_TRUE(
            directives->apply(*directive::parse_one(doc("d" + std::to_string(10 + i), i % 2 ? "shop" : "web")), {}, false));
    std::vector<std::string> seen;
    std::string next;
    do {
        const auto page = object(ask("GET", "/api/v1/directives?limit=10" + (next.empty() ? "" : "&continue=" + next)));
        for (const auto& item : page.at("items").as_array()) seen.emplace_back(item.at("metadata").at("name").as_string());
        const auto* more = page.at("metadata").as_object().if_contains("continue");
        next = more ? std::string(more->as_string()) : "";
        if (seen.size() == 10) {
            ASSERT_TRUE(directives->remove(directive::Kind::flow, "d19", {})) << "the very one the page ended with";
            ASSERT_TRUE(directives->remove(directive::Kind::flow, "d30", {}));
        }
    } while (!next.empty());
    EXPECT_EQ(seen.size(), 24u);
    EXPECT_TRUE(std::ranges::is_sorted(seen));
    EXPECT_EQ(object(ask("GET", "/api/v1/directives?labelSelector=team%3Dweb")).at("items").as_array().size(), 13u - 1);
    EXPECT_EQ(object(ask("GET", "/api/v1/directives?kind=capture")).at("items").as_array().size(), 0u);
    const auto names = object(ask("GET", "/api/v1/directives?fields=metadata.name&limit=1")).at("items").at(0).as_object();
    EXPECT_EQ(json::serialize(names), R"({"metadata":{"name":"d10"}})");
    for (const char* bad : {"limit=0", "limit=x", "limit=1001", "continue=%21", "continue=AAAA", "labelSelector=a%20b%3D",
                            "fields=metdata", "kind=x", "watch=x", "nonsense=1"})
        EXPECT_EQ(ask("GET", std::string("/api/v1/directives?") + bad).status, 400u) << bad;
    EXPECT_EQ(object(ask("GET", "/api/v1/directives?feilds=x")).at("detail"), "unknown parameter 'feilds'; did you mean fields?");
}

TEST_F(ApiRoutes, tag_a_list_by_its_version) {
    start();
    const auto first = ask("GET", "/api/v1/directives");
    const std::string tag(first.header("etag"));
    EXPECT_EQ(ask("GET", "/api/v1/directives", {}, {{"If-None-Match", "\"x\", " + tag}}).status, 304u);
    ask("PUT", "/api/v1/directives/Metadata/shop", shop);
    const auto second = ask("GET", "/api/v1/directives", {}, {{"If-None-Match", tag}});
    EXPECT_EQ(second.status, 200u);
    EXPECT_NE(second.header("etag"), tag);
}

TEST_F(ApiRoutes, let_each_do_what_his_role_may_and_tell_no_more) {
    start();
    EXPECT_EQ(ask("GET", "/api/v1/directives", {}, {}, "").status, 401u);
    const auto wrong = ask("GET", "/api/v1/directives", {}, {}, "0123456789");
    EXPECT_EQ(wrong.status, 401u);
    EXPECT_EQ(wrong.header("www-authenticate"), "Bearer realm=\"cvf\"");
    EXPECT_FALSE(object(wrong).contains("detail"));
    EXPECT_EQ(ask("GET", "/api/v1/directives", {}, {{"Authorization", "Basic YTpi"}}, "").status, 401u);

    EXPECT_EQ(ask("GET", "/api/v1/directives", {}, {}, viewer).status, 200u);
    EXPECT_EQ(ask("GET", "/api/v1/audit", {}, {}, viewer).status, 403u);
    const auto small = ask("PUT", "/api/v1/directives/Metadata/shop", shop, {}, viewer);
    EXPECT_EQ(small.status, 403u);
    EXPECT_FALSE(object(small).contains("detail"));
    EXPECT_EQ(ask("POST", "/api/v1/directives", shop, {}, viewer).status, 403u);
    EXPECT_EQ(ask("DELETE", "/api/v1/directives/Metadata/shop", {}, {}, viewer).status, 403u);
    EXPECT_TRUE(directives->list().empty());

    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", shop, {}, operator_token).status, 201u);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Plaintext/secret", secret, {}, operator_token).status, 403u);
    EXPECT_EQ(ask("POST", "/api/v1/directives", secret, {}, operator_token).status, 403u);
    const auto made = ask("PUT", "/api/v1/directives/Plaintext/secret", secret, {}, plaintext);
    EXPECT_EQ(made.status, 201u) << made.body;
    EXPECT_EQ(ask("DELETE", "/api/v1/directives/plaintext/secret", {}, {}, operator_token).status, 403u);
    EXPECT_EQ(ask("DELETE", "/api/v1/directives/plaintext/secret", {}, {}, plaintext).status, 200u);

    const auto trail = object(ask("GET", "/api/v1/audit?limit=50", {}, {}, operator_token)).at("items").as_array();
    size_t refused = 0, done = 0;
    for (const auto& entry : trail) {
        EXPECT_EQ(entry.at("from"), "127.0.0.1");
        if (entry.at("outcome") == "refused")
            ++refused;
        else
            ++done;
    }
    EXPECT_EQ(done, 3u) << json::serialize(trail);
    EXPECT_EQ(trail.back().at("time").as_string().size(), 30u);
    EXPECT_GE(refused, 6u);
    const auto metrics = ask("GET", "/metrics", {}, {}, "").body;
    EXPECT_NE(metrics.find("cvf_api_refused_total{status=\"401\",reason=\"wrong token\"} 2\n"), std::string::npos) << metrics;
    EXPECT_NE(metrics.find("cvf_api_refused_total{status=\"403\",reason=\"role\"} 7\n"), std::string::npos) << metrics;
}

TEST_F(ApiRoutes, do_not_let_refused_attempts_wash_out_the_audit_trail) {
    start();
    const std::string remove = R"({"query":"mutation { deleteDirective(kind: Flow, name: \"x\") { kind } }"})";
    const std::string plain = R"({"query":"mutation { deleteDirective(kind: Plaintext, name: \"x\") { kind } }"})";
    for (int i = 0; i < 20; ++i) {
        ask("DELETE", "/api/v1/directives/Flow/x", {}, {}, viewer);
        ask("DELETE", "/api/v1/directives/Plaintext/x", {}, {}, operator_token);
        ask("POST", "/graphql", remove, {}, viewer);
        ask("POST", "/graphql", plain, {}, operator_token);
    }
    EXPECT_EQ(audit->newest(1000).size(), 10u);
    EXPECT_NE(ask("GET", "/metrics", {}, {}, "").body.find("cvf_api_refused_total{status=\"403\",reason=\"role\"} 80\n"),
              std::string::npos);
}

TEST_F(ApiRoutes, keep_the_audit_trail_whole_whatever_is_refused) {
    start();
    // A name of a megabyte, or of bytes that are no text, would be refused by the bus for ever, and nothing behind it let
    // through.
    const std::string long_name(1'000'000, 'x');
    json::object asked{{"query", "mutation($n: String!) { deleteDirective(kind: Flow, name: $n) { kind } }"},
                       {"variables", json::object{{"n", long_name}}}};
    const auto refused = object(ask("POST", "/graphql", json::serialize(asked), {}, viewer));
    EXPECT_EQ(refused.at("errors").at(0).at("extensions").at("code"), "FORBIDDEN");
    ask("DELETE", "/api/v1/directives/Flow/%FF%1b", {}, {}, viewer);
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", shop).status, 201u);
    // Another controller reads them from the bus.
    auto other = std::move(*controller::Audit::open(*bus));
    EXPECT_TRUE(until([&] { return other->newest(10).size() == 3; }));
    EXPECT_EQ(other->newest(1).at(0).outcome, "created");
    EXPECT_EQ(other->newest(2).at(1).object, "Flow/\\xff\x1b");
    EXPECT_EQ(other->newest(3).at(2).object.size(), controller::audit_text_bytes);
    EXPECT_EQ(audit->lost(), 0u);
    EXPECT_EQ(object(ask("GET", "/api/v1/audit")).at("items").as_array().size(), 3u);
    // Reading what one may not is counted; it changed nothing.
    EXPECT_EQ(ask("GET", "/api/v1/audit", {}, {}, viewer).status, 403u);
    EXPECT_EQ(audit->newest(10).size(), 3u);
    EXPECT_EQ(object(ask("DELETE", "/api/v1/directives/Flow/%FF")).at("detail"), "there is no Flow/\\xff");
}

TEST_F(ApiRoutes, take_directives_only_as_what_no_foreign_page_can_send) {
    start();
    for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"}) {
        EXPECT_EQ(ask("POST", "/api/v1/directives", shop, {{"Content-Type", type}}).status, 415u) << type;
        EXPECT_EQ(ask("PUT", "/api/v1/directives/Metadata/shop", shop, {{"Content-Type", type}}).status, 415u) << type;
    }
    http::Request bare{"POST", "/api/v1/directives", {{"Authorization", "Bearer " + server->token()}}, shop};
    EXPECT_EQ(http::fetch(server->address(), bare)->status, 415u) << "none at all";
    EXPECT_TRUE(directives->list().empty());
    EXPECT_EQ(ask("POST", "/api/v1/directives", shop, {{"Content-Type", "Application/JSON; charset=utf-8"}}).status, 200u);
}

TEST_F(ApiRoutes, refuse_before_a_body_is_sent) {
    start();
    // A megabyte is announced, and one byte of it comes: whoever may not is answered nevertheless.
    for (const auto& [line, status] : {std::pair{"PUT /api/v1/directives/Flow/a", "HTTP/1.1 401"},
                                       {"POST /graphql", "HTTP/1.1 401"},
                                       {"PUT /nowhere", "HTTP/1.1 404"},
                                       {"PATCH /api/v1/directives", "HTTP/1.1 405"}}) {
        const auto before = std::chrono::steady_clock::now();
        EXPECT_EQ(raw(std::string(line) + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx", false), status) << line;
        EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
    }
    EXPECT_EQ(ask("GET", "/healthz", {}, {}, "").status, 200u);
}

TEST_F(ApiRoutes, keep_nothing_in_a_cache_that_has_a_status_in_it) {
    start();
    ask("PUT", "/api/v1/directives/Metadata/shop", shop);
    for (const char* path : {"/api/v1/directives", "/api/v1/directives/Metadata/shop", "/api/v1/nodes"})
        EXPECT_EQ(ask("GET", path).header("cache-control"), "no-store") << path;
}

TEST_F(ApiRoutes, show_nodes_and_how_directives_fare_on_them) {
    start();
    ask("PUT", "/api/v1/directives/Metadata/shop", shop);
    tell_node("a");
    tell_node("b", directive::State::rejected, "not here");
    const auto list = object(ask("GET", "/api/v1/nodes", {}, {}, viewer));
    ASSERT_EQ(list.at("items").as_array().size(), 2u);
    EXPECT_EQ(list.at("items").at(0).at("name"), "a");
    EXPECT_EQ(list.at("items").at(0).at("lost"), false);
    EXPECT_EQ(object(ask("GET", "/api/v1/nodes?labelSelector=zone%3Dwest")).at("items").at(0).at("name"), "b");
    EXPECT_EQ(object(ask("GET", "/api/v1/nodes?limit=1")).at("metadata").as_object().contains("continue"), true);
    EXPECT_EQ(json::serialize(object(ask("GET", "/api/v1/nodes/b?fields=name,labels.zone"))),
              R"({"name":"b","labels":{"zone":"west"}})");
    EXPECT_EQ(ask("GET", "/api/v1/nodes/c").status, 404u);
    const auto status = object(ask("GET", "/api/v1/directives/Metadata/shop")).at("status").as_object();
    EXPECT_EQ(status.at("states").at("active"), 1);
    EXPECT_EQ(status.at("states").at("rejected"), 1);
    EXPECT_EQ(status.at("reasons").at("not here").at(0), "b");
    EXPECT_EQ(status.at("settled"), true);
    EXPECT_EQ(status.at("good"), false);
    EXPECT_EQ(status.at("nodes").as_array().size(), 2u);
}

TEST_F(ApiRoutes, serve_the_client_in_all_it_asks) {
    start();
    const Client client(how());
    const auto one = *directive::parse_one(shop);
    const std::vector<directive::Directive> two{one, *directive::parse_one(doc("f"))};
    EXPECT_EQ((*client.apply(two, true))[0].change, directive::Change::created);
    const auto applied = client.apply(two, false);
    ASSERT_TRUE(applied) << applied.error().text;
    EXPECT_EQ((*applied)[1].name, "f");
    EXPECT_EQ((*client.apply(two, false))[0].change, directive::Change::unchanged);
    tell_node("a");
    tell_node("b", directive::State::degraded, "no uprobes");
    const auto got = client.directive("metadata", "shop");
    ASSERT_TRUE(got) << got.error().text;
    EXPECT_EQ(got->directive.spec, one.spec);
    EXPECT_EQ(got->summary.agents, 2u);
    EXPECT_EQ(got->summary.states.at(directive::State::degraded), 1u);
    EXPECT_EQ(got->summary.reasons.at("no uprobes").front(), "b");
    EXPECT_EQ(got->agents.size(), 2u);
    EXPECT_TRUE(got->settled);
    EXPECT_EQ(client.directives("")->size(), 2u);
    EXPECT_EQ(client.directives("flow")->size(), 1u);
    EXPECT_EQ(client.directives("", "team=nobody")->size(), 0u);
    const auto all = client.nodes();
    ASSERT_TRUE(all) << all.error().text;
    EXPECT_EQ((*all)[0].node.status.name, "a");
    EXPECT_EQ(client.node("b")->node.status.directives.size(), 2u);

    auto changed = got->directive;
    changed.spec.filter = "http.response.status_code >= 400";
    EXPECT_EQ(client.replace(changed, got->revision)->change, directive::Change::configured);
    const auto stale = client.replace(changed, got->revision);
    ASSERT_FALSE(stale);
    EXPECT_NE(stale.error().text.find("has changed since you read it"), std::string::npos) << stale.error().text;
    EXPECT_EQ(client.remove("Flow", "f")->directive.metadata.name, "f");
    EXPECT_EQ(client.remove("Flow", "f").error().text, "there is no Flow/f");
    auto bad = one;
    bad.spec.filter = "source.prot == 1";
    const auto refused = client.apply({&bad, 1}, false);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit_status, 2);
    EXPECT_EQ(refused.error().problems.at(0).path, "spec.filter");
    EXPECT_NE(client.get("/api/v1/audit")->find("\"created\""), std::string::npos);
}

TEST_F(ApiRoutes, tell_the_client_what_to_do_when_it_is_not_let) {
    start();
    auto options_of_viewer = how();
    options_of_viewer.token_file = stem + "-viewer";
    std::ofstream(options_of_viewer.token_file) << viewer << "\n";
    const auto one = *directive::parse_one(shop);
    const auto small = Client(options_of_viewer).apply({&one, 1}, false);
    ASSERT_FALSE(small);
    EXPECT_EQ(small.error().status, 403u);
    EXPECT_NE(small.error().text.find("its role is too small"), std::string::npos);
    std::ofstream(options_of_viewer.token_file) << "wrong\n";
    EXPECT_NE(Client(options_of_viewer).nodes().error().text.find("--token-file"), std::string::npos);
    ::unlink(options_of_viewer.token_file.c_str());
    EXPECT_NE(Client(options_of_viewer).nodes().error().text.find("No such file"), std::string::npos);
    auto nobody = how();
    nobody.server = "http://127.0.0.1:1";
    EXPECT_NE(Client(nobody).nodes().error().text.find("cvf up"), std::string::npos);
    server.reset();
    options.services = {};
    start();
    const auto without = Client(how()).nodes();
    ASSERT_FALSE(without);
    EXPECT_NE(without.error().text.find("only a controller"), std::string::npos) << without.error().text;
    for (const char* path : {"/api/v1/directives", "/api/v1/directives/Flow/a", "/api/v1/nodes/a", "/api/v1/query",
                             "/api/v1/records", "/api/v1/audit"})
        EXPECT_EQ(ask("GET", path).status, 501u) << path;
    EXPECT_EQ(ask("PUT", "/api/v1/directives/Flow/a", doc("a")).status, 501u);
}

TEST_F(ApiRoutes, tell_watchers_of_changes_and_of_how_directives_fare) {
    start();
    ask("PUT", "/api/v1/directives/Metadata/shop", shop);
    std::mutex mutex;
    std::vector<std::string> events;
    std::thread watcher([&] {
        const auto done = Client(how()).watch_directives("", "", [&](WatchEvent event, const RemoteDirective* one) {
            static constexpr const char* names[] = {"added", "modified", "deleted", "synced"};
            std::string text = names[static_cast<size_t>(event)];
            if (one) text += " " + one->directive.metadata.name + " " + one->summary.show();
            const std::lock_guard lock(mutex);
            events.push_back(std::move(text));
            return event != WatchEvent::deleted;
        });
        EXPECT_TRUE(done) << done.error().text;
    });
    const auto seen = [&](const std::string& what) {
        return until([&] {
            const std::lock_guard lock(mutex);
            return std::ranges::any_of(events, [&](const std::string& one) { return one.starts_with(what); });
        });
    };
    EXPECT_TRUE(seen("added shop"));
    EXPECT_TRUE(seen("synced"));
    ask("PUT", "/api/v1/directives/Flow/late", doc("late"));
    EXPECT_TRUE(seen("added late"));
    tell_node("a");
    EXPECT_TRUE(seen("modified shop 1 active")) << [&] {
        const std::lock_guard lock(mutex);
        return fmt::format("{}", fmt::join(events, "; "));
    }();
    ask("DELETE", "/api/v1/directives/Flow/late");
    watcher.join();
    EXPECT_TRUE(seen("deleted late"));
}

TEST_F(ApiRoutes, tell_watchers_of_nodes) {
    start();
    tell_node("a");
    std::vector<std::string> events;
    std::atomic<bool> synced{false};
    std::thread watcher([&] {
        const auto done = Client(how()).watch_nodes([&](WatchEvent event, const RemoteNode* one) {
            if (event == WatchEvent::synced) synced = true;
            if (one) events.push_back(one->node.status.name);
            return events.size() < 2;
        });
        EXPECT_TRUE(done) << done.error().text;
    });
    EXPECT_TRUE(until([&] { return synced.load(); }));
    tell_node("b");
    watcher.join();
    EXPECT_EQ(events, (std::vector<std::string>{"a", "b"}));
}

TEST_F(ApiRoutes, bound_the_number_of_watches_and_forget_those_that_went) {
    options.max_watchers = 1;
    start();
    std::atomic<bool> stop{false}, synced{false};
    std::thread watcher([&] {
        auto with_stop = how();
        with_stop.stop = &stop;
        EXPECT_TRUE(Client(with_stop).watch_nodes([&](WatchEvent, const RemoteNode*) {
            synced = true;
            return true;
        }));
    });
    EXPECT_TRUE(until([&] { return synced.load(); }));
    EXPECT_EQ(ask("GET", "/api/v1/nodes?watch=true").status, 503u);
    stop = true;
    watcher.join();
    EXPECT_TRUE(until([&] {
        return ask("HEAD", "/api/v1/nodes?watch=true").status == 200 &&
               ask("GET", "/metrics").body.find("cvf_api_watchers 0\n") != std::string::npos;
    }));
}

TEST_F(ApiRoutes, answer_queries_in_every_form) {
    keep_records(5000);
    start();
    const auto rows = object(ask("GET", "/api/v1/query?filter=destination.port%20%3D%3D%20443&limit=7&fields=destination.port"));
    EXPECT_EQ(rows.at("kind"), "RecordList");
    ASSERT_EQ(rows.at("items").as_array().size(), 7u);
    EXPECT_EQ(rows.at("items").at(0).at("destination.port"), 443);
    const auto next = std::string(rows.at("metadata").at("continue").as_string());
    const auto more = object(
        ask("GET", "/api/v1/query?filter=destination.port%20%3D%3D%20443&limit=7&fields=destination.port&continue=" + next));
    EXPECT_LE(more.at("items").at(0).at("@timestamp").as_string(), rows.at("items").at(6).at("@timestamp").as_string());
    EXPECT_NE(more.at("items").at(0).at("record.id"), rows.at("items").at(6).at("record.id"));

    const auto table = object(ask("GET", "/api/v1/query?count&by=destination.port"));
    EXPECT_EQ(table.at("kind"), "Table");
    EXPECT_EQ(json::serialize(table.at("columns")), R"(["destination.port","count"])");
    uint64_t sum = 0;
    for (const auto& item : table.at("items").as_array()) sum += item.at("count").to_number<uint64_t>();
    EXPECT_EQ(sum, 5000u);
    EXPECT_EQ(table.at("metadata").at("examined"), 5000);

    const auto lines = ask("GET", "/api/v1/query?limit=0", {}, {{"Accept", "application/x-ndjson"}});
    EXPECT_EQ(lines.header("content-type"), "application/x-ndjson");
    EXPECT_EQ(std::ranges::count(lines.body, '\n') - std::ranges::count(lines.body, '\0'), 5000);
    const auto csv = ask("GET", "/api/v1/query?limit=3&format=csv&fields=source.process.executable.name,dns.answers,source.port");
    EXPECT_TRUE(csv.header("content-type").starts_with("text/csv")) << csv.body;
    const auto groups = ask("GET", "/api/v1/query?by=destination.port&count&format=csv");
    EXPECT_TRUE(groups.body.starts_with("destination.port,count\r\n")) << groups.body;
    EXPECT_EQ(ask("HEAD", "/api/v1/query?format=csv").status, 200u);

    for (const char* bad : {"filter=x%20%3D%3D", "since=yesterday", "by=nonsense", "limit=-1", "p99=", "format=xml", "order=up",
                            "continue=zz", "after=1,2", "every=x"})
        EXPECT_EQ(ask("GET", std::string("/api/v1/query?") + bad).status, 400u) << bad;
    EXPECT_GT(object(ask("GET", "/api/v1/query?filter=source.port%20%3D%3D%20")).at("column").to_number<int>(), 1);
}

TEST_F(ApiRoutes, stream_queries_to_the_client) {
    keep_records(3000);
    start();
    const Client client(how());
    std::vector<std::string> rows;
    const std::vector<std::pair<std::string, std::string>> all{{"limit", "0"}, {"order", "oldest"}};
    auto end = client.query(all, [&](std::string_view row) {
        rows.emplace_back(row);
        return true;
    });
    ASSERT_TRUE(end) << end.error().text;
    EXPECT_EQ(rows.size(), 3000u);
    EXPECT_EQ(end->progress.matched, 3000u);
    EXPECT_TRUE(end->next.empty());
    rows.clear();
    const std::vector<std::pair<std::string, std::string>> top{{"by", "source.port"}, {"count", "true"}, {"top", "3"}};
    end = client.query(top, [&](std::string_view row) {
        rows.emplace_back(row);
        return true;
    });
    ASSERT_TRUE(end) << end.error().text;
    EXPECT_EQ(rows.size(), 3u);
    EXPECT_TRUE(client.query(all, [](std::string_view) { return false; })) << "enough is no error";
    const std::vector<std::pair<std::string, std::string>> wrong{{"filter", "source.prot == 1"}};
    const auto refused = client.query(wrong, [](std::string_view) { return true; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().exit_status, 2);
    EXPECT_TRUE(refused.error().text.starts_with("filter, column 1: ")) << refused.error().text;
}

TEST_F(ApiRoutes, answer_a_failed_query_with_a_problem) {
    slow.error = "the server is gone";
    options.services.history = &slow;
    start();
    const auto failed = ask("GET", "/api/v1/query");
    EXPECT_EQ(failed.status, 503u);
    EXPECT_EQ(object(failed).at("detail"), "the server is gone");
    EXPECT_TRUE(until([&] { return ask("GET", "/metrics").body.find("cvf_api_queries_failed_total 1\n") != std::string::npos; }));
}

TEST_F(ApiRoutes, stop_queries_that_take_too_long_or_that_nobody_waits_for) {
    options.services.history = &slow;
    options.query_time = 2s;
    options.max_queries = 1;
    start();
    std::string said;
    std::thread waiting([&] {
        http::Request request{"GET", "/api/v1/query", {{"Authorization", "Bearer " + server->token()}}, {}};
        const auto response = http::fetch(server->address(), request);
        said = response ? response->body : response.error().text;
    });
    EXPECT_TRUE(until([&] { return slow.running == 1; }));
    EXPECT_EQ(ask("GET", "/api/v1/query").status, 503u) << "one at once";
    waiting.join();
    EXPECT_NE(said.find("ended early"), std::string::npos) << said;
    EXPECT_TRUE(until([&] { return slow.running == 0; }));
    // A client that goes away.
    std::atomic<bool> stop{false};
    auto with_stop = how();
    with_stop.stop = &stop;
    std::thread gone([&] {
        // The first one's place is free a moment after its query has ended.
        while (!stop) (void)Client(with_stop).query({}, [](std::string_view) { return true; });
    });
    EXPECT_TRUE(until([&] { return slow.running == 1; }));
    stop = true;
    gone.join();
    EXPECT_TRUE(until([&] { return slow.running == 0; }));
}

TEST_F(ApiRoutes, cut_a_query_that_takes_too_long_though_it_finds_row_after_row) {
    slow.endless = true;
    slow.reports = false;
    options.services.history = &slow;
    options.query_time = 1s;
    start();
    uint64_t rows = 0;
    const auto before = std::chrono::steady_clock::now();
    const auto done = Client(how()).query({}, [&](std::string_view) { return ++rows < 50'000'000; });
    EXPECT_LT(std::chrono::steady_clock::now() - before, 10s);
    ASSERT_FALSE(done);
    EXPECT_GT(rows, 0u);
    EXPECT_TRUE(until([&] { return slow.running == 0; }));
}

TEST_F(ApiRoutes, make_a_query_wait_for_a_slow_reader_and_end_it_with_the_server) {
    slow.endless = true;
    options.services.history = &slow;
    start();
    std::atomic<bool> hold{true};
    std::thread reader([&] {
        (void)Client(how()).query({}, [&](std::string_view) {
            while (hold) std::this_thread::sleep_for(1ms);
            return true;
        });
    });
    EXPECT_TRUE(until([&] { return slow.rows > 100; }));
    std::this_thread::sleep_for(500ms);
    const uint64_t made = slow.rows;
    std::this_thread::sleep_for(300ms);
    EXPECT_EQ(slow.rows, made) << "it stands still";
    EXPECT_LT(made, 20'000u) << "what a megabyte and two socket buffers hold";
    const auto before = std::chrono::steady_clock::now();
    server.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
    EXPECT_EQ(slow.running, 0);
    hold = false;
    reader.join();
}

TEST_F(ApiRoutes, give_records_as_bare_lines_and_tell_who_follows) {
    std::string asked;
    std::atomic<int> following{0};
    options.services.follow = [&](const Following& f) {
        asked = f.filter + " by " + f.who.name;
        ++following;
        return std::shared_ptr<void>(nullptr, [&](void*) { --following; });
    };
    start();
    std::atomic<bool> over{false};
    std::thread pipeline([&] {
        history::Made made;
        for (int i = 0; !over; ++i) {
            hub.publish(made.record(i));
            hub.flush();
            std::this_thread::sleep_for(200us);
        }
    });
    std::string got;
    http::Request request{
        "GET", "/api/v1/records?filter=destination.port%20%3D%3D%2053", {{"Accept", "application/x-ndjson"}}, {}};
    request.headers.push_back({"Authorization", "Bearer " + viewer});
    const auto response = http::stream(server->address(), request, [&](std::string_view piece) {
        got += piece;
        return got.size() < 5000;
    });
    ASSERT_TRUE(response) << response.error().text;
    EXPECT_EQ(response->header("content-type"), "application/x-ndjson");
    EXPECT_EQ(asked, "destination.port == 53 by the-viewer");
    std::string_view rest = got;
    size_t lines = 0;
    while (rest.find('\n') != std::string_view::npos) {
        const auto line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(line.size() + 1);
        if (line.empty()) continue;
        EXPECT_EQ(json::parse({line.data(), line.size()}).at("destination.port"), 53);
        ++lines;
    }
    EXPECT_GT(lines, 5u);
    over = true;
    pipeline.join();
    EXPECT_TRUE(until([&] { return following == 0; }));
}

TEST_F(ApiRoutes, describe_themselves) {
    start();
    const auto description = object(ask("GET", "/api/v1/openapi.json", {}, {}, ""));
    EXPECT_EQ(description.at("openapi"), "3.1.0");
    for (const auto& [path, item] : description.at("paths").as_object()) {
        if (path.find('{') != std::string_view::npos) continue;
        if (!item.as_object().contains("get")) continue;
        EXPECT_NE(ask("GET", std::string(path) + (path == "/api/v1/records" ? "?types=nonsense" : "")).status, 404u) << path;
    }
    EXPECT_EQ(object(ask("GET", "/api/v1/record.schema.json", {}, {}, "")).at("title"), "CVF record");
    EXPECT_EQ(object(ask("GET", "/api/v1/directive.schema.json", {}, {}, "")).at("title"), "CVF directive");
    const auto wrong = ask("PATCH", "/api/v1/directives");
    EXPECT_EQ(wrong.status, 405u);
    EXPECT_EQ(wrong.header("allow"), "GET, POST, HEAD");
}

TEST_F(ApiRoutes, show_browsers_pages_and_programs_none) {
    start();
    const http::Header browser{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8"};
    EXPECT_EQ(ask("GET", "/graphql", {}, {}, "").status, 401u);
    EXPECT_EQ(ask("GET", "/graphql?query=%7B__typename%7D", {}, {browser}, "").status, 401u) << "this is a question";
    if (assets().empty()) {
        EXPECT_EQ(ask("GET", "/graphql", {}, {browser}, "").status, 401u);
        EXPECT_EQ(ask("GET", "/api/v1/docs", {}, {browser}, "").status, 501u);
        GTEST_SKIP() << "SKIP: built without pages";
    }
    for (const char* path : {"/graphql", "/api/v1/docs"}) {
        const auto page = ask("GET", path, {}, {browser}, "");
        EXPECT_EQ(page.status, 200u) << path;
        EXPECT_EQ(page.header("content-type"), "text/html; charset=utf-8");
        EXPECT_NE(page.header("content-security-policy").find("default-src 'self'"), std::string::npos);
        EXPECT_TRUE(page.body.starts_with("<!doctype html>")) << page.body;
    }
    const auto packed = ask("GET", "/assets/token.js", {}, {{"Accept-Encoding", "br, gzip;q=0.5"}}, "");
    EXPECT_EQ(packed.header("content-encoding"), "gzip");
    const auto plain = ask("GET", "/assets/token.js", {}, {{"Accept-Encoding", "gzip;q=0"}}, "");
    EXPECT_EQ(plain.header("content-encoding"), "");
    EXPECT_GT(plain.body.size(), packed.body.size());
    EXPECT_NE(plain.body.find("sessionStorage"), std::string::npos);
    EXPECT_EQ(ask("GET", "/assets/token.js", {}, {{"If-None-Match", std::string(plain.header("etag"))}}, "").status, 304u);
    EXPECT_EQ(ask("GET", "/assets/../token", {}, {}, "").status, 404u);
}

TEST_F(ApiRoutes, survive_hostile_requests) {
    start();
    const std::string auth = "Host: a\r\nAuthorization: Bearer " + server->token() + "\r\n";
    EXPECT_EQ(raw("GET /api/v1/directives/../../etc/passwd HTTP/1.1\r\n" + auth + "\r\n"), "HTTP/1.1 404");
    EXPECT_EQ(raw("GET /api/v1/directives/Flow/%2e%2e HTTP/1.1\r\n" + auth + "\r\n"), "HTTP/1.1 404");
    EXPECT_EQ(raw("PUT /api/v1/directives/Flow/a HTTP/1.1\r\n" + auth + "Content-Length: 99999999999\r\n\r\n"), "HTTP/1.1 413");
    EXPECT_EQ(raw("PUT /api/v1/directives/Flow/a HTTP/1.1\r\n" + auth + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"),
              "HTTP/1.1 400");
    EXPECT_EQ(raw("PUT /api/v1/directives/Flow/a HTTP/1.1\r\n" + auth + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
              "HTTP/1.1 400");
    const std::string deep = std::string(100'000, '[');
    EXPECT_EQ(raw("POST /api/v1/directives HTTP/1.1\r\n" + auth +
                  "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n" + deep),
              "HTTP/1.1 422");
    EXPECT_EQ(raw("GET /api/v1/directives?" + std::string(20'000, 'a') + " HTTP/1.1\r\n" + auth + "\r\n"), "HTTP/1.1 431");
    EXPECT_EQ(ask("GET", "/healthz", {}, {}, "").status, 200u);
}

}  // namespace
}  // namespace cvf::api
