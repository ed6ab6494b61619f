// Loading a BPF object of which some programs are optional, and finding out which of them this kernel takes. Probing is done with
// the very programs: feature lists by program type are wrong on some kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

struct bpf_object;

namespace cvf::tap {

struct ProgramProbe {
    std::string program;
    int error = 0;       // errno; 0: it loads
    std::string reason;  // the last line the verifier or libbpf said
};

// The embedded objects. `old`: for kernels without compare-and-exchange in BPF (before 5.12).
std::string_view endpoint_object(bool old = false);
std::string_view events_object(bool old = false);

// Tries each program of an object by itself.
std::vector<ProgramProbe> probe_programs(std::string_view elf);

// Opens and loads an object. `prepare` sets constants and map sizes on each opened object. When it does not load as a whole, the
// programs that fail by themselves are left out and named in `without`; null, with `error`, when then it still fails.
bpf_object* load_object(std::string_view elf, const std::function<void(bpf_object*)>& prepare, std::vector<ProgramProbe>& without,
                        std::string& error);

// Sets a constant or variable of an object that is open but not loaded. False: it has none of this name and size.
bool set_variable(bpf_object* object, std::string_view name, uint32_t value);

}  // namespace cvf::tap
