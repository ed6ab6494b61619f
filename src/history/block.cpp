#include "history/block.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "history/indexed.h"
#include "record/json.h"
#include "record/parse.h"

namespace cvf::history {

using record::Field;
using record::Kind;
using record::Value;

namespace {

constexpr uint32_t skippable_magic = 0x184d2a5c;
constexpr std::string_view mark = "CVFB";
constexpr uint8_t version = 1;
constexpr size_t max_head = 8 * 1024 * 1024;
constexpr std::string_view time_key = "@timestamp";
constexpr unsigned bits_per_id = 10, probes = 7;

constexpr Field id_fields[] = {Field::flow_id, Field::record_id, Field::network_community_id, Field::trace_id};

uint64_t mixed(uint64_t h) {
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9;
    h = (h ^ h >> 27) * 0x94d049bb133111eb;
    return h ^ h >> 31;
}

// Part of the format: the same on every machine.
uint64_t hash_of(std::string_view text) {
    uint64_t h = 0x9e3779b97f4a7c15 * (text.size() + 1);
    while (text.size() >= 8) {
        uint64_t word;
        std::memcpy(&word, text.data(), 8);
        h = mixed(h ^ word);
        text.remove_prefix(8);
    }
    uint64_t word = 0;
    std::memcpy(&word, text.data(), text.size());
    return mixed(h ^ word);
}

template <typename Use>
bool each_probe(uint64_t hash, size_t bytes, Use use) {
    const uint64_t bits = bytes * 8, step = mixed(hash) | 1;
    for (unsigned i = 0; i < probes; ++i, hash += step)
        if (!use(hash % bits)) return false;
    return true;
}

// JSON says \xNN for bytes that are not UTF-8; the column says what the line says.
bool is_ascii(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) >= 0; });
}
std::string as_read_back(std::string_view text) {
    record::Buffer line;
    line.append(R"({"@timestamp":"1970-01-01T00:00:00Z","record.type":"flow","host.name":)");
    record::write_json_string(text, line);
    line.append("}");
    record::Record record;
    if (!record::parse_record(line.view(), record)) return {};
    return std::string(record.find(Field::host_name)->as_text());
}

template <typename T>
void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& out, std::string_view text) {
    put(out, static_cast<uint8_t>(text.size()));
    out.append(text);
}

void put_column(std::string& out, std::string_view key, const ColumnHead& c) {
    put_text(out, key);
    put(out, c.form);
    put(out, c.width);
    put(out, static_cast<uint8_t>(c.gaps));
    put(out, c.entries);
    put(out, c.plain);
    put(out, c.packed);
    put(out, c.smallest);
    put(out, c.largest);
}

struct Cursor {
    std::string_view left;
    bool good = true;

    template <typename T>
    T get() {
        T value{};
        if (left.size() < sizeof value) return good = false, value;
        std::memcpy(&value, left.data(), sizeof value);
        left.remove_prefix(sizeof value);
        return value;
    }
    std::string_view bytes(size_t n) {
        if (left.size() < n) return good = false, std::string_view();
        const std::string_view out = left.substr(0, n);
        left.remove_prefix(n);
        return out;
    }
    std::string_view text() { return bytes(get<uint8_t>()); }
    ColumnHead column() {
        ColumnHead c;
        c.form = static_cast<ColumnForm>(get<uint8_t>());
        if (c.form > ColumnForm::unkept) good = false;
        c.width = get<uint8_t>();
        c.gaps = get<uint8_t>() != 0;
        c.entries = get<uint32_t>();
        c.plain = get<uint32_t>();
        c.packed = get<uint32_t>();
        c.smallest = get<uint64_t>();
        c.largest = get<uint64_t>();
        return c;
    }
};

// A field may be of another kind to the program that wrote the block; then its column is not what ours would be.
bool fits(ColumnForm form, Kind kind) {
    return form != (kind == Kind::uint ? ColumnForm::dictionary : ColumnForm::numbers);
}

std::optional<std::string> unpacked_head(std::string_view packed) {
    const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > max_head) return std::nullopt;
    std::string plain(size, '\0');
    if (ZSTD_decompress(plain.data(), plain.size(), packed.data(), packed.size()) != size) return std::nullopt;
    return plain;
}

bool append_frame(ZSTD_CCtx* zstd, std::string_view plain, std::string& out) {
    const size_t start = out.size();
    out.resize(start + ZSTD_compressBound(plain.size()));
    const size_t n = ZSTD_compress2(zstd, out.data() + start, out.size() - start, plain.data(), plain.size());
    out.resize(start + (ZSTD_isError(n) ? 0 : n));
    return !ZSTD_isError(n);
}

}  // namespace

std::optional<BlockPrefix> parse_prefix(std::string_view bytes) {
    Cursor in{bytes};
    const auto magic = in.get<uint32_t>();
    const auto size = in.get<uint32_t>();
    const std::string_view ours = in.bytes(mark.size());
    const auto head = in.get<uint32_t>();
    if (!in.good || magic != skippable_magic || ours != mark || head > max_head || size > UINT32_MAX - 8) return std::nullopt;
    if (size < block_prefix - 8 || head > size - (block_prefix - 8)) return std::nullopt;
    return BlockPrefix{size + 8, head};
}

bool is_newer_head(std::string_view packed) {
    const auto plain = unpacked_head(packed);
    return plain && !plain->empty() && static_cast<uint8_t>(plain->front()) > version;
}

