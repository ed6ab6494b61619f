// A batch of records for the bus: lines of one type and lane, numbered, and how they look as a message and on disk.
//
// Thread rule: a value; who has it says. Errors: none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bus/bus.h"
#include "record/fields.h"
#include "sink/spool.h"

namespace cvf::sink {

// A record type's number on disk: made of its name, so that a newer or older program reads the same spool.
uint16_t type_number(record::RecordType type);
std::optional<record::RecordType> type_of_number(uint16_t number);

struct Batch {
    using Clock = std::chrono::steady_clock;
    enum class State : uint8_t { waiting, sent, arrived };

    BatchHead head;
    record::RecordType type{};
    std::string bytes;  // whole lines; no more memory than they need
    // The queue's.
    State state = State::waiting;
    bool spooled = false;              // stands in the spool, too
    uint64_t entry = 0;                // which one, there
    unsigned failures = 0;             // sent and not arrived, on this connection
    Clock::time_point failed_since{};  // the first of them
    Clock::time_point due{};           // to be sent, while waiting

    // Bytes of memory: its own, and what the queue keeps of it.
    size_t cost() const { return sizeof(Batch) + bytes.capacity() + 192; }
};

// How much of memory and spool a type may fill, of 1: what people miss most is shed last.
double share_of(record::RecordType type);

// The subject of each type.
std::vector<std::string> record_subjects(std::string_view node);
// The batch as a message of this node, settled under the token. The bus copies it.
bus::Accepted publish(bus::Bus& bus, const Batch& batch, std::string_view node, std::string_view subject, uint64_t token);

}  // namespace cvf::sink
