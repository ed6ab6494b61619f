#include "tap/events.h"

#include <bpf/btf.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tap/endpoint.h"

namespace cvf::tap {

namespace {

std::vector<std::string> read_reasons() {
    std::vector<std::string> names;
    btf* kernel = btf__load_vmlinux_btf();
    if (!kernel) return names;
    int id = btf__find_by_name_kind(kernel, "skb_drop_reason", BTF_KIND_ENUM);
    if (const btf_type* type = id > 0 ? btf__type_by_id(kernel, static_cast<__u32>(id)) : nullptr) {
        const struct btf_enum* e = btf_enum(type);
        for (int i = 0; i < btf_vlen(type); i++, e++) {
            std::string_view name = btf__name_by_offset(kernel, e->name_off);
            auto value = static_cast<uint32_t>(e->val);
            if (value > 4096) continue;
            for (std::string_view prefix : {"SKB_DROP_REASON_", "SKB_"})
                if (name.starts_with(prefix)) {
                    name.remove_prefix(prefix.size());
                    break;
                }
            if (names.size() <= value) names.resize(value + 1);
            if (names[value].empty()) names[value] = name;
        }
    }
    btf__free(kernel);
    return names;
}

const std::vector<std::string>& reasons() {
    static const std::vector<std::string> names = read_reasons();
    return names;
}

}  // namespace

std::optional<uint32_t> drop_reason_number(std::string_view name) {
    const auto& names = reasons();
    for (uint32_t i = 0; i < names.size(); i++)
        if (names[i] == name) return i;
    return std::nullopt;
}

std::string_view drop_reason_name(uint32_t reason) {
    const auto& names = reasons();
    if (reason < names.size() && !names[reason].empty()) return names[reason];
    static std::mutex lock;
    static std::map<uint32_t, std::string> unnamed;  // bounded: subsystems number from 1 << 16 up, a few each
    std::lock_guard guard(lock);
    if (unnamed.size() > 1024 && !unnamed.contains(reason)) return "reason-unknown";
    auto [at, fresh] = unnamed.try_emplace(reason);
    if (fresh) at->second = fmt::format("reason-{}", reason);
    return at->second;
}

}  // namespace cvf::tap
