#include "cli/controller_metrics.h"

#include <algorithm>

#include "agent/pcap_filter.h"

namespace cvf::cli {

using api::Metric;

std::vector<Metric> controller_metrics(controller::Controller& controller, const history::History* history) {
    const controller::ControllerNumbers n = controller.numbers();
    const std::vector<controller::Node> nodes = controller.nodes().list();
    const auto lost = static_cast<uint64_t>(std::ranges::count_if(nodes, &controller::Node::lost));
    std::vector<Metric> all = {
        Metric::gauge("cvf_controller_nodes", "Agents that are there", nodes.size() - lost),
        Metric::gauge("cvf_controller_nodes_lost", "Agents that were there within a day and are not", lost),
        Metric::gauge("cvf_controller_directives", "Directives in force", controller.directives().list().size()),
        Metric::counter("cvf_controller_batches_total", "Batches of records from the bus", n.batches),
        Metric::counter("cvf_controller_records_total", "Records in them", n.records),
        Metric::counter("cvf_controller_bytes_total", "Bytes of them", n.bytes),
        Metric::counter("cvf_controller_records_duplicate_total", "Records that came again", n.sequences.duplicates),
        Metric::gauge("cvf_controller_records_missing", "Records that agents have numbered and that have not come",
                      n.sequences.missing),
        Metric::counter("cvf_controller_directives_foreign_total", "Directives taken from the bus", n.foreign_applied),
        Metric::counter("cvf_controller_directives_refused_total", "Directives from the bus that were refused",
                        n.foreign_refused),
    };
    if (history) {
        const history::Stats s = history->stats();
        // What the buffer before it lost: those that the history could not write are counted there, too.
        all.push_back(Metric::counter("cvf_history_overrun_total", "Records the history was too slow for",
                                      n.history_lost - std::min(n.history_lost, s.lost)));
        all.push_back(Metric::gauge("cvf_history_records", "Records kept now", s.records));
        all.push_back(Metric::gauge("cvf_history_bytes", "Bytes of them on disk", s.bytes));
        all.push_back(Metric::counter("cvf_history_records_written_total", "Records written", s.written));
        all.push_back(Metric::counter("cvf_history_records_lost_total", "Records that could not be written", s.lost));
        all.push_back(Metric::counter("cvf_history_lines_refused_total", "Lines that were no records", s.refused));
        all.push_back(
            Metric::counter("cvf_history_bytes_cut_total", "Bytes found damaged or half-written at the start", s.cut_bytes));
        all.push_back(Metric::counter("cvf_history_records_dropped_total", "Records dropped for age or size", s.dropped_records));
    }
    return all;
}

api::Services services_of(controller::Controller& controller, const history::History* history) {
    api::Services services;
    services.hub = &controller.hub();
    services.directives = &controller.directives();
    services.nodes = &controller.nodes();
    services.audit = &controller.audit();
    services.history = history;
    services.check_pcap_filter = agent::wrong_with_pcap_filter;
    services.follow = [&controller](const api::Following& f) { return controller.ask(f.types, f.filter, f.fields); };
    return services;
}

}  // namespace cvf::cli
