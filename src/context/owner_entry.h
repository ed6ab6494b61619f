// Private to OwnerTable: one owner and the field sets made of it.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>

#include "context/owner_table.h"

namespace cvf::context {

// Outlives the table for as long as handles do.
struct OwnerTable::Home {
    OwnerTable* table;
};

struct OwnerEntry {
    std::shared_ptr<OwnerTable::Home> home;
    OwnerTable::Key key;
    std::shared_ptr<Process> process;               // null: pid not known
    std::shared_ptr<OwnerTable::Cgroup> cgroup;     // null: not known
    std::shared_ptr<OwnerTable::NetnsState> netns;  // null: not known
    uint32_t handles = 0;
    bool listed = true;  // owners_ has it
    bool is_idle = false;
    std::list<OwnerEntry*>::iterator idle_place;

    struct Built {
        uint64_t stamp = UINT64_MAX;
        record::FieldSet set;
    };
    std::array<std::unique_ptr<Built>, 3> built;  // by End; made when first asked for

    // Grows with each change of what the fields are made of.
    uint64_t stamp() const {
        return (process ? process->changed : 0) + (netns ? netns->changed : 0) +
               (cgroup && cgroup->container ? cgroup->container->changed : 0);
    }
};

}  // namespace cvf::context
