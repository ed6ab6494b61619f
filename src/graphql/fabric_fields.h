// The fields of the three root types: what is asked of a Source, and what becomes of its answer. Private to this room.
#pragma once

#include "graphql/schema.h"

namespace cvf::graphql {

inline constexpr int64_t max_page = 1000;                   // items that `first` may ask for
inline constexpr size_t max_page_bytes = 16 * 1024 * 1024;  // of the records of one page

void fabric_query(Type& query, const Schema& schema);
void fabric_mutation(Type& mutation, const Schema& schema);
void fabric_subscription(Type& subscription, const Schema& schema);

}  // namespace cvf::graphql
