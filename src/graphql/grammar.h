// The executable part of GraphQL's grammar as PEGTL rules (GraphQL specification October 2021, appendix B). Private to parse.cpp.
//
// Every token takes the blanks, commas and comments behind it. No rule gives up more than one token it has read, so parsing is
// linear. What the grammar can't say (constants, what names stand for) parse.cpp checks.
#pragma once

#include <tao/pegtl.hpp>

namespace cvf::graphql::grammar {

using namespace tao::pegtl;

struct comment : seq<one<'#'>, star<not_one<'\n', '\r'>>> {};
struct byte_order_mark : string<'\xEF', '\xBB', '\xBF'> {};
struct ignored : star<sor<one<' ', '\t', '\n', '\r', ','>, comment, byte_order_mark>> {};

template <char C>
struct sign : seq<one<C>, ignored> {};

struct name_first : ranges<'a', 'z', 'A', 'Z', '_'> {};
struct name_rest : ranges<'a', 'z', 'A', 'Z', '0', '9', '_'> {};
struct name_text : seq<name_first, star<name_rest>> {};
struct name : seq<name_text, ignored> {};
template <char... C>
struct keyword : seq<string<C...>, not_at<name_rest>, ignored> {};
struct on : keyword<'o', 'n'> {};

// Values, section 2.9
struct integer_part : seq<opt<one<'-'>>, sor<one<'0'>, seq<range<'1', '9'>, star<digit>>>> {};
struct fraction : seq<one<'.'>, plus<digit>> {};
struct exponent : seq<one<'e', 'E'>, opt<one<'+', '-'>>, plus<digit>> {};
struct number_end : not_at<sor<name_first, digit, one<'.'>>> {};
struct real_text : seq<integer_part, sor<seq<fraction, opt<exponent>>, exponent>, number_end> {};
struct integer_text : seq<integer_part, number_end> {};
struct triple : string<'"', '"', '"'> {};
struct block_text : seq<triple, until<triple, sor<string<'\\', '"', '"', '"'>, any>>> {};
struct escape : seq<one<'\\'>, sor<one<'"', '\\', '/', 'b', 'f', 'n', 'r', 't'>,
                                   seq<one<'u'>, sor<rep<4, xdigit>, seq<one<'{'>, plus<xdigit>, one<'}'>>>>>> {};
struct plain_text : seq<one<'"'>, star<sor<escape, not_one<'"', '\\', '\n', '\r'>>>, one<'"'>> {};
struct string_text : sor<block_text, plain_text> {};

struct value;
struct variable : seq<sign<'$'>, name> {};
struct list_value : seq<sign<'['>, star<value>, sign<']'>> {};
struct member : seq<name, sign<':'>, value> {};
struct object_value : seq<sign<'{'>, star<member>, sign<'}'>> {};
struct value_name : seq<name_first, star<name_rest>> {};  // true, false, null, or of an enumeration
struct value : sor<variable, list_value, object_value, seq<string_text, ignored>, seq<real_text, ignored>,
                   seq<integer_text, ignored>, seq<value_name, ignored>> {};

// Types, 2.11
struct type;
struct list_type : seq<sign<'['>, type, sign<']'>> {};
struct non_null : one<'!'> {};
struct type : seq<sor<list_type, name>, opt<seq<non_null, ignored>>> {};

// Selections, 2.4 to 2.8 and 2.12
struct argument : seq<name, sign<':'>, value> {};
struct arguments : seq<sign<'('>, plus<argument>, sign<')'>> {};
struct directive : seq<sign<'@'>, name, opt<arguments>> {};
struct selection_set;
struct field : seq<name, opt<seq<sign<':'>, name>>, opt<arguments>, star<directive>, opt<selection_set>> {};
struct dots : seq<string<'.', '.', '.'>, ignored> {};
struct spread : seq<dots, not_at<on>, name, star<directive>> {};
struct condition : seq<on, name> {};
struct inline_fragment : seq<dots, opt<condition>, star<directive>, selection_set> {};
struct selection_set : seq<sign<'{'>, plus<sor<field, spread, inline_fragment>>, sign<'}'>> {};

// Definitions, 2.2, 2.3, 2.8, 2.10
struct variable_definition : seq<variable, sign<':'>, type, opt<seq<sign<'='>, value>>, star<directive>> {};
struct variable_definitions : seq<sign<'('>, plus<variable_definition>, sign<')'>> {};
struct query_word : keyword<'q', 'u', 'e', 'r', 'y'> {};
struct mutation_word : keyword<'m', 'u', 't', 'a', 't', 'i', 'o', 'n'> {};
struct subscription_word : keyword<'s', 'u', 'b', 's', 'c', 'r', 'i', 'p', 't', 'i', 'o', 'n'> {};
struct operation_word : sor<query_word, mutation_word, subscription_word> {};
struct operation : sor<selection_set, seq<operation_word, opt<name>, opt<variable_definitions>, star<directive>, selection_set>> {
};
struct fragment
    : seq<keyword<'f', 'r', 'a', 'g', 'm', 'e', 'n', 't'>, not_at<on>, name, condition, star<directive>, selection_set> {};
struct document : seq<ignored, plus<sor<operation, fragment>>, eof> {};

}  // namespace cvf::graphql::grammar
