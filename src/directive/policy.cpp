#include "directive/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "directive/glob.h"
#include "directive/keys.h"
#include "directive/quantity.h"
#include "directive/selection.h"

namespace cvf::directive {

namespace {

std::unexpected<std::string> no(std::string reason) {
    return std::unexpected(std::move(reason));
}

bool is_content(Kind kind) {
    return kind == Kind::capture || kind == Kind::plaintext;
}

// HOST:PORT of a URL or an address, in lower case, the port always there.
std::string place_of(const Output& output) {
    std::string_view rest = output.url;
    std::string_view port = ":80";
    if (output.sink == SinkKind::ipfix) {
        rest = output.address;
    } else if (rest.starts_with("https://")) {
        rest.remove_prefix(8);
        port = ":443";
    } else if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    }
    std::string place(rest.substr(0, rest.find_first_of("/?#")));
    const size_t colon = place.rfind(':');
    if (colon == std::string::npos || place.ends_with(']')) place += port;
    std::ranges::transform(place, place.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return place;
}

bool host_allowed(const Policy& policy, const std::string& place) {
    const std::string host = place.substr(0, place.rfind(':'));
    return std::ranges::any_of(policy.output_hosts, [&](const std::string& allowed) {
        return glob_matches(allowed, place) || glob_matches(allowed, host);
    });
}

std::expected<void, std::string> judge_outputs(const Policy& policy, const Directive& directive) {
    for (const Output& o : directive.spec.output) {
        switch (o.sink) {
            case SinkKind::bus:
                break;
            case SinkKind::file:
                if (policy.output_directory.empty()) return no("this node lets no directive write files (output-directory)");
                if (o.path.starts_with('/') && !o.path.starts_with(policy.output_directory + "/"))
                    return no(fmt::format("{} does not lie in {}, the one folder this node lets directives write into", o.path,
                                          policy.output_directory));
                break;
            case SinkKind::otlp:
            case SinkKind::ipfix:
            case SinkKind::webhook:
                if (const std::string place = place_of(o); !host_allowed(policy, place))
                    return no(fmt::format("this node lets no directive send records to {} (output-hosts)", place));
                break;
        }
    }
    return {};
}

std::expected<void, std::string> judge_signature(const Policy& policy, const Directive& directive) {
    if (!policy.require_signature && !trusts(policy, directive)) return {};
    const auto verified = verify(directive, policy.trusted);
    if (verified) return {};
    return no(policy.require_signature ? fmt::format("this node runs signed directives only: {}", verified.error())
                                       : verified.error());
}

}  // namespace

bool trusts(const Policy& policy, const Directive& directive) {
    return directive.signature &&
           std::ranges::any_of(policy.trusted, [&](const PublicKey& key) { return key.id() == directive.signature->key; });
}

std::expected<void, std::string> judge(const Policy& policy, const Directive& directive, Origin origin) {
    if (std::ranges::find(policy.deny_kinds, directive.kind) != policy.deny_kinds.end())
        return no(fmt::format("this node never runs {} directives (deny.kinds)", name_of(directive.kind)));
    if (origin == Origin::bus)
        if (auto signature = judge_signature(policy, directive); !signature) return signature;
    if (is_content(directive.kind))
        for (const std::string& wanted : directive.spec.selector.namespaces)
            if (!is_glob(wanted) && any_glob_matches(policy.deny_namespaces, wanted))
                return no(fmt::format("this node never looks into namespace {} with a {} (deny.namespaces)", wanted,
                                      name_of(directive.kind)));
    if (directive.kind != Kind::topology) {
        const Limits& limits = directive.spec.limits;
        if (policy.max_rate != 0 && (limits.rate == 0 || limits.rate > policy.max_rate))
            return no(fmt::format("this node sends at most {}/s for a directive; say so in spec.limits.rate",
                                  format_size(policy.max_rate)));
        if (policy.max_record_rate != 0 && directive.kind != Kind::capture &&
            (limits.record_rate == 0 || limits.record_rate > policy.max_record_rate))
            return no(fmt::format("this node sends at most {} records/s for a directive; say so in spec.limits.recordRate",
                                  policy.max_record_rate));
    }
    return origin == Origin::bus ? judge_outputs(policy, directive) : std::expected<void, std::string>();
}

std::string restriction_of(const Policy& policy, const Directive& directive) {
    if (!is_content(directive.kind) || policy.deny_namespaces.empty()) return {};
    return exclusion_expression(policy.deny_namespaces);
}

std::expected<Policy, std::string> policy_of(const config::Settings& settings) {
    Policy policy;
    for (const std::string& name : settings.deny_kinds) {
        const auto kind = kind_by_name(name);
        if (!kind) return no(fmt::format("deny.kinds: there is no kind of directive '{}'", name));
        policy.deny_kinds.push_back(*kind);
    }
    policy.deny_namespaces = settings.deny_namespaces;
    policy.max_rate = settings.max_rate;
    policy.max_record_rate = settings.max_record_rate;
    policy.require_signature = settings.require_signature;
    policy.output_directory = settings.output_directory;
    while (policy.output_directory.size() > 1 && policy.output_directory.ends_with('/')) policy.output_directory.pop_back();
    policy.output_hosts = settings.output_hosts;
    for (std::string& host : policy.output_hosts)
        std::ranges::transform(host, host.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    for (const std::string& path : settings.trusted_keys) {
        errno = 0;
        std::ifstream file(path, std::ios::binary);
        if (!file) return no(fmt::format("trusted-keys: {}: cannot be read: {}", path, std::strerror(errno)));
        const std::string pem{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
        auto key = PublicKey::from_pem(pem);
        if (!key) return no(fmt::format("trusted-keys: {}: {}", path, key.error()));
        policy.trusted.push_back(*key);
    }
    if (policy.require_signature && policy.trusted.empty())
        return no("require-signature: no directive could ever run; name the keys of those who may sign in trusted-keys");
    return policy;
}

}  // namespace cvf::directive
