// Reads values from trees and gathers everything that is wrong with them. Internal to the room.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "directive/keys.h"

namespace cvf::directive {

class Reader {
 public:
    Reader(Problems& problems, size_t document) : problems_(problems), document_(document) {}

    // All keys of `node` by the group; `object` is what it describes.
    void object(const Node& node, const Group& group, void* object, uint32_t variant);

    // Values; what is wrong is reported at the present path and leaves `out` as it was.
    void value(const Node& node, const Shape& shape, std::string& out);
    void value(const Node& node, const Shape& shape, std::vector<std::string>& out);
    void value(const Node& node, const Shape& shape, Labels& out);
    void value(const Node& node, const Shape& shape, std::chrono::nanoseconds& out);
    void value(const Node& node, const Shape& shape, uint64_t& out);
    void value(const Node& node, const Shape& shape, int64_t& out);
    void value(const Node& node, const Shape& shape, Sample& out);
    bool is_list(const Node& node, const Shape& shape);  // with so many items as the shape allows
    // The index of the choice; nothing when it is none.
    std::optional<size_t> choice(const Node& node, const Shape& shape);

    void fail(Position at, std::string message, std::string nearest = {}, size_t expression_column = 0);

    // One step further down for as long as it lives.
    class Step {
     public:
        Step(Reader& reader, std::string_view name);
        Step(Reader& reader, size_t index);
        ~Step() { reader_.path_.resize(before_); }
        Step(const Step&) = delete;
        Step& operator=(const Step&) = delete;

     private:
        Reader& reader_;
        size_t before_;
    };

    uint32_t variant() const { return variant_; }

 private:
    bool text(const Node& node, const Shape& shape);  // checks one; reports
    bool is(const Node& node, Node::Type type);
    bool is_quantity(const Node& node);
    void unknown(const Node::Key& key, const Group& group, uint32_t variant);

    Problems& problems_;
    size_t document_;
    std::string path_;
    uint32_t variant_ = every_variant;
};

}  // namespace cvf::directive
