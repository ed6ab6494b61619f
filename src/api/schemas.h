// Components of the API's description that no table has: schemas of answers, examples. JSON text. Private to this room.
#pragma once

#include <span>
#include <string_view>

namespace cvf::api {

struct Named {
    std::string_view name, json;
};

std::span<const Named> answer_schemas();
std::span<const Named> answer_examples();
std::span<const Named> answer_headers();
std::span<const Named> request_headers();

}  // namespace cvf::api
