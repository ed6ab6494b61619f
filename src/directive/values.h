// How the members of the model are read and written: one template for all rows of the table. Internal to the room.
#pragma once

#include <type_traits>

#include "directive/keys.h"
#include "directive/quantity.h"
#include "directive/reader.h"

namespace cvf::directive {

template <typename T>
struct MemberOf;
template <typename Class, typename Member>
struct MemberOf<Member Class::*> {
    using Owner = Class;
    using Value = Member;
};

template <typename T>
inline constexpr bool is_vector = false;
template <typename T>
inline constexpr bool is_vector<std::vector<T>> = true;
template <typename T>
inline constexpr bool is_optional = false;
template <typename T>
inline constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
inline constexpr bool is_object =
    std::is_class_v<T> && !is_vector<T> && !is_optional<T> && !std::is_same_v<T, std::string> && !std::is_same_v<T, Labels> &&
    !std::is_same_v<T, Sample> && !std::is_same_v<T, std::chrono::nanoseconds>;

template <auto member>
void read_member(Reader& reader, const Node& node, const Key& key, void* object) {
    using Value = typename MemberOf<decltype(member)>::Value;
    Value& value = static_cast<typename MemberOf<decltype(member)>::Owner*>(object)->*member;
    if constexpr (std::is_enum_v<Value>) {
        if (const auto chosen = reader.choice(node, key.shape)) value = static_cast<Value>(*chosen);
    } else if constexpr (is_object<Value>) {
        reader.object(node, *key.shape.group, &value, reader.variant());
    } else if constexpr (is_optional<Value>) {
        reader.object(node, *key.shape.group, &value.emplace(), reader.variant());
    } else if constexpr (is_vector<Value>) {
        using Item = typename Value::value_type;
        if constexpr (std::is_same_v<Item, std::string>) {
            reader.value(node, key.shape, value);
        } else {
            if (!reader.is_list(node, key.shape)) return;
            Value items;
            for (size_t i = 0; i < node.children.size(); ++i) {
                const Reader::Step step(reader, i);
                if constexpr (std::is_enum_v<Item>) {
                    if (const auto chosen = reader.choice(node.children[i], key.shape))
                        items.push_back(static_cast<Item>(*chosen));
                } else {
                    reader.object(node.children[i], *key.shape.group, &items.emplace_back(), reader.variant());
                }
            }
            value = std::move(items);
        }
    } else {
        reader.value(node, key.shape, value);
    }
}

inline Node to_node(const Key&, const std::string& value, uint32_t, bool) {
    return Node::text(value);
}
inline Node to_node(const Key&, const Labels& value, uint32_t, bool) {
    Node node = Node::map();
    for (const auto& [name, text] : value) node.add(name, Node::text(text));
    return node;
}
inline Node to_node(const Key&, std::chrono::nanoseconds value, uint32_t, bool) {
    return Node::text(format_duration(value));
}
inline Node to_node(const Key& key, uint64_t value, uint32_t, bool) {
    switch (key.shape.form) {
        case Form::size:
            return Node::text(format_size(value));
        case Form::rate:
            return Node::text(format_size(value) + "/s");
        case Form::frequency:
            return Node::text(std::to_string(value) + "/s");
        default:
            return Node::number(value);
    }
}
inline Node to_node(const Key&, int64_t value, uint32_t, bool) {
    return Node::text(format_time(value));
}
inline Node to_node(const Key&, const Sample& value, uint32_t, bool) {
    return Node::text(format_sample(value));
}
template <typename T>
    requires std::is_enum_v<T>
Node to_node(const Key& key, T value, uint32_t, bool) {
    return Node::text(std::string(key.shape.choices[static_cast<size_t>(value)]));
}
template <typename T>
    requires is_object<T>
Node to_node(const Key& key, const T& value, uint32_t variant, bool all) {
    return write_group(*key.shape.group, &value, variant, all);
}
template <typename T>
Node to_node(const Key& key, const std::optional<T>& value, uint32_t variant, bool all) {
    return write_group(*key.shape.group, &*value, variant, all);
}
template <typename T>
Node to_node(const Key& key, const std::vector<T>& value, uint32_t variant, bool all) {
    Node node = Node::list();
    for (const T& item : value) node.children.push_back(to_node(key, item, variant, all));
    return node;
}

// Nothing was said, and there is nothing to show either.
template <typename T>
bool is_void(const Shape& shape, const T& value) {
    if constexpr (std::is_same_v<T, uint64_t>)
        return value == 0 && shape.least > 0;
    else if constexpr (std::is_same_v<T, std::chrono::nanoseconds>)
        return value.count() == 0 && shape.least > 0;
    else if constexpr (is_optional<T>)
        return !value;
    else if constexpr (is_vector<T> || std::is_same_v<T, std::string> || std::is_same_v<T, Labels>)
        return value.empty();
    else
        return false;
}

template <auto member>
bool write_member(const Key& key, const void* object, uint32_t variant, bool all, Node& out) {
    using Owner = typename MemberOf<decltype(member)>::Owner;
    static const Owner defaults{};
    const auto& value = static_cast<const Owner*>(object)->*member;
    if ((key.required & variant) == 0) {
        if (!all && value == defaults.*member) return false;
        if (all && is_void(key.shape, value) && value == defaults.*member) return false;
    }
    out = to_node(key, value, variant, all);
    if constexpr (is_object<std::remove_cvref_t<decltype(value)>>)
        if (out.children.empty() && (key.required & variant) == 0) return false;  // nothing of it is worth showing
    return true;
}

}  // namespace cvf::directive
