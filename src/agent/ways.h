// The ways out that directives ask for, each made once and shared by all that name it.
//
// What a directive from the bus may reach is bounded by the agent's own configuration: files only in one folder, other machines
// only where they are named. A way that no rule uses any more is ended by sweep(), never by the pipeline, which would have to
// wait for it. Thread rule: one thread.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "directive/directive.h"
#include "sink/record_sink.h"

namespace cvf::agent {

struct WayOptions {
    std::shared_ptr<sink::RecordSink> bus;  // null: there is none
    std::string directory;                  // for files; a relative path is below it
    std::string node;
};

class Ways {
 public:
    explicit Ways(WayOptions options) : options_(std::move(options)) {}

    // `trusted`: the directive is of the agent's own configuration. The error says what is not allowed or what failed.
    std::expected<std::shared_ptr<sink::RecordSink>, std::string> find(const directive::Output& output, bool trusted);

    // Records that ways other than the bus's gave up, those of the past too.
    uint64_t lost() const;
    // Ends those that nobody else holds.
    void sweep();
    // Sends what waits, for at most `wait`; no more records come.
    void finish(std::chrono::milliseconds wait);

 private:
    WayOptions options_;
    std::map<std::string, std::shared_ptr<sink::RecordSink>> made_;
    uint64_t lost_before_ = 0;  // by those that have been ended
};

// Where a file output lies: absolute and without "..". The error says why it may not.
std::expected<std::string, std::string> output_path(const std::string& path, const std::string& directory, bool trusted);

}  // namespace cvf::agent
