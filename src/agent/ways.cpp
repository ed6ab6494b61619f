#include "agent/ways.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "sink/file.h"
#include "sink/ipfix.h"
#include "sink/lines.h"
#include "sink/otlp.h"
#include "sink/threaded.h"
#include "sink/webhook.h"

namespace cvf::agent {

namespace fs = std::filesystem;
using directive::SinkKind;

std::expected<std::string, std::string> output_path(const std::string& path, const std::string& directory, bool trusted) {
    if (path.empty()) return std::unexpected("a file output needs a path");
    std::error_code error;
    // Links are followed before the comparison: one inside the folder leads nowhere else.
    const fs::path root = fs::weakly_canonical(directory, error);
    if (error) return std::unexpected(fmt::format("{}: {}", directory, error.message()));
    const fs::path whole = fs::weakly_canonical(fs::path(path).is_absolute() ? fs::path(path) : root / path, error);
    if (error) return std::unexpected(fmt::format("{}: {}", path, error.message()));
    const auto [at, rest] = std::ranges::mismatch(root, whole);
    const bool below = at == root.end() && rest != whole.end();
    if (!below && !trusted)
        return std::unexpected(
            fmt::format("{} is outside {}, where this agent lets directives write (output-directory)", path, directory));
    return whole.string();
}

std::expected<std::shared_ptr<sink::RecordSink>, std::string> Ways::find(const directive::Output& output, bool trusted) {
    if (output.sink == SinkKind::bus) {
        if (!options_.bus) return std::unexpected("this agent has no bus");
        return options_.bus;
    }
    std::string key;
    std::unique_ptr<sink::RecordSink> made;
    switch (output.sink) {
        case SinkKind::file: {
            auto path = output_path(output.path, options_.directory, trusted);
            if (!path) return std::unexpected(path.error());
            key = "file " + *path;
            if (const auto there = made_.find(key); there != made_.end()) return there->second;
            std::error_code error;
            fs::create_directories(fs::path(*path).parent_path(), error);
            sink::FileOptions file;
            file.path = *path;
            file.rotate_bytes = output.rotate_size;
            file.rotate_age = std::chrono::duration_cast<std::chrono::seconds>(output.rotate_age);
            file.keep = output.keep;
            auto opened = sink::make_file_sink(std::move(file));
            if (!opened) return std::unexpected(opened.error());
            made = sink::make_lines_sink(sink::make_threaded_sink(std::move(*opened)));
            break;
        }
        // Whether the host may be sent to has been judged with the directive (directive/policy.h).
        case SinkKind::otlp: {
            key = "otlp " + output.url;
            if (const auto there = made_.find(key); there != made_.end()) return there->second;
            sink::OtlpOptions otlp;
            otlp.url = output.url;
            otlp.node = options_.node;
            auto opened = sink::make_otlp_sink(otlp);
            if (!opened) return std::unexpected(opened.error());
            made = std::move(*opened);
            break;
        }
        case SinkKind::ipfix: {
            const bool tcp = output.transport == directive::Transport::tcp;
            key = fmt::format("ipfix {}/{}", output.address, tcp ? "tcp" : "udp");
            if (const auto there = made_.find(key); there != made_.end()) return there->second;
            sink::IpfixOptions ipfix;
            ipfix.address = output.address;
            ipfix.transport = tcp ? sink::IpfixTransport::tcp : sink::IpfixTransport::udp;
            ipfix.node = options_.node;
            auto opened = sink::make_ipfix_sink(std::move(ipfix));
            if (!opened) return std::unexpected(opened.error());
            made = std::move(*opened);
            break;
        }
        case SinkKind::webhook: {
            key = "webhook " + output.url;
            if (const auto there = made_.find(key); there != made_.end()) return there->second;
            sink::WebhookOptions webhook;
            webhook.url = output.url;
            auto opened = sink::make_webhook_sink(std::move(webhook));
            if (!opened) return std::unexpected(opened.error());
            made = std::move(*opened);
            break;
        }
        case SinkKind::bus:
            break;
    }
    std::shared_ptr<sink::RecordSink> shared = std::move(made);
    made_[key] = shared;
    return shared;
}

uint64_t Ways::lost() const {
    uint64_t all = lost_before_;
    for (const auto& [name, way] : made_) all += way->stats().lost;
    return all;
}

void Ways::sweep() {
    std::erase_if(made_, [&](const auto& one) {
        if (one.second.use_count() > 1) return false;
        // What still waits there has its chance, a short one: others need this thread too.
        one.second->finish(std::chrono::seconds(1));
        lost_before_ += one.second->stats().lost;
        return true;
    });
}

void Ways::finish(std::chrono::milliseconds wait) {
    const auto until = std::chrono::steady_clock::now() + wait;
    const auto left = [&] {
        const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        return std::max(rest, std::chrono::milliseconds(0));
    };
    // The bus first: what is left of the time goes to those whose far side may be away.
    if (options_.bus) options_.bus->finish(left());
    for (const auto& [name, way] : made_) way->finish(left());
}

}  // namespace cvf::agent
