#include "tap/doctor.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <utility>

#include "host/cgroup.h"
#include "tap/endpoint_load.h"

namespace cvf::tap {

namespace {

struct Feature {
    const char* name;
    std::vector<const char*> programs;  // all are needed
    const char* lost;
    const char* since;  // the kernel that brought it
    // Other programs that do as well; all of one list are needed.
    struct Instead {
        std::vector<const char*> programs;
        const char* how;
    };
    std::vector<Instead> instead = {};
};

const std::vector<Feature>& features() {
    static const std::vector<Feature> all = {
        {"endpoint tap", {"cvf_egress", "cvf_ingress"}, "all live traffic: packets, bytes and payload of every socket", "5.10"},
        {"owner at creation", {"cvf_sock_create"}, "the process of datagram sockets that never send or receive", "5.10"},
        {"end of datagram sockets", {"cvf_sock_release"}, "the exact end of UDP conversations (they end by silence)", "5.10"},
        {"handshakes",
         {"cvf_sockops"},
         "who connects or listens; accepted connections before their first data; both ends of a local conversation as one",
         "5.10"},
        {"end of TCP sockets",
         {"cvf_destroy"},
         "the exact end of connections and their final round trip and retransmission figures",
         "5.10 with BTF"},
        {"owner by use",
         {"cvf_send", "cvf_receive"},
         "the right process of accepted, inherited and passed sockets (the creator's or none is told)",
         "6.3",
         {{{"cvf_send4", "cvf_send6", "cvf_receive4", "cvf_receive6"}, "by tracing the kernel's functions, as before 6.3"},
          {{"cvf_read"}, "of TCP alone and by reading alone: this kernel is older than 6.3 and can't trace functions"}}},
        {"sockets older than the agent",
         {"cvf_holders"},
         "the owners of sockets that were there before the start",
         "5.11 with BTF"},
        {"interim reports",
         {"cvf_reports", "cvf_peer_reports"},
         "interim counters of open conversations and existing sockets at start",
         "5.10 with BTF"},
        {"retransmissions", {"cvf_retransmit"}, "events of retransmitted segments", "5.10 with BTF"},
        {"resets", {"cvf_reset_sent", "cvf_reset_received"}, "events of resets, also those to closed ports", "5.10 with BTF"},
        {"connection failures",
         {"cvf_failed"},
         "events of refused and timed-out connections",
         "5.14",
         {{{"cvf_state"}, "by looking at each change of a connection's state, as before 5.14"}}},
        {"drop reasons", {"cvf_drop"}, "events of dropped packets with the kernel's reason", "5.17"},
        {"processes",
         {"cvf_exec", "cvf_fork", "cvf_exit"},
         "process records, and the executable of processes that are gone before a record is made",
         "5.10 with BTF"},
    };
    return all;
}

// "6.1.0-56-cloud-amd64" -> 6, 1. Zeros where there is no number.
std::pair<unsigned, unsigned> version_of(std::string_view text) {
    std::pair<unsigned, unsigned> v{0, 0};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v.first);
    if (error == std::errc() && end != text.data() + text.size() && *end == '.')
        std::from_chars(end + 1, text.data() + text.size(), v.second);
    return v;
}

Refusal refusal_of(const ProgramProbe& p, const char* since, const utsname& kernel) {
    return {p.error, p.judged, since, kernel.release, geteuid() == 0, access("/sys/kernel/btf/vmlinux", R_OK) == 0};
}

}  // namespace

std::string how_to_mend(const Refusal& r) {
    // A verifier's verdict may come as EACCES too; then privileges are not what is missing.
    if (!r.judged && (r.error == EPERM || r.error == EACCES)) {
        if (!r.root) return "run as root, or give the program CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_DAC_READ_SEARCH";
        return "the kernel refuses it to root too: look for lockdown mode, a security module, or a container without CAP_BPF and "
               "CAP_PERFMON";
    }
    if (version_of(r.release) < version_of(r.since)) return fmt::format("needs kernel {}; this is {}", r.since, r.release);
    if (!r.btf) return fmt::format("this kernel ({}) has no BTF: take one built with CONFIG_DEBUG_INFO_BTF=y", r.release);
    if (r.judged)
        return fmt::format(
            "this kernel ({}) is new enough, but its verifier refuses the program: report it with what "
            "`cvf doctor --verbose` says",
            r.release);
    return fmt::format("this kernel ({}) is new enough, but was built without what the program hooks into", r.release);
}

std::vector<Finding> examine() {
    std::map<std::string, ProgramProbe> probes;
    auto probe = [&](std::string_view object) {
        for (ProgramProbe& p : probe_programs(object)) probes[p.program] = p;
    };
    probe(endpoint_object());
    bool old = probes["cvf_egress"].error != 0;
    if (old) probe(endpoint_object(true));
    probe(events_object(old));

    utsname kernel{};
    uname(&kernel);
    std::vector<Finding> findings;
    for (const Feature& f : features()) {
        Finding& finding = findings.emplace_back();
        finding.name = f.name;
        finding.what_is_lost = f.lost;
        finding.ok = true;
        for (const char* program : f.programs) {
            const ProgramProbe& p = probes[program];
            if (!p.error || !finding.ok) continue;
            finding.ok = false;
            finding.detail = fmt::format("{}: {}", program, p.reason.empty() ? std::strerror(p.error) : p.reason);
            finding.how_to_mend = how_to_mend(refusal_of(p, f.since, kernel));
        }
        for (const auto& [programs, how] : f.instead) {
            if (finding.ok) break;
            finding.ok = std::none_of(programs.begin(), programs.end(), [&](const char* p) { return probes[p].error != 0; });
            if (!finding.ok) continue;
            finding.detail = how;
            finding.how_to_mend.clear();
        }
    }
    Finding cgroups{"cgroup v2 tree", true, "all live traffic: the tap attaches to it", {}, {}};
    bool whole = true;
    if (auto tree = host::CgroupTree::open(); !tree) {
        cgroups.ok = false;
        cgroups.detail = tree.error();
        cgroups.how_to_mend =
            geteuid() == 0 ? "mount it: mount -t cgroup2 none /sys/fs/cgroup/unified" : "run as root, or mount cgroup2 somewhere";
    } else {
        whole = tree->is_root();
        if (tree->is_private()) cgroups.detail = "mounted privately, for this process only";
    }
    findings.insert(findings.begin() + 1, cgroups);
    if (cgroups.ok && !whole)
        findings.insert(findings.begin() + 2,
                        {"all containers",
                         false,
                         "traffic of others than this container: its cgroup namespace hides them",
                         "run in the machine's cgroup namespace (docker run --cgroupns=host), or in its pid namespace",
                         {}});
    return findings;
}

std::vector<std::string> out_of_reach() {
    return {
        "AF_XDP, DPDK and other user-space network stacks: their packets never meet a kernel socket",
        "SR-IOV virtual functions and devices given to virtual machines: the guest's kernel handles them",
        "what this host only forwards, and non-IP frames: no socket of its own (the wire tap sees them)",
        "RDMA and what a network card answers by itself (TCP offload engines)",
        "loopback of sockets other than IP: unix, vsock, netlink",
    };
}

}  // namespace cvf::tap
