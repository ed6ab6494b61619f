#include "history/block.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "history/indexed.h"
#include "history/run.h"
#include "history/segment.h"
#include "history_records.h"
#include "record/text.h"

namespace cvf::history {
namespace {

using record::Field;

std::string built(int records) {
    BlockBuilder builder;
    Made made;
    for (int i = 0; i < records; ++i) {
        const record::Record& r = made.record(i);
        builder.add(r, made.line());
    }
    std::string bytes;
    EXPECT_TRUE(builder.finish(bytes));
    EXPECT_EQ(builder.records(), 0u);
    return bytes;
}

std::shared_ptr<const File> file_of(std::string_view bytes) {
    const int fd = ::memfd_create("block", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    return std::make_shared<const File>(fd);
}

TEST(Block, head_tells_what_was_put_in) {
    const std::string bytes = built(100);
    const auto prefix = parse_prefix(bytes);
    ASSERT_TRUE(prefix);
    const auto head = parse_head(std::string_view(bytes).substr(block_prefix, prefix->head));
    ASSERT_TRUE(head);
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (int i = 0; i < 100; ++i) first = std::min(first, Made::time(i)), last = std::max(last, Made::time(i));
    EXPECT_EQ(head->records, 100u);
    EXPECT_EQ(head->first, first);
    EXPECT_EQ(head->last, last);
    EXPECT_EQ(head->types.count(), 4u);
    EXPECT_FALSE(head->strange_types);
    EXPECT_EQ(prefix->frame + head->lines_packed, bytes.size());
    EXPECT_EQ(head->columns[*column_of(Field::http_response_status_code)].smallest, 200u);
    EXPECT_EQ(head->columns[*column_of(Field::http_response_status_code)].largest, 503u);
    EXPECT_EQ(head->columns[*column_of(Field::url_path)].form, ColumnForm::empty);
}

TEST(Block, columns_hold_what_the_lines_hold) {
    const std::string bytes = built(300);
    const auto file = file_of(bytes);
    const SegmentBlocks found = find_blocks(*file, true);
    ASSERT_EQ(found.blocks.size(), 1u);
    EXPECT_EQ(found.end, bytes.size());
    BlockReader reader;
    ASSERT_TRUE(reader.open({file, found.blocks[0]}));
    ASSERT_TRUE(reader.time());
    Made made;
    for (uint32_t i = 0; i < 300; ++i) {
        const record::Record& r = made.record(static_cast<int>(i));
        EXPECT_EQ(std::string(reader.lines().at(i)) + "\n", made.line());
        EXPECT_EQ(reader.time_at(i), r.timestamp());
        for (const Field f : indexed_fields()) {
            const Column* column = reader.column(*column_of(f));
            ASSERT_TRUE(column);
            const record::Value* value = r.lookup(f);
            ASSERT_EQ(column->has(i), value != nullptr) << record::info(f).key;
            if (!value) continue;
            if (value->kind == record::Kind::uint) {
                EXPECT_EQ(column->number(i), value->uint);
            } else if (value->kind == record::Kind::ip) {
                EXPECT_EQ(column->entries.at(column->ids[i] - 1),
                          std::string_view(reinterpret_cast<const char*>(value->inline_bytes), value->short_size));
            } else if (f != Field::source_process_name) {
                EXPECT_EQ(column->entries.at(column->ids[i] - 1), value->as_text());
            } else {
                EXPECT_EQ(column->entries.at(column->ids[i] - 1), "na\\xefve \"q\"\n\\xff") << "as the line has it";
            }
        }
    }
}

TEST(Block, numbers_of_any_size_come_back) {
    for (const std::vector<uint64_t>& numbers : {std::vector<uint64_t>{0},
                                                 {UINT64_MAX},
                                                 {UINT64_MAX, UINT64_MAX - 254},
                                                 {7, 7 + 255},
                                                 {0, 65'534},
                                                 {0, 65'535},
                                                 {0, UINT32_MAX},
                                                 {1, UINT64_MAX}}) {
        BlockBuilder builder;
        for (const uint64_t n : numbers) {
            record::Record r;
            r.begin(record::RecordType::flow, 1);
            r.uint(Field::network_bytes, n);
            record::Buffer line;
            record::write_json(r, nullptr, line);
            builder.add(r, line.view());
        }
        std::string bytes;
        ASSERT_TRUE(builder.finish(bytes));
        const auto file = file_of(bytes);
        BlockReader reader;
        ASSERT_TRUE(reader.open({file, find_blocks(*file, true).blocks.at(0)}));
        const Column* column = reader.column(*column_of(Field::network_bytes));
        ASSERT_TRUE(column);
        for (uint32_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(column->number(i), numbers[i]);
    }
}

TEST(Block, a_column_that_has_no_room_for_none_is_left_to_the_lines) {
    BlockBuilder builder;
    for (const uint64_t n : {uint64_t{0}, UINT64_MAX}) {
        record::Record r;
        r.begin(record::RecordType::flow, 1);
        r.uint(Field::network_bytes, n);
        record::Buffer line;
        record::write_json(r, nullptr, line);
        builder.add(r, line.view());
    }
    std::string bytes;
    ASSERT_TRUE(builder.finish(bytes));
    const auto file = file_of(bytes);
    BlockReader reader;
    ASSERT_TRUE(reader.open({file, find_blocks(*file, false).blocks.at(0)}));
    EXPECT_EQ(reader.head().columns[*column_of(Field::network_bytes)].form, ColumnForm::unkept);
    EXPECT_EQ(reader.column(*column_of(Field::network_bytes)), nullptr);
    EXPECT_EQ(reader.lines().size(), 2u);
}

TEST(Block, knows_the_ids_it_has_and_few_others) {
    const std::string bytes = built(1000);
    const auto head = parse_head(std::string_view(bytes).substr(block_prefix, parse_prefix(bytes)->head));
    ASSERT_TRUE(head);
    int found = 0;
    for (int i = 0; i < 1000; ++i) {
        EXPECT_TRUE(head->may_have_id("r" + std::to_string(i)));
        EXPECT_TRUE(head->may_have_id("f" + std::to_string(i / 3)));
        found += head->may_have_id("q" + std::to_string(i));
    }
    EXPECT_LT(found, 40);
}

TEST(Block, damage_anywhere_is_noticed) {
    const std::string bytes = built(200);
    std::mt19937 random(1);
    for (int turn = 0; turn < 400; ++turn) {
        std::string damaged = bytes;
        const size_t at = random() % bytes.size();
        damaged[at] = static_cast<char>(damaged[at] ^ (1 + random() % 255));
        const auto file = file_of(damaged);
        const SegmentBlocks found = find_blocks(*file, true);
        // A skippable frame's own size is the one number that zstd does not check: a wrong one moves the lines.
        EXPECT_TRUE(found.blocks.empty()) << at;
        EXPECT_EQ(found.end, 0u);
    }
}

// The same block as if two fields had each other's names: what a program wrote to which they were of the other's kind.
std::string with_names_swapped(std::string_view block, std::string_view a, std::string_view b) {
    const auto prefix = parse_prefix(block);
    const std::string_view packed = block.substr(block_prefix, prefix->head);
    std::string head(ZSTD_getFrameContentSize(packed.data(), packed.size()), '\0');
    EXPECT_EQ(ZSTD_decompress(head.data(), head.size(), packed.data(), packed.size()), head.size());
    const auto key = [](std::string_view name) { return std::string(1, static_cast<char>(name.size())) + std::string(name); };
    const size_t at_a = head.find(key(a)), at_b = head.find(key(b));
    EXPECT_TRUE(at_a != head.npos && at_b != head.npos);
    head.replace(at_a, a.size() + 1, key(b));
    head.replace(at_b, b.size() + 1, key(a));
    std::string again(ZSTD_compressBound(head.size()), '\0');
    again.resize(ZSTD_compress(again.data(), again.size(), head.data(), head.size(), 1));
    const auto number = [](size_t n) {
        const auto narrow = static_cast<uint32_t>(n);
        return std::string(reinterpret_cast<const char*>(&narrow), sizeof narrow);
    };
    const std::string_view columns = block.substr(block_prefix + prefix->head, prefix->frame - block_prefix - prefix->head);
    return std::string(block.substr(0, 4)) + number(block_prefix - 8 + again.size() + columns.size()) + "CVFB" +
           number(again.size()) + again + std::string(columns) + std::string(block.substr(prefix->frame));
}

TEST(Block, a_column_of_another_kind_than_the_field_has_is_left_to_the_lines) {
    const std::string bytes = built(100);
    const auto head_of = [](std::string_view block) { return parse_head(block.substr(block_prefix, parse_prefix(block)->head)); };
    const auto head = head_of(bytes);
    ASSERT_TRUE(head);
    // A number and a text of equal length of name.
    std::optional<Field> number, text;
    for (const Field a : indexed_fields())
        for (const Field b : indexed_fields())
            if (head->columns[*column_of(a)].form == ColumnForm::numbers &&
                head->columns[*column_of(b)].form == ColumnForm::dictionary &&
                record::info(a).key.size() == record::info(b).key.size() && !number)
                number = a, text = b;
    ASSERT_TRUE(number && text);
    const std::string swapped = with_names_swapped(bytes, record::info(*number).key, record::info(*text).key);
    const auto other = head_of(swapped);
    ASSERT_TRUE(other);
    EXPECT_EQ(other->columns[*column_of(*number)].form, ColumnForm::unkept);
    EXPECT_EQ(other->columns[*column_of(*text)].form, ColumnForm::unkept);

    const auto answer = [&](const std::string& block) {
        const auto file = file_of(block);
        std::vector<BlockRef> blocks;
        for (const BlockInfo& info : find_blocks(*file, true).blocks) blocks.push_back({file, info});
        EXPECT_EQ(blocks.size(), 1u);
        const std::string sum = "sum " + std::string(record::info(*number).key), by(record::info(*text).key);
        std::vector<std::vector<Cell>> rows;
        Receiver receiver;
        receiver.table = [&](const Table& table, bool) { return rows = table.rows, true; };
        EXPECT_EQ(run(*parse_query({.by = {by}, .measures = {sum}}, 0), blocks, receiver).damaged, 0u);
        return rows;
    };
    EXPECT_FALSE(answer(bytes).empty());
    EXPECT_EQ(answer(swapped), answer(bytes));
}

TEST(Block, of_a_newer_program_is_told_from_damage) {
    std::string plain(200, '\0');
    plain[0] = 2;
    std::string packed(500, '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), plain.data(), plain.size(), 1));
    EXPECT_FALSE(parse_head(packed));
    EXPECT_TRUE(is_newer_head(packed));
    packed[packed.size() / 2] ^= 1;
    EXPECT_FALSE(is_newer_head(std::string(20, 'x')));
}

}  // namespace
}  // namespace cvf::history
