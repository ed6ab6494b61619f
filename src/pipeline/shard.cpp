#include "pipeline/shard.h"

#include "pipeline/demand.h"
#include "protocol/neighbor.h"
#include "record/hex.h"
#include "record/text.h"

namespace cvf::pipeline {

using record::Field;
using record::RecordType;

Shard::Shard(const ShardOptions& options, std::vector<std::unique_ptr<Outlet>> outlets, sink::Hub* hub, RuleSlot* rules)
    : outlets_(std::move(outlets)), hub_(hub), slot_(rules), tracker_(options.flow, *this), id_seed_(options.flow.id_seed) {
    if (!options.host_name.empty()) node_.copy(Field::host_name, options.host_name);
    tracker_.set_wanted(wanted_);
    update_wanted();
}

void Shard::update_wanted() {
    TypeBits wanted;
    for (const auto& outlet : outlets_) wanted |= outlet->wanted();
    if (hub_)
        for (size_t i = 0; i < record::type_count; i++)
            if (hub_->wants(static_cast<RecordType>(i))) wanted.set(i);
    if (rules_) wanted |= rules_->wanted();
    wanted.reset(static_cast<size_t>(RecordType::metric));  // made of others, by rules: no traffic is read for it
    if (wanted == wanted_) return;
    wanted_ = wanted;
    tracker_.set_wanted(wanted_);
    if (on_wanted) on_wanted(wanted_);
}

// What the capture says of a packet that belongs to no conversation.
void Shard::describe(record::Record& r, const decode::Packet& packet, std::span<const std::string_view> comments) const {
    if (const auto name = tracker_.interface_name(packet.interface); !name.empty()) r.text(Field::network_interface_name, name);
    if (!comments.empty()) r.texts(Field::packet_comments, comments);
}

[[gnu::always_inline]] inline void Shard::decoded(const decode::Packet& packet, std::span<const std::string_view> comments) {
    if (packet.faults) [[unlikely]] {
        if (packet.faults & decode::fault_truncated) counts_.truncated++;
        if (packet.faults & (decode::fault_bad_length | decode::fault_bad_header | decode::fault_too_deep)) counts_.faulty++;
    }
    if (decode::family(packet)) [[likely]] {
        if (comments.empty())
            tracker_.packet(packet);
        else
            tracker_.packet(packet, comments);
        return;
    }
    if (packet.time > 0) tracker_.pass_time(packet.time);
    if (packet.network == decode::Network::arp && wanted(RecordType::arp)) {
        record::Record& r = start(RecordType::arp, packet.time);
        // What cannot be read is the sender's fault only where all of the frame was captured.
        if (protocol::arp_record(packet, r)) {
            describe(r, packet, comments);
            emit_record(r);
        } else if (packet.wire_length <= packet.frame.size()) {
            counts_.broken_arp++;
        }
    } else if (packet.network == decode::Network::lldp && wanted(RecordType::lldp)) {
        record::Record& r = start(RecordType::lldp, packet.time);
        if (protocol::lldp_record(packet, r)) {
            describe(r, packet, comments);
            emit_record(r);
        } else if (packet.wire_length <= packet.frame.size()) {
            counts_.broken_lldp++;
        }
    } else if (packet.network == decode::Network::none) {
        counts_.undecoded++;
    }
}

void Shard::frame(decode::Packet& packet) {
    take(packet, {});
}

void Shard::frame(decode::Packet& packet, std::span<const std::string_view> comments) {
    take(packet, comments);
}

// Twice in the program, so that a packet without comments pays nothing for those that have some.
[[gnu::always_inline]] inline void Shard::take(decode::Packet& packet, std::span<const std::string_view> comments) {
    now_ = packet.time;
    counts_.packets++;
    counts_.bytes += packet.frame.size();
    decode::decode_frame(packet);
    const decode::Packet* whole = &packet;
    if (packet.is_fragment) [[unlikely]]
        whole = fragments_.add(packet);
    if (whole) decoded(*whole, comments);
}

void Shard::emit(record::Record& record, const flow::Flow& flow) {
    if (flow.live && attach_owners) attach_owners(record, flow);
    if (!node_.empty()) record.attach(&node_);
    distribute(record);
}

void Shard::emit_record(record::Record& record) {
    char* id = static_cast<char*>(record.arena().take(1 + 16 + 1 + 20, 1));
    char* p = id;
    *p++ = 'n';  // no conversation's: the node's own numbering
    p = record::write_hex64(p, id_seed_);
    *p++ = '-';
    p = record::write_uint(p, loose_id_++);
    record.text(Field::record_id, {id, static_cast<size_t>(p - id)});
    if (!node_.empty()) record.attach(&node_);
    distribute(record);
}

void Shard::emit_of_flow(record::Record& record, flow::Flow& flow) {
    tracker_.add_flow_fields(record, flow);
    emit(record, flow);
}

void Shard::distribute(const record::Record& record) {
    records_made_++;
    for (auto& outlet : outlets_) outlet->emit(record);
    if (rules_) rules_->route(record);
    if (hub_) hub_->publish(record);
}

void Shard::want(uint64_t cookie, bool egress, protocol::Want want) {
    if (on_want) on_want(cookie, egress, want);
}

void Shard::skip_to(uint64_t cookie, bool egress, uint64_t offset) {
    if (on_skip) on_skip(cookie, egress, offset);
}

directive::Pushdown Shard::demand() const {
    directive::Pushdown all;
    for (const auto& outlet : outlets_) all = directive::either(all, demand_of(outlet->selection()));
    if (rules_) rules_->each_selection([&](const Selection& s) { all = directive::either(all, demand_of(s)); });
    if (hub_) hub_->each([&](const sink::SubscriptionOptions& s) { all = directive::either(all, demand_of(s)); });
    return all;
}

void Shard::flush() {
    bool changed = false;
    if (slot_) {
        if (auto next = slot_->take()) {
            changed = true;
            if (rules_) rules_->finish(now_, next.get());
            rules_ = std::move(next);
            rules_->on_made = [this](const record::Record& made) {
                records_made_++;
                for (auto& outlet : outlets_) outlet->emit(made);
                if (hub_) hub_->publish(made);
            };
        }
        if (rules_ && finished_)
            rules_->finish(now_);
        else if (rules_)
            rules_->flush(now_);
    }
    for (auto& outlet : outlets_) outlet->flush();
    if (hub_) hub_->flush();
    if (hub_ || slot_) update_wanted();
    if (hub_ && hub_->generation() != subscribers_seen_) {
        subscribers_seen_ = hub_->generation();
        changed = true;
    }
    if (changed && on_demand) on_demand();
}

void Shard::health(int64_t now, std::string_view source, const std::function<void(record::Record&)>& more, bool forced) {
    if (!forced && !wanted(RecordType::health)) return;
    record::Record& r = start(RecordType::health, now);
    r.text(Field::health_source, source);
    r.uint(Field::packets_read, counts_.packets);
    r.uint(Field::bytes_read, counts_.bytes);
    r.uint(Field::packets_truncated, counts_.truncated);
    r.uint(Field::packets_undecoded, counts_.undecoded);
    r.uint(Field::packets_faulty, counts_.faulty);
    r.uint(Field::fragments_lost, fragments_.stats().lost());
    const flow::Counters& flows = tracker_.counters();
    r.uint(Field::flows_seen, flows.flows);
    r.uint(Field::flows_evicted, flows.evicted);
    r.uint(Field::flows_live, tracker_.size());
    r.uint(Field::reassembly_overruns, tracker_.reassembly_overruns());
    auto protocols = protocol::all_protocols();
    for (size_t i = 0; i < protocols.size(); i++) {
        // A protocol with a form for each transport stands in the registry more than once, under one name.
        const std::string_view name = protocols[i]->name;
        auto same = [&](size_t j) { return protocols[j]->name == name; };
        uint64_t count = 0;
        bool told = false;
        for (size_t j = 0; j < protocols.size(); j++) {
            if (!same(j)) continue;
            told |= j < i;
            count += flows.violations[j];
        }
        if (told || count == 0) continue;
        if (auto field = record::field_by_key("cvf.violations." + std::string(name))) r.uint(*field, count);
    }
    if (counts_.broken_arp) r.uint(Field::violations_arp, counts_.broken_arp);
    if (counts_.broken_lldp) r.uint(Field::violations_lldp, counts_.broken_lldp);
    RecordCounts records;
    for (auto& outlet : outlets_) {
        outlet->flush();
        records += outlet->counts();
    }
    r.uint(Field::records_made, records.made);
    r.uint(Field::records_written, records.written);
    r.uint(Field::records_lost, records.lost);
    if (records.waiting) r.uint(Field::records_waiting, records.waiting);
    if (more) more(r);
    if (!forced) return emit_record(r);
    // The last word of a run goes out whatever was asked for.
    char* id = static_cast<char*>(r.arena().take(8, 1));
    std::memcpy(id, "health-0", 8);
    r.text(Field::record_id, {id, 8});
    if (!node_.empty()) r.attach(&node_);
    for (auto& outlet : outlets_) outlet->write(r);
}

bool Shard::closed() const {
    for (const auto& outlet : outlets_)
        if (!outlet->sink().closed()) return false;
    return !outlets_.empty();
}

}  // namespace cvf::pipeline
