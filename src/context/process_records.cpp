#include "context/process_records.h"

#include <csignal>
#include <cstring>
#include <string>
#include <string_view>

namespace cvf::context {

using record::Field;

void fill_process_exec(record::Record& record, const record::FieldSet* who) {
    record.text(Field::event_action, "exec");
    record.attach(who);
}

void fill_process_exit(record::Record& record, const record::FieldSet* who, uint32_t status, uint64_t lifetime_ns) {
    record.text(Field::event_action, "exit");
    if (lifetime_ns != 0) record.uint(Field::event_duration, lifetime_ns);
    if (const int signal = static_cast<int>(status & 0x7f); signal != 0) {
        if (const char* name = ::sigabbrev_np(signal)) {
            record.copy(Field::cvf_process_exit_signal, std::string("SIG") + name);
        } else {
            record.copy(Field::cvf_process_exit_signal,
                        "SIGRTMIN+" + std::to_string(signal - 34));  // signals(7): glibc's first is 34
        }
    } else {
        record.uint(Field::process_exit_code, status >> 8 & 0xff);
    }
    record.attach(who);
}

}  // namespace cvf::context
