#include "context/owner_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "context/process_records.h"
#include "context_fake_proc.h"
#include "record/json.h"

namespace cvf::context {
namespace {

using record::Field;
using test::FakeProc;
constexpr int64_t second = 1'000'000'000;
const std::string id(64, 'e');

struct OwnerTableTest : testing::Test {
    FakeProc proc;
    test::Folder root;
    int64_t now = FakeProc::utc(10000);

    OwnerTable::Options options() {
        OwnerTable::Options o;
        o.processes.proc = proc.path();
        o.runtimes = RuntimePaths{}.below(root.path());
        o.netns = {.proc = proc.path(), .named = {root.path() + "/run/netns"}, .only_nsfs = false};
        o.cgroup_path = [](uint64_t cgroup) -> std::optional<std::string> {
            if (cgroup == 77) return "/docker/" + id;
            if (cgroup == 1) return "/";
            return std::nullopt;
        };
        return o;
    }
    static std::string text(const record::FieldSet* set, Field field) {
        const record::Value* value = set ? set->find(field) : nullptr;
        return value ? std::string(value->as_text()) : std::string("(absent)");
    }
    // Polls until the condition holds; the helper thread needs its time.
    template <typename Condition>
    bool eventually(OwnerTable& table, Condition condition) {
        for (int i = 0; i < 500; ++i) {
            now += second / 10;
            table.poll(now);
            if (condition()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        return false;
    }
};

TEST_F(OwnerTableTest, GivesTheSameFactsUnderTheKeysOfEachEnd) {
    proc.add(1, 0, 1, "init", "/sbin/init");
    proc.add(100, 1, 5000, "curl", "/usr/bin/curl", "curl\0secret");
    OwnerTable table(options());
    const OwnerRef owner =
        table.find({.pid = 100, .uid = 0, .gid = 33, .cgroup_id = 1, .netns = 4026531840, .comm = "curl"}, now);
    ASSERT_TRUE(owner);
    const auto* source = table.fields(owner, End::source);
    EXPECT_EQ(source->find(Field::source_process_pid)->uint, 100u);
    EXPECT_EQ(source->find(Field::source_process_user_id)->uint, 0u);
    EXPECT_EQ(text(source, Field::source_process_group_id), "33");
    EXPECT_EQ(text(source, Field::source_process_path), "/usr/bin/curl");
    EXPECT_EQ(text(source, Field::source_process_cgroup), "/");
    EXPECT_EQ(text(source, Field::source_netns_name), "host");
    EXPECT_EQ(text(source, Field::source_process_command_line), "(absent)");
    EXPECT_EQ(text(source, Field::source_container_id), "(absent)");
    EXPECT_EQ(text(table.fields(owner, End::destination), Field::destination_process_name), "curl");
    EXPECT_EQ(text(table.fields(owner, End::itself), Field::process_name), "curl");
    EXPECT_EQ(table.fields(owner, End::source), source);
    EXPECT_EQ(table.find({.pid = 100, .uid = 0, .gid = 33, .cgroup_id = 1, .netns = 4026531840, .comm = "other"}, now), owner);
    EXPECT_EQ(table.stats().owners, 1u);
}

TEST_F(OwnerTableTest, UnknownIsAbsent) {
    OwnerTable table(options());
    EXPECT_FALSE(table.find({}, now));
    EXPECT_EQ(table.fields(OwnerRef(), End::source), nullptr);
    const OwnerRef gone = table.find({.pid = 4242, .uid = 5, .gid = 5, .comm = "ghost"}, now);
    const auto* fields = table.fields(gone, End::source);
    EXPECT_EQ(text(fields, Field::source_process_name), "ghost");
    EXPECT_EQ(text(fields, Field::source_process_path), "(absent)");
    EXPECT_EQ(fields->find(Field::source_process_creation_time), nullptr);
    EXPECT_EQ(fields->find(Field::source_cgroup_id), nullptr);
    EXPECT_EQ(fields->find(Field::source_netns_id), nullptr);
    // No process, but the kernel knew the cgroup.
    const auto* nobody = table.fields(table.find({.cgroup_id = 77}, now), End::source);
    EXPECT_EQ(nobody->find(Field::source_process_user_id), nullptr);
    EXPECT_EQ(text(nobody, Field::source_container_id), id);
}

TEST_F(OwnerTableTest, AHandleKeepsItsFactsWhenThePidIsUsedAgain) {
    OwnerTable table(options());
    const int64_t first = now, later = now + 100 * second;
    table.process_executed({.pid = 9, .parent_pid = 1, .start_ns = first, .comm = "one", .filename = "/bin/one"}, first);
    const SocketOwner socket{.pid = 9, .netns = 5, .comm = "x"};
    const OwnerRef old = table.find(socket, first);
    table.process_exited({.pid = 9, .parent_pid = 1, .start_ns = first, .comm = "one"}, first + second);
    EXPECT_EQ(table.find(socket, first + second), old);  // its last packets
    table.poll(later);
    table.process_executed({.pid = 9, .parent_pid = 1, .start_ns = later, .comm = "two", .filename = "/bin/two"}, later);
    const OwnerRef young = table.find(socket, later);
    EXPECT_NE(old, young);
    EXPECT_EQ(text(table.fields(old, End::source), Field::source_process_path), "/bin/one");
    EXPECT_EQ(text(table.fields(young, End::source), Field::source_process_path), "/bin/two");
}

TEST_F(OwnerTableTest, RecordsAfterAnExecNameTheNewProgram) {
    OwnerTable table(options());
    table.process_executed({.pid = 9, .parent_pid = 1, .start_ns = now, .comm = "sh", .filename = "/bin/sh"}, now);
    const OwnerRef owner = table.find({.pid = 9, .netns = 5}, now);
    EXPECT_EQ(text(table.fields(owner, End::source), Field::source_process_path), "/bin/sh");
    table.process_executed({.pid = 9, .parent_pid = 1, .start_ns = now, .comm = "cat", .filename = "/bin/cat"}, now + 1);
    EXPECT_EQ(table.find({.pid = 9, .netns = 5}, now + 2), owner);
    EXPECT_EQ(text(table.fields(owner, End::source), Field::source_process_path), "/bin/cat");
}

TEST_F(OwnerTableTest, ContainerFactsComeLaterAndOnLaterRecords) {
    OwnerTable table(options());
    const OwnerRef owner = table.find({.pid = 7, .cgroup_id = 77, .netns = 900, .comm = "web"}, now);
    const auto* early = table.fields(owner, End::destination);
    EXPECT_EQ(text(early, Field::destination_container_id), id);
    EXPECT_EQ(text(early, Field::destination_container_runtime), "docker");
    EXPECT_EQ(text(early, Field::destination_container_name), "(absent)");
    // The runtime writes only now: asked again after a while.
    root.write("var/lib/docker/containers/" + id + "/config.v2.json",
               R"({"Name":"/shop","Config":{"Image":"nginx:1.25","Labels":{"a":"b"}}})");
    EXPECT_TRUE(eventually(
        table, [&] { return text(table.fields(owner, End::destination), Field::destination_container_name) == "shop"; }));
    const auto* late = table.fields(owner, End::destination);
    EXPECT_EQ(text(late, Field::destination_container_image), "nginx");
    EXPECT_EQ(late->find(Field::destination_container_image_tags)->size, 1u);
    EXPECT_EQ(late->find(Field::destination_container_label)->size, 1u);
    EXPECT_EQ(text(late, Field::destination_netns_name), "shop");  // a namespace without a name of its own
    EXPECT_EQ(table.stats().containers, 1u);
}

TEST_F(OwnerTableTest, LearnsTheNameOfANamespaceMadeLaterAndForgetsItWithTheName) {
    OwnerTable table(options());
    root.write("run/netns/blue", "");
    const uint32_t blue = host::netns_id(root.path() + "/run/netns/blue", false);
    const OwnerRef owner = table.find({.pid = 7, .netns = blue}, now);
    EXPECT_TRUE(eventually(table, [&] { return text(table.fields(owner, End::source), Field::source_netns_name) == "blue"; }));
    std::filesystem::remove(root.path() + "/run/netns/blue");
    EXPECT_TRUE(
        eventually(table, [&] { return text(table.fields(owner, End::source), Field::source_netns_name) == "(absent)"; }));
}

TEST_F(OwnerTableTest, ANamespaceWithANumberThatIsUsedAgainIsNotCalledByTheNameOfTheOneBefore) {
    const std::string blue = root.path() + "/run/netns/blue", green = root.path() + "/run/netns/green";
    root.write("run/netns/blue", "");
    OwnerTable table(options());
    const uint32_t number = host::netns_id(blue, false);
    const OwnerRef before = table.find({.pid = 7, .netns = number}, now);
    EXPECT_EQ(text(table.fields(before, End::source), Field::source_netns_name), "blue");
    std::filesystem::rename(blue, green);
    // Before anybody has looked who is called what now.
    const OwnerRef after = table.find({.pid = 8, .netns = number}, now);
    EXPECT_EQ(text(table.fields(after, End::source), Field::source_netns_name), "(absent)");
    EXPECT_TRUE(eventually(table, [&] { return text(table.fields(after, End::source), Field::source_netns_name) == "green"; }));
}

TEST_F(OwnerTableTest, StaysWithinItsLimitsAndCountsWhatDidNotFit) {
    auto small = options();
    small.max_owners = 50;
    small.max_idle_owners = 10;
    small.max_cgroups = 20;
    small.max_netns = 20;
    small.cgroup_path = [](uint64_t cgroup) { return "/docker/" + id.substr(6) + std::to_string(100000 + cgroup); };
    small.max_containers = 20;
    OwnerTable table(small);
    std::vector<OwnerRef> held;
    for (uint32_t pid = 1; pid <= 100; ++pid) held.push_back(table.find({.pid = pid, .cgroup_id = pid, .netns = pid}, now));
    EXPECT_EQ(table.stats().owners, 50u);
    EXPECT_EQ(table.stats().refused, 50u);
    EXPECT_LE(table.stats().containers, 20u);
    EXPECT_FALSE(held.back());
    EXPECT_EQ(table.fields(held[40], End::source)->find(Field::source_process_pid)->uint, 41u);
    held.clear();
    EXPECT_EQ(table.stats().owners, 10u);
    for (uint32_t pid = 1; pid <= 1000; ++pid) EXPECT_TRUE(table.find({.pid = pid, .cgroup_id = pid, .netns = pid}, now));
    EXPECT_LE(table.stats().owners, 50u);
    EXPECT_LE(table.stats().containers, 20u);
}

TEST_F(OwnerTableTest, HandlesMayOutliveTheTable) {
    OwnerRef survivor;
    {
        OwnerTable table(options());
        survivor = table.find({.pid = 7, .netns = 5}, now);
        const OwnerRef copy = survivor;
        EXPECT_EQ(copy, survivor);
    }
    EXPECT_TRUE(survivor);
}

TEST_F(OwnerTableTest, ProcessRecordsNameTheProcessWithoutAnEnd) {
    OwnerTable table(options());
    record::Record record;
    record::Buffer out;
    const ProcessChange change{
        .pid = 9, .parent_pid = 4, .uid = 1, .gid = 2, .cgroup_id = 77, .start_ns = now, .comm = "curl", .filename = "/bin/curl"};
    record.begin(record::RecordType::process, now);
    fill_process_exec(record, table.fields(table.process_executed(change, now), End::itself));
    record::write_json(record, nullptr, out);
    for (const char* part : {R"("event.action":"exec")", R"("process.pid":9)", R"("process.parent_pid":4)",
                             R"("process.executable.path":"/bin/curl")", R"("process.group.id":"2")", R"("cvf.cgroup.id":77)",
                             R"("container.runtime.name":"docker")"})
        EXPECT_NE(out.view().find(part), std::string_view::npos) << part << " in " << out.view();
    EXPECT_EQ(out.view().find("source."), std::string_view::npos);

    out.clear();
    uint64_t lifetime = 0;
    const OwnerRef who = table.process_exited(change, now + 3 * second, &lifetime);
    record.begin(record::RecordType::process, now + 3 * second);
    fill_process_exit(record, table.fields(who, End::itself), 3 << 8, lifetime);
    record::write_json(record, nullptr, out);
    for (const char* part : {R"("event.action":"exit")", R"("process.exit.code":3)", R"("event.duration":3000000000)",
                             R"("process.executable.name":"curl")"})
        EXPECT_NE(out.view().find(part), std::string_view::npos) << part << " in " << out.view();

    out.clear();
    record.begin(record::RecordType::process, now);
    fill_process_exit(record, nullptr, 0x80 | 11, 0);  // with a core dump
    record::write_json(record, nullptr, out);
    EXPECT_NE(out.view().find(R"("cvf.process.exit_signal":"SIGSEGV")"), std::string_view::npos) << out.view();
    EXPECT_EQ(out.view().find("exit.code"), std::string_view::npos);
}

}  // namespace
}  // namespace cvf::context
