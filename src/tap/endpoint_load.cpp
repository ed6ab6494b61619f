#include "tap/endpoint_load.h"

#include "bpf/shared.h"  // whose types the skeletons name

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <endpoint.skel.h>
#include <endpoint_old.skel.h>
#include <events.skel.h>
#include <events_old.skel.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace cvf::tap {

namespace {

// What libbpf says is kept, not printed: it is told as a finding or an error of ours. Per thread, so that two threads may load.
thread_local std::string last_said, last_fault, last_program;

constexpr std::string_view log_begins = "-- BEGIN PROG LOAD LOG --", log_ends = "-- END PROG LOAD LOG --";

int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    va_list again;
    va_copy(again, arguments);
    const int n = vsnprintf(nullptr, 0, format, again);
    va_end(again);
    if (n <= 0) return 0;
    // A verifier's log may have megabytes, and its fault stands at the end.
    std::string text(static_cast<size_t>(n) + 1, 0);
    vsnprintf(text.data(), text.size(), format, arguments);
    text.pop_back();
    std::string_view said = text;
    while (said.ends_with('\n')) said.remove_suffix(1);
    if (said.starts_with("libbpf: ")) said.remove_prefix(8);
    if (std::string_view name = said; name.starts_with("prog '")) {
        name.remove_prefix(6);
        last_program = name.substr(0, name.find('\''));
    }
    // The verifier's log follows the first line of a failed load, in one piece.
    if (said.find(log_begins) != std::string_view::npos)
        last_fault = fault_line(said);
    else if (said.find("failed to load") == std::string_view::npos)
        last_said = said;
    return 0;
}

// What has been said since it was cleared, as the reason why `program` does not load.
ProgramProbe refused(std::string program, int result) {
    ProgramProbe p{std::move(program), -result, {}, !last_fault.empty()};
    p.reason = p.judged ? last_fault : last_said.empty() ? std::strerror(p.error) : last_said;
    return p;
}

void quiet() {
    static std::once_flag once;
    std::call_once(once, [] { libbpf_set_print(keep); });
}

}  // namespace

std::string_view fault_line(std::string_view log) {
    if (size_t at = log.find(log_begins); at != std::string_view::npos) log.remove_prefix(at + log_begins.size());
    if (size_t at = log.find(log_ends); at != std::string_view::npos) log = log.substr(0, at);
    while (!log.empty()) {
        const size_t at = log.rfind('\n');
        std::string_view line = at == std::string_view::npos ? log : log.substr(at + 1);
        log = at == std::string_view::npos ? std::string_view() : log.substr(0, at);
        while (line.ends_with(' ') || line.ends_with('\r')) line.remove_suffix(1);
        // Behind the fault stand statistics.
        if (line.empty() || line.starts_with("processed ") || line.starts_with("verification time ") ||
            line.starts_with("stack depth ") || line.starts_with("max_states_per_insn "))
            continue;
        return line;
    }
    return {};
}

bool fails(const std::vector<ProgramProbe>& probes, std::string_view program) {
    return std::any_of(probes.begin(), probes.end(), [&](const ProgramProbe& p) { return p.error && p.program == program; });
}

std::vector<const char*> owners_by_other_means(const std::vector<ProgramProbe>& failing) {
    std::vector<const char*> programs;
    if (!fails(failing, "cvf_send") && !fails(failing, "cvf_receive")) return programs;
    for (const char* name : {"cvf_send4", "cvf_send6", "cvf_sendpage", "cvf_receive4", "cvf_receive6"})
        if (!fails(failing, name)) programs.push_back(name);
    if (fails(failing, "cvf_receive4") && !fails(failing, "cvf_read")) programs.push_back("cvf_read");
    return programs;
}

std::string_view endpoint_object(bool old) {
    size_t size = 0;
    const void* p = old ? endpoint_old_bpf__elf_bytes(&size) : endpoint_bpf__elf_bytes(&size);
    return {static_cast<const char*>(p), size};
}

