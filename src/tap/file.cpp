#include "tap/file.h"

namespace cvf::tap {

std::expected<FileTap, pcapng::Fault> FileTap::open(const std::string& path) {
    auto reader = pcapng::Reader::open(path);
    if (!reader) return std::unexpected(std::move(reader.error()));
    return FileTap(std::move(*reader));
}

}  // namespace cvf::tap
