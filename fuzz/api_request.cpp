// What a client sends to the API: targets, queries, conditions, tokens, bodies, and what stands in the roles file. Nothing
// crashes; what is taken apart goes together again.
#include <cstdlib>
#include <string>
#include <vector>

#include "api/authentication.h"
#include "api/condition.h"
#include "api/documents.h"
#include "api/paging.h"
#include "api/route.h"
#include "controller/roles.h"
#include "directive/parse.h"
#include "history/query.h"
#include "http/header.h"
#include "http/target.h"
#include "record/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 6) {
        case 0:
            if (const auto target = cvf::http::parse_target(text)) {
                for (const std::string_view method : {"GET", "PUT", "POST", "DELETE", "HEAD", "X"}) {
                    const auto found = cvf::api::find_route(method, target->path);
                    if (found.route && found.methods.empty()) abort();
                    for (const std::string& name : found.names)
                        if (name.empty() || name.find('/') != std::string::npos) abort();
                }
                const auto query = cvf::history::query_text(target->query);
                if (query) (void)cvf::history::parse_query(*query, 1'780'000'000'000'000'000);
            }
            break;
        case 1:
            if (const auto key = cvf::api::key_of_token(text))
                if (cvf::api::continue_token(*key) != text) abort();
            if (!text.empty() && cvf::api::key_of_token(cvf::api::continue_token(text.substr(0, 500))) != text.substr(0, 500))
                abort();
            break;
        case 2:
            (void)cvf::api::lists_tag(text, "\"17\"", false);
            if (cvf::api::lists_tag(text, "\"17\"", false) && !cvf::api::lists_tag(text, "\"17\"", true)) abort();
            (void)cvf::api::bearer_token(text);
            if (const int liked = cvf::http::quality(text, "application/json"); liked < 0 || liked > 1000) abort();
            (void)cvf::http::parameter_of(text, "charset");
            if (cvf::record::valid_utf8(text, 64).size() > 64) abort();
            break;
        case 3:
            if (const auto labels = cvf::api::LabelSelector::parse(text)) (void)labels->matches({{"a", "b"}, {"team", "shop"}});
            (void)cvf::api::DocumentFields::parse(text, cvf::api::directive_roots);
            break;
        case 4:
            for (const std::string_view type : {"", "application/json", "application/yaml"})
                if (const auto documents = cvf::api::read_documents(text, type, {}))
                    for (const auto& one : *documents)
                        if (!cvf::directive::validate(one).empty()) abort();
            break;
        default:
            if (const auto roles = cvf::controller::Roles::parse(text)) {
                if (roles->by_token("0123456789")) abort();
                (void)roles->by_certificate("alice");
            }
            break;
    }
    return 0;
}
