// A segment file of any bytes: its blocks are found, read and asked, or refused; nothing is read beyond them.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "history/run.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf::history;
    static const auto queries = [] {
        std::vector<Query> all;
        const auto add = [&](const QueryText& text) { all.push_back(std::move(*parse_query(text, 0))); };
        add({.limit = "0"});
        add({.filter = "source.port > 10 && source.address.startsWith(\"1\")",
             .by = {"destination.address", "source.port"},
             .every = "1s"});
        add({.filter = "flow.id == \"f1\" || has(dns.answers)", .measures = {"p99 event.duration"}});
        return all;
    }();
    const int fd = ::memfd_create("segment", MFD_CLOEXEC);
    if (fd < 0 || ::write(fd, data, size) != static_cast<ssize_t>(size)) abort();
    const auto file = std::make_shared<const File>(fd);
    const SegmentBlocks found = find_blocks(*file, size % 2 == 0);
    if (found.end > size) abort();
    std::vector<BlockRef> blocks;
    for (const BlockInfo& info : found.blocks) blocks.push_back({file, info});
    Receiver receiver;
    receiver.row = [](std::string_view line) { return !line.contains('\n'); };
    for (const Query& query : queries) (void)run(query, blocks, receiver);

    // zstd's checksums keep most mutations out; the head behind them is worth more.
    std::string packed(ZSTD_compressBound(size), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), data, size, 1));
    if (const auto head = parse_head(packed)) (void)head->may_have_id("f1");
    Column column;
    if (size > 24) {
        ColumnHead c{.form = static_cast<ColumnForm>(1 + data[0] % 2),
                     .width = static_cast<uint8_t>(1u << (data[1] % 4)),
                     .gaps = true,
                     .entries = data[2],
                     .plain = static_cast<uint32_t>(size),
                     .packed = static_cast<uint32_t>(packed.size()),
                     .smallest = data[3],
                     .largest = 0};
        if (decode(c, data[4] % 2 ? cvf::record::Kind::ip : cvf::record::Kind::text, data[5], packed, column)) {
            for (uint32_t row = 0; row < data[5]; ++row)
                if (column.has(row) && column.form == ColumnForm::dictionary && column.ids[row] > column.entries.size()) abort();
        }
    }
    return 0;
}
