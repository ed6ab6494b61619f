#include "tap/endpoint_load.h"

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
thread_local std::string last_said;

int keep(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG) return 0;
    char line[512];
    int n = vsnprintf(line, sizeof line, format, arguments);
    std::string_view said(line, n < 0 ? 0 : std::min<size_t>(static_cast<size_t>(n), sizeof line - 1));
    while (said.ends_with('\n')) said.remove_suffix(1);
    if (said.starts_with("libbpf: ")) said.remove_prefix(8);
    // The verifier's log follows the first line of a failed load; the line that says why stands before its statistics.
    if (said.find("-- BEGIN PROG LOAD LOG --") == std::string_view::npos && said.find("failed to load") == std::string_view::npos)
        last_said = said;
    return 0;
}

void quiet() {
    static std::once_flag once;
    std::call_once(once, [] { libbpf_set_print(keep); });
}

}  // namespace

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
        ProgramProbe& probe = probes.emplace_back(ProgramProbe{name, 0, {}});
        bpf_object* o = open();
        if (!o) {
            probe.error = errno;
            continue;
        }
        bpf_program* p = nullptr;
        bpf_object__for_each_program(p, o) bpf_program__set_autoload(p, name == bpf_program__name(p));
        last_said.clear();
        if (int error = bpf_object__load(o); error != 0) {
            probe.error = -error;
            probe.reason = last_said.empty() ? std::strerror(-error) : last_said;
        }
        bpf_object__close(o);
    }
    return probes;
}

bpf_object* load_object(std::string_view elf, const std::function<void(bpf_object*)>& prepare, std::vector<ProgramProbe>& without,
                        std::string& error) {
    quiet();
    for (bool probed : {false, true}) {
        if (probed)
            for (ProgramProbe& p : probe_programs(elf))
                if (p.error) without.push_back(std::move(p));
        bpf_object* o = bpf_object__open_mem(elf.data(), elf.size(), nullptr);
        if (!o) {
            error = std::strerror(errno);
            return nullptr;
        }
        prepare(o);
        if (probed)
            for (const ProgramProbe& p : without)
                if (bpf_program* program = bpf_object__find_program_by_name(o, p.program.c_str()))
                    bpf_program__set_autoload(program, false);
        last_said.clear();
        int result = bpf_object__load(o);
        if (result == 0) return o;
        error = std::strerror(-result);
        bpf_object__close(o);
        if (result == -EPERM && probed) break;
    }
    return nullptr;
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
