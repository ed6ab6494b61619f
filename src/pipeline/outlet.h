// The last stretch of a record's way: type, filter, fields, encoding, sink.
//
// One outlet is one `--output`. Records are encoded into a batch that goes to the sink when it is big enough or at flush().
// Thread rule: one thread. Errors: the sink's, which are counted there.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>

#include "filter/filter.h"
#include "record/json.h"
#include "sink/sink.h"

namespace cvf::pipeline {

using TypeBits = std::bitset<record::type_count>;

struct Selection {
    TypeBits types = TypeBits().set();
    std::optional<filter::Filter> filter;
    std::optional<record::Projection> fields;
};

// How records are written.
class Encoder {
 public:
    virtual ~Encoder() = default;
    // Appends one line. False: this record has none.
    virtual bool encode(const record::Record& record, record::Buffer& out) = 0;
    // Appends what is to be said without a record by now; when `last`, all that is left to say.
    virtual void note(record::Buffer& out, bool last) { (void)out, (void)last; }
};

// What has become of the records that passed the filter and have a line: made = written + lost + waiting, at any moment. Waiting
// are those in the batch begun, in a buffer, or in a compressed frame that is still open.
struct RecordCounts {
    uint64_t made = 0, written = 0, lost = 0, waiting = 0;
    RecordCounts& operator+=(const RecordCounts& other) {
        made += other.made;
        written += other.written;
        lost += other.lost;
        waiting += other.waiting;
        return *this;
    }
};

class Outlet {
 public:
    // `encoder` null: JSON.
    Outlet(Selection selection, std::unique_ptr<sink::Sink> sink, std::unique_ptr<Encoder> encoder = nullptr,
           size_t batch_bytes = 64 * 1024);

    // Types of which a record might come out here.
    TypeBits wanted() const;
    const Selection& selection() const { return selection_; }

    void emit(const record::Record& record) {
        if (!selection_.types[static_cast<size_t>(record.type())]) return;
        if (selection_.filter && !selection_.filter->matches(record)) return;
        write(record);
    }
    // Writes a record whatever the filter says.
    void write(const record::Record& record);
    // Hands the batch begun to the sink.
    void flush();
    // The last flush, and the sink's end.
    void finish();
    RecordCounts counts() const;
    sink::Sink& sink() { return *sink_; }
    const sink::Sink& sink() const { return *sink_; }

 private:
    Selection selection_;
    std::unique_ptr<sink::Sink> sink_;
    std::unique_ptr<Encoder> encoder_;
    size_t batch_bytes_;
    record::Buffer batch_;
    size_t batch_records_ = 0;
    uint64_t made_ = 0;
};

}  // namespace cvf::pipeline
