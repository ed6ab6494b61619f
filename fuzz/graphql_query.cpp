// Any text as a GraphQL document: parsing ends in a document or an error with a place; what validates is within the limits or is
// told which it breaks; what is within them is answered by JSON that says what went wrong.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../tests/graphql/fake_source.h"
#include "graphql/engine.h"
#include "graphql/transport_ws.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf::graphql;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto prepared = prepare(fabric_schema(), {std::string(text), {}, {}}, {});
    FakeSource source;
    if (!prepared) {
        if (prepared.error().errors.empty()) std::abort();
        for (const Error& error : prepared.error().errors)
            if (error.message.empty()) std::abort();
    } else if ((*prepared)->operation().kind != OperationKind::subscription) {
        const auto answer = execute((*prepared)->request(), source);
        if (!answer.contains("data") || (answer.at("data").is_null() && !answer.contains("errors"))) std::abort();
        (void)boost::json::serialize(answer);
    }
    // The same bytes as a client's message.
    Transport transport({.source = [&]() -> Source& { return source; }}, {}, [] {});
    transport.receive(R"({"type":"connection_init"})", true);
    transport.receive(text, true);
    for (int i = 0; i < 16; ++i) {
        while (transport.next() && !transport.closed()) {
        }
        if (auto job = transport.take_job()) transport.finish(job->run(fabric_schema(), {}, source));
    }
    return 0;
}
