// Documents and cgroup paths as runtimes write them; the first byte chooses the reader.
#include "context/container.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf::context;
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    std::optional<Container> found;
    switch (data[0] % 5) {
        case 0:
            found = parse_oci_config(text);
            break;
        case 1:
            found = parse_docker_container(text);
            break;
        case 2:
            found = parse_storage_containers(text, "x");
            break;
        case 3: {
            const CgroupName name = parse_cgroup_path(text);
            if (!name.container_id.empty() && !is_container_id(name.container_id)) std::abort();
            if (!name.pod_uid.empty() && name.pod_uid.size() != 32 && name.pod_uid.size() != 36) std::abort();
            break;
        }
        default: {
            const ImageName image = split_image(text);
            if (image.name.size() + image.tag.size() > text.size()) std::abort();
            break;
        }
    }
    // The bounds that records rely on.
    if (found &&
        (found->labels.size() > max_labels || found->name.size() > max_name_bytes || found->image.size() > max_name_bytes))
        std::abort();
    return 0;
}
