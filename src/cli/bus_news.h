// Says on standard error when a program's bus is not there, why, and when it is back.
//
// Once for each reason, and not more than once a minute for reasons that take turns. Thread rule: a thread of its own, which
// looks each second; the bus outlives it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "bus/bus.h"

namespace cvf::cli {

// Where the bus is, in a line about a program that has begun.
std::string bus_place(const bus::State& state);

class BusNews {
 public:
    // `who` begins each line: "cvf agent". `quiet`: not that it is back.
    BusNews(const bus::Bus& bus, std::string who, bool quiet);
    ~BusNews();
    BusNews(const BusNews&) = delete;
    BusNews& operator=(const BusNews&) = delete;

 private:
    void work();

    const bus::Bus& bus_;
    const std::string who_;
    const bool quiet_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    std::thread thread_;
};

}  // namespace cvf::cli
