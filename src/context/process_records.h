// `process` records: a program was started, a process ended. The process itself (pid, name, container, …) is attached as the
// field set of its OwnerTable handle under End::itself.
//
// Pure functions. `record` has been begun with RecordType::process; `who` may be null and must outlive the record's writing.
#pragma once

#include <cstdint>

#include "record/record.h"

namespace cvf::context {

void fill_process_exec(record::Record& record, const record::FieldSet* who);

// `status` as wait(2) and the kernel's exit_code have it: the exit code in bits 8–15, the signal in bits 0–6. `lifetime_ns` 0:
// not known.
void fill_process_exit(record::Record& record, const record::FieldSet* who, uint32_t status, uint64_t lifetime_ns);

}  // namespace cvf::context
