#include "history/run.h"

#include <algorithm>
#include <chrono>

#include "history/aggregate.h"
#include "history/indexed.h"
#include "history/rows.h"
#include "history/select.h"
#include "record/json.h"
#include "record/parse.h"
#include "record/text.h"

namespace cvf::history {
namespace {

using record::Field;
using record::Kind;
using Clock = std::chrono::steady_clock;
constexpr auto partial_interval = std::chrono::milliseconds(500);

// Feeds a block's columns to the groups, without reading a record.
class ColumnGroups {
 public:
    ColumnGroups(const Query& query, Aggregate& groups) : query_(query), groups_(groups) {
        for (const Field f : query.by) keys_.push_back({.field = f, .index = column_of(f), .column = nullptr, .ids = {}});
        for (const Measure& m : query.measures) measures_.push_back({m.field ? column_of(*m.field) : std::nullopt, nullptr});
    }

    // Whether this block has every column that is needed.
    bool suffices(const BlockHead& head) const {
        const auto kept = [&](std::optional<size_t> index) { return index && head.columns[*index].form != ColumnForm::unkept; };
        for (const Key& key : keys_)
            if (!kept(key.index)) return false;
        for (size_t m = 0; m < measures_.size(); ++m)
            if (query_.measures[m].field && !kept(measures_[m].index)) return false;
        return true;
    }

    // False when a column is damaged.
    bool add(BlockReader& block, const std::vector<uint32_t>& rows) {
        if (query_.every && !block.time()) return false;
        for (Key& key : keys_) {
            key.column = block.column(*key.index);
            if (!key.column) return false;
            const uint64_t span = block.head().columns[*key.index].largest - block.head().columns[*key.index].smallest;
            // A dictionary's places, or numbers that lie close together, have their ids looked up once.
            const size_t table = key.column->form == ColumnForm::dictionary                 ? key.column->entries.size() + 1
                                 : key.column->form == ColumnForm::numbers && span < 65'536 ? span + 2
                                                                                            : 0;
            key.ids.assign(table, unknown);
        }
        for (auto& [index, column] : measures_)
            if (index && !(column = block.column(*index))) return false;
        uint32_t ids[max_keys] = {};
        Number numbers[max_measures];
        for (const uint32_t row : rows) {
            for (size_t k = 0; k < keys_.size(); ++k) ids[k] = id_of(k, row);
            for (size_t m = 0; m < measures_.size(); ++m) {
                const Column* c = measures_[m].column;
                numbers[m] = c && c->has(row) ? Number(c->number(row)) : Number();
            }
            groups_.add(query_.every ? block.time_at(row) : 0, ids, numbers);
        }
        return true;
    }

 private:
    static constexpr uint32_t unknown = UINT32_MAX - 1;
    struct Key {
        Field field;
        std::optional<size_t> index;
        const Column* column;
        std::vector<uint32_t> ids;  // of the query, by those of the block
    };
    struct Measured {
        std::optional<size_t> index;
        const Column* column;
    };

    uint32_t id_of(size_t k, uint32_t row) {
        Key& key = keys_[k];
        const Column& c = *key.column;
        if (!c.has(row)) return 0;
        if (c.form == ColumnForm::numbers) {
            const uint64_t stored = c.numbers[row];
            if (stored >= key.ids.size()) return groups_.key_id(k, c.number(row));
            if (key.ids[stored] == unknown) key.ids[stored] = groups_.key_id(k, c.number(row));
            return key.ids[stored];
        }
        uint32_t& id = key.ids[c.ids[row]];
        if (id == unknown) id = text_id(k, c.entries[c.ids[row] - 1]);
        return id;
    }
    uint32_t text_id(size_t k, std::string_view entry) {
        if (record::info(keys_[k].field).kind != Kind::ip) return groups_.key_id(k, entry);
        char text[48];
        const char* end = record::write_ip(text, {reinterpret_cast<const uint8_t*>(entry.data()), entry.size()});
        return groups_.key_id(k, {text, static_cast<size_t>(end - text)});
    }

    const Query& query_;
    Aggregate& groups_;
    std::vector<Key> keys_;
    std::vector<Measured> measures_;
};

class Run {
 public:
    Run(const Query& query, const Receiver& receiver)
        : query_(query),
          receiver_(receiver),
          selection_(query),
          groups_(query),
          columns_(query, groups_),
          rows_(query, receiver) {}

