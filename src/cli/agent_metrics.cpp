#include "cli/agent_metrics.h"

namespace cvf::cli {

std::vector<api::Metric> agent_metrics(const agent::Numbers& n) {
    using api::Metric;
    return {
        Metric::counter("cvf_packets_total", "Packets the kernel handed over for parsing", n.traffic.packets),
        Metric::counter("cvf_packet_bytes_total", "Bytes of them", n.traffic.bytes),
        Metric::counter("cvf_packets_truncated_total", "Packets cut by the payload budget", n.traffic.truncated),
        Metric::counter("cvf_flows_total", "Conversations begun", n.flows_seen),
        Metric::counter("cvf_flows_evicted_total", "Conversations ended early because the table was full", n.flows_evicted),
        Metric::gauge("cvf_flows", "Conversations now", n.flows_live),
        Metric::gauge("cvf_sockets", "Local sockets followed now", n.sockets),
        Metric::counter("cvf_records_made_total", "Records made for the output and the bus: written, lost or waiting",
                        n.records.made),
        Metric::counter("cvf_records_written_total", "Records that the output has taken, or the broker has said that it has",
                        n.records.written),
        Metric::counter("cvf_records_lost_total", "Records that neither could take", n.records.lost),
        Metric::gauge("cvf_records_waiting", "Records on their way to them", n.records.waiting),
        Metric::counter("cvf_kernel_events_total", "Events from the kernel", n.tap.events),
        Metric::counter("cvf_kernel_events_lost_total", "Events for which there was no room: a full buffer or table",
                        n.tap.lost_events),
        Metric::counter("cvf_kernel_events_late_total", "Events that came after their turn in time", n.tap.late_events),
        Metric::counter("cvf_sockets_untracked_total", "Packets of sockets that the kernel side had no memory to follow",
                        n.tap.untracked_sockets),
        Metric::counter("cvf_owners_refused_total", "Processes and owners of sockets there was no room to remember",
                        n.owners_refused),
        Metric::counter("cvf_kernel_drops_untold_total", "Drops of packets that came too fast to tell each", n.tap.drops_untold),
        Metric::counter("cvf_kernel_handshake_packets_cut_total", "Packets of handshakes there was no memory to hold",
                        n.tap.handshake_packets_cut),
        Metric::counter("cvf_kernel_verdicts_without_room_total", "Sockets that keep the default payload budget for want of room",
                        n.tap.verdicts_without_room),
        Metric::counter("cvf_kernel_packets_passed_over_total",
                        "Packets that no filter wants: the kernel neither counted nor told them", n.tap.packets_passed_over),
        Metric::counter("cvf_kernel_sockets_passed_over_total", "Sockets, each time that no filter came to want its conversation",
                        n.tap.sockets_passed_over),
        Metric::counter("cvf_bus_records_total", "Records given to the bus", n.bus.given),
        Metric::counter("cvf_bus_records_delivered_total", "Records the broker has said that it has", n.bus.delivered),
        Metric::counter("cvf_bus_records_lost_total", "Records there was no room to keep while the broker was slow or away",
                        n.bus.lost),
        Metric::gauge("cvf_bus_records_waiting", "Records that wait in memory or on disk for the broker", n.bus.waiting),
        Metric::counter("cvf_bus_bytes_total", "Bytes of records given to the bus, before compression", n.bus.bytes),
        Metric::gauge("cvf_bus_spool_bytes", "Bytes of records on disk, waiting for the broker", n.bus.spooled_bytes),
        Metric::counter("cvf_bus_spool_damaged_bytes_total", "Bytes on disk that could not be read back", n.bus.damaged_bytes),
        Metric::gauge("cvf_bus_connected", "1 while the broker is connected", n.bus.connected ? 1 : 0),
    };
}

}  // namespace cvf::cli