std::string_view events_object(bool old) {
    size_t size = 0;
    const void* p = old ? events_old_bpf__elf_bytes(&size) : events_bpf__elf_bytes(&size);
    return {static_cast<const char*>(p), size};
}

std::vector<ProgramProbe> probe_programs(std::string_view elf) {
    quiet();
    std::vector<std::string> names;
    std::vector<ProgramProbe> probes;
    auto open = [&] { return bpf_object__open_mem(elf.data(), elf.size(), nullptr); };
    if (bpf_object* o = open()) {
        bpf_program* p = nullptr;
        bpf_object__for_each_program(p, o) names.emplace_back(bpf_program__name(p));
        bpf_object__close(o);
    }
    for (const std::string& name : names) {
        ProgramProbe& probe = probes.emplace_back(ProgramProbe{name, 0, {}, false});
        bpf_object* o = open();
        if (!o) {
            probe.error = errno;
            continue;
        }
        bpf_program* p = nullptr;
        bpf_object__for_each_program(p, o) bpf_program__set_autoload(p, name == bpf_program__name(p));
        last_said.clear();
        last_fault.clear();
        if (int error = bpf_object__load(o); error != 0) probe = refused(name, error);
        bpf_object__close(o);
    }
    return probes;
}

bpf_object* load_object(std::string_view elf,
                        const std::function<void(bpf_object*, const std::vector<ProgramProbe>& without)>& prepare,
                        std::vector<ProgramProbe>& without, std::string& error) {
    quiet();
    // Each failure names its program: it is left out, and the rest tried again. That takes as many loads as there are programs
    // that fail, where probing takes one for each there is, and a load takes a fifth of a second. Probing is for failures without
    // a name.
    for (bool probed = false;;) {
        bpf_object* o = bpf_object__open_mem(elf.data(), elf.size(), nullptr);
        if (!o) {
            error = std::strerror(errno);
            return nullptr;
        }
        prepare(o, without);
        for (const ProgramProbe& p : without)
            if (bpf_program* program = bpf_object__find_program_by_name(o, p.program.c_str()))
                bpf_program__set_autoload(program, false);
        last_said.clear();
        last_fault.clear();
        last_program.clear();
        const int result = bpf_object__load(o);
        if (result == 0) return o;
        error = std::strerror(-result);
        const bool named = bpf_object__find_program_by_name(o, last_program.c_str()) && !fails(without, last_program);
        bpf_object__close(o);
        if (named) {
            without.push_back(refused(last_program, result));
        } else if (!probed) {
            probed = true;
            for (ProgramProbe& p : probe_programs(elf))
                if (p.error && !fails(without, p.program)) without.push_back(std::move(p));
        } else {
            return nullptr;
        }
    }
}

bool set_variable(bpf_object* object, std::string_view name, uint32_t value) {
    const btf* types = bpf_object__btf(object);
    if (!types) return false;
    for (const char* section : {".rodata", ".bss", ".data"}) {
        int id = btf__find_by_name_kind(types, section, BTF_KIND_DATASEC);
        if (id <= 0) continue;
        const btf_type* t = btf__type_by_id(types, static_cast<__u32>(id));
        const btf_var_secinfo* v = btf_var_secinfos(t);
        for (int i = 0; i < btf_vlen(t); i++, v++) {
            const btf_type* var = btf__type_by_id(types, v->type);
            if (name != btf__name_by_offset(types, var->name_off) || v->size != sizeof value) continue;
            bpf_map* map = nullptr;
            bpf_object__for_each_map(map, object) {
                std::string_view map_name = bpf_map__name(map);
                if (!map_name.ends_with(section)) continue;
                size_t size = 0;
                auto* data = const_cast<char*>(static_cast<const char*>(bpf_map__initial_value(map, &size)));
                if (!data || v->offset + sizeof value > size) return false;
                std::memcpy(data + v->offset, &value, sizeof value);
                return true;
            }
        }
    }
    return false;
}

}  // namespace cvf::tap
