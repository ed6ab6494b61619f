// Records from files of JSON lines through a way out to somebody who takes them: the sending half of the tests in this folder.
//
//   export_send otlp|otlp-logs|webhook URL FILE...
//   export_send ipfix-udp|ipfix-tcp HOST:PORT FILE...
//
// Prints what the sink says of itself as one JSON object. Exit 0 when all has been delivered, 1 when not.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <string>
#include <thread>

#include "record/parse.h"
#include "sink/ipfix.h"
#include "sink/otlp.h"
#include "sink/webhook.h"

using namespace cvf;

namespace {

std::expected<std::unique_ptr<sink::RecordSink>, std::string> make(const std::string& kind, const std::string& where) {
    if (kind.starts_with("otlp")) {
        sink::OtlpOptions options;
        options.url = where;
        options.node = "judge";
        if (kind == "otlp-logs") options.flows = sink::FlowsAs::logs;
        return sink::make_otlp_sink(options);
    }
    if (kind.starts_with("ipfix")) {
        sink::IpfixOptions options;
        options.address = where;
        options.node = "judge";
        options.transport = kind == "ipfix-tcp" ? sink::IpfixTransport::tcp : sink::IpfixTransport::udp;
        return sink::make_ipfix_sink(options);
    }
    sink::WebhookOptions options;
    options.url = where;
    return sink::make_webhook_sink(options);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return 2;
    const std::string kind = argv[1];
    auto made = make(kind, argv[2]);
    if (!made) {
        std::cerr << made.error() << "\n";
        return 2;
    }
    sink::RecordSink& out = **made;
    record::Record record;
    for (int i = 3; i < argc; i++) {
        std::ifstream file(argv[i]);
        for (std::string line; std::getline(file, line);) {
            if (auto parsed = record::parse_record(line, record); !parsed) {
                std::cerr << argv[i] << ": " << parsed.error() << "\n";
                return 2;
            }
            if (kind.starts_with("ipfix") && record.type() != record::RecordType::flow) continue;
            out.write(record, nullptr);
        }
        out.flush();
    }
    out.finish(std::chrono::seconds(20));
    const sink::RecordSinkStats stats = out.stats();
    std::cout << fmt::format(R"({{"given":{},"delivered":{},"lost":{},"waiting":{},"bytes":{}}})", stats.given, stats.delivered,
                             stats.lost, stats.waiting, stats.bytes)
              << "\n";
    return stats.given == stats.delivered ? 0 : 1;
}
