// The bus and its sink, wired together: nothing that is settled is missed, from the first moment on.
#include "agent/bus_link.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "sink/bus_batch.h"

namespace cvf::agent {
namespace {

TEST(BusLink, what_the_spool_holds_at_the_start_is_settled_however_soon_it_arrives) {
    char name[] = "/tmp/cvf-link-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    config::Settings settings;
    settings.bus = "local:link";
    settings.spool_directory = name;
    for (int round = 0; round < 50; round++) {
        {
            auto spool = sink::Spool::open({name});
            ASSERT_TRUE(spool) << spool.error();
            for (uint64_t i = 1; i <= 3; i++)
                ASSERT_TRUE((*spool)->append({7, i, 1, sink::type_number(record::RecordType::dns), 0}, "{}\n", 1));
        }
        auto link = BusLink::open(settings, {.node = "node-1", .instance = 42});
        ASSERT_TRUE(link) << link.error();
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while ((*link)->sink()->stats().delivered < 3 && std::chrono::steady_clock::now() < until)
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        ASSERT_EQ((*link)->sink()->stats().delivered, 3u) << "round " << round;
    }
    std::filesystem::remove_all(name);
}

}  // namespace
}  // namespace cvf::agent