    Progress go(std::vector<BlockRef> blocks) {
        for (const BlockRef& b : blocks) progress_.total += b.info.records;
        std::erase_if(blocks, [&](const BlockRef& b) {
            if (selection_.may_match(b.info)) return false;
            progress_.examined += b.info.records;
            return true;
        });
        std::ranges::sort(blocks, [&](const BlockRef& a, const BlockRef& b) {
            return query_.newest_first ? a.info.last > b.info.last : a.info.first < b.info.first;
        });
        bool going = tell();
        for (size_t i = 0; going && i < blocks.size(); ++i) {
            if (!block(blocks[i])) progress_.damaged += blocks[i].info.records;
            progress_.examined += blocks[i].info.records;
            if (!query_.aggregates() && i + 1 < blocks.size())
                going = rows_.settle(query_.newest_first ? blocks[i + 1].info.last : blocks[i + 1].info.first);
            going = tell() && going;
        }
        if (query_.aggregates()) {
            if (receiver_.table && !stopped_) receiver_.table(groups_.table(), true);
        } else if (!stopped_) {
            rows_.finish();
        }
        return progress_;
    }

 private:
    bool block(const BlockRef& ref) {
        if (!query_.aggregates() && !rows_.wants(query_.newest_first ? ref.info.last : ref.info.first)) return true;
        if (!reader_.open(ref) || !selection_.select(reader_, selected_)) return false;
        if (selected_.empty()) return true;
        if (query_.aggregates() && selection_.decided() && columns_.suffices(reader_.head())) {
            progress_.matched += selected_.size();
            return columns_.add(reader_, selected_);
        }
        if (!query_.aggregates() && selection_.decided()) {
            progress_.matched += selected_.size();
            if (!keep_best()) return false;
        }
        return records();
    }

    // Of rows that all match, those that can be in the answer.
    bool keep_best() {
        if (!reader_.time()) return false;
        std::erase_if(selected_, [&](uint32_t row) { return !rows_.wants(reader_.time_at(row)); });
        const size_t room = rows_.room();
        // Behind a position, rows of its very time may be in the last answer already.
        if (selected_.size() <= room || query_.after) return true;
        std::vector<int64_t> times;
        for (const uint32_t row : selected_) times.push_back(reader_.time_at(row));
        const auto nth = times.begin() + static_cast<ptrdiff_t>(room - 1);
        if (query_.newest_first)
            std::ranges::nth_element(times, nth, std::greater<>());
        else
            std::ranges::nth_element(times, nth);
        const int64_t last = *nth;
        std::erase_if(selected_, [&](uint32_t row) {
            return query_.newest_first ? reader_.time_at(row) < last : reader_.time_at(row) > last;
        });
        return true;
    }

    bool records() {
        const auto& lines = reader_.lines();
        if (lines.empty()) return false;
        for (const uint32_t row : selected_) {
            if (!record::parse_record(lines[row], record_)) continue;
            if (!selection_.decided()) {
                if (!selection_.matches_rest(record_)) continue;
                ++progress_.matched;
            } else if (query_.aggregates()) {
                ++progress_.matched;
            }
            if (query_.aggregates())
                groups_.add(record_);
            else
                add_row(lines[row]);
        }
        return true;
    }

    void add_row(std::string_view line) {
        const record::Value* id = record_.lookup(Field::record_id);
        Position position{record_.timestamp(), id ? std::string(id->as_text()) : std::string()};
        if (!query_.fields) return rows_.add(std::move(position), line);
        projected_.clear();
        record::write_json(record_, &*query_.fields, projected_);
        std::string_view text = projected_.view();
        text.remove_suffix(1);
        rows_.add(std::move(position), text);
    }

    // False when the receiver has had enough.
    bool tell() {
        if (receiver_.progress && !receiver_.progress(progress_)) stopped_ = true;
        if (!stopped_ && query_.aggregates() && receiver_.table && Clock::now() - told_ >= partial_interval) {
            // A table of many groups takes time to make: at most a tenth of the time goes there.
            const auto start = Clock::now();
            if (!receiver_.table(groups_.table(), false)) stopped_ = true;
            told_ = Clock::now() + 9 * (Clock::now() - start);
        }
        return !stopped_;
    }

    const Query& query_;
    const Receiver& receiver_;
    Selection selection_;
    Aggregate groups_;
    ColumnGroups columns_;
    Rows rows_;
    BlockReader reader_;
    Progress progress_;
    std::vector<uint32_t> selected_;
    record::Record record_;
    record::Buffer projected_;
    Clock::time_point told_ = Clock::now();
    bool stopped_ = false;
};

}  // namespace

Progress run(const Query& query, std::vector<BlockRef> blocks, const Receiver& receiver) {
    return Run(query, receiver).go(std::move(blocks));
}

}  // namespace cvf::history
