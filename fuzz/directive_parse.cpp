// Any text as directives, in YAML and in JSON: reading ends in directives or in problems that can be shown. What was read is
// written in every form and reads as the same again, its selection compiles, and its status can be judged.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "directive/parse.h"
#include "directive/policy.h"
#include "directive/selection.h"
#include "directive/signature.h"
#include "directive/status.h"
#include "directive/write.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cvf::directive;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    for (const Syntax syntax : {Syntax::yaml, Syntax::json}) {
        ParseOptions options;
        options.syntax = syntax;
        const auto parsed = parse(text, options);
        if (!parsed) {
            if (parsed.error().empty()) std::abort();
            for (const Problem& p : parsed.error())
                if (p.message.empty() || p.show("x").empty()) std::abort();
            continue;
        }
        for (const Directive& d : *parsed) {
            const std::string form = canonical(d);
            const auto again = parse_one(form, {Syntax::json, {}});
            if (!again || *again != d || canonical(*again) != form) std::abort();
            for (const Defaults defaults : {Defaults::shown, Defaults::left_out}) {
                const auto yaml = parse_one(to_yaml(d, defaults), {Syntax::yaml, {}});
                if (!yaml || *yaml != d) std::abort();
            }
            if (!compile(d) || signed_bytes(d).empty()) std::abort();
            (void)judge(Policy(), d, Origin::bus);
        }
    }
    if (const auto status = status_from_json(text))
        if (status_from_json(to_json(*status)) != *status) std::abort();
    return 0;
}
