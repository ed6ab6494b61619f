// Options from file, environment and command line: what wins, and what is said about what is wrong.
#include "config/load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <set>

namespace {

using namespace cvf::config;
using namespace std::chrono_literals;

std::string yaml_error(std::string_view text) {
    Settings s;
    const Loaded done = load_yaml(s, text, "cvf.yaml");
    return done ? "accepted" : done.error();
}

std::string load_error(std::span<const Given> given, std::vector<const char*> environment = {}) {
    environment.push_back(nullptr);
    const auto s = load(given, environment.data(), "");
    return s ? "accepted" : s.error();
}

Given given(std::string_view key, std::string value) {
    return {option_by_key(key), std::move(value)};
}

std::string value_error(std::string_view key, std::string value) {
    const Given one[] = {given(key, std::move(value))};
    return load_error(one);
}

class TemporaryFile {
 public:
    explicit TemporaryFile(std::string_view text)
        : path_(testing::TempDir() + "cvf-config-" + std::to_string(getpid()) + ".yaml") {
        std::ofstream(path_) << text;
    }
    ~TemporaryFile() { std::remove(path_.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    const std::string& path() const { return path_; }

 private:
    std::string path_;
};

TEST(Options, each_has_its_own_flag_and_variable) {
    std::set<std::string> flags, variables;
    for (const Option& o : options()) {
        EXPECT_TRUE(flags.insert(flag_of(o)).second) << o.key;
        EXPECT_TRUE(variables.insert(environment_of(o)).second) << o.key;
        EXPECT_NE(o.commands, 0) << o.key;
        EXPECT_FALSE(o.help.empty() || o.help.ends_with('.')) << o.key;
        EXPECT_FALSE(o.fallback.empty()) << o.key;
        EXPECT_EQ(o.metavar.empty(), o.type == OptionType::toggle) << o.key;
    }
    EXPECT_EQ(flag_of(*option_by_key("output.rotate-size")), "--output-rotate-size");
    EXPECT_EQ(environment_of(*option_by_key("output.rotate-size")), "CVF_OUTPUT_ROTATE_SIZE");
    EXPECT_EQ(option_by_key("output.file"), option_by_key("output"));
    EXPECT_EQ(option_by_key("nothing"), nullptr);
}

TEST(Options, stand_in_the_help_with_what_they_belong_to) {
    for (const Option& o : options()) EXPECT_FALSE(section_of(o).empty()) << o.key;
    EXPECT_EQ(section_of(*option_by_key("quiet")), "Options");
    EXPECT_EQ(section_of(*option_by_key("types")), "Records");
    EXPECT_EQ(section_of(*option_by_key("output.compress")), "Records");
    EXPECT_EQ(section_of(*option_by_key("tls.cert")), "API");
    EXPECT_EQ(section_of(*option_by_key("clickhouse.user")), "History");
}

TEST(ConfigFile, keys_may_be_nested_or_dotted) {
    Settings s;
    const Loaded done = load_yaml(s, R"(
# a comment
types: [dns, http]
fields: source.*, http.*
filter: source.port > 1024
output:
  file: /var/log/cvf.jsonl.zst
  rotate-size: 64MiB
output.keep: 3
flow: {interim: 5m, max: 1_000, memory: 1GiB}
payload: full
format: json
command-line: yes
listen: "[::1]:80"
)",
                                  "cvf.yaml");
    ASSERT_TRUE(done) << done.error();
    EXPECT_EQ(s.types, (std::vector<std::string>{"dns", "http"}));
    EXPECT_EQ(s.fields, (std::vector<std::string>{"source.*", "http.*"}));
    EXPECT_EQ(s.filter, "source.port > 1024");
    EXPECT_EQ(s.output, "/var/log/cvf.jsonl.zst");
    EXPECT_EQ(s.rotate_size, 64u << 20);
    EXPECT_EQ(s.keep, 3u);
    EXPECT_EQ(s.flow_interim, 5min);
    EXPECT_EQ(s.flow_max, 1000u);
    EXPECT_EQ(s.flow_memory, 1u << 30);
    EXPECT_EQ(s.payload, Payload::full);
    EXPECT_EQ(s.format, Format::json);
    EXPECT_TRUE(s.command_line);
    EXPECT_EQ(s.listen, "[::1]:80");
    EXPECT_EQ(s.origin("payload"), "cvf.yaml:11");
    EXPECT_EQ(s.origin("quiet"), "");
    ASSERT_TRUE(complete(s));
    EXPECT_TRUE(s.compress);
}

TEST(ConfigFile, an_empty_file_says_nothing) {
    EXPECT_EQ(yaml_error(""), "accepted");
    EXPECT_EQ(yaml_error("# only a comment\n"), "accepted");
    EXPECT_EQ(yaml_error("---\n"), "accepted");
}

TEST(ConfigFile, an_unknown_key_names_its_line_and_the_nearest_right_one) {
    EXPECT_EQ(yaml_error("quiet: true\nfiltre: x\n"), "cvf.yaml:2: there is no option 'filtre'; did you mean filter?");
    EXPECT_EQ(yaml_error("output:\n  rotate-sise: 1GB\n"),
              "cvf.yaml:2: there is no option 'output.rotate-sise'; did you mean output.rotate-size?");
    EXPECT_EQ(yaml_error("output-keep: 3\n"), "cvf.yaml:1: there is no option 'output-keep'; did you mean output.keep?");
    EXPECT_EQ(yaml_error("rotate-age: 1h\n"), "cvf.yaml:1: there is no option 'rotate-age'; did you mean output.rotate-age?");
    EXPECT_EQ(yaml_error("elephant: 1\n"), "cvf.yaml:1: there is no option 'elephant'");
}

TEST(ConfigFile, wrong_shapes_are_explained) {
    EXPECT_EQ(yaml_error("just words\n"), "cvf.yaml:1: options are written as 'key: value', one a line");
    EXPECT_EQ(yaml_error("- quiet\n"), "cvf.yaml:1: options are written as 'key: value', one a line");
    EXPECT_EQ(yaml_error("quiet:\n"), "cvf.yaml:1: 'quiet' has no value");
    EXPECT_EQ(yaml_error("flow: 3\n"), "cvf.yaml:1: 'flow' is a group of options; a mapping must follow it");
    EXPECT_EQ(yaml_error("listen: [a, b]\n"), "cvf.yaml:1: 'listen' takes one value");
    EXPECT_EQ(yaml_error("types: {a: b}\n"), "cvf.yaml:1: 'types' takes a list of words");
    EXPECT_EQ(yaml_error("types:\n - dns\n - [http]\n"), "cvf.yaml:3: 'types' is a list of words");
    EXPECT_EQ(yaml_error("quiet: true\nquiet: false\n"), "cvf.yaml:2: 'quiet' stands here a second time");
    EXPECT_EQ(yaml_error("[a]: 1\n"), "cvf.yaml:1: a key must be a word");
    EXPECT_EQ(yaml_error("config: other.yaml\n"),
              "cvf.yaml:1: 'config' names this file; it can stand only on the command line or in CVF_CONFIG");
    EXPECT_EQ(yaml_error("quiet: true\n---\nquiet: false\n"), "cvf.yaml:3: a second document begins here; one is read");
    EXPECT_EQ(yaml_error("quiet: [true\n").substr(0, 30), "cvf.yaml:2: this is not YAML: ");
}

TEST(ConfigFile, wrong_values_name_their_line) {
    EXPECT_EQ(yaml_error("types: [dns, htpt]\n"), "cvf.yaml:1: there is no record type 'htpt'; did you mean http?");
    EXPECT_EQ(yaml_error("\nflow:\n  interim: 5\n"), "cvf.yaml:3: '5' has no unit; write 5s for seconds, or ms, m, h, d");
}

TEST(ConfigFile, that_is_asked_for_must_be_there) {
    EXPECT_EQ(value_error("config", "/nonexistent/cvf.yaml"), "/nonexistent/cvf.yaml: cannot be read: No such file or directory");
    EXPECT_EQ(value_error("config", "/"), "/: cannot be read: Is a directory");
    const char* none[] = {nullptr};
    EXPECT_TRUE(load({}, none, "/nonexistent/cvf.yaml"));
}

TEST(ConfigFile, that_is_no_file_of_options_is_refused) {
    const TemporaryFile file(std::string(2 << 20, ' '));
    EXPECT_EQ(value_error("config", file.path()), file.path() + ": is larger than 1 MiB; that is no file of options");
}

TEST(Environment, sets_options_and_names_mistakes) {
    Settings s;
    const char* environment[] = {"HOME=/root", "CVF_TYPES=dns,tls",    "CVF_OUTPUT_KEEP=4",
                                 "CVF_QUIET=", "CVF_PCAPS=/somewhere", nullptr};
    ASSERT_TRUE(load_environment(s, environment));
    EXPECT_EQ(s.types, (std::vector<std::string>{"dns", "tls"}));
    EXPECT_EQ(s.keep, 4u);
    EXPECT_FALSE(s.quiet);
    EXPECT_EQ(load_error({}, {"CVF_FORMAT=xml"}), "CVF_FORMAT: there is no format 'xml'; there are table, json");
    EXPECT_EQ(load_error({}, {"CVF_FILTR=true"}), "CVF_FILTR: there is no such variable; did you mean CVF_FILTER?");
}

TEST(Precedence, is_command_line_then_environment_then_file_then_default) {
    const TemporaryFile file("node: file\ncgroup: /file\nfilter: 'true'\nserver: file:1\n");
    const std::string config = "CVF_CONFIG=" + file.path();
    const char* environment[] = {config.c_str(), "CVF_NODE=environment", "CVF_CGROUP=/environment", nullptr};
    const Given command_line[] = {given("node", "command line")};
    const auto s = load(command_line, environment, "");
    ASSERT_TRUE(s) << s.error();
    EXPECT_EQ(s->node, "command line");
    EXPECT_EQ(s->cgroup, "/environment");
    EXPECT_EQ(s->filter, "true");
    EXPECT_EQ(s->listen, "127.0.0.1:7380");
    EXPECT_EQ(s->config, file.path());
    EXPECT_EQ(s->origin("node"), "--node");
    EXPECT_EQ(s->origin("cgroup"), "CVF_CGROUP");
    EXPECT_EQ(s->origin("filter"), file.path() + ":3");
}

TEST(Values, are_checked_where_they_are_given) {
    EXPECT_EQ(value_error("types", "dns,flwo"), "--types: there is no record type 'flwo'; did you mean flow?");
    EXPECT_EQ(value_error("format", "jsn"), "--format: there is no format 'jsn'; did you mean json?");
    EXPECT_EQ(value_error("payload", "everything"), "--payload: there is no payload 'everything'; there are budget, full, none");
    EXPECT_EQ(value_error("listen", "7380"), "--listen: '7380' has no port; write ADDR:PORT, as 127.0.0.1:7380 or [::1]:7380");
    EXPECT_EQ(value_error("listen", ":7380"),
              "--listen: ':7380' has no address (0.0.0.0 is every address of this machine); write ADDR:PORT, as 127.0.0.1:7380 "
              "or [::1]:7380");
    EXPECT_EQ(value_error("listen", "::1:7380"),
              "--listen: '::1:7380' needs brackets around its IPv6 address; write ADDR:PORT, as 127.0.0.1:7380 or [::1]:7380");
    EXPECT_EQ(value_error("listen", "127.0.0.1:70000"),
              "--listen: '127.0.0.1:70000' has a wrong port; write ADDR:PORT, as 127.0.0.1:7380 or [::1]:7380");
    EXPECT_EQ(value_error("listen", "[::1]:0"), "accepted");
    EXPECT_EQ(value_error("node", " "), "--node: the value is empty");
    EXPECT_EQ(value_error("flow.max", "1"), "--flow-max: 1 is out of range; it goes from 16 to 100000000");
    EXPECT_EQ(value_error("flow.memory", "1kB"), "--flow-memory: 1kB is too small; 65536 bytes are the least");
    EXPECT_EQ(value_error("flow.interim", "10ms"), "--flow-interim: 10ms is too short; 1s is the least, 0 is never");
    EXPECT_EQ(value_error("flow.interim", "0"), "accepted");
    EXPECT_EQ(value_error("output.rotate-size", "10"),
              "--output-rotate-size: 10 is too small; 4096 bytes are the least, 0 is never");
    EXPECT_EQ(value_error("quiet", "perhaps"), "--quiet: 'perhaps' is neither true nor false");
}

TEST(Values, that_need_or_exclude_each_other_say_so) {
    EXPECT_EQ(value_error("output.rotate-size", "1GB"),
              "--output-rotate-size: only a file can be rotated; name it with --output");
    EXPECT_EQ(value_error("output.rotate-age", "1h"), "--output-rotate-age: only a file can be rotated; name it with --output");
    EXPECT_EQ(value_error("output.keep", "3"), "--output-keep: only a file can be rotated; name it with --output");
    EXPECT_EQ(value_error("output.compress", "true"), "--output-compress: only a file is compressed; name it with --output");
    const Given keep[] = {given("output", "x"), given("output.keep", "3")};
    EXPECT_EQ(load_error(keep),
              "--output-keep: files are kept where they are rotated; say when with --output-rotate-size or --output-rotate-age");
    const Given table[] = {given("output", "x.zst"), given("format", "table")};
    EXPECT_EQ(load_error(table), "--format: a table is for reading; a compressed file takes json");
    const Given both[] = {given("quiet", "true"), given("verbose", "true")};
    EXPECT_EQ(load_error(both), "--quiet: quiet and verbose exclude each other");
}

TEST(Precedence, a_stronger_source_may_undo_what_a_weaker_one_said) {
    const TemporaryFile file("output: {file: x.jsonl, rotate-size: 1GB, keep: 2}\nquiet: true\n");
    const Given command_line[] = {given("config", file.path()), given("output", "-"), given("verbose", "true")};
    const char* none[] = {nullptr};
    const auto s = load(command_line, none, "");
    ASSERT_TRUE(s) << s.error();
    EXPECT_EQ(s->output, "");
    EXPECT_EQ(s->rotate_size, 0u);
    EXPECT_FALSE(s->quiet);
    EXPECT_TRUE(s->verbose);
}

}  // namespace
