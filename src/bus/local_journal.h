// A local bus's documents on disk, so that they are there after a restart: one file for each bucket, one entry for each change.
//
// An entry is "REVISION KEY-BYTES VALUE-BYTES\n", the key, the value and a line feed; "-" for VALUE-BYTES says that the document
// was removed. Entries are added as changes come and written anew, without what has been replaced, at load(). What a crash left
// half written at the end is cut off.
//
// Thread rule: one at a time (the exchange's lock). Errors: load()'s is a sentence; a note() that the disk does not take is said
// on standard error, once until one succeeds again, and the document goes on in memory.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace cvf::bus {

class LocalJournal {
 public:
    explicit LocalJournal(std::string directory) : directory_(std::move(directory)) {}
    ~LocalJournal();
    LocalJournal(const LocalJournal&) = delete;
    LocalJournal& operator=(const LocalJournal&) = delete;

    // Opens a bucket's file and tells each document in the order of revisions, of more than `most` the youngest.
    using Each = std::function<void(std::string_view key, std::string_view value, uint64_t revision)>;
    std::expected<void, std::string> load(std::string_view bucket, size_t most, const Each& each);
    // A change of a bucket that has been loaded; of others nothing is kept. `value` null: removed.
    void note(std::string_view bucket, std::string_view key, uint64_t revision, const std::string_view* value);

 private:
    std::string directory_;
    std::map<std::string, int, std::less<>> files_;  // descriptors
    bool complained_ = false;
};

}  // namespace cvf::bus
