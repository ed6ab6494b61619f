#include "directive/generation.h"

#include <utility>

namespace cvf::directive {

bool same_content(const Directive& a, const Directive& b) {
    return a.kind == b.kind && a.metadata.name == b.metadata.name && a.metadata.labels == b.metadata.labels && a.spec == b.spec &&
           a.signature == b.signature;
}

uint64_t next_generation(const Directive* stored, const Directive& wanted) {
    if (!stored || stored->metadata.generation == 0) return 1;
    return stored->metadata.generation + (stored->kind == wanted.kind && stored->spec == wanted.spec ? 0 : 1);
}

Applied apply(const Directive* stored, const Directive& wanted, std::string fresh_uid) {
    if (stored && stored->metadata.generation != 0 && same_content(*stored, wanted)) return {Change::unchanged, *stored};
    Applied applied{stored ? Change::configured : Change::created, wanted};
    applied.directive.metadata.generation = next_generation(stored, wanted);
    applied.directive.metadata.uid = stored && !stored->metadata.uid.empty() ? stored->metadata.uid : std::move(fresh_uid);
    return applied;
}

}  // namespace cvf::directive
