// A server of the API with what pages ask for, for tests in a browser: prints a JSON line with its address, its token and whether
// it was built with pages, makes a record each tenth of a second, and ends with its standard input.
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>

#include "api/pages.h"
#include "api/server.h"
#include "bus/bus.h"
#include "directive/parse.h"

int main() {
    using namespace cvf;
    char folder[] = "/tmp/cvf-browser-XXXXXX";
    if (!::mkdtemp(folder)) return 1;
    bus::Options how;
    how.url = "local:browser";
    auto bus = bus::Bus::connect(std::move(how));
    if (!bus) return 1;
    auto audit = controller::Audit::open(**bus);
    auto directives = controller::Directives::open(**bus, **audit);
    auto nodes = controller::Nodes::open(**bus);
    if (!audit || !directives || !nodes) return 1;
    sink::Hub hub;
    api::ServerOptions options;
    options.listen = "127.0.0.1:0";
    options.token_file = std::string(folder) + "/token";
    options.services = {&hub, directives->get(), nodes->get(), audit->get(), nullptr};
    auto server = api::Server::start(options);
    if (!server) {
        fmt::print(stderr, "{}\n", server.error());
        return 1;
    }
    for (int i = 0; i < 1000 && !(*directives)->ready(); i++) ::usleep(10'000);
    const auto one = directive::parse_one(R"({"apiVersion":"cvf/v1","kind":"Flow","metadata":{"name":"shop"},"spec":{}})");
    if (!one || !(*directives)->apply(*one, {"test", "operator", "here"}, false)) return 1;
    fmt::print("{{\"address\":\"{}\",\"token\":\"{}\",\"pages\":{}}}\n", (*server)->address(), (*server)->token(),
               !api::assets().empty());
    std::fflush(stdout);
    record::Record record;
    for (pollfd input{STDIN_FILENO, POLLIN, 0}; ::poll(&input, 1, 100) == 0;) {
        record.begin(record::RecordType::dns, 1);
        record.uint(record::Field::source_port, 53);
        hub.publish(record);
        hub.flush();
    }
    server->reset();  // takes its token away
    ::rmdir(folder);
    return 0;
}
