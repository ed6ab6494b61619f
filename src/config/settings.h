// What the program has been told, whichever way: command line, environment CVF_*, file, default; in this order of precedence.
//
// A plain value. Defaults stand here and nowhere else; options.h has how each is called, load.h how they are filled in.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cvf::config {

enum class Format : uint8_t { automatic, json, table };  // automatic: a table on a terminal, else JSON
enum class Payload : uint8_t { budget, full, none };

inline constexpr std::string_view default_file = "/etc/cvf/cvf.yaml";

struct Settings {
    std::string config;                      // the file that was read; empty: none
    std::string listen = "127.0.0.1:7380";   // ADDR:PORT of the HTTP API
    std::string server;                      // ADDR:PORT or http://ADDR:PORT to ask; empty: the local one
    std::string token_file;                  // bearer token for the API; empty: the local fabric's own
    std::string node;                        // host.name of records; empty: this machine's
    std::string cgroup;                      // watch this sub-tree only; empty: the whole machine
    bool watch_self = false;                 // record the agent's own traffic too
    Payload payload = Payload::budget;       // how much of it may cross to the agent
    bool command_line = false;               // record command lines, which may hold secrets
    std::vector<std::string> types;          // record types to write; empty: all. Each is a known one
    std::string filter;                      // expression of docs/filter.md, not yet compiled; empty: all
    std::vector<std::string> fields;         // keys and prefixes to write; empty: all
    Format format = Format::automatic;       // of records
    std::string output;                      // file for records; empty: standard output
    uint64_t rotate_size = 0;                // bytes; 0: never by size
    std::chrono::nanoseconds rotate_age{0};  // 0: never by age
    uint64_t keep = 0;                       // rotated files kept; 0: all
    bool compress = false;                   // zstd; also set by an output that ends in .zst
    std::chrono::nanoseconds flow_interim = std::chrono::seconds(60);  // between interim flow records; 0: final ones only
    uint64_t flow_max = 200'000;                                       // conversations followed at once
    uint64_t flow_memory = 64u << 20;                                  // bytes of payload held for reassembly, in all
    bool quiet = false;                                                // say only what went wrong
    bool verbose = false;                                              // say what is done

    // Where an option was set, by its key ("output.keep"): "--output-keep", "CVF_OUTPUT_KEEP" or "/etc/cvf/cvf.yaml:12". Empty:
    // default.
    std::map<std::string, std::string, std::less<>> origins;
    std::string_view origin(std::string_view key) const {
        const auto at = origins.find(key);
        return at == origins.end() ? std::string_view() : std::string_view(at->second);
    }
};

}  // namespace cvf::config
