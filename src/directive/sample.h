// Samples of whole conversations, the same ones on every node.
//
// The key is the conversation as it is on the wire between two nodes: both ends' addresses and ports after address translation
// (`…nat.*` where there is any, else `…address` and `…port`), in an order of their own, and the transport. Both nodes see that
// alike, whoever they take for the source. The flow id will not do, for each node gives its own; nor the Community ID, which is
// of the socket's own addresses: a client that called a service by its virtual address and the pod that answers have different
// ones. Where a third machine between two nodes translates addresses, no key is common, and each node samples by what it sees.
//
// One in N is taken by a threshold on the hash, not by its remainder: what 1/100 takes, 1/10 takes too, so that samples of
// several directives overlap as much as they can. The hash is part of what nodes of different versions agree on: it does not
// change.
//
// Thread rule: pure functions; a RateSampler belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>

#include "record/record.h"

namespace cvf::directive {

// Nothing for a record of no conversation (health, process, arp): it is in every sample.
std::optional<uint64_t> conversation_hash(const record::Record& record);

inline bool in_sample(uint64_t hash, uint32_t one_in) {
    return one_in <= 1 || hash <= UINT64_MAX / one_in;
}
bool in_sample(const record::Record& record, uint32_t one_in);

// About so many records a second: of all conversations while there are few records, of ever fewer conversations when there are
// more. Those with the lowest hashes stay, so conversations remain whole as far as a changing share allows, and the samples of
// two nodes overlap. Never more than two seconds' worth at once.
class RateSampler {
 public:
    explicit RateSampler(uint64_t per_second);

    // `now`: UTC nanoseconds.
    bool take(const record::Record& record, int64_t now);
    bool take(uint64_t hash, int64_t now);
    // The share of conversations taken at present, as a threshold on the hash.
    uint64_t threshold() const { return threshold_; }

 private:
    void adjust(int64_t now);

    uint64_t per_second_;
    uint64_t threshold_ = UINT64_MAX;
    uint64_t taken_ = 0;  // below the threshold since begin_
    int64_t begin_ = 0;
    double tokens_;
    int64_t refilled_ = 0;
};

}  // namespace cvf::directive