std::optional<BlockHead> parse_head(std::string_view packed) {
    const auto plain = unpacked_head(packed);
    if (!plain) return std::nullopt;
    Cursor in{*plain};
    BlockHead head;
    if (in.get<uint8_t>() != version) return std::nullopt;
    head.records = in.get<uint32_t>();
    head.first = in.get<int64_t>();
    head.last = in.get<int64_t>();
    head.lines_packed = in.get<uint32_t>();
    head.lines_plain = in.get<uint32_t>();
    for (unsigned left = in.get<uint8_t>(); in.good && left > 0; --left) {
        if (const auto type = record::type_by_name(in.text()))
            head.types.set(static_cast<size_t>(*type));
        else
            head.strange_types = true;
    }
    if (in.text() != time_key) return std::nullopt;
    head.time = in.column();
    uint64_t offset = head.time.packed;
    head.columns.assign(indexed_fields().size(), ColumnHead{.form = ColumnForm::unkept});
    head.offsets.assign(indexed_fields().size(), 0);
    for (unsigned left = in.get<uint16_t>(); in.good && left > 0; --left) {
        const auto field = record::field_by_key(in.text());
        const auto column = field ? column_of(*field) : std::nullopt;
        const ColumnHead c = in.column();
        if (column && fits(c.form, record::info(*field).kind)) {
            head.columns[*column] = c;
            head.offsets[*column] = static_cast<uint32_t>(offset);
        }
        offset += c.packed;
        if (offset > UINT32_MAX) return std::nullopt;
    }
    head.ids = in.bytes(in.get<uint32_t>());
    if (!in.good || head.records == 0 || head.records > max_block_records || head.first > head.last ||
        head.lines_plain > max_block_bytes || head.time.form != ColumnForm::numbers)
        return std::nullopt;
    return head;
}

bool BlockHead::may_have_id(std::string_view id) const {
    if (ids.empty()) return false;
    return each_probe(hash_of(id), ids.size(),
                      [&](uint64_t bit) { return (static_cast<uint8_t>(ids[bit / 8]) >> (bit % 8) & 1) != 0; });
}

BlockBuilder::Context BlockBuilder::context(int level) {
    Context c(ZSTD_createCCtx());
    ZSTD_CCtx_setParameter(c.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(c.get(), ZSTD_c_checksumFlag, 1);
    return c;
}

BlockBuilder::BlockBuilder(BlockLevels levels)
    : for_lines_(context(levels.lines)), for_columns_(context(levels.columns)), time_(Kind::uint) {
    columns_.reserve(indexed_fields().size());
    for (const Field f : indexed_fields()) columns_.emplace_back(record::info(f).kind);
}

void BlockBuilder::add_value(const Value& v) {
    for (const Field f : id_fields)
        if (f == v.field) return ids_.push_back(hash_of(v.as_text()));
    const auto column = column_of(v.field);
    if (!column) return;
    ColumnBuilder& builder = columns_[*column];
    if (v.kind == Kind::uint)
        builder.number(records_, v.uint);
    else if (v.kind == Kind::ip)
        builder.text(records_, {reinterpret_cast<const char*>(v.inline_bytes), v.short_size});
    else if (is_ascii(v.as_text()))
        builder.text(records_, v.as_text());
    else
        builder.text(records_, as_read_back(v.as_text()));
}

void BlockBuilder::add(const record::Record& record, std::string_view line) {
    const int64_t time = record.timestamp();
    first_ = std::min(first_, time);
    last_ = std::max(last_, time);
    types_.set(static_cast<size_t>(record.type()));
    time_.number(records_, stored_time(time));
    for (const Value& v : record.values()) add_value(v);
    for (const record::FieldSet* set : record.attached())
        for (const Value& v : set->values()) add_value(v);
    if (line.ends_with('\n')) line.remove_suffix(1);
    lines_.append(line);
    lines_.push_back('\n');
    ++records_;
}

bool BlockBuilder::finish(std::string& out) {
    if (records_ == 0) return true;
    const size_t start = out.size();
    data_.clear();
    head_.clear();
    put(head_, version);
    put(head_, records_);
    put(head_, first_);
    put(head_, last_);
    std::string lines;
    bool good = append_frame(for_lines_.get(), lines_, lines);
    put(head_, static_cast<uint32_t>(lines.size()));
    put(head_, static_cast<uint32_t>(lines_.size()));
    put(head_, static_cast<uint8_t>(types_.count()));
    for (size_t i = 0; i < record::type_count; ++i)
        if (types_[i]) put_text(head_, record::info(static_cast<record::RecordType>(i)).name);
    put_column(head_, time_key, time_.finish(records_, for_columns_.get(), data_));
    put(head_, static_cast<uint16_t>(columns_.size()));
    for (size_t i = 0; i < columns_.size(); ++i)
        put_column(head_, record::info(indexed_fields()[i]).key, columns_[i].finish(records_, for_columns_.get(), data_));
    // Several records of a conversation have one flow.id: count it once.
    std::ranges::sort(ids_);
    ids_.erase(std::ranges::unique(ids_).begin(), ids_.end());
    std::string bits(ids_.empty() ? 0 : ids_.size() * bits_per_id / 8 + 1, '\0');
    for (const uint64_t id : ids_)
        each_probe(id, bits.size(), [&](uint64_t bit) {
            bits[bit / 8] = static_cast<char>(bits[bit / 8] | 1 << (bit % 8));
            return true;
        });
    put(head_, static_cast<uint32_t>(bits.size()));
    head_.append(bits);

    std::string head;
    good = append_frame(for_columns_.get(), head_, head) && good;
    put(out, skippable_magic);
    put(out, static_cast<uint32_t>(block_prefix - 8 + head.size() + data_.size()));
    out.append(mark);
    put(out, static_cast<uint32_t>(head.size()));
    out.append(head).append(data_).append(lines);
    if (!good) out.resize(start);
    lines_.clear();
    ids_.clear();
    types_.reset();
    records_ = 0;
    first_ = INT64_MAX;
    last_ = INT64_MIN;
    return good;
}

}  // namespace cvf::history
