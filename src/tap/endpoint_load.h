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
    int error = 0;        // errno; 0: it loads
    std::string reason;   // the last line of meaning that the verifier or libbpf said
    bool judged = false;  // the verifier has read it and found fault; else the kernel refused it unread
};

// Of a verifier's log, or of what libbpf says around it: the line that tells the fault. Empty when there is none.
std::string_view fault_line(std::string_view log);

// Whether programs of this name are among `probes`, that is, do not load.
bool fails(const std::vector<ProgramProbe>& probes, std::string_view program);

// The embedded objects. `old`: for kernels without compare-and-exchange in BPF (before 5.12).
std::string_view endpoint_object(bool old = false);
std::string_view events_object(bool old = false);

// Tries each program of an object by itself.
std::vector<ProgramProbe> probe_programs(std::string_view elf);

// Opens and loads an object. `prepare` sets constants and map sizes on each opened object. When it does not load as a whole, the
// programs that fail by themselves are left out and named in `without`, which `prepare` then sees, to load others in their place;
// null, with `error`, when then it still fails.
bpf_object* load_object(std::string_view elf,
                        const std::function<void(bpf_object*, const std::vector<ProgramProbe>& without)>& prepare,
                        std::vector<ProgramProbe>& without, std::string& error);

// Of the programs that tell who uses a socket, those to load where these fail (none of them: where the first choice loads).
std::vector<const char*> owners_by_other_means(const std::vector<ProgramProbe>& failing);

// Sets a constant or variable of an object that is open but not loaded. False: it has none of this name and size.
bool set_variable(bpf_object* object, std::string_view name, uint32_t value);

}  // namespace cvf::tap
