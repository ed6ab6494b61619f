// What an owner's facts look like on a record. Texts are borrowed from the facts, which the entry holds.
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "context/owner_entry.h"

namespace cvf::context {

using record::Field;

void OwnerTable::build(record::FieldSet& set, const OwnerEntry& entry, End end) {
    set.clear();
    const auto at = [end](Field itself, Field source) {
        return end == End::itself ? itself : end == End::source ? source : record::at_destination(source);
    };
    const auto text = [&](Field itself, Field source, std::string_view value) {
        if (!value.empty()) set.text(at(itself, source), value);
    };
    const auto number = [&](Field itself, Field source, uint64_t value) {
        if (value != 0) set.uint(at(itself, source), value);
    };

    if (const Process* process = entry.process.get()) {
        number(Field::process_pid, Field::source_process_pid, process->pid);
        number(Field::process_parent_pid, Field::source_process_parent_pid, process->parent_pid);
        text(Field::process_name, Field::source_process_name, process->program ? process->program->name : process->comm);
        if (process->program) {
            text(Field::process_path, Field::source_process_path, process->program->path);
            text(Field::process_command_line, Field::source_process_command_line, process->program->command_line);
        }
        // 0 is root: an id like any other.
        set.uint(at(Field::process_user_id, Field::source_process_user_id), entry.key.uid);
        char digits[16];
        const auto last = std::to_chars(digits, digits + sizeof digits, entry.key.gid).ptr;
        set.copy(at(Field::process_group_id, Field::source_process_group_id), {digits, static_cast<size_t>(last - digits)});
        if (process->start_ns != 0)
            set.time(at(Field::process_creation_time, Field::source_process_creation_time), process->start_ns);
    }

    const Container* facts = nullptr;
    if (const Cgroup* cgroup = entry.cgroup.get()) {
        text(Field::process_cgroup, Field::source_process_cgroup, cgroup->path);
        facts = cgroup->container ? cgroup->container->facts.get() : nullptr;
    }
    number(Field::cgroup_id, Field::source_cgroup_id, entry.key.cgroup_id);

    number(Field::netns_id, Field::source_netns_id, entry.key.netns);
    if (entry.netns && !entry.netns->name.empty()) {
        text(Field::netns_name, Field::source_netns_name, entry.netns->name);
    } else if (entry.netns && facts) {
        text(Field::netns_name, Field::source_netns_name, facts->name);
    }

    if (!entry.cgroup) return;
    const std::string& pod_uid = facts && !facts->pod_uid.empty() ? facts->pod_uid : entry.cgroup->pod_uid;
    text(Field::pod_uid, Field::source_pod_uid, pod_uid);
    if (!entry.cgroup->container) return;
    text(Field::container_id, Field::source_container_id, entry.cgroup->container->id);
    const Runtime runtime = facts && facts->runtime != Runtime::unknown ? facts->runtime : entry.cgroup->runtime;
    text(Field::container_runtime, Field::source_container_runtime, runtime_name(runtime));
    if (!facts) return;
    text(Field::container_name, Field::source_container_name, facts->name);
    text(Field::container_image, Field::source_container_image, facts->image);
    if (!facts->tags.empty()) {
        const std::vector<std::string_view> tags(facts->tags.begin(), facts->tags.end());
        set.texts(at(Field::container_image_tags, Field::source_container_image_tags), tags);
    }
    if (!facts->labels.empty()) {
        const std::vector<std::pair<std::string_view, std::string_view>> labels(facts->labels.begin(), facts->labels.end());
        set.map(at(Field::container_label, Field::source_container_label), labels);
    }
    text(Field::pod_name, Field::source_pod_name, facts->pod_name);
    text(Field::pod_namespace, Field::source_pod_namespace, facts->pod_namespace);
    text(Field::k8s_container_name, Field::source_k8s_container_name, facts->k8s_container_name);
}

}  // namespace cvf::context
