#include "cli/serve.h"

#include <fmt/format.h>

#include "agent/bus_link.h"
#include "api/token.h"
#include "cli/say.h"
#include "cli/signals.h"
#include "cli/version.h"
#include "history/clickhouse.h"
#include "history/store.h"

namespace cvf::cli {

api::ServerOptions server_options(const config::Settings& settings) {
    api::ServerOptions options;
    options.listen = settings.listen;
    if (!settings.tls_cert.empty()) {
        options.tls.emplace();
        options.tls->cert_file = settings.tls_cert;
        options.tls->key_file = settings.tls_key;
        options.tls->client_ca_file = settings.tls_client_ca;
    }
    options.token_file = settings.token_file.empty() ? std::string(api::default_token_file) : settings.token_file;
    options.roles_file = settings.token_hashes;
    options.version = version;
    options.complain = [](const std::string& line) { say("cvf: {}\n", line); };
    return options;
}

std::expected<std::shared_ptr<history::History>, std::string> open_history(const config::Settings& settings) {
    if (!settings.clickhouse.empty()) {
        history::ClickHouseOptions options;
        const size_t scheme = settings.clickhouse.find("://");
        const size_t slash = settings.clickhouse.find('/', scheme == std::string::npos ? 0 : scheme + 3);
        options.server = settings.clickhouse.substr(0, slash);
        if (slash != std::string::npos && slash + 1 < settings.clickhouse.size())
            options.database = settings.clickhouse.substr(slash + 1);
        options.user = settings.clickhouse_user;
        if (!settings.clickhouse_password_file.empty()) {
            auto secret = agent::read_secret(settings.clickhouse_password_file);
            if (!secret) return std::unexpected("--clickhouse-password-file: " + secret.error());
            options.password = std::move(*secret);
        }
        if (!settings.origin("history.age").empty())
            options.max_age = std::chrono::duration_cast<std::chrono::seconds>(settings.history_age);
        auto opened = history::open_clickhouse(std::move(options));
        if (!opened) return std::unexpected(opened.error());
        return std::shared_ptr<history::History>(std::move(*opened));
    }
    if (settings.history_directory.empty() || settings.history_size == 0) return nullptr;
    history::StoreOptions options;
    options.folder = settings.history_directory;
    options.max_bytes = settings.history_size;
    options.max_age = std::chrono::duration_cast<std::chrono::seconds>(settings.history_age);
    auto opened = history::open_store(std::move(options));
    if (!opened) return std::unexpected(opened.error());
    return std::shared_ptr<history::History>(std::move(*opened));
}

api::ClientOptions client_options(const config::Settings& settings) {
    api::ClientOptions options;
    if (!settings.server.empty())
        options.server = settings.server.contains("://") || settings.server.starts_with("unix:") ? settings.server
                                                                                                 : "http://" + settings.server;
    options.token_file = settings.token_file;
    options.tls.ca_file = settings.ca;
    options.tls.cert_file = settings.tls_cert;
    options.tls.key_file = settings.tls_key;
    options.stop = &stopping;
    return options;
}

}  // namespace cvf::cli
