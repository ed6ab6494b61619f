#include "fleet_agent.h"

#include <fmt/format.h>

#include <ctime>

#include "host/usage.h"

namespace cvf::bench {

using record::Field;
using record::RecordType;

namespace {

int64_t utc_now() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

pipeline::ShardOptions shard_options(const std::string& node, uint64_t number) {
    pipeline::ShardOptions options;
    options.flow.max_flows = 16;  // none comes from packets here
    options.flow.id_seed = number * 0x9e3779b97f4a7c15u + 1;
    options.host_name = node;
    return options;
}

constexpr auto idle_turn = std::chrono::milliseconds(10), busy_turn = std::chrono::milliseconds(1);

}  // namespace

FleetAgent::FleetAgent(const config::Settings& settings, uint64_t number, TapOptions tap, Board& board)
    : board_(board), number_(number), tap_(tap), shard_(shard_options(settings.node, number), {}, nullptr, &slot_) {
    shard_.on_wanted = [this](const pipeline::TypeBits& wanted) {
        const int64_t now = Clock::now().time_since_epoch().count();
        for (size_t i = 0; i < record::type_count; i++)
            if (wanted[i] != wanted_[i]) board_.in_force[i].store(wanted[i] ? now : 0, std::memory_order_release);
        wanted_ = wanted;
    };
}

std::expected<std::unique_ptr<FleetAgent>, std::string> FleetAgent::start(const config::Settings& settings, uint64_t number,
                                                                          TapOptions tap, Board& board) {
    std::unique_ptr<FleetAgent> made(new FleetAgent(settings, number, tap, board));
    const auto instance = static_cast<uint64_t>(utc_now()) / 1000 * 4096 + number % 4096;
    auto link = agent::BusLink::open(settings, {.node = settings.node, .instance = instance});
    if (!link) return std::unexpected(link.error());
    made->link_ = std::move(*link);

    agent::SteeringOptions steering;
    directive::NodeStatus& node = steering.node;
    node.name = settings.node;
    node.instance = fmt::format("{:x}", instance);
    node.version = CVF_VERSION;
    node.kernel = host::kernel_release();
    node.machine = host::boot_id();
    node.capabilities = {"Metadata", "Flow", "endpoint"};
    node.labels = {{"fleet", "simulated"}, {"zone", fmt::format("z{}", number % 10)}};
    node.started = utc_now();
    auto policy = directive::policy_of(settings);
    if (!policy) return std::unexpected(policy.error());
    steering.policy = std::move(*policy);
    steering.bus = &made->link_->bus();
    steering.ways = {made->link_->sink(), settings.output_directory, settings.node};
    steering.slot = &made->slot_;
    if (settings.spool_size > 0) steering.state_file = settings.spool_directory + "/directives.state";
    steering.numbers = [agent = made.get()] {
        const sink::RecordSinkStats stats = agent->link_->sink()->stats();
        directive::NodeNumbers n;
        n.records_made = agent->board_.made.load(std::memory_order_relaxed);
        n.records_published = stats.delivered;
        n.bytes_published = stats.bytes;
        n.records_lost = stats.lost;
        n.records_waiting = stats.waiting;
        n.spooled_bytes = stats.spooled_bytes;
        return n;
    };
    auto started = agent::Steering::start(std::move(steering));
    if (!started) return std::unexpected(started.error());
    made->steering_ = std::move(*started);
    return made;
}

// A flow record as large as they are (some 600 bytes of JSON).
void FleetAgent::make(int64_t now) {
    const uint64_t n = flow_++;
    record::Record& r = shard_.start(RecordType::flow, now);
    char id[48], community[48];
    const auto id_end = fmt::format_to_n(id, sizeof id, FMT_STRING("{:016x}-{:x}"), number_ * 0x9e3779b97f4a7c15u, n).size;
    const auto community_end =
        fmt::format_to_n(community, sizeof community, FMT_STRING("1:{:016x}{:011x}="), n * 0xbf58476d1ce4e5b9u, n).size;
    const uint8_t source[] = {10, static_cast<uint8_t>(number_ >> 8), static_cast<uint8_t>(number_),
                              static_cast<uint8_t>(n % 250)};
    const uint8_t destination[] = {10, 200, static_cast<uint8_t>(n / 250), static_cast<uint8_t>(n % 250)};
    r.text(Field::flow_id, {id, id_end});
    r.text(Field::network_community_id, {community, community_end});
    r.text(Field::network_transport, "tcp");
    r.ip(Field::source_address, source);
    r.uint(Field::source_port, 32768 + n % 28000);
    r.ip(Field::destination_address, destination);
    r.uint(Field::destination_port, n % 3 ? 8080 : 443);
    r.uint(Field::source_bytes, 800 + n % 5000);
    r.uint(Field::source_packets, 6 + n % 9);
    r.uint(Field::destination_bytes, 2000 + n % 90000);
    r.uint(Field::destination_packets, 5 + n % 70);
    r.uint(Field::network_bytes, 2800 + n % 95000);
    r.uint(Field::network_packets, 11 + n % 79);
    r.time(Field::event_start, now - 250'000'000);
    r.time(Field::event_end, now);
    r.text(Field::network_direction, n % 2 ? "outbound" : "inbound");
    r.text(Field::flow_state, "final");
    r.text(Field::flow_reason, "fin");
    r.uint(Field::flow_sequence, 0);
    shard_.emit_record(r);
}

FleetAgent::Clock::time_point FleetAgent::turn(Clock::time_point now) {
    if (last_ == Clock::time_point{}) {
        last_ = now;
        due_ = -static_cast<double>(number_ % 1024) / 1024 * tap_.burst;  // not all at the same moment
    }
    const int64_t utc = utc_now();
    shard_.advance(utc);
    due_ += std::chrono::duration<double>(now - last_).count() * tap_.rate;
    last_ = now;
    bool busy = false;
    if (wanted_[static_cast<size_t>(RecordType::flow)]) {
        while (due_ >= tap_.burst) {
            for (unsigned i = 0; i < tap_.burst; i++) make(utc_now());
            due_ -= tap_.burst;
            board_.made.fetch_add(tap_.burst, std::memory_order_relaxed);
            busy = true;
        }
    } else {
        due_ = 0;  // what no rule wants is not made
    }
    shard_.flush();
    return now + (busy && tap_.rate >= 1000 ? busy_turn : idle_turn);
}

void FleetAgent::tell() {
    const sink::RecordSinkStats stats = link_->sink()->stats();
    board_.connected = stats.connected;
    board_.given = stats.given;
    board_.delivered = stats.delivered;
    board_.lost = stats.lost;
    board_.waiting = stats.waiting;
    board_.spooled_bytes = stats.spooled_bytes;
}

void FleetAgent::stop(std::chrono::milliseconds wait) {
    shard_.flush();
    steering_->finish(wait);
    tell();
}

}  // namespace cvf::bench
