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

    // The fabric.
    std::string bus;                                     // URL of the broker; empty: none, everything in this process
    std::string bus_user, bus_password_file;             // how to log in there
    std::string bus_token_file, bus_credentials;         // or with a token, or a NATS .creds file
    std::string bus_ca, bus_cert, bus_key;               // PEM files for TLS
    std::string bus_sasl;                                // Kafka: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; empty: the last
    std::string bus_compression = "zstd";                // Kafka: none, lz4, zstd
    uint64_t bus_batch = 32 * 1024;                      // bytes of records in a message, at most
    uint64_t bus_memory = 32u << 20;                     // bytes of records waiting in memory for a slow broker
    std::string spool_directory = "/var/lib/cvf/spool";  // where they wait when it is gone
    uint64_t spool_size = 256u << 20;                    // bytes there at most; 0: none
    std::string state_directory =
        "/var/lib/cvf/state";                    // what must outlive the process: how directives fared, up's own documents
    uint64_t max_rate = 0, max_record_rate = 0;  // per second, of one directive: bytes, records; 0: any
    std::vector<std::string> labels;             // of this node, KEY=VALUE, for selectors
    std::vector<std::string> directives;         // files and folders of directives in force here whatever the bus says
    std::vector<std::string> trusted_keys;       // PEM files of those who may sign directives
    bool require_signature = false;              // run no directive from the bus that is not signed by one of them
    std::vector<std::string> deny_kinds;         // kinds of directive never run here
    std::vector<std::string> deny_namespaces;    // Kubernetes namespaces no Capture or Plaintext ever looks into
    std::string output_directory = "/var/lib/cvf/records";  // the one folder that a directive from the bus may write files into
    std::vector<std::string> output_hosts;                  // HOST or HOST:PORT a directive from the bus may send records to

    // Records kept.
    std::string history_directory = "/var/lib/cvf/history";  // empty: none kept
    uint64_t history_size = 1u << 30;                        // bytes on disk
    std::chrono::nanoseconds history_age = std::chrono::hours(24);
    std::string clickhouse;  // http://HOST:8123/DATABASE; kept there instead of in the directory
    std::string clickhouse_user, clickhouse_password_file;

    // Who may ask.
    std::string tls_cert, tls_key;  // PEM files: the API speaks HTTPS
    std::string tls_client_ca;      // PEM file: only to clients with a certificate from here
    std::string token_hashes;       // file of tokens (hashed) and their roles, beside the local token
    std::string ca;                 // PEM file: what a client of the API trusts besides the system's

    bool quiet = false;    // say only what went wrong
    bool verbose = false;  // say what is done

    // Where an option was set, by its key ("output.keep"): "--output-keep", "CVF_OUTPUT_KEEP" or "/etc/cvf/cvf.yaml:12". Empty:
    // default.
    std::map<std::string, std::string, std::less<>> origins;
    std::string_view origin(std::string_view key) const {
        const auto at = origins.find(key);
        return at == origins.end() ? std::string_view() : std::string_view(at->second);
    }
};

}  // namespace cvf::config
