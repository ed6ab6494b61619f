// Which name an address was last looked up under, from DNS answers seen. Bounded; the oldest entries are overwritten.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decode/address.h"

namespace cvf::flow {

class NameCache {
 public:
    explicit NameCache(size_t capacity = 8192) : capacity_(capacity) {}

    void put(const decode::Address& address, std::string_view name, int64_t expires);
    // The name, or empty; valid until the next put().
    std::string_view find(const decode::Address& address, int64_t now) const;

 private:
    struct Hash {
        size_t operator()(const decode::Address& a) const {
            return decode::load_be64(a.bytes.data()) * 0x9e3779b97f4a7c15 ^
                   decode::load_be64(a.bytes.data() + 8) * 0xe7037ed1a0b428db;
        }
    };
    struct Entry {
        decode::Address address;
        std::string name;
        int64_t expires;
    };
    size_t capacity_, next_ = 0;
    std::vector<Entry> entries_;
    boost::unordered_flat_map<decode::Address, uint32_t, Hash> index_;
};

}  // namespace cvf::flow
