// What this kernel and these privileges allow, found by trying the very programs; what is lost without each, and how to mend it.
//
// Loads programs, attaches none, leaves nothing behind. Takes a second or less. Thread rule: any thread, one at a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cvf::tap {

struct Finding {
    std::string name;  // "endpoint tap", "owner by use", …
    bool ok = false;
    std::string what_is_lost;  // a sentence for people; of findings that are ok: what it gives
    std::string how_to_mend;   // empty when ok
    std::string detail;        // what the kernel said, for experts; may be empty
};

// Essential ones first. The tap works when the first two are ok.
std::vector<Finding> examine();

// What there is to do about a program that the kernel does not take. One line, not empty.
struct Refusal {
    int error = 0;
    bool judged = false;       // the verifier has read the program and found fault with it
    std::string_view since;    // the kernel that brought what it needs: "6.3", "5.10 with BTF"
    std::string_view release;  // the running kernel, as uname says
    bool root = false, btf = true;
};
std::string how_to_mend(const Refusal& refusal);

// Traffic that no endpoint tap can see, whatever the kernel: one line each.
std::vector<std::string> out_of_reach();

}  // namespace cvf::tap
