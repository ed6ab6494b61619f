// What an agent will never do, by its own configuration, whatever a directive asks. It outranks directives and signatures.
//
// Thread rule: a value; judge() is a pure function of it. Errors are sentences for the directive's status.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "directive/directive.h"
#include "directive/signature.h"

namespace cvf::directive {

// Who asks: the agent's own files, which need no signature and may write anywhere, or the bus.
enum class Origin : uint8_t { file, bus };

struct Policy {
    std::vector<Kind> deny_kinds;
    std::vector<std::string> deny_namespaces;  // no Capture or Plaintext looks into them; names, '*' allowed
    uint64_t max_rate = 0;                     // bytes per second of one directive; 0: any
    uint64_t max_record_rate = 0;              // records per second of one directive; 0: any
    bool require_signature = false;            // of what comes over the bus
    std::vector<PublicKey> trusted;
    std::string output_directory;           // the one folder that what comes over the bus may write into
    std::vector<std::string> output_hosts;  // HOST or HOST:PORT it may send to; '*' allowed
};

// From the options; reads the files of keys. The error names the option and the file.
std::expected<Policy, std::string> policy_of(const config::Settings& settings);

// Nothing: allowed. Else why not. A signature is verified where it is required, and where it is by a trusted key; replay is
// the ReplayGuard's matter.
std::expected<void, std::string> judge(const Policy& policy, const Directive& directive, Origin origin);

// It is signed, by its own word, with a key that is trusted here. judge() verifies such a signature.
bool trusts(const Policy& policy, const Directive& directive);

// What must hold besides, as an expression for compile(): a Capture or Plaintext that looks everywhere leaves the denied
// namespaces out. Empty: nothing.
std::string restriction_of(const Policy& policy, const Directive& directive);

}  // namespace cvf::directive
