#include "pipeline/outlet.h"

#include <algorithm>

namespace cvf::pipeline {

Outlet::Outlet(Selection selection, std::unique_ptr<sink::Sink> sink, std::unique_ptr<Encoder> encoder, size_t batch_bytes)
    : selection_(std::move(selection)), sink_(std::move(sink)), encoder_(std::move(encoder)), batch_bytes_(batch_bytes) {
    if (selection_.filter && selection_.filter->always_true()) selection_.filter.reset();
}

TypeBits Outlet::wanted() const {
    return selection_.filter ? selection_.types & selection_.filter->possible_types() : selection_.types;
}

void Outlet::write(const record::Record& record) {
    if (encoder_) {
        if (!encoder_->encode(record, batch_)) return;
    } else {
        record::write_json(record, selection_.fields ? &*selection_.fields : nullptr, batch_);
    }
    made_++;
    batch_records_++;
    if (batch_.size() >= batch_bytes_) flush();
}

RecordCounts Outlet::counts() const {
    const sink::SinkStats stats = sink_->stats();
    RecordCounts counts{.made = made_, .written = stats.records_written, .lost = stats.records_lost, .waiting = 0};
    const uint64_t settled = counts.written + counts.lost;  // a sink's numbers only grow, and not beyond what it was given
    counts.waiting = counts.made - std::min(counts.made, settled);
    return counts;
}

void Outlet::flush() {
    if (encoder_) encoder_->note(batch_, false);
    if (batch_.empty()) return;
    sink_->write(batch_.view(), batch_records_);
    batch_.clear();
    batch_records_ = 0;
}

void Outlet::finish() {
    if (encoder_) encoder_->note(batch_, true);
    flush();
    sink_->finish();
}

}  // namespace cvf::pipeline
