// `cvf get` and `cvf describe`: directives, nodes and the audit trail.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/columns.h"
#include "cli/commands.h"
#include "cli/management.h"
#include "cli/say.h"
#include "cli/serve.h"
#include "cli/signals.h"
#include "cli/targets.h"
#include "directive/node.h"
#include "directive/write.h"
#include "sink/units.h"

namespace cvf::cli {

namespace {

using api::RemoteDirective;
using api::RemoteNode;

enum class Form : uint8_t { table, yaml, json, name };

std::expected<Form, std::string> form_of(const std::string& word) {
    if (word.empty() || word == "table" || word == "wide") return Form::table;
    if (word == "yaml") return Form::yaml;
    if (word == "json") return Form::json;
    if (word == "name") return Form::name;
    return std::unexpected(fmt::format("-o {}: there are table, yaml, json and name", word));
}

std::vector<std::string> directive_row(const RemoteDirective& d) {
    return {std::string(directive::name_of(d.directive.kind)),
            d.directive.metadata.name,
            std::to_string(d.directive.metadata.generation),
            d.summary.show(),
            sink::show_count(d.summary.sent),
            sink::show_bytes(d.summary.bytes)};
}
const std::vector<std::string> directive_header = {"KIND", "NAME", "GENERATION", "AGENTS", "RECORDS", "BYTES"};

std::string state_of(const controller::Node& node) {
    if (node.status.leaving) return "ended";
    if (node.lost) return "lost";
    return node.namesakes.empty() ? "ready" : "doubled";
}

std::vector<std::string> node_row(const RemoteNode& remote) {
    const controller::Node& node = remote.node;
    const directive::NodeNumbers& n = node.status.numbers;
    return {node.status.name,
            state_of(node),
            show_difference(node.age.count()),
            node.status.version,
            node.status.kernel,
            std::to_string(node.status.directives.size()),
            sink::show_count(n.records_per_second),
            sink::show_bytes(n.bytes_per_second),
            sink::show_count(n.records_lost + n.events_lost),
            show_difference(static_cast<int64_t>(n.lag)),
            fmt::format("{:.1f}%", static_cast<double>(n.cpu) / 10),
            sink::show_bytes(n.memory),
            show_difference(node.clock_skew.count())};
}
const std::vector<std::string> node_header = {"NAME",    "STATE", "HEARD", "VERSION", "KERNEL", "DIRECTIVES", "RECORDS/S",
                                              "BYTES/S", "LOST",  "LAG",   "CPU",     "MEMORY", "SKEW"};

void print_directives(const std::vector<RemoteDirective>& all, Form form, const std::string& labels) {
    if (form == Form::table) {
        Columns columns(directive_header);
        for (const RemoteDirective& one : all) columns.add(directive_row(one));
        if (all.empty() && !labels.empty())
            say("no directive has such labels\n");
        else if (all.empty())
            say("there are no directives; `cvf apply -f FILE` makes one\n");
        else
            columns.print();
        return;
    }
    std::vector<directive::Directive> plain;
    for (const RemoteDirective& one : all) {
        if (form == Form::json) fmt::print("{}\n", one.json);
        if (form == Form::name)
            fmt::print("{}/{}\n", directive::name_of(one.directive.kind), printable(one.directive.metadata.name));
        plain.push_back(one.directive);
    }
    if (form == Form::yaml) fmt::print("{}", directive::to_yaml(plain, directive::Defaults::left_out));
}

void print_nodes(const std::vector<RemoteNode>& all, Form form, const std::string& labels) {
    if (form != Form::table) {
        bool first = true;
        for (const RemoteNode& one : all) {
            const auto trees = form == Form::yaml ? directive::read_json(one.json) : directive::Trees();
            if (form == Form::name)
                fmt::print("{}\n", printable(one.node.status.name));
            else if (form == Form::json || !trees || trees->empty())
                fmt::print("{}\n", one.json);
            else
                fmt::print("{}{}", std::exchange(first, false) ? "" : "---\n", directive::write_yaml(trees->front()));
        }
        return;
    }
    Columns columns(node_header);
    for (const RemoteNode& one : all) columns.add(node_row(one));
    if (all.empty() && !labels.empty())
        say("no agent has such labels\n");
    else if (all.empty())
        say("no agent has been heard of\n");
    else
        columns.print();
    // What a table has no room for.
    for (const RemoteNode& one : all)
        if (!one.node.namesakes.empty() && !one.node.lost)
            say("{}: {} agents are alive under this name (instances {}, {}); give each its own --node\n",
                printable(one.node.status.name), one.node.namesakes.size() + 1, printable(one.node.status.instance),
                printable(fmt::format("{}", fmt::join(one.node.namesakes, ", "))));
}

// What has been asked for, as the server has it.
struct Found {
    std::vector<RemoteDirective> directives;
    std::vector<RemoteNode> nodes;
};

std::expected<void, api::ClientError> look_up(const api::Client& client, const Target& target, const std::string& labels,
                                              Found& found) {
    if (target.thing == Thing::nodes && target.name.empty()) {
        auto all = client.nodes(labels);
        if (!all) return std::unexpected(std::move(all.error()));
        found.nodes = std::move(*all);
    } else if (target.thing == Thing::nodes) {
        auto one = client.node(target.name);
        if (!one) return std::unexpected(std::move(one.error()));
        found.nodes.push_back(std::move(*one));
    } else if (target.name.empty()) {
        auto all = client.directives(target.kind, labels);
        if (!all) return std::unexpected(std::move(all.error()));
        found.directives = std::move(*all);
    } else {
        auto one = client.directive(target.kind, target.name);
        if (!one) return std::unexpected(std::move(one.error()));
        found.directives.push_back(std::move(*one));
    }
    return {};
}

int follow(const api::Client& client, const Target& target, const std::string& labels) {
    static constexpr std::string_view names[] = {"added", "modified", "deleted", ""};
    std::expected<void, api::ClientError> done;
    const auto meant = [&](const std::string& name) { return target.name.empty() || target.name == name; };
    if (target.thing == Thing::nodes)
        done = client.watch_nodes(
            [&](api::WatchEvent event, const RemoteNode* node) {
                if (node && meant(node->node.status.name))
                    fmt::print("{} {} {}\n", names[static_cast<size_t>(event)], printable(node->node.status.name),
                               state_of(node->node));
                std::fflush(stdout);
                return !stopping;
            },
            labels);
    else
        done = client.watch_directives(target.kind, labels, [&](api::WatchEvent event, const RemoteDirective* d) {
            if (d && meant(d->directive.metadata.name))
                fmt::print("{} {}/{} generation {}: {}\n", names[static_cast<size_t>(event)],
                           directive::name_of(d->directive.kind), printable(d->directive.metadata.name),
                           d->directive.metadata.generation, printable(d->summary.show()));
            std::fflush(stdout);
            return !stopping;
        });
    if (!done && !stopping) return complain("get", done.error());
    return exit_done;
}

int get_audit(const api::Client& client, Form form) {
    auto text = client.get("/api/v1/audit");
    if (!text) return complain("get", text.error());
    if (form != Form::table) {
        fmt::print("{}\n", *text);
        return exit_done;
    }
    boost::system::error_code error;
    const boost::json::value value = boost::json::parse(*text, error);
    const boost::json::array* items = nullptr;
    if (!error && value.is_object())
        if (const auto* list = value.get_object().if_contains("items"); list && list->is_array()) items = &list->get_array();
    if (!items) {
        say("cvf get: the server's answer is not understood; -o json shows it\n");
        return exit_failed;
    }
    Columns columns({"TIME", "WHO", "FROM", "ACTION", "OBJECT", "OUTCOME", "REASON"});
    for (const boost::json::value& item : *items) {
        const auto text_of = [&](const char* key) {
            const auto* v = item.is_object() ? item.get_object().if_contains(key) : nullptr;
            return v && v->is_string() ? std::string(v->get_string()) : v ? boost::json::serialize(*v) : std::string();
        };
        columns.add({text_of("time"), text_of("who"), text_of("from"), text_of("action"), text_of("object"), text_of("outcome"),
                     text_of("reason")});
    }
    columns.print();
    return exit_done;
}

void describe(const RemoteDirective& d) {
    fmt::print("{}", directive::to_yaml(d.directive));
    fmt::print("\nagents: {}\n", printable(d.summary.show()));
    if (d.agents.empty()) return;
    Columns columns({"NODE", "STATE", "SINCE", "ENDS", "MATCHED", "SAMPLED OUT", "LIMITED", "SENT", "BYTES", "REASON"});
    for (const directive::Status& s : d.agents)
        columns.add({s.node, std::string(name_of(s.state)), show_time(s.since), s.ends > 0 ? show_time(s.ends) : "-",
                     sink::show_count(s.matched), sink::show_count(s.sampled_out), sink::show_count(s.limited),
                     sink::show_count(s.sent), sink::show_bytes(s.bytes), s.reason});
    columns.print();
}

void describe(const RemoteNode& remote) {
    const controller::Node& node = remote.node;
    const directive::NodeStatus& s = node.status;
    const directive::NodeNumbers& n = s.numbers;
    Columns facts({"name", s.name});
    facts.add({"state", fmt::format("{}, heard {} ago", state_of(node), show_difference(node.age.count()))});
    facts.add({"version", s.version});
    facts.add({"kernel", s.kernel});
    facts.add({"watches", s.cgroup.empty() ? "the whole machine" : s.cgroup});
    facts.add({"capabilities", fmt::format("{}", fmt::join(s.capabilities, ", "))});
    for (const auto& [key, value] : s.labels) facts.add({"label", key + "=" + value});
    for (const std::string& other : node.namesakes)
        facts.add({"problem", fmt::format("another agent is alive under this name: instance {}", other)});
    for (const std::string& problem : s.problems) facts.add({"problem", problem});
    facts.add({"started", show_time(s.started)});
    facts.add({"clock skew", show_difference(node.clock_skew.count())});
    facts.add({"packets parsed", fmt::format("{} ({})", sink::show_count(n.packets), sink::show_bytes(n.packet_bytes))});
    facts.add({"conversations", sink::show_count(n.flows)});
    facts.add({"records made", sink::show_count(n.records_made)});
    facts.add({"published", fmt::format("{} ({})", sink::show_count(n.records_published), sink::show_bytes(n.bytes_published))});
    facts.add(
        {"waiting", fmt::format("{} ({} on disk)", sink::show_count(n.records_waiting), sink::show_bytes(n.spooled_bytes))});
    facts.add(
        {"lost", fmt::format("{} records, {} kernel events", sink::show_count(n.records_lost), sink::show_count(n.events_lost))});
    facts.add({"lag", show_difference(static_cast<int64_t>(n.lag))});
    facts.add({"CPU", fmt::format("{:.1f} % of a core", static_cast<double>(n.cpu) / 10)});
    facts.add({"memory", sink::show_bytes(n.memory)});
    facts.print();
    if (s.directives.empty()) return;
    fmt::print("\n");
    Columns columns({"DIRECTIVE", "GENERATION", "STATE", "SENT", "REASON"});
    for (const directive::Status& d : s.directives)
        columns.add(
            {d.directive, std::to_string(d.generation), std::string(name_of(d.state)), sink::show_count(d.sent), d.reason});
    columns.print();
}

}  // namespace

int run_get(const config::Settings& settings, const Management& what) {
    stop_on_signals();
    const auto targets = targets_of(what);
    if (!targets) return complain_use("get", targets.error());
    const auto form = form_of(what.form);
    if (!form) return complain_use("get", form.error());
    const Target& first = targets->front();
    if (!what.labels.empty() && (!first.name.empty() || first.thing == Thing::audit))
        return complain_use("get", "-l chooses among directives or among nodes; give it no name");
    const api::Client client(client_options(settings));
    if (first.thing == Thing::audit) return get_audit(client, *form);
    if (what.follow) {
        if (targets->size() > 1) return complain_use("get", "-w follows one of them, or all of a kind");
        return follow(client, first, what.labels);
    }
    int status = exit_done;
    Found found;
    for (const Target& target : *targets)
        if (auto done = look_up(client, target, what.labels, found); !done) {
            status = complain("get", done.error());
            if (done.error().status != 404) return status;  // the others are asked for all the same
        }
    // Of what was asked for by name and is not there it has been said.
    const bool nodes = first.name.empty() ? first.thing == Thing::nodes : !found.nodes.empty();
    const bool directives = first.name.empty() ? !nodes : !found.directives.empty();
    if (directives) print_directives(found.directives, *form, what.labels);
    if (directives && nodes && *form != Form::name && *form != Form::json) fmt::print("{}", *form == Form::yaml ? "---\n" : "\n");
    if (nodes) print_nodes(found.nodes, *form, what.labels);
    return status;
}

int run_describe(const config::Settings& settings, const Management& what) {
    stop_on_signals();
    const auto targets = targets_of(what);
    if (!targets) return complain_use("describe", targets.error());
    if (targets->front().name.empty())
        return complain_use("describe", "which one? `cvf describe metadata NAME`, `cvf describe node NAME`");
    const api::Client client(client_options(settings));
    int status = exit_done;
    bool one_before = false;
    for (const Target& target : *targets) {
        Found found;
        if (auto done = look_up(client, target, {}, found); !done) {
            status = complain("describe", done.error());
            if (done.error().status != 404) return status;
            continue;
        }
        if (std::exchange(one_before, true)) fmt::print("\n\n");
        for (const RemoteNode& node : found.nodes) describe(node);
        for (const RemoteDirective& one : found.directives) describe(one);
    }
    return status;
}

}  // namespace cvf::cli
