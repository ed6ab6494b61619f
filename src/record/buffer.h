// A growing byte buffer that records are appended to. Never shrinks; clear() keeps the memory. One thread owns it.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace cvf::record {

class Buffer {
 public:
    // Room for n bytes at the returned place; tell how many were used by commit().
    char* reserve(size_t n) {
        if (capacity_ - size_ < n) grow(n);
        return data_.get() + size_;
    }
    void commit(const char* end) { size_ = static_cast<size_t>(end - data_.get()); }
    void append(std::string_view text) {
        std::memcpy(reserve(text.size()), text.data(), text.size());
        size_ += text.size();
    }
    std::string_view view() const { return {data_.get(), size_}; }
    size_t room() const { return capacity_ - size_; }
    size_t size() const { return size_; }
    char& at(size_t i) { return data_[i]; }
    bool empty() const { return size_ == 0; }
    void clear() { size_ = 0; }

 private:
    void grow(size_t n) {
        size_t capacity = capacity_ * 2 > size_ + n ? capacity_ * 2 : size_ + n + 4096;
        auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
        if (size_) std::memcpy(bigger.get(), data_.get(), size_);
        data_ = std::move(bigger);
        capacity_ = capacity;
    }
    std::unique_ptr<char[]> data_;
    size_t size_ = 0, capacity_ = 0;
};

}  // namespace cvf::record
