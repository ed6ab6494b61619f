#include "filter/syntax.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "filter/token.h"

namespace cvf::filter {

namespace {

using Result = std::expected<Syntax, Error>;

// Words CEL keeps for itself; as members (k8s.namespace) most of them are fine.
constexpr std::string_view reserved[] = {"as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
                                         "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

class Parser {
 public:
    Parser(std::string_view source, std::vector<Token> tokens) : source_(source), tokens_(std::move(tokens)) {}

    Result run() {
        if (peek().kind == TokenKind::end) {
            Syntax all;
            all.flag = true;
            return all;
        }
        Result result = expression();
        if (result && peek().kind != TokenKind::end) return unexpected_token();
        return result;
    }

 private:
    // Counts the levels of the recursion, so that hostile input ends in an error and not at the end of the stack.
    struct Level {
        explicit Level(size_t& depth) : depth_(depth) { ++depth_; }
        ~Level() { --depth_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;
        size_t& depth_;
    };

    const Token& peek() const { return tokens_[next_]; }
    Token take() { return tokens_[next_ + 1 < tokens_.size() ? next_++ : next_]; }
    bool take(std::string_view sign) {
        if (!peek().is(sign)) return false;
        ++next_;
        return true;
    }
    bool at_word(std::string_view word) const { return peek().kind == TokenKind::name && peek().spelled == word; }

    std::unexpected<Error> fail(size_t at, std::string message) const {
        return std::unexpected(error_at(source_, at, std::move(message)));
    }

    // The commonest slips, said in the reader's own terms.
    std::unexpected<Error> unexpected_token() const {
        const Token& t = peek();
        if (t.kind == TokenKind::end) return fail(t.at, "the expression ends too early; a value is missing here");
        if (at_word("and") || at_word("AND")) return fail(t.at, "write '&&' for \"and\"");
        if (at_word("or") || at_word("OR")) return fail(t.at, "write '||' for \"or\"");
        if (at_word("not") || at_word("NOT")) return fail(t.at, "write '!' for \"not\"");
        for (std::string_view word : {"contains", "matches", "startsWith", "endsWith"})
            if (at_word(word)) return fail(t.at, fmt::format("write x.{}(\"…\")", word));
        if (t.is("{")) return fail(t.at, "'{' opens a map or a message, which the filter language does not have");
        if (t.is(")") || t.is("]")) return fail(t.at, fmt::format("'{}' closes nothing that is open here", t.spelled));
        if (t.kind == TokenKind::sign) return fail(t.at, fmt::format("'{}' cannot stand here", t.spelled));
        return fail(t.at, fmt::format("{} cannot stand here; an operator is missing before it", quoted(t.spelled)));
    }

    static std::string quoted(std::string_view word) {
        constexpr size_t shown = 40;
        return word.size() <= shown ? fmt::format("'{}'", word) : std::string("this");
    }

    Result make(SyntaxKind kind, size_t at, std::vector<Syntax> children, std::string text = {}) {
        if (++made_ > max_operations)
            return fail(at, fmt::format("the expression is too long: it may have {} operations", max_operations));
        Syntax s;
        s.kind = kind;
        s.at = at;
        s.begin = children.empty() ? at : std::min(at, children.front().begin);
        s.text = std::move(text);
        s.children = std::move(children);
        return s;
    }

    static std::vector<Syntax> list_of(Syntax a) {
        std::vector<Syntax> list;
        list.push_back(std::move(a));
        return list;
    }
    static std::vector<Syntax> list_of(Syntax a, Syntax b) {
        std::vector<Syntax> list = list_of(std::move(a));
        list.push_back(std::move(b));
        return list;
    }

    Result expression() {
        const Level level(depth_);
        if (depth_ > max_depth) return fail(peek().at, fmt::format("the expression is nested deeper than {} levels", max_depth));
        Result condition = chain(SyntaxKind::any_of);
        if (!condition || !peek().is("?")) return condition;
        const size_t at = take().at;
        Result yes = chain(SyntaxKind::any_of);
        if (!yes) return yes;
        if (!take(":")) return fail(peek().at, "':' and the value for \"otherwise\" must follow: condition ? a : b");
        Result no = expression();
        if (!no) return no;
        std::vector<Syntax> children = list_of(std::move(*condition), std::move(*yes));
        children.push_back(std::move(*no));
        return make(SyntaxKind::choice, at, std::move(children));
    }

    Result chain(SyntaxKind kind) {
        const std::string_view sign = kind == SyntaxKind::any_of ? "||" : "&&";
        const auto operand = [this, kind] { return kind == SyntaxKind::any_of ? chain(SyntaxKind::all_of) : relation(); };
        Result first = operand();
        if (!first || !peek().is(sign)) return first;
        const size_t at = peek().at;
        std::vector<Syntax> children = list_of(std::move(*first));
        while (take(sign)) {
            Result next = operand();
            if (!next) return next;
            children.push_back(std::move(*next));
        }
        return make(kind, at, std::move(children));
    }

    Result relation() {
        Result left = sum();
        while (left) {
            const Token& t = peek();
            const bool sign = t.is("==") || t.is("!=") || t.is("<=") || t.is(">=") || t.is("<") || t.is(">");
            if (!sign && !at_word("in")) break;
            left = binary(SyntaxKind::relation, std::move(*left), &Parser::sum);
        }
        return left;
    }

    Result sum() {
        Result left = product();
        while (left && (peek().is("+") || peek().is("-")))
            left = binary(SyntaxKind::arithmetic, std::move(*left), &Parser::product);
        return left;
    }

    Result product() {
        Result left = unary();
        while (left && (peek().is("*") || peek().is("/") || peek().is("%")))
            left = binary(SyntaxKind::arithmetic, std::move(*left), &Parser::unary);
        return left;
    }

    Result binary(SyntaxKind kind, Syntax left, Result (Parser::*operand)()) {
        const Token sign = take();
        Result right = (this->*operand)();
        if (!right) return right;
        return make(kind, sign.at, list_of(std::move(left), std::move(*right)), std::string(sign.spelled));
    }

    Result unary() {
        const Token t = peek();
        if (!t.is("!") && !t.is("-")) return postfix();
        const Level level(depth_);
        if (depth_ > max_depth) return fail(t.at, fmt::format("the expression is nested deeper than {} levels", max_depth));
        take();
        // A minus before a number belongs to the number: only so can the smallest one be written.
        if (t.is("-") && (peek().kind == TokenKind::integer || peek().kind == TokenKind::real)) return postfix(true);
        Result operand = unary();
        if (!operand) return operand;
        return make(t.is("!") ? SyntaxKind::not_ : SyntaxKind::negate, t.at, list_of(std::move(*operand)));
    }

    Result postfix(bool negative = false) {
        Result value = primary(negative);
        while (value) {
            if (take(".")) {
                const Token name = take();
                if (name.kind != TokenKind::name) return fail(name.at, "a name must follow the '.'");
                if (name.spelled == "in" || name.spelled == "true" || name.spelled == "false" || name.spelled == "null")
                    return fail(name.at, fmt::format("'{}' cannot be a name", name.spelled));
                if (!peek().is("(")) {
                    value = make(SyntaxKind::member, name.at, list_of(std::move(*value)), std::string(name.spelled));
                    continue;
                }
                std::vector<Syntax> children = list_of(std::move(*value));
                const std::expected<void, Error> arguments = list(")", children);
                if (!arguments) return std::unexpected(arguments.error());
                value = make(SyntaxKind::method, name.at, std::move(children), std::string(name.spelled));
            } else if (peek().is("[")) {
                const size_t at = take().at;
                Result key = expression();
                if (!key) return key;
                if (!take("]")) return fail(peek().at, "']' is missing here");
                value = make(SyntaxKind::index, at, list_of(std::move(*value), std::move(*key)));
            } else {
                break;
            }
        }
        return value;
    }

    // Expressions up to `close`, whose opening sign is the next token.
    std::expected<void, Error> list(std::string_view close, std::vector<Syntax>& out) {
        take();
        if (take(close)) return {};
        for (;;) {
            if (close == "]" && peek().is("]")) break;  // CEL lets a list end in a comma
            Result item = expression();
            if (!item) return std::unexpected(std::move(item.error()));
            out.push_back(std::move(*item));
            if (!take(",")) break;
        }
        if (!take(close)) return fail(peek().at, fmt::format("',' or '{}' is missing here", close));
        return {};
    }

    Result primary(bool negative) {
        const Token t = peek();
        switch (t.kind) {
            case TokenKind::integer:
                return integer(negative);
            case TokenKind::unsigned_integer: {
                take();
                Result s = make(SyntaxKind::literal_uint, t.at, {});
                if (s) s->number = t.number;
                return s;
            }
            case TokenKind::real: {
                take();
                Result s = make(SyntaxKind::literal_real, t.at, {});
                if (s) s->real = negative ? -t.real : t.real;
                return s;
            }
            case TokenKind::text:
                take();
                return make(SyntaxKind::literal_text, t.at, {}, t.text);
            case TokenKind::name:
                return name();
            default:
                break;
        }
        if (take("(")) {
            Result inner = expression();
            if (inner && !take(")")) return fail(peek().at, "')' is missing here");
            return inner;
        }
        if (t.is("[")) {
            std::vector<Syntax> items;
            const std::expected<void, Error> read = list("]", items);
            if (!read) return std::unexpected(read.error());
            Result s = make(SyntaxKind::list, t.at, std::move(items));
            if (s) s->begin = t.at;
            return s;
        }
        return unexpected_token();
    }

    Result integer(bool negative) {
        const Token t = take();
        constexpr auto largest = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
        if (t.number > largest + (negative ? 1 : 0))
            return fail(t.at, "whole numbers without 'u' behind them end at 9223372036854775807");
        Result s = make(SyntaxKind::literal_int, t.at, {});
        if (s) s->integer = static_cast<int64_t>(negative ? 0 - t.number : t.number);
        return s;
    }

    Result name() {
        const Token t = peek();
        if (t.spelled == "true" || t.spelled == "false") {
            take();
            Result s = make(SyntaxKind::literal_bool, t.at, {});
            if (s) s->flag = t.spelled == "true";
            return s;
        }
        if (t.spelled == "null") return fail(t.at, "there is no null: a field is there or it is missing; ask with has(field)");
        if (t.spelled == "in") return unexpected_token();
        if (std::ranges::find(reserved, t.spelled) != std::end(reserved))
            return fail(t.at, fmt::format("'{}' is a word CEL keeps for itself", t.spelled));
        if (at_word("not") || at_word("NOT")) return unexpected_token();
        take();
        if (!peek().is("(")) return make(SyntaxKind::name, t.at, {}, std::string(t.spelled));
        std::vector<Syntax> arguments;
        const std::expected<void, Error> read = list(")", arguments);
        if (!read) return std::unexpected(read.error());
        Result s = make(SyntaxKind::call, t.at, std::move(arguments), std::string(t.spelled));
        if (s) s->begin = t.at;
        return s;
    }

    std::string_view source_;
    std::vector<Token> tokens_;
    size_t next_ = 0;
    size_t depth_ = 0;
    size_t made_ = 0;
};

}  // namespace

Result parse(std::string_view source) {
    if (source.size() > max_source_bytes)
        return std::unexpected(error_at(source, max_source_bytes, "the expression is too long: it may have 16 KiB"));
    std::expected<std::vector<Token>, Error> tokens = tokenize(source);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    return Parser(source, std::move(*tokens)).run();
}

}  // namespace cvf::filter
