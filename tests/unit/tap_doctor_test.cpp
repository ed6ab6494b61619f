#include <cerrno>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tap/doctor.h"
#include "tap/endpoint_load.h"

namespace cvf::tap {
namespace {

Refusal refusal(int error, const char* since, const char* release) {
    Refusal r;
    r.error = error;
    r.since = since;
    r.release = release;
    r.root = true;
    return r;
}

TEST(HowToMend, AnOlderKernelIsToldWhichOneItNeeds) {
    EXPECT_EQ(how_to_mend(refusal(ESRCH, "6.3", "6.1.0-56-cloud-amd64")), "needs kernel 6.3; this is 6.1.0-56-cloud-amd64");
    EXPECT_EQ(how_to_mend(refusal(EINVAL, "5.10 with BTF", "5.9.16")), "needs kernel 5.10 with BTF; this is 5.9.16");
    EXPECT_EQ(how_to_mend(refusal(EINVAL, "5.10", "4.19")), "needs kernel 5.10; this is 4.19");
}

TEST(HowToMend, ANewerKernelThanNeededIsNeverToldThatItIsTooOld) {
    for (const char* release : {"6.3.0", "6.12.117+deb12-cloud-amd64", "6.30", "7.0", "10.1-rc1"})
        for (bool judged : {false, true}) {
            Refusal r = refusal(EINVAL, "6.3", release);
            r.judged = judged;
            const std::string said = how_to_mend(r);
            EXPECT_EQ(said.find("needs kernel"), std::string::npos) << said;
            EXPECT_NE(said.find(release), std::string::npos) << said;
            EXPECT_EQ(said.find("verifier") != std::string::npos, judged) << said;
        }
}

TEST(HowToMend, MinorVersionsAreNumbersNotText) {
    EXPECT_EQ(how_to_mend(refusal(ESRCH, "5.10", "5.9.1")), "needs kernel 5.10; this is 5.9.1");
    EXPECT_EQ(how_to_mend(refusal(ESRCH, "5.9", "5.10.0")).find("needs kernel"), std::string::npos);
}

TEST(HowToMend, MissingPrivilegesAreToldAsThat) {
    Refusal r = refusal(EPERM, "5.10", "6.1");
    r.root = false;
    EXPECT_NE(how_to_mend(r).find("run as root"), std::string::npos);
    r.root = true;
    EXPECT_NE(how_to_mend(r).find("lockdown"), std::string::npos);
}

TEST(HowToMend, AVerifiersRefusalIsNotTakenForMissingPrivileges) {
    Refusal r = refusal(EACCES, "5.10", "6.1");
    r.judged = true;
    r.root = false;
    EXPECT_EQ(how_to_mend(r).find("run as root"), std::string::npos);
    EXPECT_NE(how_to_mend(r).find("verifier"), std::string::npos);
}

TEST(HowToMend, AKernelWithoutTypesIsToldHowItMustBeBuilt) {
    Refusal r = refusal(EINVAL, "5.10 with BTF", "6.1");
    r.btf = false;
    EXPECT_NE(how_to_mend(r).find("CONFIG_DEBUG_INFO_BTF"), std::string::npos);
}

TEST(FaultLine, IsTheLastLineBeforeTheStatistics) {
    EXPECT_EQ(fault_line("prog 'x': -- BEGIN PROG LOAD LOG --\n"
                         "0: R1=ctx(off=0,imm=0) R10=fp0\n"
                         "; u32 pid = bpf_get_current_pid_tgid() >> 32;\n"
                         "3: (85) call bpf_get_current_pid_tgid#14\n"
                         "unknown func bpf_get_current_pid_tgid#14\n"
                         "processed 4 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"
                         "-- END PROG LOAD LOG --\n"),
              "unknown func bpf_get_current_pid_tgid#14");
    EXPECT_EQ(fault_line("R2 invalid mem access 'scalar'\nverification time 12 usec\nstack depth 64+0\nprocessed 1 insns\n"),
              "R2 invalid mem access 'scalar'");
    EXPECT_EQ(fault_line("alone"), "alone");
    EXPECT_EQ(fault_line("\n\n"), "");
    EXPECT_EQ(fault_line("-- BEGIN PROG LOAD LOG ---- END PROG LOAD LOG --"), "");
}

std::vector<ProgramProbe> failing(std::vector<std::string> names) {
    std::vector<ProgramProbe> probes;
    for (std::string& n : names) probes.push_back({std::move(n), ESRCH, {}, false});
    return probes;
}

using Names = std::vector<std::string>;
Names other_means(std::vector<std::string> names) {
    Names said;
    for (const char* n : owners_by_other_means(failing(std::move(names)))) said.emplace_back(n);
    return said;
}

TEST(OwnersByOtherMeans, AreNotLoadedWhereTheFirstChoiceDoes) {
    EXPECT_EQ(other_means({}), Names{});
    EXPECT_EQ(other_means({"cvf_send4", "cvf_receive4", "cvf_sendpage"}), Names{});
}

TEST(OwnersByOtherMeans, AreFunctionsWhereTheKernelTracesThemAndElseTheReader) {
    EXPECT_EQ(other_means({"cvf_send", "cvf_receive"}),
              (Names{"cvf_send4", "cvf_send6", "cvf_sendpage", "cvf_receive4", "cvf_receive6"}));
    EXPECT_EQ(other_means({"cvf_send", "cvf_receive", "cvf_send4", "cvf_send6", "cvf_sendpage", "cvf_receive4", "cvf_receive6"}),
              Names{"cvf_read"});
}

}  // namespace
}  // namespace cvf::tap
