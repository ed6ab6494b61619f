// What an agent's own configuration allows, whatever a directive asks.
#include <gmock/gmock.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "directive/parse.h"
#include "directive/policy.h"
#include "directive/selection.h"

namespace {

using namespace cvf;
using namespace cvf::directive;
using testing::HasSubstr;
using namespace std::chrono_literals;

Directive good(std::string_view kind, std::string_view spec) {
    auto parsed =
        parse_one("apiVersion: cvf/v1\nkind: " + std::string(kind) + "\nmetadata: {name: x}\nspec: " + std::string(spec) + "\n");
    if (!parsed)
        for (const Problem& p : parsed.error()) ADD_FAILURE() << p.show();
    return parsed ? *parsed : Directive();
}

// Empty: allowed.
std::string refusal(const Policy& policy, const Directive& directive, Origin origin = Origin::bus) {
    const auto verdict = judge(policy, directive, origin);
    return verdict ? std::string() : verdict.error();
}

TEST(DirectivePolicy, without_one_everything_but_foreign_places_is_allowed) {
    const Policy policy;
    EXPECT_EQ(refusal(policy, good("Metadata", "{}")), "");
    EXPECT_EQ(refusal(policy, good("Plaintext", "{limits: {duration: 1m}}")), "");
    EXPECT_EQ(restriction_of(policy, good("Plaintext", "{limits: {duration: 1m}}")), "");
}

TEST(DirectivePolicy, a_denied_kind_never_runs_not_even_from_a_file) {
    Policy policy;
    policy.deny_kinds = {Kind::plaintext};
    for (const Origin origin : {Origin::bus, Origin::file})
        EXPECT_THAT(refusal(policy, good("Plaintext", "{limits: {duration: 1m}}"), origin), HasSubstr("never runs Plaintext"));
    EXPECT_EQ(refusal(policy, good("Capture", "{limits: {duration: 1m}}")), "");
}

TEST(DirectivePolicy, a_denied_namespace_is_refused_by_name_and_left_out_of_a_wide_look) {
    Policy policy;
    policy.deny_namespaces = {"bank", "kube-*"};
    const char* named = "{selector: {namespaces: [shop, bank]}, limits: {duration: 1m}}";
    EXPECT_THAT(refusal(policy, good("Capture", named)), HasSubstr("never looks into namespace bank"));
    EXPECT_THAT(refusal(policy, good("Plaintext", named)), HasSubstr("bank"));
    EXPECT_EQ(refusal(policy, good("Metadata", named)), "") << "headers are no content";
    const Directive wide = good("Capture", "{selector: {namespaces: [\"*\"]}, limits: {duration: 1m}}");
    EXPECT_EQ(refusal(policy, wide), "");
    const auto selection = compile(wide, restriction_of(policy, wide));
    ASSERT_TRUE(selection);
    const auto matches = [&](std::string_view source, std::string_view destination) {
        record::Record r;
        r.begin(record::RecordType::http, 1);
        r.text(record::Field::source_pod_namespace, source);
        r.text(record::Field::destination_pod_namespace, destination);
        return selection->filter.matches(r);
    };
    EXPECT_TRUE(matches("shop", "other"));
    EXPECT_FALSE(matches("shop", "bank"));
    EXPECT_FALSE(matches("kube-system", "shop"));
    EXPECT_EQ(restriction_of(policy, good("Metadata", "{}")), "");
}

TEST(DirectivePolicy, rates_have_a_most) {
    Policy policy;
    policy.max_rate = 1 << 20;
    policy.max_record_rate = 1000;
    EXPECT_THAT(refusal(policy, good("Metadata", "{}")), HasSubstr("at most 1MiB/s"));
    EXPECT_THAT(refusal(policy, good("Metadata", "{limits: {rate: 2MiB/s, recordRate: 10/s}}")), HasSubstr("spec.limits.rate"));
    EXPECT_THAT(refusal(policy, good("Metadata", "{limits: {rate: 1MiB/s}}")), HasSubstr("spec.limits.recordRate"));
    EXPECT_EQ(refusal(policy, good("Metadata", "{limits: {rate: 1MiB/s, recordRate: 1000/s}}")), "");
    EXPECT_EQ(refusal(policy, good("Capture", "{limits: {duration: 1m, rate: 1MiB/s}}")), "");
    EXPECT_EQ(refusal(policy, good("Topology", "{}")), "");
}

TEST(DirectivePolicy, files_are_written_into_one_folder_only) {
    Policy policy;
    const Directive relative = good("Metadata", "{output: [{sink: file, path: a/b.jsonl}]}");
    const Directive inside = good("Metadata", "{output: [{sink: file, path: /var/lib/cvf/records/a}]}");
    const Directive outside = good("Metadata", "{output: [{sink: file, path: /etc/passwd}]}");
    const Directive beside = good("Metadata", "{output: [{sink: file, path: /var/lib/cvf/records2/a}]}");
    EXPECT_THAT(refusal(policy, relative), HasSubstr("lets no directive write"));
    policy.output_directory = "/var/lib/cvf/records";
    EXPECT_EQ(refusal(policy, relative), "");
    EXPECT_EQ(refusal(policy, inside), "");
    EXPECT_THAT(refusal(policy, outside), HasSubstr("does not lie in"));
    EXPECT_THAT(refusal(policy, beside), HasSubstr("does not lie in"));
    EXPECT_EQ(refusal(policy, outside, Origin::file), "") << "its own configuration may write anywhere";
}

TEST(DirectivePolicy, records_go_to_known_hosts_only) {
    Policy policy;
    policy.output_hosts = {"collector.example", "other.example:8443", "*.lan", "[2001:db8::1]"};
    const auto sends = [&](std::string_view url) {
        return refusal(policy, good("Metadata", "{output: [{sink: webhook, url: '" + std::string(url) + "'}]}")).empty();
    };
    EXPECT_TRUE(sends("https://collector.example/x"));
    EXPECT_TRUE(sends("http://COLLECTOR.example:4318"));
    EXPECT_TRUE(sends("https://other.example:8443/"));
    EXPECT_FALSE(sends("https://other.example/"));
    EXPECT_TRUE(sends("http://a.lan/?x=y"));
    EXPECT_TRUE(sends("http://[2001:db8::1]/"));
    EXPECT_FALSE(sends("http://[2001:db8::2]/"));
    EXPECT_FALSE(sends("http://collector.example.evil/"));
    EXPECT_FALSE(sends("http://evil/collector.example"));
    EXPECT_FALSE(sends("http://evil?x=a.lan"));
    policy.output_hosts = {"c:4739"};
    EXPECT_EQ(refusal(policy, good("Flow", "{output: [{sink: ipfix, address: 'c:4739'}]}")), "");
    EXPECT_THAT(refusal(policy, good("Flow", "{output: [{sink: ipfix, address: 'c:4740'}]}")), HasSubstr("c:4740"));
    policy.output_hosts.clear();
    EXPECT_FALSE(sends("https://collector.example/x"));
}

TEST(DirectivePolicy, signatures_are_asked_for_where_they_are_required) {
    const auto key = PrivateKey::generate();
    const auto stranger = PrivateKey::generate();
    ASSERT_TRUE(key && stranger);
    Policy policy;
    policy.require_signature = true;
    policy.trusted = {key->public_key()};
    Directive d = good("Metadata", "{}");
    EXPECT_THAT(refusal(policy, d), HasSubstr("not signed"));
    EXPECT_EQ(refusal(policy, d, Origin::file), "");
    sign(d, *stranger, 1'767'323'045'000'000'000, 1h);
    EXPECT_THAT(refusal(policy, d), HasSubstr("not trusted here"));
    policy.require_signature = false;
    EXPECT_EQ(refusal(policy, d), "") << "as good as none";
    sign(d, *key, 1'767'323'045'000'000'000, 1h);
    policy.require_signature = true;
    EXPECT_EQ(refusal(policy, d), "");
    d.spec.sample.one_in = 2;
    EXPECT_THAT(refusal(policy, d), HasSubstr("changed after"));
    policy.require_signature = false;
    EXPECT_THAT(refusal(policy, d), HasSubstr("changed after")) << "a false signature is never let by";
}

TEST(DirectivePolicy, comes_from_the_options) {
    const auto folder = std::filesystem::temp_directory_path() / ("cvf-policy-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder);
    const auto key = PrivateKey::generate();
    std::ofstream(folder / "good.pem") << key->public_key().to_pem();
    std::ofstream(folder / "bad.pem") << "x";
    config::Settings settings;
    settings.deny_kinds = {"Plaintext"};
    settings.deny_namespaces = {"bank"};
    settings.output_directory = "/data//";
    settings.output_hosts = {"Collector.Example"};
    settings.require_signature = true;
    EXPECT_THAT(policy_of(settings).error(), HasSubstr("require-signature"));
    settings.trusted_keys = {(folder / "good.pem").string()};
    const auto policy = policy_of(settings);
    ASSERT_TRUE(policy);
    EXPECT_EQ(policy->deny_kinds, std::vector<Kind>{Kind::plaintext});
    EXPECT_EQ(policy->output_directory, "/data");
    EXPECT_EQ(policy->output_hosts[0], "collector.example");
    EXPECT_EQ(policy->trusted[0], key->public_key());
    settings.trusted_keys = {(folder / "bad.pem").string()};
    EXPECT_THAT(policy_of(settings).error(), HasSubstr("bad.pem: is no public key"));
    settings.trusted_keys = {(folder / "none.pem").string()};
    EXPECT_THAT(policy_of(settings).error(), HasSubstr("none.pem: cannot be read"));
    std::filesystem::remove_all(folder);
}

}  // namespace
